//! Servers that send so fast that there is always something to read. tokio would let others run all
//! the same; nginx's event loop does not.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::rt::ReadBufCursor;

use super::support::{PATIENT, SOON, url};
use crate::client::{GetRequest, get};
use crate::error::FetchError;
use crate::limits::FetchLimits;
use crate::network::{ConnectError, Network, ResolvedAddress};
use crate::proxy::Proxy;
use crate::tls::{TlsConfigs, TlsOptions};

/// A network whose only server repeats this without end, once it is asked for something.
struct Flood(&'static [u8]);

struct FloodStream {
    data: std::iter::Cycle<std::slice::Iter<'static, u8>>,
    is_asked: bool,
}

impl Network for Flood {
    type Stream = FloodStream;

    async fn resolve(&self, _: &str) -> Result<Vec<IpAddr>, ConnectError> {
        Ok(vec![Ipv4Addr::LOCALHOST.into()])
    }

    async fn connect(&self, _: &ResolvedAddress<'_>) -> Result<FloodStream, ConnectError> {
        Ok(FloodStream {
            data: self.0.iter().cycle(),
            is_asked: false,
        })
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

impl hyper::rt::Read for FloodStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.is_asked {
            return Poll::Pending;
        }
        let length = buffer.remaining().min(4096);
        let data: Vec<_> = self.data.by_ref().take(length).copied().collect();
        buffer.put_slice(&data);
        Poll::Ready(Ok(()))
    }
}

impl hyper::rt::Write for FloodStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.is_asked = true;
        cx.waker().wake_by_ref();
        Poll::Ready(Ok(data.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn fetch(target: &str, data: &'static [u8], proxy: Option<&str>) -> FetchError {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let options = TlsOptions {
        verify: false,
        ..TlsOptions::default()
    };
    let tls = TlsConfigs::default().config(&options).unwrap();
    let limits = FetchLimits {
        whole: SOON,
        ..PATIENT
    };
    let url = url(target);
    let proxy = proxy.map(|proxy| Proxy::parse(proxy).unwrap());
    let request = GetRequest {
        url: &url,
        accept: "*/*",
        proxy: proxy.as_ref(),
    };
    let fetched = runtime.block_on(get(&Flood(data), &request, &limits, &tls));
    fetched.unwrap_err()
}

#[test]
fn row_36_a_flood_does_not_stop_the_clock() {
    let continues = b"HTTP/1.1 100 Continue\r\n\r\n";
    let expected = "not complete within 50ms";
    let fetched = fetch("http://a.test/", continues, None);
    assert_eq!(fetched.to_string(), expected);
    let fetched = fetch("http://a.test/", continues, Some("http://proxy.test"));
    assert_eq!(fetched.to_string(), expected);
    // What is not TLS ends the handshake.
    let fetched = fetch("https://a.test/", continues, None);
    let not_tls = "TLS failed: wrong version number; there may be no TLS at this port";
    assert_eq!(fetched.to_string(), not_tls);
}
