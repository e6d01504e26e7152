//! The TLS handshake, and the stream that comes out of it.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use http_url::{HttpUrl, UrlHost};
use hyper::rt::{ReadBuf, ReadBufCursor};
use openssl::error::ErrorStack;
use openssl::ssl::{ErrorCode, Ssl, SslStream, SslVerifyMode};
use openssl::x509::verify::X509CheckFlags;

use super::certificate::Verification;
use super::config::TlsConfig;
use super::error_queue::with_own_errors;
use crate::error::FetchError;

/// The plain text of one TLS record.
const RECORD: usize = 16 * 1024;

/// An encrypted stream.
pub struct TlsStream<S> {
    ssl: SslStream<Blocking<S>>,
    /// What OpenSSL decrypts is copied from here: it writes to initialized memory only.
    plain: Box<[u8]>,
}

/// An error of OpenSSL inside an [`io::Error`], which is all that hyper lets through.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct TlsIoError(pub(crate) FetchError);

/// Does the handshake with a server, and verifies its certificate.
pub(crate) async fn handshake<S>(
    config: &TlsConfig,
    url: &HttpUrl,
    stream: S,
) -> Result<TlsStream<S>, FetchError>
where
    S: hyper::rt::Read + hyper::rt::Write + Unpin,
{
    let name = ServerName::of(config, url.host());
    let prepared = with_own_errors(|| prepare(config, &name));
    let (ssl, verification) = prepared.map_err(|error| setup_error(&error))?;
    let stream = Blocking {
        stream,
        waker: Waker::noop().clone(),
    };
    let mut ssl = SslStream::new(ssl, stream).map_err(|error| setup_error(&error))?;
    let result = poll_fn(|cx| {
        ssl.get_mut().wake_by(cx);
        ready(|| ssl.connect())
    });
    if let Err(error) = result.await {
        return Err(verification
            .and_then(|verification| verification.error())
            .unwrap_or_else(|| match handshake_error(&error) {
                Some(error) => error,
                None => FetchError::HandshakeClosed {
                    server: url.authority(),
                },
            }));
    }
    Ok(TlsStream {
        ssl,
        plain: vec![0; RECORD].into_boxed_slice(),
    })
}

/// Whom the certificate has to be for.
struct ServerName {
    text: String,
    is_address: bool,
}

impl ServerName {
    fn of(config: &TlsConfig, host: &UrlHost) -> Self {
        let text = match (&config.name, host) {
            (Some(name), _) => name.clone(),
            (None, UrlHost::Unix(_)) => "localhost".to_owned(),
            (None, UrlHost::Ip(address)) => address.to_string(),
            (None, UrlHost::Name(name)) => name.clone(),
        };
        // Certificates have names without the dot at the end.
        let text = text.strip_suffix('.').map(str::to_owned).unwrap_or(text);
        let is_address = text.parse::<std::net::IpAddr>().is_ok();
        Self { text, is_address }
    }
}

fn prepare(
    config: &TlsConfig,
    name: &ServerName,
) -> Result<(Ssl, Option<Verification>), ErrorStack> {
    let mut ssl = Ssl::new(&config.context)?;
    // An address is no name for SNI (RFC 6066 section 3).
    if !name.is_address {
        ssl.set_hostname(&name.text)?;
    }
    if !config.verify {
        ssl.set_verify(SslVerifyMode::NONE);
        return Ok((ssl, None));
    }
    let param = ssl.param_mut();
    param.set_hostflags(X509CheckFlags::NO_PARTIAL_WILDCARDS);
    match name.text.parse() {
        Ok(address) => param.set_ip(address)?,
        Err(_) => param.set_host(&name.text)?,
    }
    let verification = Verification::of(&mut ssl, &name.text);
    Ok((ssl, Some(verification)))
}

fn setup_error(error: &ErrorStack) -> FetchError {
    FetchError::Tls {
        reason: reason(error),
    }
}

/// `None`: the connection was closed.
fn handshake_error(error: &openssl::ssl::Error) -> Option<FetchError> {
    if let Some(error) = error.io_error() {
        return Some(FetchError::Tls {
            reason: error.to_string(),
        });
    }
    protocol_error(error)
}

/// What OpenSSL says about the other side. `None`: it closed the connection.
fn protocol_error(error: &openssl::ssl::Error) -> Option<FetchError> {
    let reason = reason(error.ssl_error()?);
    // OpenSSL 3 calls the end of the connection so.
    if reason.contains("unexpected eof") {
        return None;
    }
    Some(match reason.contains(" alert ") {
        true => FetchError::TlsRefused { reason },
        false => FetchError::Tls { reason },
    })
}

fn reason(errors: &ErrorStack) -> String {
    let first = errors.errors().first();
    let reason = first.and_then(openssl::error::Error::reason);
    reason.unwrap_or("unknown error of OpenSSL").to_owned()
}

/// OpenSSL's result as that of a poll.
fn ready<T>(
    step: impl FnOnce() -> Result<T, openssl::ssl::Error>,
) -> Poll<Result<T, openssl::ssl::Error>> {
    match with_own_errors(step) {
        Err(error) if matches!(error.code(), ErrorCode::WANT_READ | ErrorCode::WANT_WRITE) => {
            Poll::Pending
        }
        result => Poll::Ready(result),
    }
}

/// An error while data is read or written.
fn io_error(error: openssl::ssl::Error) -> io::Error {
    match error.into_io_error() {
        Ok(error) => error,
        Err(error) => match protocol_error(&error) {
            Some(error) => io::Error::other(TlsIoError(error)),
            None => io::ErrorKind::UnexpectedEof.into(),
        },
    }
}

impl<S> hyper::rt::Read for TlsStream<S>
where
    S: hyper::rt::Read + hyper::rt::Write + Unpin,
{
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        this.ssl.get_mut().wake_by(cx);
        let length = buffer.remaining().min(this.plain.len());
        let Some(plain) = this.plain.get_mut(..length).filter(|_| length > 0) else {
            return Poll::Ready(Ok(()));
        };
        let read = match std::task::ready!(ready(|| this.ssl.ssl_read(plain))) {
            Ok(read) => read,
            // The server has said that there is no more.
            Err(error) if error.code() == ErrorCode::ZERO_RETURN => 0,
            Err(error) => return Poll::Ready(Err(io_error(error))),
        };
        buffer.put_slice(plain.get(..read).unwrap_or_default());
        Poll::Ready(Ok(()))
    }
}

impl<S> hyper::rt::Write for TlsStream<S>
where
    S: hyper::rt::Read + hyper::rt::Write + Unpin,
{
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        if data.is_empty() {
            return Poll::Ready(Ok(0));
        }
        self.ssl.get_mut().wake_by(cx);
        ready(|| self.ssl.ssl_write(data)).map_err(io_error)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.ssl.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.ssl.get_mut().wake_by(cx);
        // The answer to our "close_notify" is of no interest, and a failure neither.
        let _ = with_own_errors(|| self.ssl.shutdown());
        Pin::new(&mut self.ssl.get_mut().stream).poll_shutdown(cx)
    }
}

/// A stream as OpenSSL wants it: what would have to wait is [`io::ErrorKind::WouldBlock`], and the
/// task is woken when it is worth trying again.
struct Blocking<S> {
    stream: S,
    waker: Waker,
}

impl<S> Blocking<S> {
    fn wake_by(&mut self, cx: &Context<'_>) {
        self.waker.clone_from(cx.waker());
    }
}

impl<S: hyper::rt::Read + Unpin> io::Read for Blocking<S> {
    fn read(&mut self, data: &mut [u8]) -> io::Result<usize> {
        let mut buffer = ReadBuf::new(data);
        let mut cx = Context::from_waker(&self.waker);
        match Pin::new(&mut self.stream).poll_read(&mut cx, buffer.unfilled()) {
            Poll::Ready(result) => result.map(|()| buffer.filled().len()),
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

impl<S: hyper::rt::Write + Unpin> io::Write for Blocking<S> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let mut cx = Context::from_waker(&self.waker);
        would_block(Pin::new(&mut self.stream).poll_write(&mut cx, data))
    }

    fn flush(&mut self) -> io::Result<()> {
        let mut cx = Context::from_waker(&self.waker);
        would_block(Pin::new(&mut self.stream).poll_flush(&mut cx))
    }
}

fn would_block<T>(poll: Poll<io::Result<T>>) -> io::Result<T> {
    match poll {
        Poll::Ready(result) => result,
        Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
    }
}
