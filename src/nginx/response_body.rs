//! The body of the response to a subrequest. The body filter hands over its bytes as they come, and
//! what becomes of them was decided when the subrequest was started: they are kept, or dropped.

use super::chain::buffer_length;
use super::failure::Failure;
use super::pool::own;
use super::shim::{buf_ends_response, buf_in_memory, buf_special};
use nginx_sys::{ngx_buf_t, ngx_pool_t};
use std::cell::{Cell, Ref, RefCell};
use std::ptr::NonNull;
use std::slice;

/// What becomes of the body of a response.
#[derive(Debug, Clone, Copy)]
pub enum ResponseBody {
    /// Nobody wants it: the response counts as soon as its header has come.
    Discard,
    /// It is kept. Reading stops at a body longer than this many bytes.
    Require(usize),
    /// It is kept if it has at most as many bytes as
    /// [`SubrequestOwner::body_limit`](super::SubrequestOwner::body_limit) says of the response's
    /// status.
    ByStatus,
}

impl ResponseBody {
    /// How much of a body that nobody wants is read. A connection whose response was read to its
    /// end can be used again; beyond this many bytes a new connection is cheaper.
    pub(super) const MAX_DROPPED: usize = 64 * 1024;
}

/// Why the body of a response cannot be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyError {
    /// It is longer than what is kept.
    TooLarge,
    /// Its end has not come: nginx passes on what there is of a response that breaks off.
    Truncated,
    /// nginx has it in a file, and has not read it from there.
    Unreadable,
    /// Nobody wanted it.
    Dropped,
}

/// What the body of a response is doing. A body whose end never comes stays `Kept`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ResponseBodyStage {
    /// The header has not come, or a header filter failed.
    NoHeader,
    /// Its bytes are kept as they come.
    Kept,
    /// All of its bytes have come, and are kept.
    Whole,
    /// What comes is dropped, for this reason.
    Dropped(BodyError),
}

/// What the body filter does after a piece of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    ReadOn,
    /// Reads on behind the back of the request that has started the subrequest: it needs no more of
    /// the body.
    ReadBehind,
    /// Reads no more.
    Stop,
}

/// The body of a response while it is read.
pub(super) struct BodyReader {
    wanted: ResponseBody,
    stage: Cell<ResponseBodyStage>,
    /// How many bytes are kept. Of a longer body nothing is.
    limit: Cell<usize>,
    /// How many bytes have come so far.
    length: Cell<usize>,
    /// The bytes so far, owned by the pool that this is in. None where no body is kept.
    kept: Option<NonNull<RefCell<Vec<u8>>>>,
}

impl BodyReader {
    /// # Safety
    /// The pool is live, and owns what this becomes a part of.
    pub(super) unsafe fn new(wanted: ResponseBody, pool: *mut ngx_pool_t) -> Result<Self, Failure> {
        let kept = match wanted {
            ResponseBody::Discard => None,
            // SAFETY: the caller's.
            _ => Some(unsafe { own(pool, RefCell::default())? }),
        };
        Ok(Self {
            wanted,
            stage: Cell::new(ResponseBodyStage::NoHeader),
            limit: Cell::new(0),
            length: Cell::new(0),
            kept,
        })
    }

    /// What the subrequest was started with.
    pub(super) fn wanted(&self) -> ResponseBody {
        self.wanted
    }

    /// The whole body.
    pub(super) fn bytes(&self) -> Result<Ref<'_, [u8]>, BodyError> {
        match (self.stage.get(), self.kept()) {
            (ResponseBodyStage::Whole, Some(kept)) => Ok(Ref::map(kept.borrow(), Vec::as_slice)),
            (ResponseBodyStage::Dropped(reason), _) => Err(reason),
            _ => Err(BodyError::Truncated),
        }
    }

    /// Whether the header has come.
    pub(super) fn has_header(&self) -> bool {
        self.stage.get() != ResponseBodyStage::NoHeader
    }

    /// The header has come, and the body is kept if it has at most this many bytes.
    pub(super) fn keep_up_to(&self, limit: usize) {
        self.limit.set(limit);
        self.stage.set(ResponseBodyStage::Kept);
    }

    /// The header has come, and the body is dropped.
    pub(super) fn drop_it(&self, reason: BodyError) {
        self.stage.set(ResponseBodyStage::Dropped(reason));
    }

    /// The last byte has come.
    pub(super) fn end(&self) {
        if self.stage.get() == ResponseBodyStage::Kept {
            self.stage.set(ResponseBodyStage::Whole);
        }
    }

    /// Takes the next piece, which has this length. It has no bytes if they are in a file.
    fn push(&self, length: usize, bytes: Option<&[u8]>) -> Progress {
        let length = self.length.get().saturating_add(length);
        self.length.set(length);
        if let ResponseBodyStage::Dropped(_) = self.stage.get() {
            return match length <= ResponseBody::MAX_DROPPED {
                true => Progress::ReadOn,
                false => Progress::Stop,
            };
        }
        let reason = match (bytes, self.kept()) {
            (Some(bytes), Some(kept)) if length <= self.limit.get() => {
                kept.borrow_mut().extend_from_slice(bytes);
                return Progress::ReadOn;
            }
            (None, _) => BodyError::Unreadable,
            _ => BodyError::TooLarge,
        };
        self.drop_it(reason);
        if let Some(kept) = self.kept() {
            drop(kept.take());
        }
        match self.wanted {
            ResponseBody::ByStatus if length <= ResponseBody::MAX_DROPPED => Progress::ReadBehind,
            _ => Progress::Stop,
        }
    }

    /// Takes the bytes of a buffer of the body.
    ///
    /// # Safety
    /// The buffer is live, with `pos` and `last` as nginx has them.
    pub(super) unsafe fn take(&self, buf: &mut ngx_buf_t) -> Progress {
        // SAFETY: the caller's. A buffer in memory holds the bytes from pos to last.
        let progress = unsafe {
            let length = buffer_length(buf);
            if buf_special(buf) != 0 {
                Progress::ReadOn
            } else if buf_in_memory(buf) != 0 {
                self.push(length, Some(slice::from_raw_parts(buf.pos, length)))
            } else {
                self.push(length, None)
            }
        };
        // SAFETY: the caller's.
        if unsafe { buf_ends_response(buf) } != 0 {
            self.end();
        }
        buf.pos = buf.last;
        buf.file_pos = buf.file_last;
        progress
    }

    fn kept(&self) -> Option<&RefCell<Vec<u8>>> {
        // SAFETY: the pool owns both this value and what the pointer leads to.
        self.kept.map(|kept| unsafe { kept.as_ref() })
    }
}
