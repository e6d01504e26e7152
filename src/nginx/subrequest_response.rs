//! The response to a subrequest: its status, who produced that, and its header lines.

use super::failure::Failure;
use super::header::HeaderLines;
use super::log::Log;
use super::request::Request;
use super::shim::origin;
use super::status::Status;
use super::template::Template;
use super::text::Text;
use nginx_sys::ngx_uint_t;

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

    /// The media type of the body; empty if the response has none.
    pub fn content_type(self) -> Text<'r> {
        // SAFETY: the text lives as long as the request.
        unsafe { Text::from_raw((*self.request.raw()).headers_out.content_type) }
    }

    /// The value of a text with the variables of the subrequest, such as `$upstream_http_*`.
    pub fn evaluate(self, template: &Template) -> Result<Text<'r>, Failure> {
        template.evaluate(self.request)
    }

    /// The header lines that nginx would send to a client, and the upstream's lines that it would
    /// not send, because of `proxy_hide_header` or because it made an error page.
    pub fn headers(self) -> impl Iterator<Item = (Text<'r>, Text<'r>)> {
        let sent = self.request.response_headers();
        let upstream = self.upstream_headers();
        sent.filter(move |(name, _)| !self.is_from_upstream(name))
            .chain(upstream.filter(move |(name, _)| self.is_from_upstream(name)))
    }

    /// The values of all header lines with this name.
    pub fn header_values(self, name: &'static [u8]) -> impl Iterator<Item = Text<'r>> {
        let lines = self.headers();
        lines.filter_map(|(other, value)| other.eq_ignore_ascii_case(name).then_some(value))
    }

    /// The log of the request.
    pub fn log(self) -> Log<'r> {
        self.request.log()
    }

    /// Whether the lines with this name are taken from the upstream's response, and not from what
    /// nginx would send.
    fn is_from_upstream(self, name: &[u8]) -> bool {
        let has_name = |(other, _): &(Text<'_>, Text<'_>)| other.eq_ignore_ascii_case(name);
        let sent = self.request.response_headers().filter(has_name).count();
        // nginx keeps the challenges of a 401 when it replaces the response by an error page;
        // before 1.23.0 only the first of them.
        match cfg!(nginx_linked_headers) {
            true => sent == 0,
            false => sent < self.upstream_headers().filter(has_name).count(),
        }
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
                    (!(*headers).part.elts.is_null()).then(|| HeaderLines::from_raw(headers))
                })
        };
        lines.into_iter().flatten()
    }
}
