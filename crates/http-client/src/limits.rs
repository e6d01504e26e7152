//! How long a GET may take, and how large a response may be.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use crate::network::Network;

/// How long a GET may take, and how large a response may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FetchLimits {
    /// For a connection, with the resolution of the name, and for a proxy's response.
    pub connect: Duration,
    /// For the TLS handshake.
    pub handshake: Duration,
    /// For the response's header, and between two pieces of its body.
    pub read: Duration,
    /// For everything, redirects included. A server that sends a byte now and then is ended by it.
    pub whole: Duration,
    /// For the bytes of a body.
    pub body_bytes: usize,
    /// For the bytes of a header.
    pub header_bytes: usize,
    /// For the lines of a header.
    pub header_lines: usize,
    /// For the number of redirects that are followed.
    pub redirects: usize,
}

impl Default for FetchLimits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            handshake: Duration::from_secs(10),
            read: Duration::from_secs(10),
            whole: Duration::from_secs(60),
            body_bytes: 8 * 1024 * 1024,
            header_bytes: 64 * 1024,
            header_lines: 200,
            redirects: 3,
        }
    }
}

/// What the future gives, or `None` if it is not ready in time; it is then dropped.
pub(crate) async fn within<N: Network, F: Future>(
    network: &N,
    limit: Duration,
    future: F,
) -> Option<F::Output> {
    before(pin!(network.sleep(limit)), future).await
}

/// What the future gives, or `None` if `end` comes first; it is then dropped.
pub(crate) async fn before<F: Future>(
    mut end: Pin<&mut impl Future<Output = ()>>,
    future: F,
) -> Option<F::Output> {
    let mut future = pin!(future);
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => end.as_mut().poll(cx).map(|()| None),
    })
    .await
}
