//! A network of tokio, in which each host name is this machine.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::rt::ReadBufCursor;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use crate::network::{ConnectError, Network, ResolvedAddress};

/// An address that does not respond.
const SILENT: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

/// The network of one fetch.
#[derive(Default)]
pub struct TestNetwork {
    /// If there is one, time passes only once it is set: a server has then done all that it does.
    pub is_quiet: Option<Arc<AtomicBool>>,
}

impl Network for TestNetwork {
    type Stream = TestStream;

    async fn resolve(&self, host: &str) -> Result<Vec<IpAddr>, ConnectError> {
        match host {
            "unknown.test" => Err(ConnectError::NoSuchHost),
            "unanswered.test" => std::future::pending().await,
            "slow.test" => Ok(vec![SILENT.into()]),
            _ => Ok(vec![Ipv4Addr::LOCALHOST.into()]),
        }
    }

    async fn connect(&self, address: &ResolvedAddress<'_>) -> Result<TestStream, ConnectError> {
        let stream: Box<dyn TokioStream> = match address {
            ResolvedAddress::Unix(path) => Box::new(UnixStream::connect(path).await?),
            ResolvedAddress::Ip(addresses) if addresses[0].ip() == SILENT => {
                std::future::pending().await
            }
            ResolvedAddress::Ip(addresses) => Box::new(TcpStream::connect(&addresses[..]).await?),
        };
        Ok(TestStream(stream))
    }

    async fn sleep(&self, duration: Duration) {
        if let Some(is_quiet) = &self.is_quiet {
            while !is_quiet.load(Ordering::SeqCst) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        tokio::time::sleep(duration).await;
    }
}

pub struct TestStream(Box<dyn TokioStream>);

trait TokioStream: AsyncRead + AsyncWrite + Unpin {}

impl<S: AsyncRead + AsyncWrite + Unpin> TokioStream for S {}

impl hyper::rt::Read for TestStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let mut data = [0; 4096];
        let length = buffer.remaining().min(data.len());
        let mut data = ReadBuf::new(&mut data[..length]);
        ready!(Pin::new(&mut self.0).poll_read(cx, &mut data))?;
        buffer.put_slice(data.filled());
        Poll::Ready(Ok(()))
    }
}

impl hyper::rt::Write for TestStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
