//! The body of the response to a subrequest. The body filter hands over its bytes as they come, and
//! what becomes of them was decided when the subrequest was started: they are kept, or dropped.

use super::failure::Failure;
use super::pool::own;
use nginx_sys::ngx_pool_t;
use std::cell::{Cell, Ref, RefCell};
use std::ops::ControlFlow;
use std::ptr::NonNull;

/// What becomes of the body of a response.
#[derive(Debug, Clone, Copy)]
pub enum ResponseBody {
    /// It is read and dropped.
    Discard,
    /// It is kept. Reading stops at a body longer than this many bytes.
    Require(usize),
    /// It is kept if it has at most this many bytes, else dropped.
    KeepUpTo(usize),
}

impl ResponseBody {
    /// How much of a body is read only to drop it. A connection whose response was read to its end
    /// can be used again; beyond this many bytes a new connection is cheaper.
    pub const MAX_DISCARDED: usize = 1024 * 1024;

    /// How many bytes are kept. Of a longer body nothing is.
    fn keep_limit(self) -> usize {
        match self {
            Self::Discard => 0,
            Self::Require(limit) | Self::KeepUpTo(limit) => limit,
        }
    }

    /// How many bytes are read. At a longer body reading stops.
    fn read_limit(self) -> usize {
        match self {
            Self::Require(limit) => limit,
            Self::Discard | Self::KeepUpTo(_) => self.keep_limit().max(Self::MAX_DISCARDED),
        }
    }
}

/// Why the body of a response cannot be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyError {
    /// It is longer than what is kept, or it cannot be read.
    TooLarge,
    /// Its end has not come: nginx passes on what there is of a response that breaks off.
    Truncated,
}

/// The body of a response while it is read.
pub(super) struct BodyReader {
    wanted: ResponseBody,
    state: Cell<ReadState>,
    /// How many bytes have come so far.
    length: Cell<usize>,
    /// The bytes so far, owned by the pool that this is in. None where they are dropped.
    kept: Option<NonNull<RefCell<Vec<u8>>>>,
    /// nginx took an error of our filter for an error of the client's connection.
    connection_blamed: Cell<bool>,
}

/// How far reading has come. It ends in one of the other two states, and `GivenUp` is final.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ReadState {
    Reading,
    Complete,
    GivenUp,
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
            state: Cell::new(ReadState::Reading),
            length: Cell::new(0),
            kept,
            connection_blamed: Cell::new(false),
        })
    }

    pub(super) fn is_discarded(&self) -> bool {
        matches!(self.wanted, ResponseBody::Discard)
    }

    pub(super) fn is_required(&self) -> bool {
        matches!(self.wanted, ResponseBody::Require(_))
    }

    /// Whether [`blame_connection`](Self::blame_connection) was called.
    pub(super) fn is_connection_blamed(&self) -> bool {
        self.connection_blamed.get()
    }

    /// The whole body.
    pub(super) fn bytes(&self) -> Result<Ref<'_, [u8]>, BodyError> {
        self.check_complete()?;
        match self.kept() {
            Some(kept) if self.length.get() <= self.wanted.keep_limit() => {
                Ok(Ref::map(kept.borrow(), Vec::as_slice))
            }
            _ => Err(BodyError::TooLarge),
        }
    }

    /// Whether the whole body has come, kept or dropped.
    pub(super) fn check_complete(&self) -> Result<(), BodyError> {
        match self.state.get() {
            ReadState::Complete => Ok(()),
            ReadState::Reading => Err(BodyError::Truncated),
            ReadState::GivenUp => Err(BodyError::TooLarge),
        }
    }

    /// Whether nginx need not make a body of this length (-1 where it is not known), since nobody
    /// would get it.
    pub(super) fn is_superfluous(&self, length: i64) -> bool {
        match self.wanted {
            ResponseBody::Discard => true,
            ResponseBody::Require(_) => false,
            ResponseBody::KeepUpTo(limit) => usize::try_from(length).is_ok_and(|l| l > limit),
        }
    }

    /// Ends reading of a body that will not come, and would have had this length (-1 where it is
    /// not known).
    pub(super) fn skip(&self, length: i64) {
        self.length.set(usize::try_from(length).unwrap_or(0));
        self.end();
    }

    /// Takes the next bytes. `Break` tells to stop reading: the body is too long.
    pub(super) fn push(&self, bytes: &[u8]) -> ControlFlow<()> {
        let length = self.length.get().saturating_add(bytes.len());
        self.length.set(length);
        if let Some(kept) = self.kept() {
            match length <= self.wanted.keep_limit() {
                true => kept.borrow_mut().extend_from_slice(bytes),
                false => drop(kept.take()),
            }
        }
        match length <= self.wanted.read_limit() && self.state.get() != ReadState::GivenUp {
            true => ControlFlow::Continue(()),
            false => self.give_up(),
        }
    }

    /// The last byte has come.
    pub(super) fn end(&self) {
        if self.state.get() == ReadState::Reading {
            self.state.set(ReadState::Complete);
        }
    }

    /// The body cannot be read any further.
    pub(super) fn give_up(&self) -> ControlFlow<()> {
        self.state.set(ReadState::GivenUp);
        ControlFlow::Break(())
    }

    /// Our filter is about to return an error, which nginx takes for an error of the client's
    /// connection (ngx_http_output_filter). To be called only if the connection had none before.
    pub(super) fn blame_connection(&self) {
        self.connection_blamed.set(true);
    }

    fn kept(&self) -> Option<&RefCell<Vec<u8>>> {
        // SAFETY: the pool owns both this value and what the pointer leads to.
        self.kept.map(|kept| unsafe { kept.as_ref() })
    }
}
