//! HTTP/2, as far as it is needed to send requests and to see their statuses.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::net::SocketAddr;

use crate::http1::{HttpRequest, NginxConnection, is_end};
use crate::mutate;
use crate::random::Random;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const GO_AWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// The statuses in the static table (RFC 7541, appendix A), as indexed fields.
const INDEXED: [(u8, u16); 7] = [
    (0x88, 200),
    (0x89, 204),
    (0x8a, 206),
    (0x8b, 304),
    (0x8c, 400),
    (0x8d, 404),
    (0x8e, 500),
];

/// The preface, and settings without content.
pub fn start() -> Vec<u8> {
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bytes.extend(frame(SETTINGS, 0, 0, &[]));
    bytes
}

/// The frames of a request.
pub fn request(random: &mut Random, stream: u32, request: &HttpRequest) -> Vec<u8> {
    let host = request
        .values("Host")
        .first()
        .copied()
        .unwrap_or(b"localhost")
        .to_vec();
    let mut lines = vec![
        (b":method".to_vec(), request.method.clone()),
        (b":scheme".to_vec(), b"http".to_vec()),
        (b":path".to_vec(), request.target.clone()),
        (b":authority".to_vec(), host),
    ];
    let others = request.lines.iter().filter(|line| line.0 != b"Host");
    lines.extend(others.map(|line| (line.0.to_ascii_lowercase(), line.1.clone())));
    let mut block = Vec::new();
    for (name, value) in lines {
        // A literal without indexing, with incremental indexing, or never indexed.
        block.push(*random.pick(&[0, 0, 0x40, 0x10]));
        string(&mut block, &name);
        string(&mut block, &value);
    }
    let mut frames = Vec::new();
    let end_stream = if request.body.is_none() {
        END_STREAM
    } else {
        0
    };
    // Sometimes the header goes on in another frame.
    let split = if random.once_in(5) {
        random.below(block.len())
    } else {
        block.len()
    };
    let (first, rest) = block.split_at(split);
    if rest.is_empty() {
        frames.extend(frame(HEADERS, end_stream | END_HEADERS, stream, first));
    } else {
        frames.extend(frame(HEADERS, end_stream, stream, first));
        frames.extend(frame(CONTINUATION, END_HEADERS, stream, rest));
    }
    if let Some(body) = &request.body {
        frames.extend(frame(DATA, END_STREAM, stream, body));
    }
    frames
}

/// The bytes without what could be the head of a CONTINUATION frame, which divides a header block.
pub fn without_continuations(bytes: &[u8]) -> Vec<u8> {
    let mut joined = Vec::new();
    let mut rest = bytes;
    loop {
        match rest {
            [_, _, _, CONTINUATION, _, 0, 0, 0, _, after @ ..] => rest = after,
            [first, after @ ..] => {
                joined.push(*first);
                rest = after;
            }
            [] => return joined,
        }
    }
}

/// Changes frames: their headers, the header block, or their order.
pub fn spoil(random: &mut Random, frames: &mut Vec<u8>) {
    for _ in 0..=random.below(3) {
        match random.below(4) {
            // The length, type, flags and stream of the first one.
            0 => {
                let at = random.below(9.min(frames.len()));
                if let Some(byte) = frames.get_mut(at) {
                    *byte ^= 1 << random.below(8);
                }
            }
            1 => {
                let kind = random.byte() % 12;
                let payload: Vec<u8> = (0..random.below(40)).map(|_| random.byte()).collect();
                let stream = u32::from(random.byte() % 20);
                let extra = frame(kind, random.byte(), stream, &payload);
                frames.splice(0..0, extra);
            }
            _ => mutate::bytes(random, frames),
        }
    }
}

/// Sends the bytes, and reads until so many streams have ended, or the connection; with spoilt
/// frames also until nothing comes for a moment. Returns the status of each stream that has one.
pub fn ask(
    address: SocketAddr,
    bytes: &[u8],
    streams: usize,
    is_spoilt: bool,
) -> io::Result<BTreeMap<u32, u16>> {
    let mut statuses = BTreeMap::new();
    let mut connection = NginxConnection::open(address)?;
    let result = connection
        .send(bytes)
        .and_then(|()| read(&mut connection, streams, is_spoilt, &mut statuses));
    match result {
        Err(error) if !is_end(&error) => Err(error),
        _ => Ok(statuses),
    }
}

fn read(
    connection: &mut NginxConnection,
    streams: usize,
    is_spoilt: bool,
    statuses: &mut BTreeMap<u32, u16>,
) -> io::Result<()> {
    let mut ended = 0;
    while ended < streams && (!is_spoilt || connection.is_ready()?) {
        let mut head = [0; 9];
        connection.reader().read_exact(&mut head)?;
        let [a, b, c, kind, flags, stream @ ..] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        connection.reader().read_exact(&mut payload)?;
        match kind {
            HEADERS => {
                statuses
                    .entry(u32::from_be_bytes(stream))
                    .or_insert_with(|| status(&payload));
            }
            GO_AWAY => return Ok(()),
            _ => {}
        }
        if kind == RESET || (matches!(kind, DATA | HEADERS) && flags & END_STREAM != 0) {
            ended += 1;
        }
    }
    Ok(())
}

/// The status is the first field. A change of the table's size may come before it.
fn status(block: &[u8]) -> u16 {
    let block = block.strip_prefix(&[0x20]).unwrap_or(block);
    match block {
        [0x48 | 0x08, 3, digits @ ..] => {
            let digits = digits
                .get(..3)
                .and_then(|digits| std::str::from_utf8(digits).ok());
            digits.and_then(|digits| digits.parse().ok()).unwrap_or(0)
        }
        [first, ..] => INDEXED
            .iter()
            .find(|entry| entry.0 == *first)
            .map_or(0, |entry| entry.1),
        [] => 0,
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap_or(0).to_be_bytes();
    let head = [length[1], length[2], length[3], kind, flags];
    [&head[..], &stream.to_be_bytes(), payload].concat()
}

/// A string literal; its length is an integer with a prefix of 7 bits.
fn string(block: &mut Vec<u8>, text: &[u8]) {
    let mut length = text.len();
    if length < 127 {
        block.push(u8::try_from(length).unwrap_or(0));
    } else {
        block.push(127);
        length -= 127;
        while length > 127 {
            block.push(u8::try_from(length & 127).unwrap_or(0) | 128);
            length >>= 7;
        }
        block.push(u8::try_from(length).unwrap_or(0));
    }
    block.extend(text);
}
