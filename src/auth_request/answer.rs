//! `auth_request_answer`: reads the body of a response that allows, and shows its members in
//! `$auth_answer_<name>` and `$auth_json_<name>`.

use std::ffi::CStr;
use std::rc::Rc;

use super::AuthRequest;
use super::conf::LocationConf;
use crate::nginx::{
    BodyError, Config, ConfigError, Failure, PrefixVariable, Request, Subrequest,
    SubrequestResponse, Text,
};
use policy::auth_request::answer::{Answer, AnswerError, CorruptAnswer, VariableText};
use text::Quoted;

pub(super) fn add_variables(cf: &mut Config<'_>) -> Result<(), ConfigError> {
    cf.add_prefix_variable::<AnswerText>()?;
    cf.add_prefix_variable::<AnswerJson>()
}

/// The body of a response that allows, with `auth_request_answer`.
pub(super) fn read(
    conf: &LocationConf,
    response: SubrequestResponse<'_>,
    subrequest: &Subrequest,
) -> Result<Option<Rc<Answer>>, AnswerError> {
    let status = response.status();
    let Some(limit) = conf.answer().filter(|_| conf.requires_answer(status)) else {
        return Ok(None);
    };
    let body = subrequest.body().map_err(|error| match error {
        BodyError::TooLarge => AnswerError::TooLarge,
        BodyError::Truncated => AnswerError::Truncated,
        BodyError::Unreadable | BodyError::Dropped => AnswerError::Unreadable,
    })?;
    if body.len() > limit {
        return Err(AnswerError::TooLarge);
    }
    let media_type = (&b"content-type"[..], response.content_type().bytes());
    let encodings = response.header_values(b"content-encoding");
    let encodings = encodings.map(|encoding| (&b"content-encoding"[..], encoding.bytes()));
    let lines = [media_type].into_iter().chain(encodings);
    Answer::read(status.0, lines, &body).map(|answer| Some(Rc::new(answer)))
}

/// `$auth_answer_<name>`: a member of the answer as text.
struct AnswerText;

impl PrefixVariable for AnswerText {
    type Module = AuthRequest;

    const PREFIX: &'static CStr = c"auth_answer_";

    fn get<'r>(request: Request<'r>, name: &[u8]) -> Result<Option<Text<'r>>, Failure> {
        answer_value(request, name, Answer::text)
    }
}

/// `$auth_json_<name>`: a member of the answer as JSON.
struct AnswerJson;

impl PrefixVariable for AnswerJson {
    type Module = AuthRequest;

    const PREFIX: &'static CStr = c"auth_json_";

    fn get<'r>(request: Request<'r>, name: &[u8]) -> Result<Option<Text<'r>>, Failure> {
        answer_value(request, name, Answer::json)
    }
}

/// The value of a member of the answer to the check of the location that the client's request is
/// in. nginx drops a request's contexts with each internal redirect, so that no answer to an earlier
/// check is shown.
fn answer_value<'r>(
    request: Request<'r>,
    name: &[u8],
    value: impl for<'a> Fn(&'a Answer, &[u8]) -> Result<Option<VariableText<'a>>, CorruptAnswer>,
) -> Result<Option<Text<'r>>, Failure> {
    let state = request.main().context::<AuthRequest>();
    let Some(answer) = state.and_then(|state| state.answer()) else {
        return Ok(None);
    };
    match value(&answer, name).map_err(|CorruptAnswer| Failure::Inconsistent)? {
        None | Some(VariableText::Absent) => Ok(None),
        Some(VariableText::Plain(text)) => request.copy(text.as_bytes()).map(Some),
        Some(VariableText::Unsafe) => {
            request.log().warn(format_args!(
                "auth request: control character in member {} of the answer: its variable is empty",
                Quoted::new(name)
            ));
            Ok(Some(Text::from_static(b"")))
        }
    }
}
