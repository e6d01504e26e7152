//! What the service has said, and what that means here.

use super::conf::{Assignment, Client, LocationConf, On, OnError};
use crate::nginx::{
    BodyError, Failure, Request, ResponseContent, Status, StatusOrigin, Subrequest,
    SubrequestResponse, Text,
};
use crate::require::Requirement;
use text::Quoted;
use text::is_field_value;

/// What is known of an answer once the service has given it; a verdict that was kept knows no less.
pub(super) struct Verdict<'r> {
    pub(super) status: Status,
    /// The lines of the answer's header that the configuration has a use for.
    pub(super) lines: Vec<(Text<'r>, Text<'r>)>,
    /// With `auth_request_deny_body`: what a denied client gets to read.
    pub(super) content: Option<&'r ResponseContent<'r>>,
}

/// What an answer means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    Allow,
    Deny,
    Error(Fault),
}

/// Why an answer decides nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    #[error("no answer from the service")]
    NoAnswer,
    #[error("no valid answer from the service")]
    Garbage,
    #[error("the answer's body is broken off")]
    Incomplete,
    #[error("the answer's body is too large")]
    TooLarge,
    #[error("a redirect without a location")]
    NoLocation,
    #[error("neither allowed nor denied")]
    Unexpected,
}

impl Meaning {
    /// Whether the service has decided.
    pub(super) fn is_verdict(self) -> bool {
        matches!(self, Self::Allow | Self::Deny)
    }
}

impl<'r> Verdict<'r> {
    /// What the configuration has to know of an answer.
    pub(super) fn of(
        request: Request<'r>,
        conf: &LocationConf,
        answer: SubrequestResponse<'r>,
        subrequest: &Subrequest,
    ) -> Result<Self, Failure> {
        let status = answer.status();
        let takes_lines = !status.is_success() || conf.takes_lines();
        let takes_content =
            conf.deny_body().is_some() && (!status.is_success() || !conf.requirements.is_empty());
        Ok(Self {
            status,
            lines: match takes_lines {
                true => lines(request, conf, answer),
                false => Vec::new(),
            },
            content: match takes_content {
                true => content(request, conf, answer, subrequest)?,
                false => None,
            },
        })
    }

    /// Whether the answer allows or denies, as far as its status says.
    pub(super) fn meaning(&self, conf: &LocationConf) -> Meaning {
        if self.status.is_success() {
            Meaning::Allow
        } else if !conf.denies(self.status) {
            Meaning::Error(Fault::Unexpected)
        } else if matches!(self.status.0, 301 | 302) && !self.has(b"location") {
            Meaning::Error(Fault::NoLocation)
        } else {
            Meaning::Deny
        }
    }

    /// Gives the client the lines that go with a denial of this status or, without one, with what it was allowed.
    pub(super) fn tell_client(
        &self,
        request: Request<'r>,
        conf: &LocationConf,
        denial: Option<Status>,
    ) -> Result<(), Failure> {
        let on = denial.map_or(On::Allow, |_| On::Deny);
        for &(name, value) in &self.lines {
            if denial.is_some_and(|status| goes_with(status, &name))
                || conf.client_lines.iter().any(|lines| lines.take(&name, on))
            {
                request.add_response_line(name, value)?;
            }
        }
        Ok(())
    }

    /// The lines that go upstream.
    pub(super) fn upstream_lines(&self, conf: &LocationConf) -> Vec<(Text<'r>, Text<'r>)> {
        let lines = self.lines.iter().copied();
        lines
            .filter(|(name, _)| conf.upstream_names().take(name))
            .collect()
    }

    fn has(&self, name: &[u8]) -> bool {
        self.lines
            .iter()
            .any(|(other, _)| other.eq_ignore_ascii_case(name))
    }
}

/// Gives all variables of `auth_request_set` their values, which are returned in their order. That is done at once, for
/// those that follow may refer to them, and for every answer: an internal redirect, say to an error page, forgets the
/// answer.
pub(super) fn assign<'r>(
    request: Request<'r>,
    conf: &LocationConf,
    answer: SubrequestResponse<'r>,
) -> Result<Vec<Text<'r>>, Failure> {
    let mut assigned = Vec::new();
    for Assignment { variable, value } in conf.assignments.iter() {
        let value = answer.evaluate(value)?;
        request.assign(variable, value);
        assigned.push(value);
    }
    Ok(assigned)
}

/// What an answer means that has just come. What nginx says where none came, and what did not come whole, allows nothing.
pub(super) fn meaning(
    conf: &LocationConf,
    verdict: &Verdict<'_>,
    answer: SubrequestResponse<'_>,
    subrequest: &Subrequest,
) -> Meaning {
    if verdict.status.0 >= 500 {
        match answer.origin() {
            StatusOrigin::Upstream => {}
            StatusOrigin::NoResponse => return Meaning::Error(Fault::NoAnswer),
            StatusOrigin::InvalidResponse => return Meaning::Error(Fault::Garbage),
        }
    }
    match (verdict.meaning(conf), subrequest.check_body_complete()) {
        (Meaning::Allow, Err(BodyError::Truncated)) => Meaning::Error(Fault::Incomplete),
        (Meaning::Allow, Err(BodyError::TooLarge)) => Meaning::Error(Fault::TooLarge),
        (meaning, _) => meaning,
    }
}

impl Fault {
    /// Whether `auth_request_on_error allow` lets a request in that met with this.
    fn may_be_allowed(self, status: Status) -> bool {
        match self {
            // Nor does nginx ask in every case: a URI or an address that cannot be made out of what the client sent is a 500.
            Self::NoAnswer => matches!(status.0, 502 | 504),
            // Time may run out in the middle of an answer; what is none otherwise may be the client's doing, if the
            // service repeats what it says.
            Self::Garbage => status.0 == 504,
            Self::Unexpected => (500..600).contains(&status.0),
            Self::Incomplete | Self::TooLarge | Self::NoLocation => false,
        }
    }

    /// The status that the request ends with; none where it is let in all the same.
    pub(super) fn consequence(self, status: Status, on_error: OnError) -> Option<Status> {
        match on_error {
            OnError::Allow if self.may_be_allowed(status) => None,
            OnError::Allow => Some(Status::INTERNAL_SERVER_ERROR),
            OnError::Refuse(status) => Some(status),
        }
    }
}

/// Lines without which a denial with this status would be of no use.
fn goes_with(status: Status, name: &[u8]) -> bool {
    let with = match status.0 {
        300..=399 => "location",
        401 => "www-authenticate",
        429 | 503 => "retry-after",
        _ => return false,
    };
    name.eq_ignore_ascii_case(with.as_bytes())
}

/// The lines of an answer that something may be done with.
#[inline(never)]
fn lines<'r>(
    request: Request<'r>,
    conf: &LocationConf,
    answer: SubrequestResponse<'r>,
) -> Vec<(Text<'r>, Text<'r>)> {
    let required = conf.requirements.iter();
    let denials = required.map(Requirement::status);
    let denials = denials.chain([answer.status()]);
    let is_wanted = |name: &[u8]| {
        conf.upstream_names().take(name)
            || conf.client_lines.iter().any(|lines| lines.names.take(name))
            || denials.clone().any(|status| goes_with(status, name))
    };
    let is_sound = |name: &[u8], value: &[u8]| {
        if !is_field_value(value) {
            request.log().warn(format_args!(
                "auth request: a line {} of the answer is left out: a control character in its value",
                Quoted::new(name)
            ));
        }
        is_field_value(value)
    };
    let lines = answer.headers();
    lines
        .filter(|(name, value)| is_wanted(name) && is_sound(name, value))
        .collect()
}

/// The body of an answer that may be a denial.
#[inline(never)]
fn content<'r>(
    request: Request<'r>,
    conf: &LocationConf,
    answer: SubrequestResponse<'r>,
    subrequest: &Subrequest,
) -> Result<Option<&'r ResponseContent<'r>>, Failure> {
    let body = match subrequest.body() {
        Ok(body) if body.is_empty() => return Ok(None),
        Ok(body) => request.copy(&body)?,
        Err(_) if !is_denial(request, conf, answer.status())? => return Ok(None),
        Err(fault) => {
            request.log().warn(format_args!(
                "auth request: the body of the answer with status {} is left out: it is {}",
                answer.status().0,
                match fault {
                    BodyError::TooLarge => "larger than auth_request_deny_body",
                    BodyError::Truncated => "broken off",
                }
            ));
            return Ok(None);
        }
    };
    let encoding = answer.header_values(b"content-encoding").next();
    let content = request.keep(ResponseContent {
        content_type: answer.content_type(),
        encoding: encoding.unwrap_or(Text::from_static(b"")),
        body,
    })?;
    Ok(Some(content))
}

/// Whether an answer with this status will be a denial.
fn is_denial(request: Request<'_>, conf: &LocationConf, status: Status) -> Result<bool, Failure> {
    if !status.is_success() {
        return Ok(conf.denies(status));
    }
    for requirement in conf.requirements.iter() {
        if requirement.unmet(request)?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

impl Client {
    fn take(&self, name: &[u8], on: On) -> bool {
        (self.on == On::Any || self.on == on) && self.names.take(name)
    }
}
