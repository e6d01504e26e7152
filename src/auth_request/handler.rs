//! Asks the service, and does what it says.

use crate::subrequest_uri::{UnsafeUri, Uri};
use std::cell::{Cell, OnceCell, RefCell};
use text::Quoted;

use super::AuthRequest;
use super::answer::{self, Fault, Meaning, Verdict};
use super::cache::{FlightFollower, FlightLeader, Look, Place, Sought};
use super::conf::{LocationConf, Service};
use super::variables::{self, CacheStatus};
use crate::nginx::{
    Access, AccessHandler, AroundAccess, BodyRead, Failure, Request, SharedZone, Status,
    Subrequest, SubrequestBody, SubrequestOwner, SubrequestResponse, Target,
};
use policy::auth_request::header_names::{Names, is_credential};
use policy::auth_request::post_args::Fields;
use policy::single_flight::{Admission, FlightState};

/// What is to be remembered of a request's way through one location that is protected. Most have nothing of the kind.
#[derive(Default)]
pub struct Check {
    kept: RefCell<Option<Kept>>,
    /// Upstreams get what the answer says they get.
    obeyed: Cell<bool>,
}

/// How a request stands to the verdicts that are kept.
enum Kept {
    /// Another request asks for the same verdict.
    Others(FlightFollower),
    /// It asks itself; where it has not waited in vain, others wait for it.
    Own(Place, Option<FlightLeader>),
}

/// The body of a client's request.
#[derive(Default)]
pub struct Client {
    /// Whether it was read.
    pub(super) has_body: Cell<bool>,
    pub(super) fields: OnceCell<Fields>,
}

impl AccessHandler for AuthRequest {
    fn access<'r>(request: Request<'r>, conf: &LocationConf) -> Result<Access<'r>, Failure> {
        let Some(Service::At { uri, .. }) = conf.service.get() else {
            return Ok(Access::Decline);
        };
        let turn = Turn { request, conf, uri };
        if let Some(question) = request.subrequest::<Self>() {
            return match question.response() {
                Some(answer) => turn.answered(answer, question),
                None => Ok(Access::Wait),
            };
        }
        match turn.take_kept() {
            None => turn.begin(),
            Some(Kept::Others(follower)) if follower.state() != FlightState::Pending => {
                turn.question(true)
            }
            Some(kept) => turn.wait(kept),
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
            (true, Some(Service::At { .. })) => request.restore_client_lines(),
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
        match !obeyed && names.have_credentials() {
            true => request.replace_upstream_lines(|name| names.shadow(name), &[]),
            false => Ok(()),
        }
    }
}

impl SubrequestOwner for AuthRequest {
    fn subrequest_done(answer: SubrequestResponse<'_>) {
        let status = answer.status().0;
        answer
            .log()
            .debug(format_args!("auth request done s:{status}"));
    }
}

/// One turn of a request that is checked.
struct Turn<'r, 'c> {
    request: Request<'r>,
    conf: &'c LocationConf,
    uri: &'c Uri,
}

impl<'r> Turn<'r, '_> {
    fn begin(&self) -> Result<Access<'r>, Failure> {
        let Self { request, conf, .. } = *self;
        if let Some(limit) = conf.body() {
            match request.read_body(limit)? {
                BodyRead::Whole => request.client_context::<AuthRequest>()?.has_body.set(true),
                BodyRead::Pending => return Ok(Access::Wait),
                BodyRead::Refused(status) => return Ok(Access::Refuse(status)),
            }
        }
        self.question(false)
    }

    /// Finds out what to ask, and whether that is known. What is asked is what the place in the cache is for: a request
    /// that has waited has its variables evaluated anew, for both.
    fn question(&self, waited: bool) -> Result<Access<'r>, Failure> {
        let Self { request, conf, .. } = *self;
        let target = match self.uri.target(request)? {
            Ok(target) => target,
            Err(refused) => return Ok(refuse_uri(request, refused)),
        };
        match conf.cache_zone() {
            Some(zone) => self.look(target, zone, waited),
            None => self.ask(target),
        }
    }

    /// Looks for a verdict that was kept, else asks.
    fn look(
        &self,
        target: &Target<'r>,
        zone: SharedZone,
        waited: bool,
    ) -> Result<Access<'r>, Failure> {
        let Self { request, conf, .. } = *self;
        let Some(sought) = Sought::by(request, conf, zone, target)? else {
            variables::set_cache_status(request, CacheStatus::Bypass);
            return self.ask(target);
        };
        let verdict = match sought.look_near(request, conf)? {
            Some(verdict) => verdict,
            None => match sought.look(request, conf)? {
                Look::Hit(verdict) => verdict,
                Look::Nothing(status, place) => {
                    variables::set_cache_status(request, status);
                    return self.fill(target, place, waited);
                }
            },
        };
        variables::set_cache_status(request, CacheStatus::Hit);
        obey(request, conf, &verdict, verdict.meaning(conf))
    }

    /// Asks what others may wait for, or waits. Who has waited once does not wait again: the answer that came then was
    /// none to keep.
    #[inline(never)]
    fn fill(&self, target: &Target<'r>, place: Place, waited: bool) -> Result<Access<'r>, Failure> {
        let Self { request, .. } = *self;
        let leader = match place.join(&request.main_conf::<AuthRequest>().flights) {
            Admission::Lead(leader) => Some(leader),
            Admission::Follow(_) if waited => None,
            Admission::Follow(follower) => {
                follower.wake_at_end(request.waker()?);
                return self.wait(Kept::Others(follower));
            }
        };
        self.wait(Kept::Own(place, leader))?;
        self.ask(target)
    }

    fn ask(&self, target: &Target<'r>) -> Result<Access<'r>, Failure> {
        let Self { request, conf, .. } = *self;
        let body = match conf.body() {
            Some(_) => SubrequestBody::ForwardClientBody,
            None => SubrequestBody::None,
        };
        request.start_subrequest::<AuthRequest>(target, body, conf.answer_body())?;
        Ok(Access::Wait)
    }

    fn answered(
        &self,
        answer: SubrequestResponse<'r>,
        question: &Subrequest,
    ) -> Result<Access<'r>, Failure> {
        let Self { request, conf, .. } = *self;
        // Whatever becomes of the answer, who waits for it waits no longer.
        let kept = self.take_kept();
        let assigned = answer::assign(request, conf, answer)?;
        let verdict = Verdict::of(request, conf, answer, question)?;
        request.forget_body_variables::<AuthRequest>();
        let meaning = answer::meaning(conf, &verdict, answer, question);
        if let Some(Kept::Own(place, _leader)) = &kept
            && meaning.is_verdict()
            && question.check_body_complete().is_ok()
        {
            place.keep(request, conf, &assigned, &verdict, answer);
        }
        obey(request, conf, &verdict, meaning)
    }

    fn wait(&self, kept: Kept) -> Result<Access<'r>, Failure> {
        let check = self.request.context_or_new::<AuthRequest>(Check::default)?;
        check.kept.replace(Some(kept));
        Ok(Access::Wait)
    }

    fn take_kept(&self) -> Option<Kept> {
        self.request.context::<AuthRequest>()?.kept.take()
    }
}

fn obey<'r>(
    request: Request<'r>,
    conf: &LocationConf,
    verdict: &Verdict<'r>,
    meaning: Meaning,
) -> Result<Access<'r>, Failure> {
    variables::set_status(request, verdict.status)?;
    match meaning {
        Meaning::Allow => {}
        Meaning::Deny => return deny(request, conf, verdict, verdict.status),
        Meaning::Error(fault) => return fail(request, conf, verdict.status, fault),
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
    verdict.tell_client(request, conf, None)?;
    tell_upstream(request, conf, Some(verdict))?;
    Ok(Access::Allow)
}

/// Has upstreams get the lines that the verdict has for them; without a verdict none of those that would be in it.
fn tell_upstream<'r>(
    request: Request<'r>,
    conf: &LocationConf,
    verdict: Option<&Verdict<'r>>,
) -> Result<(), Failure> {
    match conf.upstream_names() {
        names if names.is_empty() => Ok(()),
        names => replace_lines(request, conf, names, verdict),
    }
}

#[inline(never)]
fn replace_lines<'r>(
    request: Request<'r>,
    conf: &LocationConf,
    names: &Names,
    verdict: Option<&Verdict<'r>>,
) -> Result<(), Failure> {
    let lines = verdict.map(|verdict| verdict.upstream_lines(conf));
    let lines = lines.unwrap_or_default();
    request.replace_upstream_lines(|name| names.shadow(name), &lines)?;
    let check = request.context_or_new::<AuthRequest>(Check::default)?;
    check.obeyed.set(true);
    Ok(())
}

#[cold]
fn refuse_uri<'r>(request: Request<'r>, UnsafeUri { uri, reason }: UnsafeUri<'r>) -> Access<'r> {
    let log = request.log();
    log.error(format_args!(
        "auth request uri {} {reason}",
        Quoted::new(&uri)
    ));
    Access::Refuse(Status::INTERNAL_SERVER_ERROR)
}

#[inline(never)]
fn deny<'r>(
    request: Request<'r>,
    conf: &LocationConf,
    verdict: &Verdict<'r>,
    status: Status,
) -> Result<Access<'r>, Failure> {
    verdict.tell_client(request, conf, Some(status))?;
    Ok(match (verdict.content, status.0) {
        (Some(content), _) => Access::Respond(status, Some(content)),
        // nginx itself would close the connection, or say something else.
        (None, 408 | 444 | 494..=499) => Access::Respond(status, None),
        (None, _) => Access::Refuse(status),
    })
}

#[cold]
fn fail<'r>(
    request: Request<'r>,
    conf: &LocationConf,
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
        Quoted::new(text),
        match consequence {
            Some(_) => "",
            None => ", let in by auth_request_on_error",
        }
    ));
    match consequence {
        Some(status) => Ok(Access::Refuse(status)),
        None => {
            tell_upstream(request, conf, None)?;
            Ok(Access::Allow)
        }
    }
}
