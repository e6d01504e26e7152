//! Checks a request: asks the authorization service or the cache, and applies the verdict.

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;

use super::AuthRequest;
use super::answer;
use super::cache::{CacheLookup, CacheResult, CacheSlot};
use super::conf::{LocationConf, MainConf, Service};
use super::flight::{FlightFollower, FlightLeader, FlightRole, FollowedFlights};
use super::variables;
use super::verdict::{self, HeaderLine, Verdict};
use crate::nginx::{
    Access, AccessHandler, AroundAccess, BeforeLog, BodyError, BodyRead, Failure, LineChange,
    Request, SharedZone, Status, Subrequest, SubrequestBody, SubrequestLines, SubrequestOwner,
    SubrequestResponse, Target,
};
use crate::subrequest_uri::Uri;
use policy::auth_request::answer::Answer;
use policy::auth_request::cache_status::CacheStatus;
use policy::auth_request::check_result::CheckResult;
use policy::auth_request::decision::Decision;
use policy::auth_request::post_args::PostArgs;
use policy::auth_request::refusal::{Refusal, RefusalOutcome};
use policy::counters::ZoneCounter;
use policy::header_names::{HeaderNames, is_credential};
use policy::log_level::LogLevel;

/// The state of a check in one location. Most checks need none.
#[derive(Default)]
pub struct CheckState {
    wait: RefCell<Option<WaitState>>,
    /// With `auth_request_answer`: the answer to the check of this location, while its verdict is
    /// made and when it has let the request in.
    answer: RefCell<Option<Rc<Answer>>>,
    /// Whether the upstream gets the verdict's headers in place of the client's.
    upstream_replaced: Cell<bool>,
}

/// What a request of a location with `auth_request_cache` is waiting for.
enum WaitState {
    /// Another request asks the service for the same verdict. The request may have followed others
    /// before.
    Following(FlightFollower, FollowedFlights),
    /// This request asks the service, and stores the verdict in the slot. It may lead a flight.
    Asking(CacheSlot, Option<FlightLeader>),
}

/// The body of a client's request, which `auth_request_body` has read.
#[derive(Default)]
pub struct ClientBody {
    pub(super) is_read: Cell<bool>,
    pub(super) args: OnceCell<PostArgs>,
}

impl AccessHandler for AuthRequest {
    fn access<'r>(request: Request<'r>, conf: &LocationConf) -> Result<Access<'r>, Failure> {
        let Some(Service::At(service)) = conf.service.get() else {
            return Ok(Access::Decline);
        };
        let step = CheckStep {
            request,
            conf,
            service,
        };
        if let Some(subrequest) = request.subrequest::<Self>() {
            return match subrequest.response() {
                Some(response) => step.judge(response, subrequest),
                None => Ok(Access::Wait),
            };
        }
        match step.take_wait_state() {
            None => step.begin(),
            Some(state) => step.go_on(state),
        }
    }

    fn forget_caches(conf: &MainConf) {
        conf.uncacheable.clear();
        conf.worker_cache.clear();
        conf.flights.forget();
    }

    fn give_up(request: Request<'_>) {
        if let Some(state) = request.context::<Self>() {
            state.wait.take();
            state.answer.take();
        }
    }
}

impl CheckState {
    pub(super) fn answer(&self) -> Option<Rc<Answer>> {
        self.answer.borrow().clone()
    }
}

impl AroundAccess for AuthRequest {
    fn before_access(request: Request<'_>, conf: &LocationConf) -> Result<(), Failure> {
        let names = &conf.reserved_headers;
        match (names.is_empty(), conf.service.get()) {
            // Credentials stay until the request is judged, because it is judged by them.
            (false, _) => request.remove_client_lines::<Self>(|name| {
                names.could_impersonate(name) && !is_credential(name)
            }),
            (true, Some(Service::At(_))) => request.take_back_upstream_lines::<Self>(),
            (true, _) => Ok(()),
        }
    }

    fn before_subrequest(request: Request<'_>, conf: &LocationConf) -> Result<(), Failure> {
        let names = &conf.reserved_headers;
        match names.is_empty() {
            true => {
                request.forget_values_of_subrequests();
                Ok(())
            }
            false => request.change_inherited_lines(|name, _| hide_reserved(names, name)),
        }
    }

    fn after_access(request: Request<'_>, conf: &LocationConf) -> Result<(), Failure> {
        let names = &conf.reserved_headers;
        let state = request.context::<Self>();
        let is_replaced = state.is_some_and(|state| state.upstream_replaced.get());
        match !is_replaced && names.include_credentials() {
            true => request.extend_upstream_lines::<Self>(
                |name, _| hide_reserved(names, name),
                &request.upstream_lines(0),
            ),
            false => Ok(()),
        }
    }
}

impl BeforeLog for AuthRequest {
    fn before_log(request: Request<'_>) -> Result<(), Failure> {
        request.forget_values_of_subrequests();
        Ok(())
    }
}

impl SubrequestOwner for AuthRequest {
    fn subrequest_done(response: SubrequestResponse<'_>) {
        let status = response.status().0;
        let log = response.log();
        log.debug(format_args!("auth request done s:{status}"));
    }

    fn body_limit(parent: Request<'_>, status: Status) -> Option<usize> {
        parent.location_conf::<Self>().body_limit(status)
    }
}

/// One call of the access handler for a request that is checked.
struct CheckStep<'r, 'c> {
    request: Request<'r>,
    conf: &'c LocationConf,
    service: &'c Uri,
}

impl<'r> CheckStep<'r, '_> {
    fn begin(&self) -> Result<Access<'r>, Failure> {
        if let Some(limit) = self.conf.body() {
            match self.request.read_body(limit)? {
                BodyRead::Whole => {
                    let body = self.request.client_context::<AuthRequest>()?;
                    body.is_read.set(true);
                }
                BodyRead::Pending => return Ok(Access::Wait),
                BodyRead::Refused(Status(status)) => {
                    return self.refuse(Refusal::ClientBody { status }, None);
                }
            }
        }
        self.find_verdict(FollowedFlights::default())
    }

    /// Goes on with a request that may still have to wait.
    fn go_on(&self, state: WaitState) -> Result<Access<'r>, Failure> {
        match state {
            WaitState::Following(follower, followed) => {
                self.request.stop_watching_client();
                match followed.and(&follower) {
                    Some(followed) => self.find_verdict(followed),
                    None => self.follow(follower, followed),
                }
            }
            asking @ WaitState::Asking(..) => {
                self.set_wait_state(asking)?;
                Ok(Access::Wait)
            }
        }
    }

    /// Waits for another request. Without a subrequest of its own, which would watch the client,
    /// the request would be kept after its client has left.
    fn follow(
        &self,
        follower: FlightFollower,
        followed: FollowedFlights,
    ) -> Result<Access<'r>, Failure> {
        self.set_wait_state(WaitState::Following(follower, followed))?;
        self.request.watch_client();
        Ok(Access::Wait)
    }

    /// Looks for a cached verdict, or asks the service. A request that has followed a flight
    /// evaluates its URI and its key again, because both must belong together.
    fn find_verdict(&self, followed: FollowedFlights) -> Result<Access<'r>, Failure> {
        let target = match self.service.target(self.request)? {
            Ok(target) => target,
            Err(reason) => {
                let uri = self.service.text();
                return self.refuse(Refusal::UnsafeUri { uri, reason }, None);
            }
        };
        match self.conf.cache_zone() {
            Some(zone) => self.find_in_cache(&target, zone, followed),
            None => self.ask(&target),
        }
    }

    fn find_in_cache(
        &self,
        target: &Target<'r>,
        zone: SharedZone,
        followed: FollowedFlights,
    ) -> Result<Access<'r>, Failure> {
        let Self { request, conf, .. } = *self;
        let Some(lookup) = CacheLookup::for_request(request, conf, zone, target)? else {
            variables::set_cache_status(request, CacheStatus::Bypass);
            self.count_lookup(CacheStatus::Bypass);
            return self.ask(target);
        };
        let verdict = match lookup.find_in_worker(request, conf)? {
            Some(verdict) => verdict,
            None => match lookup.find_in_zone(request, conf)? {
                CacheResult::Hit(verdict) => verdict,
                CacheResult::Miss(status, slot) => {
                    variables::set_cache_status(request, status);
                    return self.join_flight(target, slot, status, followed);
                }
            },
        };
        variables::set_cache_status(request, CacheStatus::Hit);
        self.count_lookup(CacheStatus::Hit);
        self.set_answer(verdict.answer.as_ref())?;
        self.apply_verdict(&verdict, verdict.cached_decision(conf), None)
    }

    /// Asks the service, or waits for another request that asks it for the same verdict.
    fn join_flight(
        &self,
        target: &Target<'r>,
        slot: CacheSlot,
        status: CacheStatus,
        followed: FollowedFlights,
    ) -> Result<Access<'r>, Failure> {
        let leader = match slot.join(self.request, followed) {
            FlightRole::Lead(leader) => Some(leader),
            FlightRole::AskAlone => None,
            FlightRole::Follow(follower) => {
                follower.wake_at_end(self.request.waker()?);
                return self.follow(follower, followed);
            }
        };
        // Who follows another request looks again, and is counted then.
        self.count_lookup(status);
        self.set_wait_state(WaitState::Asking(slot, leader))?;
        self.ask(target)
    }

    fn ask(&self, target: &Target<'r>) -> Result<Access<'r>, Failure> {
        let body = match self.conf.body() {
            Some(_) => SubrequestBody::ForwardClientBody,
            None => SubrequestBody::None,
        };
        self.request.start_subrequest::<AuthRequest>(
            target,
            body,
            SubrequestLines::All,
            self.conf.response_body(),
        )?;
        Ok(Access::Wait)
    }

    /// Judges the request by the service's response, and stores the verdict in the cache.
    fn judge(
        &self,
        response: SubrequestResponse<'r>,
        subrequest: &Subrequest,
    ) -> Result<Access<'r>, Failure> {
        let Self { request, conf, .. } = *self;
        conf.counters.count_duration(|| response.elapsed_ms());
        // If an error ends this call early, the flight is abandoned.
        let wait_state = self.take_wait_state();
        let (answer, answer_error) = match answer::read(conf, response, subrequest) {
            Ok(answer) => (answer, None),
            Err(error) => (None, Some(error)),
        };
        self.set_answer(answer.as_ref())?;
        let assigned = verdict::assign_variables(request, conf, response)?;
        let verdict = Verdict::from_response(request, conf, response, subrequest, answer)?;
        request.forget_body_variables::<AuthRequest>();
        let decision = verdict.decision(conf, response, subrequest, answer_error);
        // Otherwise the cache would have a verdict that was made with an empty variable.
        request.fail_if_poisoned()?;
        if let Some(WaitState::Asking(slot, leader)) = wait_state {
            let is_cached = matches!(decision, Decision::Allow | Decision::Deny)
                && !is_incomplete(subrequest)
                && slot.store(request, conf, &assigned, &verdict, response);
            slot.end_flight(request, leader, is_cached);
        }
        self.apply_verdict(&verdict, decision, Some(response))
    }

    /// `response` is that of the service, if the verdict is not a cached one.
    fn apply_verdict(
        &self,
        verdict: &Verdict<'r>,
        decision: Decision,
        response: Option<SubrequestResponse<'r>>,
    ) -> Result<Access<'r>, Failure> {
        let Self { request, conf, .. } = *self;
        variables::set_status(request, verdict.status)?;
        let status = verdict.status.0;
        match decision {
            Decision::Allow => {}
            Decision::Deny => {
                let uri = self.service.text();
                return self.refuse(Refusal::Denied { status, uri }, Some(verdict));
            }
            Decision::Error(error) => {
                let replaced = response.and_then(SubrequestResponse::replaced_status);
                let refusal = Refusal::ServiceError {
                    error,
                    status,
                    replaced: replaced.map(|status| status.0),
                    uri: self.service.text(),
                    on_error: conf.on_error(),
                    // No cached verdict is an error. If one were, nobody would be let in.
                    connects_by_variables: response
                        .is_none_or(SubrequestResponse::connection_has_variables),
                };
                return self.refuse(refusal, None);
            }
        }
        for requirement in conf.requirements.iter() {
            if let Some(unmet) = requirement.unmet(request)? {
                let refusal = Refusal::Requirement {
                    value: &unmet.value,
                    status: unmet.status.0,
                };
                return self.refuse(refusal, Some(verdict));
            }
        }
        verdict.add_client_headers(request, conf, None)?;
        if !conf.reserved_headers.is_empty() {
            self.set_upstream_headers(&verdict.upstream_headers(conf))?;
        }
        conf.counters.count_check(CheckResult::Allowed);
        Ok(Access::Allow)
    }

    /// Refuses the request, unless `auth_request_on_error` lets it in. The client gets headers and
    /// the body of `denial`.
    fn refuse(
        &self,
        refusal: Refusal<'_>,
        denial: Option<&Verdict<'r>>,
    ) -> Result<Access<'r>, Failure> {
        let Self { request, conf, .. } = *self;
        // Another access module may let the request in all the same (satisfy any).
        self.set_answer(None)?;
        let RefusalOutcome {
            status,
            log_line,
            result,
        } = refusal.outcome();
        conf.counters.count_check(result);
        match log_line {
            Some((LogLevel::Error, line)) => request.log().error(format_args!("{line}")),
            Some((LogLevel::Info, line)) => request.log().info(format_args!("{line}")),
            None => {}
        }
        let Some(status) = status.map(Status) else {
            verdict::empty_variables(request, conf);
            if !conf.reserved_headers.is_empty() {
                self.set_upstream_headers(&[])?;
            }
            return Ok(Access::Allow);
        };
        let Some(verdict) = denial else {
            return Ok(Access::Refuse(status));
        };
        verdict.add_client_headers(request, conf, Some(status))?;
        Ok(match (verdict.content, status.0) {
            (Some(content), _) => Access::Respond(status, Some(content)),
            // nginx itself would close the connection, or respond with another status.
            (None, 408 | 444 | 494..=499) => Access::Respond(status, None),
            (None, _) => Access::Refuse(status),
        })
    }

    /// The upstream gets these headers in place of those that the client has sent with a name of
    /// `auth_request_upstream_headers`.
    fn set_upstream_headers(&self, headers: &[HeaderLine<'r>]) -> Result<(), Failure> {
        let Self { request, conf, .. } = *self;
        let names = &conf.reserved_headers;
        let mut lines = request.upstream_lines(headers.len());
        for (name, value) in headers {
            lines.push_named(*name, value)?;
        }
        request
            .replace_upstream_lines::<AuthRequest>(|name| names.could_impersonate(name), &lines)?;
        let state = request.context_or_new::<AuthRequest>(CheckState::default)?;
        state.upstream_replaced.set(true);
        Ok(())
    }

    /// Shows the members of an answer, or of none, in the variables of this location's check.
    fn set_answer(&self, answer: Option<&Rc<Answer>>) -> Result<(), Failure> {
        if self.conf.answer().is_some() {
            let state = self
                .request
                .context_or_new::<AuthRequest>(CheckState::default)?;
            state.answer.replace(answer.cloned());
        }
        Ok(())
    }

    fn count_lookup(&self, status: CacheStatus) {
        let counters = &self.conf.counters;
        counters.count(ZoneCounter::cache_lookup(status));
    }

    fn set_wait_state(&self, wait_state: WaitState) -> Result<(), Failure> {
        let request = self.request;
        let state = request.context_or_new::<AuthRequest>(CheckState::default)?;
        state.wait.replace(Some(wait_state));
        Ok(())
    }

    fn take_wait_state(&self) -> Option<WaitState> {
        self.request.context::<AuthRequest>()?.wait.take()
    }
}

/// Hides a line of the client that could be taken for one of the service.
fn hide_reserved(names: &HeaderNames, name: &[u8]) -> LineChange {
    match names.could_impersonate(name) {
        true => LineChange::Hide,
        false => LineChange::Keep,
    }
}

/// Whether the response is not what the service would send another time: its header, or a body that
/// is wanted, has not come to its end.
fn is_incomplete(subrequest: &Subrequest) -> bool {
    matches!(
        subrequest.body().err(),
        Some(BodyError::Truncated | BodyError::Unreadable)
    )
}
