//! `nginx-auth explain`: why a token is or is not accepted. The verdict is that of
//! [`judge`]. The steps call the same checks one by one and go on behind
//! one that fails, so that all that is wrong with a token is seen at once.

mod claim_steps;
mod command;
mod cure;
mod form;
mod key_report;
mod located;
mod show;
mod step;
mod token_steps;

use jose::{Limits, Summary};
use policy::auth_jwt::bearer::{NoToken, Presented};
use policy::auth_jwt::jwt_status::JwtStatus;
use policy::auth_jwt::rejection::{LogLine, Rejection};
use serde::Serialize;
use text::Quoted;

use crate::demands::{Demands, WhereToken};
use crate::key_files::DemandedFiles;
use crate::times::Clock;
use crate::verdict::{Judgement, judge, lacks_keys, presented};
pub use command::{clock, run};
pub use form::{describe as describe_form, repair};
pub use key_report::size;
pub use located::LocatedDemands;
pub use step::{ExplainedStep, StepOutcome, Steps};

/// Why a token is or is not accepted.
#[derive(Debug, Serialize)]
pub struct Explanation {
    /// Whether the location accepts the token.
    pub accepted: bool,
    /// The value of `$jwt_status`.
    pub jwt_status: &'static str,
    /// The refusal.
    pub refusal: Option<Refusal>,
    /// The time that the token was judged at, in seconds since 1970.
    pub at: i64,
    /// What the configuration says, with `--config`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<LocatedDemands>,
    /// All that was looked at.
    pub steps: Vec<ExplainedStep>,
    /// What the location demands besides, and needs a request to be judged.
    pub not_judged: Vec<String>,
}

/// How a location refuses a token.
#[derive(Debug, Serialize)]
pub struct Refusal {
    /// The HTTP status.
    pub http_status: u16,
    /// What error.log says.
    pub reason: String,
    /// The directive that would be the cure, or who has to do something else.
    pub cure: Option<&'static str>,
    /// The step that decides.
    pub decided_by: Option<&'static str>,
}

/// Explains what a location makes of a token.
pub fn explain(
    token: &[u8],
    demands: &Demands,
    files: &DemandedFiles,
    clock: &Clock,
) -> Explanation {
    let header = [b"Bearer ", token].concat();
    // nginx takes white space off the end of a header line.
    let header = header.trim_ascii_end();
    let presented = presented(demands, header, token);
    let judgement = judge(presented, demands, files, clock.now);
    let rejection = &judgement.rejection;
    let mut steps = Steps::default();
    if lacks_keys(demands) {
        steps.refuse("key source", "there is none", Rejection::NoKeySource);
    }
    match presented {
        Presented::Token(text) => token_steps::add(text, demands, files, clock, &mut steps),
        Presented::Nothing | Presented::Several => {
            steps.refuse("form", "there is no token", Rejection::Missing);
        }
    }
    let steps = steps.decided_by(rejection.as_ref());
    let decided_by = steps.iter().find(|step| step.decides);
    let refusal = rejection.as_ref().map(|rejection| Refusal {
        http_status: rejection.response().status,
        reason: reason(rejection, presented, header, &judgement, demands),
        cure: cure::cure(rejection),
        decided_by: decided_by.map(|step| step.step),
    });
    Explanation {
        accepted: rejection.is_none(),
        jwt_status: rejection
            .as_ref()
            .map_or(JwtStatus::Ok, |rejection| rejection.response().jwt_status)
            .name(),
        refusal,
        at: clock.now,
        config: None,
        steps,
        not_judged: demands.not_judged.clone(),
    }
}

/// What error.log says of a refusal.
fn reason(
    rejection: &Rejection,
    presented: Presented<'_>,
    header: &[u8],
    judgement: &Judgement,
    demands: &Demands,
) -> String {
    let summarize = || match (&judgement.verified, presented) {
        (Some(token), _) => token.summary(),
        (None, Presented::Token(text)) => Summary::of(text, &Limits::default()),
        (None, Presented::Nothing | Presented::Several) => Summary::default(),
    };
    let no_token = || match &demands.source {
        WhereToken::Authorization => NoToken::in_header(Some(header), std::iter::empty()),
        WhereToken::Variable(name) => NoToken::EmptyVariable(Quoted::new(format!("${name}"))),
    };
    LogLine {
        rejection,
        presented,
        summarize,
        no_token,
    }
    .to_string()
}
