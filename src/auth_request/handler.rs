//! Asks the service, and does what it says.

use std::cell::{Cell, OnceCell, RefCell};

use super::AuthRequest;
use super::answer::{self, Fault, Meaning, Verdict};
use super::conf::{LocationConf, Service};
use super::fields::Fields;
use super::headers::is_credential;
use crate::nginx::{
    Access, AccessHandler, Answer, AroundAccess, BodyRead, Escaped, Failure, Request, Status,
    Subrequest, SubrequestOwner, Template, Unfit,
};

/// A request's way through one location that is protected.
#[derive(Default)]
pub struct Check {
    stage: RefCell<Stage>,
    /// Upstreams get what the answer says they get.
    obeyed: Cell<bool>,
}

#[derive(Default)]
enum Stage {
    #[default]
    Begin,
    Asked(Subrequest),
}

/// What is known of a client's request wherever it goes.
#[derive(Default)]
pub struct Client {
    /// The status of the last answer.
    pub(super) status: Cell<Option<Status>>,
    /// Whether its body was read.
    pub(super) has_body: Cell<bool>,
    pub(super) fields: OnceCell<Fields>,
}

impl AccessHandler for AuthRequest {
    fn access<'r>(request: Request<'r>, conf: &LocationConf) -> Result<Access<'r>, Failure> {
        let Some(Service::At { uri, .. }) = conf.service.get() else {
            return Ok(Access::Decline);
        };
        let check = request.context_or_new::<Self>(Check::default)?;
        let mut stage = check.stage.borrow_mut();
        match &*stage {
            Stage::Begin => {
                if let Some(limit) = conf.body() {
                    match request.read_body(limit)? {
                        BodyRead::Whole => request.client_context::<Self>()?.has_body.set(true),
                        BodyRead::Pending => return Ok(Access::Wait),
                        BodyRead::Refused(status) => return Ok(Access::Refuse(status)),
                    }
                }
                match ask(request, conf, uri)? {
                    Some(subrequest) => {
                        *stage = Stage::Asked(subrequest);
                        Ok(Access::Wait)
                    }
                    None => Ok(Access::Refuse(Status::INTERNAL_SERVER_ERROR)),
                }
            }
            Stage::Asked(subrequest) => match subrequest.answer(request) {
                None => Ok(Access::Wait),
                Some(answer) => answered(request, conf, check, answer, subrequest),
            },
        }
    }
}

impl AroundAccess for AuthRequest {
    fn before_access(request: Request<'_>, conf: &LocationConf) -> Result<(), Failure> {
        let names = conf.upstream_names();
        match (names.is_empty(), conf.service.get()) {
            // Credentials stay until the request is judged: they are what it is judged by.
            (false, _) => {
                request.remove_client_lines(|name| names.shadow(name) && !is_credential(name))
            }
            (true, Some(Service::At { .. })) => {
                request.restore_client_lines();
                Ok(())
            }
            (true, _) => Ok(()),
        }
    }

    fn before_subrequest(request: Request<'_>, conf: &LocationConf) -> Result<(), Failure> {
        let names = conf.upstream_names();
        match names.is_empty() {
            true => Ok(()),
            false => request.remove_inherited_lines(|name| names.shadow(name)),
        }
    }

    fn after_access(request: Request<'_>, conf: &LocationConf) -> Result<(), Failure> {
        let names = conf.upstream_names();
        let obeyed = request
            .context::<Self>()
            .is_some_and(|check| check.obeyed.get());
        match names.have_credentials() && !obeyed {
            true => request.replace_upstream_lines(|name| names.shadow(name), &[]),
            false => Ok(()),
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

/// Nothing where there is nobody to ask.
fn ask(
    request: Request<'_>,
    conf: &LocationConf,
    uri: &Template,
) -> Result<Option<Subrequest>, Failure> {
    let target = match uri.target(request)? {
        Ok(target) => target,
        Err(Unfit { uri, reason }) => {
            request
                .log()
                .error(format_args!("auth request uri {} {reason}", Escaped(&uri)));
            return Ok(None);
        }
    };
    let target = match conf.body() {
        Some(_) => target.with_body(),
        None => target,
    };
    let subrequest = request.start_subrequest::<AuthRequest>(target, conf.answer_body())?;
    Ok(Some(subrequest))
}

fn answered<'r>(
    request: Request<'r>,
    conf: &LocationConf,
    check: &Check,
    answer: Answer<'r>,
    subrequest: &Subrequest,
) -> Result<Access<'r>, Failure> {
    let verdict = Verdict::of(request, conf, answer, subrequest)?;
    request.forget_body_variables::<AuthRequest>();
    let meaning = answer::meaning(conf, &verdict, answer, subrequest);
    obey(request, conf, check, &verdict, meaning)
}

fn obey<'r>(
    request: Request<'r>,
    conf: &LocationConf,
    check: &Check,
    verdict: &Verdict<'r>,
    meaning: Meaning,
) -> Result<Access<'r>, Failure> {
    let client = request.client_context::<AuthRequest>()?;
    client.status.set(Some(verdict.status));
    match meaning {
        Meaning::Allow => {}
        Meaning::Deny => return deny(request, conf, verdict, verdict.status),
        Meaning::Error(fault) => return fail(request, conf, check, verdict.status, fault),
    }
    for requirement in conf.requirements.iter() {
        if let Some(unmet) = requirement.unmet(request)? {
            request.log().info(format_args!(
                "auth request: required {} is empty or 0",
                unmet.value
            ));
            return deny(request, conf, verdict, unmet.status);
        }
    }
    for (name, value) in verdict.client_lines(conf, None) {
        request.add_response_line(name, value)?;
    }
    allow(request, conf, check, Some(verdict))
}

/// Lets the request in. Without a verdict upstreams get none of the lines that would be in it.
fn allow<'r>(
    request: Request<'r>,
    conf: &LocationConf,
    check: &Check,
    verdict: Option<&Verdict<'r>>,
) -> Result<Access<'r>, Failure> {
    let names = conf.upstream_names();
    if !names.is_empty() {
        let lines = verdict.map(|verdict| verdict.upstream_lines(conf));
        let lines = lines.unwrap_or_default();
        request.replace_upstream_lines(|name| names.shadow(name), &lines)?;
    }
    check.obeyed.set(true);
    Ok(Access::Allow)
}

fn deny<'r>(
    request: Request<'r>,
    conf: &LocationConf,
    verdict: &Verdict<'r>,
    status: Status,
) -> Result<Access<'r>, Failure> {
    for (name, value) in verdict.client_lines(conf, Some(status)) {
        request.add_response_line(name, value)?;
    }
    Ok(match (verdict.content, status.0) {
        (Some(content), _) => Access::Respond(status, Some(content)),
        // nginx itself would close the connection, or say something else.
        (None, 408 | 444 | 494..=499) => Access::Respond(status, None),
        (None, _) => Access::Refuse(status),
    })
}

fn fail<'r>(
    request: Request<'r>,
    conf: &LocationConf,
    check: &Check,
    status: Status,
    fault: Fault,
) -> Result<Access<'r>, Failure> {
    let text = match conf.service.get() {
        Some(Service::At { text, .. }) => &**text,
        _ => b"",
    };
    let consequence = fault.consequence(status, conf.on_error());
    // The first words are those of the built-in module, which people's log filters look for. The URI is as the
    // configuration has it: its variables may hold secrets.
    request.log().error(format_args!(
        "auth request unexpected status: {} from {}: {fault}{}",
        status.0,
        Escaped(text),
        match consequence {
            Some(_) => "",
            None => ", let in by auth_request_on_error",
        }
    ));
    match consequence {
        Some(status) => Ok(Access::Refuse(status)),
        None => allow(request, conf, check, None),
    }
}
