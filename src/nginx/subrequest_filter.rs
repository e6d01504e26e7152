//! The output filters. They take the body of a subrequest's response where nginx would send it to
//! the client, and let every other response pass. nginx's own way, a subrequest in memory, takes
//! its limit from the location that answers.

use super::body;
use super::chain::buffers;
use super::directive::{Config, ConfigError, Directive};
use super::fence::guard;
use super::filter_state::{
    BodyReading, ClientState, FilterConf, NextFilter, Preconfiguration, SubrequestFilter,
};
use super::module::Module;
use super::request::Request;
use super::response_body::{BodyError, Progress, ResponseBody};
use super::shim::{
    Rest, buffer_upstream, connection_failed, forbid_storing, is_from_upstream, is_header_only,
    rest_of_response, set_header_only, stop_upstream,
};
use super::subrequest::{Subrequest, our_subrequest};
use nginx_sys::{
    NGX_ERROR, NGX_OK, ngx_chain_t, ngx_http_output_body_filter_pt,
    ngx_http_output_header_filter_pt, ngx_http_request_t, ngx_http_top_body_filter,
    ngx_http_top_header_filter, ngx_int_t, off_t,
};

static NEXT_HEADER: NextFilter<ngx_http_output_header_filter_pt> = NextFilter::new();
static NEXT_BODY: NextFilter<ngx_http_output_body_filter_pt> = NextFilter::new();

impl Module for SubrequestFilter {
    type MainConf = FilterConf;
    type LocationConf = ();
    type RequestContext = BodyReading;
    type ClientContext = ClientState;

    const DIRECTIVES: &'static [Directive<Self>] = &[];

    fn preconfiguration(cf: &mut Config<'_>) -> Result<(), ConfigError> {
        let preconfigurations = cf.main_conf::<Self>().late_preconfigurations.take();
        preconfigurations.into_iter().try_for_each(|add| add(cf))
    }

    fn postconfiguration(cf: &mut Config<'_>) -> Result<(), ConfigError> {
        cf.add_delayed_handlers()?;
        cf.add_subrequest_handler()?;
        // SAFETY: nginx builds the chains of filters anew, in one thread, each time it reads a
        // configuration; the modules after the first filter find the heads of the chains set.
        unsafe {
            NEXT_HEADER.set(ngx_http_top_header_filter);
            ngx_http_top_header_filter = Some(header_filter);
            NEXT_BODY.set(ngx_http_top_body_filter);
            ngx_http_top_body_filter = Some(body_filter);
        }
        body::install();
        Ok(())
    }
}

impl Config<'_> {
    /// Has `preconfiguration` called when the modules of nginx have added their variables, and before
    /// nginx reads the directives of `http{}`. nginx configures the modules of filters last, so this
    /// one calls it.
    pub fn preconfigure_late(&mut self, preconfiguration: Preconfiguration) {
        let filter = self.main_conf::<SubrequestFilter>();
        filter
            .late_preconfigurations
            .borrow_mut()
            .push(preconfiguration);
    }
}

/// nginx calls it for the header of each response.
unsafe extern "C" fn header_filter(r: *mut ngx_http_request_t) -> ngx_int_t {
    // SAFETY: postconfiguration has set the next filter; nginx calls with a live request.
    let pass_on = || unsafe {
        NEXT_HEADER
            .get()
            .map_or(NGX_ERROR as ngx_int_t, |next| next(r))
    };
    // SAFETY: nginx calls with a live request; the references end with this call.
    let (subrequest, request) = unsafe { (our_subrequest(r), Request::from_raw(r)) };
    let (Some(subrequest), Some(request)) = (subrequest, request) else {
        if let Some(request) = request.filter(|request| request.is_main()) {
            request.drop_repeated_lines();
            request.settle_single_lines();
        }
        return pass_on();
    };
    let failed = NGX_ERROR as ngx_int_t;
    // SAFETY: as above. nginx has not begun to read the body.
    unsafe { buffer_upstream(r) };
    let plan = guard(request.log(), None, || Some(plan(request, subrequest)));
    let Some(plan) = plan else { return failed };
    // SAFETY: as above.
    unsafe {
        if plan.is_abandoned {
            forbid_storing(r);
        }
        if plan.is_header_all {
            set_header_only(r, 1);
        }
    }
    #[cfg(feature = "fault-injection")]
    let pass_on = || match super::fence::fault_injection::is_requested(request, "header filter") {
        true => failed,
        false => pass_on(),
    };
    let code = pass_on();
    // If a filter behind ours fails, the response does not count (ngx_http_send_header).
    if code == failed || code > NGX_OK as ngx_int_t {
        return code;
    }
    match plan.body {
        Ok(limit) => subrequest.body.keep_up_to(limit),
        Err(reason) => subrequest.body.drop_it(reason),
    }
    if plan.is_header_all {
        subrequest.body.end();
    } else if plan.body.is_err() && subrequest.leave_rest_behind(request).is_err() {
        return failed;
    }
    code
}

/// What to do with the body of a response whose header is about to be sent.
struct Plan {
    /// How many bytes of the body are kept at most, or why it is dropped.
    body: Result<usize, BodyError>,
    /// nginx has nothing more to do: there is no body, or it is not worth reading.
    is_header_all: bool,
    /// The upstream has a body that is not worth reading. nginx would read it to its end all the
    /// same if it could cache or store it.
    is_abandoned: bool,
}

fn plan(request: Request<'_>, subrequest: &Subrequest) -> Plan {
    let r = request.raw();
    // SAFETY: the request is live.
    let (length, is_bodiless, rest) = unsafe {
        let max = ResponseBody::MAX_DROPPED as off_t;
        let length = (*r).headers_out.content_length_n;
        (length, is_header_only(r) != 0, rest_of_response(r, max))
    };
    let body = match subrequest.body_limit(request) {
        None => Err(BodyError::Dropped),
        // The length is -1 where it is not known.
        Some(limit) if usize::try_from(length).is_ok_and(|length| length > limit) => {
            Err(BodyError::TooLarge)
        }
        Some(limit) => Ok(limit),
    };
    let is_empty = is_bodiless || rest == Rest::Nothing && length == 0;
    Plan {
        body,
        is_header_all: is_empty || body.is_err() && rest != Rest::Coming,
        is_abandoned: body.is_err() && rest == Rest::NotWorthReading,
    }
}

/// nginx calls it for each piece of each response's body.
unsafe extern "C" fn body_filter(r: *mut ngx_http_request_t, chain: *mut ngx_chain_t) -> ngx_int_t {
    // SAFETY: nginx calls with a live request; the references end with this call.
    let (subrequest, request) = unsafe { (our_subrequest(r), Request::from_raw(r)) };
    let (Some(subrequest), Some(request)) = (subrequest, request) else {
        // SAFETY: postconfiguration has set the next filter; the arguments are passed on as they
        // are.
        let passed_on = NEXT_BODY.get().map(|next| unsafe { next(r, chain) });
        return passed_on.unwrap_or(NGX_ERROR as ngx_int_t);
    };
    guard(request.log(), NGX_ERROR as ngx_int_t, || {
        // SAFETY: nginx calls with a chain of live buffers, which a filter may consume.
        for buf in unsafe { buffers(chain) } {
            // SAFETY: as above.
            let is_stopped = match unsafe { subrequest.body.take(buf) } {
                Progress::ReadOn => false,
                // What nginx makes itself is not made in the background.
                // SAFETY: the request is live.
                Progress::ReadBehind if unsafe { is_from_upstream(r) } == 0 => true,
                Progress::ReadBehind => subrequest.leave_rest_behind(request).is_err(),
                Progress::Stop => true,
            };
            if is_stopped {
                // SAFETY: the request is live.
                unsafe {
                    if connection_failed(r) == 0 {
                        subrequest.set_has_stopped_nginx();
                    }
                    stop_upstream(r);
                }
                return NGX_ERROR as ngx_int_t;
            }
        }
        NGX_OK as ngx_int_t
    })
}
