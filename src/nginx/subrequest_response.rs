//! The response to a subrequest: its status, who produced that, and its header lines.

use super::failure::Failure;
use super::header::HeaderLines;
use super::log::Log;
use super::request::Request;
use super::shim::{connection_has_variables, origin, replaced_status};
use super::status::Status;
use super::template::Template;
use super::text::Text;
use super::variable::Variable;
use nginx_sys::{
    NGX_HTTP_UPSTREAM_IGN_CACHE_CONTROL, NGX_HTTP_UPSTREAM_IGN_EXPIRES,
    NGX_HTTP_UPSTREAM_IGN_XA_EXPIRES, ngx_cached_time, ngx_str_t, ngx_uint_t,
};
use std::collections::HashMap;

/// Who produced the status of a response. A status such as 502 or 504 may be nginx's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusOrigin {
    /// The upstream, asked for this subrequest.
    Upstream,
    /// A cache, or nginx as it is configured.
    Elsewhere,
    /// nginx, because no connection could be made.
    NoConnection,
    /// nginx, because time ran out.
    TimedOut,
    /// nginx, because the connection was closed before a response came.
    NoResponse,
    /// nginx, because what came is no valid response.
    InvalidResponse,
    /// nginx, which did not try to connect.
    NotAsked,
}

/// What the shim's numbers mean.
const ORIGINS: [StatusOrigin; 7] = [
    StatusOrigin::Upstream,
    StatusOrigin::Elsewhere,
    StatusOrigin::NoConnection,
    StatusOrigin::TimedOut,
    StatusOrigin::NoResponse,
    StatusOrigin::InvalidResponse,
    StatusOrigin::NotAsked,
];

/// The response to a subrequest.
#[derive(Clone, Copy)]
pub struct SubrequestResponse<'r> {
    request: Request<'r>,
    status: Status,
}

/// How many lines there are with one name.
#[derive(Default)]
struct LineCounts {
    sent: usize,
    upstream: usize,
}

impl LineCounts {
    /// Whether the lines are taken from the upstream's response, and not from what nginx would
    /// send.
    fn is_from_upstream(&self) -> bool {
        // nginx keeps the challenges of a 401 when it replaces the response by an error page;
        // before 1.23.0 only the first of them.
        match cfg!(nginx_linked_headers) {
            true => self.sent == 0,
            false => self.sent < self.upstream,
        }
    }
}

impl<'r> SubrequestResponse<'r> {
    pub(super) fn new(request: Request<'r>, status: Status) -> Self {
        Self { request, status }
    }

    /// The status, also if nginx produced it ([`origin`](Self::origin)).
    pub fn status(self) -> Status {
        self.status
    }

    /// Who produced the status.
    pub fn origin(self) -> StatusOrigin {
        // SAFETY: the request is live.
        let number = unsafe { origin(self.request.raw(), ngx_uint_t::from(self.status.0)) };
        ORIGINS
            .get(number)
            .copied()
            .unwrap_or(StatusOrigin::NotAsked)
    }

    /// Whether a client may have a say in how nginx connects to the upstream: a variable is in the
    /// name or the certificate of TLS, or in the local address.
    pub fn connection_has_variables(self) -> bool {
        // SAFETY: the request is live.
        unsafe { connection_has_variables(self.request.raw()) != 0 }
    }

    /// The status of the upstream's response, if the configuration has put another one in its place,
    /// as by `error_page`.
    pub fn replaced_status(self) -> Option<Status> {
        // SAFETY: the request is live.
        let status =
            unsafe { replaced_status(self.request.raw(), ngx_uint_t::from(self.status.0)) };
        let status = u16::try_from(status).ok().filter(|status| *status != 0);
        status.map(Status)
    }

    /// How many milliseconds ago the subrequest was started, by nginx's clock of this event-loop
    /// iteration.
    #[inline]
    pub fn elapsed_ms(self) -> u64 {
        // SAFETY: the request is live; nginx sets ngx_cached_time before it serves requests
        // (ngx_time_init), and a worker has one thread.
        let ms = unsafe {
            let (request, now) = (self.request.raw(), ngx_cached_time);
            let seconds = (*now).sec.wrapping_sub((*request).start_sec);
            let ms = (*now).msec.wrapping_sub((*request).start_msec);
            seconds
                .wrapping_mul(1000)
                .wrapping_add(ms.cast_signed() as i64)
        };
        // The clock may have been set back.
        u64::try_from(ms).unwrap_or(0)
    }

    /// The media type of the body; empty if the response has none.
    pub fn content_type(self) -> Text<'r> {
        // SAFETY: the text lives as long as the request.
        unsafe { Text::from_raw((*self.request.raw()).headers_out.content_type) }
    }

    /// The value of a text with the variables of the subrequest, such as `$upstream_http_*`.
    pub fn evaluate(self, template: &Template) -> Result<Text<'r>, Failure> {
        template.evaluate(self.request)
    }

    /// The value of a variable of the subrequest. None if it has none.
    pub fn variable(self, variable: Variable) -> Option<Text<'r>> {
        self.request.variable(variable)
    }

    /// The header lines with the names that `is_wanted` selects: those that nginx would send to a
    /// client, and the upstream's lines that it would not send, because of `proxy_hide_header` or
    /// because it made an error page.
    // The service decides how many lines there are, so they are looked at a fixed number of times.
    pub fn headers(self, is_wanted: impl Fn(&[u8]) -> bool) -> Vec<(Text<'r>, Text<'r>)> {
        let is_wanted = |(name, _): &(Text<'r>, Text<'r>)| is_wanted(name);
        let mut sent: Vec<_> = self.request.response_headers().filter(is_wanted).collect();
        let mut upstream: Vec<_> = self.upstream_headers().filter(is_wanted).collect();
        if upstream.is_empty() {
            return sent;
        }
        let mut counts = HashMap::<_, LineCounts>::new();
        for (name, _) in &sent {
            counts.entry(name.to_ascii_lowercase()).or_default().sent += 1;
        }
        for (name, _) in &upstream {
            counts
                .entry(name.to_ascii_lowercase())
                .or_default()
                .upstream += 1;
        }
        let is_from_upstream = |name: &[u8]| {
            let counts = counts.get(&name.to_ascii_lowercase());
            counts.is_some_and(LineCounts::is_from_upstream)
        };
        sent.retain(|(name, _)| !is_from_upstream(name));
        upstream.retain(|(name, _)| is_from_upstream(name));
        sent.append(&mut upstream);
        sent
    }

    /// The values of all header lines with this name.
    pub fn header_values(self, name: &'static [u8]) -> impl Iterator<Item = Text<'r>> {
        let lines = self.headers(move |other| other.eq_ignore_ascii_case(name));
        lines.into_iter().map(|(_, value)| value)
    }

    /// Whether the location that was asked has nginx ignore what a header of the upstream's response
    /// says about caching (`proxy_ignore_headers`). `name` is in lower case.
    pub fn ignores_header(self, name: &[u8]) -> bool {
        let flag = match name {
            b"cache-control" => NGX_HTTP_UPSTREAM_IGN_CACHE_CONTROL,
            b"expires" => NGX_HTTP_UPSTREAM_IGN_EXPIRES,
            b"x-accel-expires" => NGX_HTTP_UPSTREAM_IGN_XA_EXPIRES,
            _ => return false,
        };
        // SAFETY: r->upstream is NULL or lives as long as the request, and so does its
        // configuration, once the protocol's module has set it (ngx_http_proxy_handler).
        let conf = unsafe {
            let upstream = (*self.request.raw()).upstream.as_ref();
            upstream.and_then(|upstream| upstream.conf.as_ref())
        };
        conf.is_some_and(|conf| conf.ignore_headers & flag as ngx_uint_t != 0)
    }

    /// What nginx has sent to the upstream whose response this is, up to the client's body: with
    /// HTTP/1, the header, and a body of `proxy_set_body`. `None` if the response is another's, for
    /// example that of a cache.
    pub fn sent_request(self) -> Option<Text<'r>> {
        // Otherwise the chain may be that of the client's body (ngx_http_upstream_init_request).
        if self.origin() != StatusOrigin::Upstream {
            return None;
        }
        // SAFETY: r->upstream is NULL or lives as long as the request, and so does the chain of
        // what was sent, whose first buffer the upstream module has filled
        // (ngx_http_proxy_create_request). Sending moves `pos` only: for another try nginx sends
        // from `start` to `last` again (ngx_http_upstream_reinit).
        unsafe {
            let upstream = (*self.request.raw()).upstream.as_ref()?;
            let buf = upstream.request_bufs.as_ref()?.buf.as_ref()?;
            if buf.start.is_null() || buf.last < buf.start {
                return None;
            }
            Some(Text::from_raw(ngx_str_t {
                len: buf.last.offset_from_unsigned(buf.start),
                data: buf.start,
            }))
        }
    }

    /// The log of the request.
    pub fn log(self) -> Log<'r> {
        self.request.log()
    }

    /// The header lines of the upstream's response; none if there is no upstream.
    fn upstream_headers(self) -> impl Iterator<Item = (Text<'r>, Text<'r>)> {
        // SAFETY: r->upstream is NULL or lives as long as the request. nginx initializes its list
        // of header lines in ngx_http_upstream_init_request or when it connects; before that `elts`
        // is NULL.
        let lines = unsafe {
            (*self.request.raw())
                .upstream
                .as_ref()
                .and_then(|upstream| {
                    let headers = &raw const upstream.headers_in.headers;
                    (!(*headers).part.elts.is_null()).then(|| HeaderLines::of_response(headers))
                })
        };
        lines.into_iter().flatten()
    }
}
