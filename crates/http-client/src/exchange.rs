//! One request and its response on a connection, by hyper. There is no task to run the connection
//! in, so whoever waits for something runs it meanwhile.

use std::error::Error as _;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, TRANSFER_ENCODING};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1;
use text::Quoted;

use crate::error::FetchError;
use crate::limits::{FetchLimits, within};
use crate::network::Network;
use crate::tls::TlsIoError;

/// How the client names itself.
pub(crate) const AGENT: &str = concat!("nginx-auth/", env!("CARGO_PKG_VERSION"));

/// hyper accepts no smaller buffer.
const LEAST_BUFFER: usize = 8192;

/// A connection, and whether it has ended.
pub(crate) struct HttpConnection<S: hyper::rt::Read + hyper::rt::Write> {
    connection: http1::Connection<S, Empty<Bytes>>,
    is_over: bool,
}

impl<S: hyper::rt::Read + hyper::rt::Write + Unpin> HttpConnection<S> {
    /// Sends a request and waits for the header of the response. `Ok(None)`: it does not come
    /// within `limit`.
    pub(crate) async fn send<N: Network>(
        network: &N,
        stream: S,
        request: Request<Empty<Bytes>>,
        limits: &FetchLimits,
        limit: std::time::Duration,
    ) -> Result<Option<(Self, Response<Incoming>)>, FetchError> {
        let response_error = |error: hyper::Error| response_error(&error, limits);
        let handshake = http1::Builder::new()
            .max_headers(limits.header_lines)
            // The one counts when the header is complete, the other one before that.
            .max_header_size(limits.header_bytes)
            .max_buf_size(limits.header_bytes.max(LEAST_BUFFER))
            .handshake(stream);
        let (mut sender, connection) = handshake.await.map_err(response_error)?;
        let mut this = Self {
            connection,
            is_over: false,
        };
        let response = this.run_for(sender.send_request(request));
        let Some(response) = within(network, limit, response).await else {
            return Ok(None);
        };
        Ok(Some((this, response.map_err(response_error)?)))
    }

    /// The body of the response, if it is a document.
    pub(crate) async fn read_body<N: Network>(
        &mut self,
        network: &N,
        mut response: Response<Incoming>,
        limits: &FetchLimits,
    ) -> Result<(HeaderMap, Vec<u8>), FetchError> {
        check_encoding(response.headers())?;
        let limit = limits.body_bytes;
        let announced = response.body().size_hint().lower();
        if usize::try_from(announced).map_or(true, |announced| announced > limit) {
            return Err(FetchError::TooLarge { limit });
        }
        let mut body = Vec::new();
        loop {
            let received = body.len();
            let frame = self.run_for(response.frame());
            let frame = within(network, limits.read, frame).await;
            let frame = frame.ok_or(FetchError::BodyTimeout {
                received,
                limit: limits.read,
            })?;
            match frame
                .transpose()
                .map_err(|error| body_error(&error, received))?
            {
                None => return Ok((std::mem::take(response.headers_mut()), body)),
                // A frame without data has trailers, which say nothing here.
                Some(frame) => body.extend_from_slice(frame.data_ref().unwrap_or(&Bytes::new())),
            }
            if body.len() > limit {
                return Err(FetchError::TooLarge { limit });
            }
        }
    }

    /// The stream behind a response to CONNECT, and what came on it already.
    pub(crate) async fn into_tunnel(mut self) -> Result<(S, Bytes), hyper::Error> {
        if !self.is_over {
            poll_fn(|cx| self.connection.poll_without_shutdown(cx)).await?;
        }
        let parts = self.connection.into_parts();
        Ok((parts.io, parts.read_buf))
    }

    /// Waits for something that the connection makes ready.
    async fn run_for<F: Future>(&mut self, work: F) -> F::Output {
        let mut work = pin!(work);
        poll_fn(|cx| {
            let output = work.as_mut().poll(cx);
            if output.is_ready() || self.is_over {
                return output;
            }
            // An error of the connection is that of the request or the body, too.
            self.is_over = self.connection.poll_without_shutdown(cx).is_ready();
            // What the connection has done may have made the work ready.
            work.as_mut().poll(cx)
        })
        .await
    }
}

/// Refuses what only a decoder could read.
fn check_encoding(headers: &HeaderMap) -> Result<(), FetchError> {
    let content = headers.get_all(CONTENT_ENCODING).iter();
    let transfer = headers.get_all(TRANSFER_ENCODING).iter();
    let is_foreign = |value: &[u8], known: &str| {
        let mut names = value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
        names.any(|name| !name.is_empty() && !name.eq_ignore_ascii_case(known.as_bytes()))
    };
    let content = content.filter(|value| is_foreign(value.as_bytes(), "identity"));
    let mut transfer = transfer.filter(|value| is_foreign(value.as_bytes(), "chunked"));
    match content.chain(&mut transfer).next() {
        Some(value) => Err(FetchError::Encoding(Quoted::new(value.as_bytes()))),
        None => Ok(()),
    }
}

/// Why there is no response.
fn response_error(error: &hyper::Error, limits: &FetchLimits) -> FetchError {
    // hyper has a function for it in servers only. A test holds the text.
    if error.to_string() == "message head is too large" {
        return FetchError::HeaderTooLarge {
            limit: limits.header_bytes,
            lines: limits.header_lines,
        };
    }
    if error.is_parse() {
        return FetchError::InvalidResponse(error.to_string());
    }
    match io_source(error) {
        Some(error) => match tls_source(error) {
            Some(error) => error,
            None if error.kind() == io::ErrorKind::UnexpectedEof => FetchError::Closed,
            None => FetchError::Broken(error.to_string()),
        },
        None if error.is_incomplete_message() || error.is_closed() || error.is_canceled() => {
            FetchError::Closed
        }
        None => FetchError::InvalidResponse(error.to_string()),
    }
}

/// Why the body is not complete.
fn body_error(error: &hyper::Error, received: usize) -> FetchError {
    use io::ErrorKind as Kind;

    let invalid = |reason| FetchError::InvalidBody { received, reason };
    match io_source(error) {
        Some(error) => match (tls_source(error), error.kind()) {
            (Some(error), _) => error,
            (None, Kind::InvalidData | Kind::InvalidInput | Kind::Other) => {
                invalid(error.to_string())
            }
            (None, _) => FetchError::Truncated { received },
        },
        None if error.is_incomplete_message() => FetchError::Truncated { received },
        None => invalid(error.to_string()),
    }
}

/// The error of the stream, which may be that of a connection that cancels a request.
fn io_source(error: &hyper::Error) -> Option<&io::Error> {
    let mut source = error.source();
    while let Some(error) = source {
        if let Some(error) = error.downcast_ref() {
            return Some(error);
        }
        source = error.source();
    }
    None
}

fn tls_source(error: &io::Error) -> Option<FetchError> {
    let TlsIoError(error) = error.get_ref()?.downcast_ref()?;
    Some(error.clone())
}

/// Why a response to CONNECT is none, in words.
pub(crate) fn reason(error: &FetchError) -> String {
    match error {
        FetchError::InvalidResponse(reason) | FetchError::Broken(reason) => reason.clone(),
        FetchError::Closed => "connection closed".to_owned(),
        error => error.to_string(),
    }
}

/// Whether a status is a redirect with a `Location`.
pub(crate) fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}
