//! A stream that takes turns with the rest of the event loop.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hyper::rt::ReadBufCursor;

/// How often in a row a stream is read without letting others run. hyper reads some kilobytes at
/// once.
const READS_IN_A_ROW: u32 = 32;

/// A stream that takes turns with the rest of the event loop. A server that sends faster than it is
/// read, such as informational responses without end, would otherwise stop everything in this
/// worker, its time limits included.
pub(crate) struct TakingTurns<S> {
    stream: S,
    reads: u32,
}

impl<S> TakingTurns<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, reads: 0 }
    }
}

impl<S: hyper::rt::Read + Unpin> hyper::rt::Read for TakingTurns<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if self.reads >= READS_IN_A_ROW {
            self.reads = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let reads = std::mem::take(&mut self.reads);
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        self.reads = reads.saturating_add(1);
        Poll::Ready(Ok(()))
    }
}

impl<S: hyper::rt::Write + Unpin> hyper::rt::Write for TakingTurns<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
