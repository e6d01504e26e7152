//! Header lines of which a response to a client has only one, and which nginx or an upstream adds
//! after us: `Location`, `Server` and their like. We may have added such a line before. It is
//! decided when the header is sent which of them the client gets.

use super::filter_state::{AddedSingleLines, OnlyLine, SubrequestFilter};
use super::request::Request;
use super::text::Text;
use nginx_sys::{ngx_http_headers_out_t, ngx_table_elt_t};
use std::ptr::{self, NonNull};

/// A name of which a response has one line. nginx makes a line of it unless it finds one in
/// headers_out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SingleLine {
    Location,
    Server,
    Date,
    Expires,
    LastModified,
    ETag,
}

impl SingleLine {
    const ALL: [Self; 6] = [
        Self::Location,
        Self::Server,
        Self::Date,
        Self::Expires,
        Self::LastModified,
        Self::ETag,
    ];

    fn name(self) -> &'static [u8] {
        match self {
            Self::Location => b"location",
            Self::Server => b"server",
            Self::Date => b"date",
            Self::Expires => b"expires",
            Self::LastModified => b"last-modified",
            Self::ETag => b"etag",
        }
    }

    /// Where nginx keeps the line.
    ///
    /// # Safety
    /// `out` is live.
    unsafe fn place(self, out: *mut ngx_http_headers_out_t) -> *mut *mut ngx_table_elt_t {
        // SAFETY: the caller's.
        unsafe {
            match self {
                Self::Location => &raw mut (*out).location,
                Self::Server => &raw mut (*out).server,
                Self::Date => &raw mut (*out).date,
                Self::Expires => &raw mut (*out).expires,
                Self::LastModified => &raw mut (*out).last_modified,
                Self::ETag => &raw mut (*out).etag,
            }
        }
    }

    /// Whether our line is put in nginx's place at once, so that nginx replaces it. It would take
    /// the other ones for those of the content: for a condition such as `If-None-Match`, say.
    fn is_placed_at_once(self) -> bool {
        !matches!(self, Self::LastModified | Self::ETag)
    }
}

impl Request<'_> {
    /// To be called for each line that we have added to the response's header.
    ///
    /// # Safety
    /// `line` is an element of headers_out.headers.
    pub(super) unsafe fn note_added_line(
        self,
        added: &AddedSingleLines,
        line: NonNull<ngx_table_elt_t>,
    ) {
        // SAFETY: the caller's; the request is live, and so are the lines that were added to its
        // response.
        unsafe {
            let name = Text::from_raw((*line.as_ptr()).key);
            let is_same = |single: &SingleLine| name.eq_ignore_ascii_case(single.name());
            let Some(single) = SingleLine::ALL.into_iter().find(is_same) else {
                return;
            };
            if let Some(previous) = added.0[single as usize].replace(Some(line)) {
                (*previous.as_ptr()).hash = 0;
            }
            if single.is_placed_at_once() {
                *single.place(&raw mut (*self.raw()).headers_out) = line.as_ptr();
            }
        }
    }

    /// Decides, before the header is sent, which line the client gets of each name: the line that
    /// we have added, or one that has come after it.
    pub(super) fn settle_single_lines(self) {
        let Some(state) = self.client_context_if_any::<SubrequestFilter>() else {
            return;
        };
        for single in SingleLine::ALL {
            if let Some(added) = state.added_single_lines.0[single as usize].take() {
                self.settle(single, added);
            }
        }
        if let Some(only) = state.only_line.get() {
            self.drop_others(only);
        }
    }

    /// Keeps all other lines of this line's name from being sent, if the line is still there.
    pub(super) fn drop_others(self, OnlyLine { name, line }: OnlyLine) {
        // SAFETY: an element of the list, which lives as long as the request.
        let name_of = |line: *mut ngx_table_elt_t| unsafe { Text::from_raw((*line).key) };
        let lines = self.response_headers().elements();
        let lines = lines.filter(|line| name_of(*line).eq_ignore_ascii_case(name));
        if lines.clone().any(|other| other == line.as_ptr()) {
            for other in lines.filter(|other| *other != line.as_ptr()) {
                // SAFETY: as above. nginx does not send a line with a hash of 0.
                unsafe { (*other).hash = 0 };
            }
        }
    }

    fn settle(self, single: SingleLine, added: NonNull<ngx_table_elt_t>) {
        // SAFETY: an element of the list, which lives as long as the request.
        let name = |line: *mut ngx_table_elt_t| unsafe { Text::from_raw((*line).key) };
        // An upstream's `Location` is in the list only (ngx_http_upstream_rewrite_location).
        let mut others = self.response_headers().elements();
        let other = others
            .find(|&line| line != added.as_ptr() && name(line).eq_ignore_ascii_case(single.name()));
        // SAFETY: the request is live, and the line one of its response's.
        unsafe {
            let out = &raw mut (*self.raw()).headers_out;
            let place = single.place(out);
            let has_other = other.is_some()
                || !(*place).is_null() && *place != added.as_ptr()
                || single == SingleLine::LastModified && (*out).last_modified_time != -1;
            if has_other {
                (*added.as_ptr()).hash = 0;
            }
            if *place == added.as_ptr() {
                *place = match single {
                    // It is sent as it is: nginx would make the one in this place absolute.
                    SingleLine::Location => ptr::null_mut(),
                    _ => other.unwrap_or(added.as_ptr()),
                };
            }
        }
    }
}
