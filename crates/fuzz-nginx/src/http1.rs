//! Requests as bytes, and responses of nginx out of bytes.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

/// Longer than any time limit in the configuration: whoever waits longer has found a hanging
/// request.
const PATIENCE: Duration = Duration::from_secs(30);
/// nginx may be waiting for the rest of what was never a request.
const MOMENT: Duration = Duration::from_millis(100);

pub type LineBytes = (Vec<u8>, Vec<u8>);

/// A request whose form is right, whatever its parts say.
#[derive(Clone, Debug)]
pub struct HttpRequest {
    pub method: Vec<u8>,
    pub target: Vec<u8>,
    pub lines: Vec<LineBytes>,
    pub body: Option<Vec<u8>>,
    /// The body in chunks of this length, in place of its length.
    pub chunk: Option<usize>,
}

impl HttpRequest {
    pub fn get(target: &str) -> Self {
        Self {
            method: b"GET".to_vec(),
            target: target.as_bytes().to_vec(),
            lines: vec![(b"Host".to_vec(), b"localhost".to_vec())],
            body: None,
            chunk: None,
        }
    }

    pub fn with(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.lines
            .push((name.as_bytes().to_vec(), value.as_ref().to_vec()));
        self
    }

    /// The values of all lines of this name, without the spaces around them.
    pub fn values(&self, name: &str) -> Vec<&[u8]> {
        let lines = self.lines.iter();
        lines
            .filter(|line| line.0.eq_ignore_ascii_case(name.as_bytes()))
            .map(|line| trim(&line.1))
            .collect()
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = [&self.method, &b" "[..], &self.target, b" HTTP/1.1\r\n"].concat();
        for (name, value) in &self.lines {
            bytes.extend([name, &b": "[..], value, b"\r\n"].concat());
        }
        let body = self.body.as_deref();
        match (body, self.chunk) {
            (Some(body), Some(chunk)) => {
                bytes.extend(b"Transfer-Encoding: chunked\r\n\r\n");
                for part in body.chunks(chunk.max(1)) {
                    bytes.extend(format!("{:x}\r\n", part.len()).bytes());
                    bytes.extend([part, b"\r\n"].concat());
                }
                bytes.extend(b"0\r\n\r\n");
            }
            (Some(body), None) => {
                bytes.extend(format!("Content-Length: {}\r\n\r\n", body.len()).bytes());
                bytes.extend(body);
            }
            (None, _) => bytes.extend(b"\r\n"),
        }
        bytes
    }
}

pub fn trim(value: &[u8]) -> &[u8] {
    let start = value
        .iter()
        .position(|&byte| byte != b' ')
        .unwrap_or(value.len());
    let end = value
        .iter()
        .rposition(|&byte| byte != b' ')
        .map_or(start, |at| at + 1);
    &value[start..end]
}

/// Whether the bytes have this part.
pub fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// The bytes without the lines that are a number, and all of one line: what a body was before it
/// was chunked.
pub fn without_chunks(bytes: &[u8]) -> Vec<u8> {
    let lines = bytes.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii);
    lines
        .filter(|line| !line.iter().all(u8::is_ascii_hexdigit))
        .collect::<Vec<_>>()
        .concat()
}

#[derive(Debug)]
pub struct Response {
    pub status: u16,
    lines: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Response {
    /// The value of the first line of this name.
    pub fn line(&self, name: &str) -> Option<&str> {
        let mut lines = self.lines.iter();
        lines
            .find(|line| line.0.eq_ignore_ascii_case(name))
            .map(|line| line.1.as_str())
    }

    pub fn is_success(&self) -> bool {
        is_success(self.status)
    }
}

pub fn is_success(status: u16) -> bool {
    (200..300).contains(&status)
}

/// A connection to nginx.
pub struct NginxConnection(BufReader<TcpStream>);

impl NginxConnection {
    pub fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self(BufReader::new(stream)))
    }

    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.get_mut().write_all(bytes)
    }

    /// Whether something can be read within a tenth of a second, be it the end.
    pub fn is_ready(&mut self) -> io::Result<bool> {
        self.0.get_ref().set_read_timeout(Some(MOMENT))?;
        let is_ready = match self.0.fill_buf() {
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock) => Ok(false),
            Err(error) if !is_end(&error) => Err(error),
            _ => Ok(true),
        };
        self.0.get_ref().set_read_timeout(Some(PATIENCE))?;
        is_ready
    }

    /// Nothing more is sent.
    pub fn end(&mut self) -> io::Result<()> {
        match self.0.get_ref().shutdown(Shutdown::Write) {
            Err(error) if error.kind() != io::ErrorKind::NotConnected => Err(error),
            _ => Ok(()),
        }
    }

    pub fn reader(&mut self) -> &mut impl BufRead {
        &mut self.0
    }

    /// The next final response to a request of this method, or nothing if nginx has closed the
    /// connection.
    pub fn receive(&mut self, method: &[u8]) -> io::Result<Option<Response>> {
        loop {
            let response = match read_response(&mut self.0, method) {
                // nginx has closed a connection with something unread.
                Err(error) if is_end(&error) => return Ok(None),
                other => other?,
            };
            if response
                .as_ref()
                .is_none_or(|response| response.status >= 200)
            {
                return Ok(response);
            }
        }
    }
}

pub fn is_end(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::UnexpectedEof
    )
}

/// Sends one request on a connection of its own.
pub fn ask(address: SocketAddr, request: &HttpRequest) -> io::Result<Option<Response>> {
    let mut connection = NginxConnection::open(address)?;
    connection.send(&request.clone().with("Connection", "close").to_bytes())?;
    connection.receive(&request.method)
}

fn read_line(reader: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    if reader.read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    Ok(Some(String::from_utf8_lossy(&line).trim_end().to_owned()))
}

fn read_response(reader: &mut impl BufRead, method: &[u8]) -> io::Result<Option<Response>> {
    let Some(first) = read_line(reader)? else {
        return Ok(None);
    };
    let status = first
        .strip_prefix("HTTP/1.1 ")
        .and_then(|rest| rest.get(..3)?.parse().ok());
    let status = status.ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::InvalidData,
            format!("nginx began a response with {first:?}"),
        )
    })?;
    let mut response = Response {
        status,
        lines: Vec::new(),
        body: Vec::new(),
    };
    while let Some(line) = read_line(reader)? {
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':').unwrap_or((&line, ""));
        response
            .lines
            .push((name.to_owned(), value.trim().to_owned()));
    }
    if method == b"HEAD" || status < 200 || status == 204 || status == 304 {
        return Ok(Some(response));
    }
    if response.line("Transfer-Encoding").is_some() {
        while let Some(line) = read_line(reader)? {
            let length = usize::from_str_radix(&line, 16).unwrap_or(0);
            let mut chunk = vec![0; length];
            reader.read_exact(&mut chunk)?;
            response.body.extend(chunk);
            read_line(reader)?;
            if length == 0 {
                break;
            }
        }
    } else if let Some(length) = response
        .line("Content-Length")
        .and_then(|length| length.parse().ok())
    {
        response.body = vec![0; length];
        reader.read_exact(&mut response.body)?;
    } else {
        reader.read_to_end(&mut response.body)?;
    }
    Ok(Some(response))
}
