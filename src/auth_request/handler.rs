//! Asks the service, and does what it says.

use super::AuthRequest;
use super::conf::{LocationConf, Service};
use crate::nginx::{
    Access, AccessHandler, Answer, AnswerBody, Escaped, Failure, Request, Status, Subrequest,
    SubrequestOwner, Template, Unfit,
};

/// The question that a request has put to its service.
pub struct Check {
    subrequest: Subrequest,
}

impl AccessHandler for AuthRequest {
    fn access<'r>(request: Request<'r>, conf: &LocationConf) -> Result<Access<'r>, Failure> {
        let Some(Service::At(uri)) = conf.service.get() else {
            return Ok(Access::Decline);
        };
        let Some(check) = request.context::<Self>() else {
            return ask(request, uri);
        };
        match check.subrequest.answer(request) {
            None => Ok(Access::Wait),
            Some(answer) => obey(request, conf, answer),
        }
    }
}

impl SubrequestOwner for AuthRequest {
    fn subrequest_done(answer: Answer<'_>) {
        let status = answer.status().0;
        answer
            .log()
            .debug(format_args!("auth request done s:{status}"));
    }
}

fn ask<'r>(request: Request<'r>, uri: &Template) -> Result<Access<'r>, Failure> {
    let target = match uri.target(request)? {
        Ok(target) => target,
        Err(Unfit { uri, reason }) => {
            request
                .log()
                .error(format_args!("auth request uri {} {reason}", Escaped(&uri)));
            return Ok(Access::Refuse(Status::INTERNAL_SERVER_ERROR));
        }
    };
    let subrequest = request.start_subrequest::<AuthRequest>(target, AnswerBody::Drop)?;
    request.context_or_new::<AuthRequest>(|| Check { subrequest })?;
    Ok(Access::Wait)
}

fn obey<'r>(
    request: Request<'r>,
    conf: &LocationConf,
    answer: Answer<'r>,
) -> Result<Access<'r>, Failure> {
    // Before anything else, and for every answer: an internal redirect, say to an error page, forgets the answer.
    for assignment in conf.assignments.iter() {
        request.assign(&assignment.variable, answer.evaluate(&assignment.value)?);
    }
    request.forget_body_variables::<AuthRequest>();
    match answer.status() {
        status if status.is_success() => Ok(Access::Allow),
        Status::FORBIDDEN => Ok(Access::Refuse(Status::FORBIDDEN)),
        Status::UNAUTHORIZED => {
            for challenge in answer.header_values(b"www-authenticate") {
                request.add_challenge(challenge)?;
            }
            Ok(Access::Refuse(Status::UNAUTHORIZED))
        }
        Status(code) => {
            // The words of the built-in module, which people's log filters look for.
            request
                .log()
                .error(format_args!("auth request unexpected status: {code}"));
            Ok(Access::Refuse(Status::INTERNAL_SERVER_ERROR))
        }
    }
}
