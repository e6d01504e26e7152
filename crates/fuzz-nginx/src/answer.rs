//! Answers of a service, mutated, and what they are by a parser that shares no code with nginx and
//! the module.

use serde_json::Value;

use crate::http1::trim;
use crate::mutate;
use crate::random::Random;

/// What was changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Change {
    Nothing,
    /// A JSON body, which is JSON still, with its right length in the header.
    Json,
    /// Any byte.
    Any,
}

pub struct Answer {
    pub bytes: Vec<u8>,
    pub change: Change,
}

impl Answer {
    /// An answer with this status, these lines and this JSON as its body, often a changed one.
    pub fn new(random: &mut Random, status: &str, lines: &[String], body: &[u8]) -> Self {
        let mut change = *random.pick(&[Change::Nothing, Change::Json, Change::Any, Change::Any]);
        let mut body = body.to_vec();
        if change == Change::Json {
            body = mutate::json(random, &body);
            if serde_json::from_slice::<Value>(&body).is_err() {
                change = Change::Any;
            }
        }
        let mut lines = lines.to_vec();
        let has_body = !status.starts_with("204") && !status.starts_with("304");
        match random.below(3) {
            _ if !has_body => body.clear(),
            0 => {
                lines.push("Transfer-Encoding: chunked".to_owned());
                body = chunked(random, &body);
            }
            1 => lines.push("Connection: close".to_owned()),
            _ => lines.push(format!("Content-Length: {}", body.len())),
        }
        let mut bytes = format!("HTTP/1.1 {status}\r\n{}\r\n\r\n", lines.join("\r\n")).into_bytes();
        let head = bytes.len();
        bytes.extend(body);
        if change == Change::Any {
            match random.below(6) {
                0 => mutate::bytes_some(random, &mut bytes),
                1 => status_line(random, &mut bytes),
                2 => bytes.truncate(random.below(bytes.len())),
                // The header, more often than its share of the bytes.
                3 => {
                    let body = bytes.split_off(head);
                    mutate::bytes_some(random, &mut bytes);
                    bytes.extend(body);
                }
                4 => {
                    let line = random.pick(&LINES).as_bytes().to_vec();
                    let at = bytes
                        .iter()
                        .position(|&byte| byte == b'\n')
                        .map_or(0, |at| at + 1);
                    bytes.splice(at..at, [&line[..], b"\r\n"].concat());
                }
                _ => {
                    let mut body = bytes.split_off(head);
                    mutate::bytes_some(random, &mut body);
                    bytes.extend(body);
                }
            }
        }
        Self { bytes, change }
    }

    /// Whether the connection may be used for another answer.
    pub fn keeps_connection(&self) -> bool {
        self.change != Change::Any && !contains_close(&self.bytes)
    }
}

fn contains_close(bytes: &[u8]) -> bool {
    crate::http1::contains(bytes, b"Connection: close")
}

/// Lines that change what a response is.
const LINES: [&str; 16] = [
    "Content-Length: 0",
    "Content-Length: 5",
    "Content-Length: -1",
    "Content-Length: 99999999999999999999",
    "Content-Length: 1000000",
    "Transfer-Encoding: chunked",
    "Transfer-Encoding: gzip, chunked",
    "Content-Encoding: gzip",
    "Content-Type: text/html; charset=utf-16",
    "Status: 200",
    "Connection: keep-alive",
    "X-Service: somebody",
    "X_Service: somebody",
    "Set-Cookie: a=b",
    "WWW-Authenticate: Basic realm=\"x\"",
    " folded",
];

fn chunked(random: &mut Random, body: &[u8]) -> Vec<u8> {
    let mut chunked = Vec::new();
    for chunk in body.chunks(1 + random.below(100)) {
        chunked.extend(format!("{:x}\r\n", chunk.len()).bytes());
        chunked.extend([chunk, b"\r\n"].concat());
    }
    chunked.extend(b"0\r\n\r\n");
    chunked
}

fn status_line(random: &mut Random, bytes: &mut Vec<u8>) {
    let line = random.pick(&[
        "HTTP/1.1 200",
        "HTTP/1.1 200OK",
        "HTTP/1.1  200 OK",
        "HTTP/1.0 200 OK",
        "HTTP/2 200 OK",
        "HTTP/0.9 200 OK",
        "HTTP/1.1 2000 OK",
        "HTTP/1.1 20 OK",
        "HTTP/1.1 +200 OK",
        "HTTP/1.1 0200 OK",
        "HTTP/1.1 200.1 OK",
        "http/1.1 200 OK",
        "HTTP/1.1\t200 OK",
        " HTTP/1.1 200 OK",
        "ICY 200 OK",
        "",
        "200 OK",
        "HTTP/1.1 100 Continue",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK",
        "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK",
        "HTTP/1.1 101 Switching Protocols",
        "HTTP/1.1 199 X",
        "HTTP/1.1 206 X",
        "HTTP/1.1 226 X",
        "HTTP/1.1 299 X",
        "HTTP/1.1 300 X",
        "HTTP/1.1 304 X",
        "HTTP/1.1 000 X",
        "HTTP/1.1 999 X",
        "HTTP/1.1 599 X",
        "HTTP/1.1 401 X",
    ]);
    let end = bytes
        .iter()
        .position(|&byte| byte == b'\r')
        .unwrap_or(bytes.len());
    bytes.splice(0..end, line.bytes());
}

/// A JSON text, or null for what is none. `None` for a text of which `serde_json` cannot tell,
/// because a number in it is beyond what it can hold: it is JSON by RFC 8259.
pub fn json(text: &[u8]) -> Option<Value> {
    match serde_json::from_slice(text) {
        Err(error) if error.to_string().starts_with("number out of range") => None,
        other => Some(other.unwrap_or_default()),
    }
}

/// What an answer is.
#[derive(Debug)]
pub struct Parsed {
    /// The status, wherever somebody might find one. `None`: this is no response.
    pub status: Option<u16>,
    /// Whether each byte of the header is as RFC 9112 has it, and the body is complete.
    pub is_sound: bool,
    lines: Vec<(Vec<u8>, Vec<u8>)>,
    /// What could be taken for the body. Of a sound answer there is one.
    pub bodies: Vec<Vec<u8>>,
}

impl Parsed {
    pub fn new(bytes: &[u8]) -> Self {
        let mut parsed = Self {
            status: None,
            is_sound: true,
            lines: Vec::new(),
            bodies: Vec::new(),
        };
        let mut rest = bytes;
        while let Some(after) = parsed.head(rest) {
            // Interim responses are followed by another one.
            rest = after;
            if !matches!(parsed.status, Some(100..200)) {
                parsed.body(rest);
                return parsed;
            }
            parsed.is_sound = false;
        }
        parsed.is_sound = false;
        parsed.status = None;
        parsed
    }

    /// The values of all lines of this name.
    pub fn values(&self, name: &str) -> Vec<&[u8]> {
        let lines = self
            .lines
            .iter()
            .filter(|line| line.0.eq_ignore_ascii_case(name.as_bytes()));
        lines.map(|line| &line.1[..]).collect()
    }

    /// Reads a header, and returns what is behind it. `None` if there is no end of it.
    fn head<'a>(&mut self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        self.lines.clear();
        let (first, mut rest) = self.line(bytes)?;
        self.status = self.status_of(first);
        loop {
            let (line, after) = self.line(rest)?;
            rest = after;
            if line.is_empty() {
                return Some(rest);
            }
            let mut parts = line.splitn(2, |&byte| byte == b':');
            let name = parts.next().unwrap_or_default();
            let value = parts.next();
            let is_name = !name.is_empty()
                && name
                    .iter()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(byte));
            let is_value =
                value.is_some_and(|value| value.iter().all(|&byte| matches!(byte, 0x20..0x7f)));
            self.is_sound &= is_name && is_value;
            self.lines
                .push((name.to_vec(), trim(value.unwrap_or_default()).to_vec()));
        }
    }

    /// A line without its end.
    fn line<'a>(&mut self, bytes: &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
        let at = bytes.iter().position(|&byte| byte == b'\n')?;
        let (line, rest) = (&bytes[..at], &bytes[at + 1..]);
        let stripped = line.strip_suffix(b"\r");
        self.is_sound &= stripped.is_some();
        Some((stripped.unwrap_or(line), rest))
    }

    fn status_of(&mut self, line: &[u8]) -> Option<u16> {
        let line = String::from_utf8_lossy(line);
        let version = line.split(' ').next()?;
        let rest = line[version.len()..].trim_start_matches(' ');
        self.is_sound &= version == "HTTP/1.1" || version == "HTTP/1.0";
        self.is_sound &= line.len() - version.len() - rest.len() == 1;
        let (major, minor) = version.strip_prefix("HTTP/")?.split_once('.')?;
        let is_number =
            |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number(major) || !is_number(minor) {
            return None;
        }
        let (digits, reason) = rest.split_at_checked(3)?;
        self.is_sound &=
            reason.starts_with(' ') && reason.bytes().all(|byte| matches!(byte, 0x20..0x7f));
        // IIS has statuses such as 403.1.
        let ends = reason.is_empty() || reason.starts_with([' ', '.', '\r']);
        let status = digits.parse().ok().filter(|_| is_number(digits) && ends);
        self.is_sound &= status.is_some_and(|status| (200..600).contains(&status));
        status
    }

    fn body(&mut self, rest: &[u8]) {
        let lengths = self.values("Content-Length");
        let encodings = self.values("Transfer-Encoding");
        let is_chunked = !encodings.is_empty();
        let length = lengths
            .first()
            .and_then(|value| std::str::from_utf8(value).ok()?.parse::<usize>().ok());
        let has_no_body = matches!(self.status, Some(204 | 304));
        let is_sound = match (lengths.len(), &encodings[..]) {
            (0, []) => !has_no_body || rest.is_empty(),
            (1, []) => length == Some(rest.len()),
            (0, [b"chunked"]) => dechunked(rest).is_some_and(|(_, rest)| rest.is_empty()),
            _ => false,
        };
        self.is_sound &= is_sound;
        match dechunked(rest) {
            Some((body, _)) if is_chunked => self.bodies.push(body),
            _ if is_chunked => {}
            _ => self.bodies.push(rest.to_vec()),
        }
        if let Some(length) = length {
            self.bodies.extend(rest.get(..length).map(<[u8]>::to_vec));
        }
    }
}

/// The content of chunks, and what is behind them. Chunk extensions, trailers and lone line feeds
/// are passed over. `None` without the last chunk.
fn dechunked(mut rest: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut body = Vec::new();
    loop {
        let at = rest.iter().position(|&byte| byte == b'\n')?;
        let line = String::from_utf8_lossy(&rest[..at]);
        let size = line.split([';', ' ', '\t', '\r']).next()?;
        let size = usize::from_str_radix(size, 16).ok()?;
        rest = &rest[at + 1..];
        if size == 0 {
            loop {
                let at = rest.iter().position(|&byte| byte == b'\n')?;
                let is_last = matches!(&rest[..at], b"" | b"\r");
                rest = &rest[at + 1..];
                if is_last {
                    return Some((body, rest));
                }
            }
        }
        body.extend(rest.get(..size)?);
        rest = rest.get(size..)?;
        rest = rest
            .strip_prefix(b"\r\n")
            .or_else(|| rest.strip_prefix(b"\n"))?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> (Option<u16>, bool) {
        let parsed = Parsed::new(text.as_bytes());
        (parsed.status, parsed.is_sound)
    }

    #[test]
    fn sound_answers() {
        assert_eq!(parsed("HTTP/1.1 200 OK\r\n\r\n"), (Some(200), true));
        assert_eq!(
            parsed("HTTP/1.0 401 X Y\r\nA-B: c\r\nContent-Length: 1\r\n\r\nx"),
            (Some(401), true)
        );
        let chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n";
        assert_eq!(parsed(chunks), (Some(200), true));
        assert_eq!(Parsed::new(chunks.as_bytes()).bodies, [b"{}"]);
    }

    #[test]
    fn odd_answers_have_a_status_and_are_not_sound() {
        for text in [
            "HTTP/1.1 200\r\n\r\n",
            "HTTP/1.1  200 OK\r\n\r\n",
            "HTTP/1.7 200 OK\r\n\r\n",
            "HTTP/1.1 200 OK\n\n",
            "HTTP/1.1 200 OK\r\nx\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nx",
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
        ] {
            assert_eq!(parsed(text), (Some(200), false), "{text:?}");
        }
    }

    #[test]
    fn what_is_no_response() {
        for text in [
            "",
            "HTTP/1.1 200 OK\r\n",
            "HTTP/1.1 200 OK\r\nA: b\r\n",
            "200 OK\r\n\r\n",
            "HTTP/1.1 2000 OK\r\n\r\n",
            "HTTP/2 200 OK\r\n\r\n",
        ] {
            assert_eq!(parsed(text), (None, false), "{text:?}");
        }
    }
}
