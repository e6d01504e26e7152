//! A verdict: what a check needs of the authorization service's response.

use std::rc::Rc;

use super::conf::{Assignment, LocationConf, On};
use crate::nginx::{
    BodyError, Failure, Request, ResponseContent, Status, StatusOrigin, Subrequest,
    SubrequestResponse, Text,
};
use crate::require::Requirement;
use policy::auth_request::answer::{Answer, AnswerError};
use policy::auth_request::decision::{Decision, ResponseOrigin, ServiceResponse, goes_with_denial};
use text::{Quoted, is_field_value};

/// A header line: its name and its value.
pub(super) type HeaderLine<'r> = (Text<'r>, Text<'r>);

/// What a check needs of a response. It comes from a subrequest or from the cache.
pub(super) struct Verdict<'r> {
    pub(super) status: Status,
    /// The headers of the response that may go to the client or to the upstream.
    pub(super) headers: Vec<HeaderLine<'r>>,
    /// With `auth_request_deny_body`: the body that a denied client gets.
    pub(super) content: Option<&'r ResponseContent<'r>>,
    /// With `auth_request_answer`: the body of a response that allows.
    pub(super) answer: Option<Rc<Answer>>,
}

impl<'r> Verdict<'r> {
    /// Takes from a response what the configuration needs.
    pub(super) fn from_response(
        request: Request<'r>,
        conf: &LocationConf,
        response: SubrequestResponse<'r>,
        subrequest: &Subrequest,
        answer: Option<Rc<Answer>>,
    ) -> Result<Self, Failure> {
        let status = response.status();
        let is_success = status.is_success();
        let wants_headers = !is_success || conf.wants_headers();
        let wants_content =
            conf.deny_body().is_some() && (!is_success || !conf.requirements.is_empty());
        Ok(Self {
            status,
            headers: match wants_headers {
                true => headers(request, conf, response),
                false => Vec::new(),
            },
            content: match wants_content {
                true => content(request, conf, response, subrequest)?,
                false => None,
            },
            answer,
        })
    }

    /// What the response that this verdict was made from means.
    pub(super) fn decision(
        &self,
        conf: &LocationConf,
        response: SubrequestResponse<'_>,
        subrequest: &Subrequest,
        answer_error: Option<AnswerError>,
    ) -> Decision {
        let origin = match response.origin() {
            StatusOrigin::Upstream => ResponseOrigin::Service,
            StatusOrigin::Elsewhere => ResponseOrigin::Elsewhere,
            StatusOrigin::NoConnection => ResponseOrigin::NoConnection,
            StatusOrigin::TimedOut => ResponseOrigin::TimedOut,
            StatusOrigin::NoResponse => ResponseOrigin::NoResponse,
            StatusOrigin::InvalidResponse => ResponseOrigin::InvalidResponse,
            StatusOrigin::NotAsked => ResponseOrigin::NotAsked,
        };
        self.decide(conf, origin, subrequest.has_header(), answer_error)
    }

    /// What a cached verdict means: only responses that allow or deny are cached.
    pub(super) fn cached_decision(&self, conf: &LocationConf) -> Decision {
        self.decide(conf, ResponseOrigin::Elsewhere, true, None)
    }

    fn decide(
        &self,
        conf: &LocationConf,
        origin: ResponseOrigin,
        has_header: bool,
        answer_error: Option<AnswerError>,
    ) -> Decision {
        let response = ServiceResponse {
            status: self.status.0,
            origin,
            has_header,
            has_location: self.has_header(b"location"),
            answer_error,
        };
        response.decision(conf.deny_status())
    }

    /// Adds headers of the verdict to the response that the client gets: those that go with a
    /// denial of this status or, if there is no denial, with a response that was allowed.
    pub(super) fn add_client_headers(
        &self,
        request: Request<'r>,
        conf: &LocationConf,
        denial: Option<Status>,
    ) -> Result<(), Failure> {
        let on = denial.map_or(On::Allow, |_| On::Deny);
        let lines = self.headers.iter().copied();
        request.add_response_lines(lines.filter(|(name, _)| {
            denial.is_some_and(|status| goes_with_denial(status.0, name))
                || conf.client_headers.iter().any(|c| c.select(name, on))
        }))
    }

    /// The headers that go to the upstream.
    pub(super) fn upstream_headers(&self, conf: &LocationConf) -> Vec<HeaderLine<'r>> {
        let names = conf.upstream_headers();
        let headers = self.headers.iter().copied();
        headers.filter(|(name, _)| names.selects(name)).collect()
    }

    fn has_header(&self, name: &[u8]) -> bool {
        let mut names = self.headers.iter().map(|(name, _)| name);
        names.any(|other| other.eq_ignore_ascii_case(name))
    }
}

/// Assigns the variables of all `auth_request_set`, and returns their values in the order of the
/// configuration. A value may refer to a variable that was assigned before it. Every response
/// assigns, because an internal redirect, say to an error page, loses the response.
pub(super) fn assign_variables<'r>(
    request: Request<'r>,
    conf: &LocationConf,
    response: SubrequestResponse<'r>,
) -> Result<Vec<Text<'r>>, Failure> {
    let mut assigned = Vec::new();
    for Assignment {
        variable, value, ..
    } in conf.assignments.iter()
    {
        let value = response.evaluate(value)?;
        request.assign(variable, value);
        assigned.push(value);
    }
    Ok(assigned)
}

/// Empties the variables of all `auth_request_set`: a response that has decided nothing says
/// nothing of the client either.
pub(super) fn empty_variables(request: Request<'_>, conf: &LocationConf) {
    for Assignment { variable, .. } in conf.assignments.iter() {
        request.assign(variable, Text::from_static(b""));
    }
}

/// The headers of a response that may go to the client or to the upstream.
fn headers<'r>(
    request: Request<'r>,
    conf: &LocationConf,
    response: SubrequestResponse<'r>,
) -> Vec<HeaderLine<'r>> {
    let required = conf.requirements.iter();
    let denials = required.map(Requirement::status);
    let denials = denials.chain([response.status()]);
    let is_wanted = |name: &[u8]| {
        conf.upstream_headers().selects(name)
            || conf.client_headers.iter().any(|c| c.names.selects(name))
            || denials
                .clone()
                .any(|status| goes_with_denial(status.0, name))
    };
    let is_valid = |name: &[u8], value: &[u8]| {
        let is_valid = is_field_value(value);
        if !is_valid {
            request.log().warn(format_args!(
                "auth request: response header {} is ignored: control character in its value",
                Quoted::new(name)
            ));
        }
        is_valid
    };
    let mut headers = response.headers(is_wanted);
    headers.retain(|(name, value)| is_valid(name, value));
    headers
}

/// The body of a response that may deny.
fn content<'r>(
    request: Request<'r>,
    conf: &LocationConf,
    response: SubrequestResponse<'r>,
    subrequest: &Subrequest,
) -> Result<Option<&'r ResponseContent<'r>>, Failure> {
    let status = response.status();
    let limit = conf.deny_body().unwrap_or(0);
    // An answer may be longer.
    let body = subrequest
        .body()
        .and_then(|body| match body.len() <= limit {
            true => Ok(body),
            false => Err(BodyError::TooLarge),
        });
    let body = match body {
        Ok(body) if body.is_empty() => return Ok(None),
        Ok(body) => request.copy(&body)?,
        Err(_) if !will_deny(request, conf, status)? => return Ok(None),
        Err(error) => {
            request.log().warn(format_args!(
                "auth request: the body of the response with status {} is ignored: it {}",
                status.0,
                match error {
                    BodyError::TooLarge => "is larger than auth_request_deny_body",
                    BodyError::Truncated => "was truncated",
                    BodyError::Unreadable => "is in a file, and was not read",
                    BodyError::Dropped => "was not read",
                }
            ));
            return Ok(None);
        }
    };
    let encoding = response.header_values(b"content-encoding").next();
    let content = request.keep(ResponseContent {
        content_type: response.content_type(),
        encoding: encoding.unwrap_or(Text::from_static(b"")),
        body,
    })?;
    Ok(Some(content))
}

/// Whether a response with this status will deny, by itself or because of a requirement.
fn will_deny(request: Request<'_>, conf: &LocationConf, status: Status) -> Result<bool, Failure> {
    if !status.is_success() {
        return Ok(conf.denies(status.0));
    }
    for requirement in conf.requirements.iter() {
        if requirement.unmet(request)?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}
