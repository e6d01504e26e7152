//! A client that sends mutated requests: who has no good credentials must not get in, and nothing
//! that a client sends is an error of the server.

use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Result, bail};

use crate::answer;
use crate::credentials::{Credentials, KEY, PASSWORD};
use crate::http1::{self, HttpRequest, NginxConnection, Response, contains};
use crate::http2;
use crate::mutate;
use crate::random::Random;
use crate::run::{Finding, Run};

/// The locations of t/fuzz_nginx.t. Each response has the line X-Location with this name, and
/// X-Seen with the user that the application saw.
pub const PLACES: [&str; 11] = [
    "signed",
    "encrypted",
    "nested",
    "cookie",
    "argument",
    "dpop",
    "request",
    "cached",
    "body",
    "either",
    "both",
];

/// What lines of a client could fool a location or its application.
const NAMES: [&str; 22] = [
    "Authorization",
    "authorization",
    "Cookie",
    "DPoP",
    "X-Key",
    "x_key",
    "X-User",
    "X_User",
    "x-user",
    "X-Forwarded-For",
    "X-Forwarded-Uri",
    "X-Forwarded-Method",
    "X-Original-URL",
    "Content-Type",
    "Content-Encoding",
    "Content-Length",
    "Transfer-Encoding",
    "Expect",
    "Connection",
    "Range",
    "Host",
    "X-Accel-Redirect",
];
const LINE_VALUES: [&str; 22] = [
    "",
    "x",
    "Bearer",
    "Bearer ",
    "Basic dXNlcjp4",
    "DPoP x",
    "token=",
    "token=x; token=y",
    KEY,
    "a=b",
    "application/json",
    "application/x-www-form-urlencoded; charset=utf-7",
    "gzip",
    "0",
    "5",
    "chunked",
    "100-continue",
    "close, Authorization, X-Key",
    "keep-alive",
    "bytes=0-0",
    "localhost:1",
    "/signed",
];
const METHODS: [&str; 8] = [
    "GET", "HEAD", "POST", "PUT", "OPTIONS", "DELETE", "PATCH", "PROPFIND",
];

/// Whether a request may be let in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Due {
    /// It is as it must be.
    Yes,
    /// Its credentials are good, but it is odd: nginx may let it in, or not.
    Maybe,
    No,
}

#[derive(Clone)]
struct Case {
    request: HttpRequest,
    /// The only proof that is good for the request.
    proof: Option<String>,
    is_changed: bool,
}

pub struct Client<'a> {
    pub run: &'a Run,
    pub credentials: &'a Credentials,
    pub http1: SocketAddr,
    pub http2: SocketAddr,
    /// In front of all paths: "" or the locations in which t/fuzz_nginx.t has left out the checks.
    pub prefix: &'a str,
    /// Whether the service reads the first of several lines of one name only.
    pub reads_first_line: bool,
}

impl Client<'_> {
    /// One connection, with several requests at once.
    pub fn connection(&self, case: u64) -> Result<()> {
        let mut random = Random::of_case(self.run.seed, case);
        match random.once_in(6) {
            true => self.over_http2(case, &mut random),
            false => self.over_http1(case, &mut random),
        }
    }

    fn over_http1(&self, number: u64, random: &mut Random) -> Result<()> {
        let mut cases = Vec::new();
        for _ in 0..1 + random.below(10) {
            cases.push(self.case(random)?);
        }
        let mut bytes: Vec<u8> = cases
            .iter()
            .flat_map(|case| case.request.to_bytes())
            .collect();
        let raw = match random.once_in(2) {
            true => Some(self.raw(random)?),
            false => None,
        };
        bytes.extend(raw.iter().flatten());
        // nginx may close the connection after a bad request, and does not read the others.
        let mut connection = NginxConnection::open(self.http1)?;
        match connection.send(&bytes) {
            Err(error) if !http1::is_end(&error) => bail!(error),
            _ => {}
        }
        for case in &cases {
            let Some(response) = connection.receive(&case.request.method)? else {
                self.run
                    .count("not answered: the connection was closed before");
                return Ok(());
            };
            self.judge(number, case, &response);
        }
        if let Some(raw) = raw {
            self.judge_raw(number, &raw, &mut connection)?;
        }
        Ok(())
    }

    /// A request, often a changed one.
    fn case(&self, random: &mut Random) -> Result<Case> {
        let place = *random.pick(&PLACES);
        let (request, proof) = self.good(random, place)?;
        let mut case = Case {
            request,
            proof,
            is_changed: false,
        };
        if !random.once_in(10) {
            case.is_changed = true;
            for _ in 0..=random.below(3) {
                self.change(random, place, &mut case);
            }
        }
        Ok(case)
    }

    /// A request that the location lets in.
    fn good(&self, random: &mut Random, place: &str) -> Result<(HttpRequest, Option<String>)> {
        let credentials = self.credentials;
        let request = HttpRequest::get(&format!("{}/{place}", self.prefix));
        let bearer = |token: &String| format!("Bearer {token}");
        let mut proof = None;
        let request = match place {
            "signed" => request.with("Authorization", bearer(random.pick(&credentials.signed))),
            "encrypted" => {
                request.with("Authorization", bearer(random.pick(&credentials.encrypted)))
            }
            "nested" => request.with("Authorization", bearer(random.pick(&credentials.nested))),
            "cookie" => request.with(
                "Cookie",
                format!("a=b; token={}; c=d", random.pick(&credentials.signed)),
            ),
            "argument" => {
                let token = random.pick(&credentials.signed);
                HttpRequest::get(&format!("{}/{place}?a=b&token={token}&c=d", self.prefix))
            }
            "dpop" => {
                let url = format!("http://localhost{}/dpop", self.prefix);
                let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
                let made = credentials.proof("GET", &url, random.next(), now)?;
                let request = request.with("DPoP", &made);
                proof = Some(made);
                request.with("Authorization", format!("DPoP {}", credentials.bound))
            }
            "request" | "cached" => request.with("X-Key", KEY),
            "body" => {
                let (kind, body) = match random.once_in(2) {
                    true => (
                        "application/json",
                        format!("{{\"user\":\"a\",\"password\":\"{PASSWORD}\"}}"),
                    ),
                    false => (
                        "application/x-www-form-urlencoded",
                        format!("user=a&password={PASSWORD}&c=d"),
                    ),
                };
                let mut request = request.with("Content-Type", kind);
                request.method = b"POST".to_vec();
                request.body = Some(body.into_bytes());
                request.chunk = random.once_in(3).then(|| 1 + random.below(40));
                request
            }
            "either" if random.once_in(2) => request.with("X-Key", KEY),
            "both" => request
                .with("X-Key", KEY)
                .with("Authorization", bearer(random.pick(&credentials.signed))),
            _ => request.with("Authorization", bearer(random.pick(&credentials.signed))),
        };
        Ok((request, proof))
    }

    /// One change, after which the form of the request is still right.
    fn change(&self, random: &mut Random, place: &str, case: &mut Case) {
        let tokens = match place {
            "encrypted" => &self.credentials.encrypted,
            "nested" => &self.credentials.nested,
            _ => &self.credentials.signed,
        };
        let request = &mut case.request;
        match random.below(16) {
            0..=5 => {
                let token = match random.below(8) {
                    0 => random.pick(&self.credentials.forged).clone().into_bytes(),
                    1 => random.pick(&self.credentials.nested).clone().into_bytes(),
                    2 => mutate::token(random, &self.credentials.forged),
                    _ => mutate::token(random, tokens),
                };
                // nginx refuses what is longer than its buffers.
                let mut token = mutate::one_line(token);
                token.truncate(7000);
                put_token(random, place, request, &token);
            }
            6 => {
                for line in &mut request.lines {
                    if line.0 == b"DPoP" || line.0 == b"X-Key" || line.0 == b"Cookie" {
                        mutate::bytes_some(random, &mut line.1);
                        line.1 = mutate::one_line(std::mem::take(&mut line.1));
                    }
                }
            }
            7 => {
                let at = random.below(request.lines.len());
                let scheme = *random.pick(&[
                    "bearer ", "BEARER  ", "Bearer\t", "Bearer", "Basic ", "DPoP ", " ", "",
                ]);
                if let Some(token) = request.lines[at].1.strip_prefix(b"Bearer ") {
                    request.lines[at].1 = [scheme.as_bytes(), token].concat();
                }
            }
            8 => {
                let at = random.below(request.lines.len());
                let copy = request.lines[at].clone();
                request.lines.push(copy);
            }
            9 => {
                // Without Host nginx refuses whatever else it says.
                let at = random.below(request.lines.len());
                if at > 0 {
                    request.lines.remove(at);
                }
            }
            10 | 11 => {
                let mut value = random.pick(&LINE_VALUES).as_bytes().to_vec();
                if random.once_in(2) {
                    mutate::bytes(random, &mut value);
                }
                let name = *random.pick(&NAMES);
                // These two would change where the request ends.
                if name != "Content-Length" && name != "Transfer-Encoding" {
                    let at = random.below(request.lines.len() + 1);
                    request
                        .lines
                        .insert(at, (name.into(), mutate::one_line(value)));
                }
            }
            12 => request.method = random.pick(&METHODS).as_bytes().to_vec(),
            13 => {
                mutate::bytes(random, &mut request.target);
                for byte in &mut request.target {
                    if matches!(byte, b'\0' | b'\r' | b'\n' | b' ') {
                        *byte = b'%';
                    }
                }
            }
            14 => {
                let body = request.body.get_or_insert_with(|| b"password=x".to_vec());
                match random.below(4) {
                    0 => *body = mutate::json(random, body),
                    1 => percent_encode_some(random, body),
                    _ => mutate::bytes_some(random, body),
                }
            }
            _ => request.chunk = Some(1 + random.below(50)),
        }
    }

    /// A request of which any byte may be changed. What ends a header and a request comes behind
    /// it, so that nginx need not wait for more.
    fn raw(&self, random: &mut Random) -> Result<Vec<u8>> {
        let place = *random.pick(&PLACES);
        let mut bytes = match random.once_in(4) {
            true => self.case(random)?.request.to_bytes(),
            false => self.good(random, place)?.0.to_bytes(),
        };
        for _ in 0..=random.below(3) {
            mutate::bytes(random, &mut bytes);
        }
        bytes.extend(b"\r\n\r\nGET /end HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        Ok(bytes)
    }

    fn judge(&self, number: u64, case: &Case, response: &Response) {
        self.run.count(format!("{} by HTTP/1.1", response.status));
        if let Some(what) = self.wrong(case, response) {
            let sent = self.minimized(case).to_bytes();
            self.run.report(number, &Finding { what, sent });
        }
    }

    /// What is wrong with a response.
    fn wrong(&self, case: &Case, response: &Response) -> Option<String> {
        let status = response.status;
        if is_error(status) {
            return Some(format!("status {status} for what a client sent"));
        }
        if response.is_success() {
            let place = response.line("X-Location").unwrap_or_default();
            let due = self.due(place, case);
            if due == Due::No {
                return Some(format!("a wrong yes: {status} in location {place:?}"));
            }
            let seen = response.line("X-Seen").unwrap_or_default();
            if !is_right_user(place, seen) {
                return Some(format!("location {place:?}: the application saw {seen:?}"));
            }
            return None;
        }
        // 408: the machine was too busy.
        (!case.is_changed && status != 408).then(|| format!("a wrong no: {status}"))
    }

    /// The request without all that the finding does not need.
    fn minimized(&self, case: &Case) -> HttpRequest {
        let mut smallest = case.clone();
        let is_wrong = |case: &Case| {
            let response = http1::ask(self.http1, &case.request);
            matches!(response, Ok(Some(response)) if self.wrong(case, &response).is_some())
        };
        for at in (1..smallest.request.lines.len()).rev() {
            let removed = smallest.request.lines.remove(at);
            if !is_wrong(&smallest) {
                smallest.request.lines.insert(at, removed);
            }
        }
        smallest.request
    }

    fn judge_raw(&self, number: u64, raw: &[u8], connection: &mut NginxConnection) -> Result<()> {
        self.run.count("changed anywhere by HTTP/1.1");
        // A method that was changed to HEAD has no body.
        let method: &[u8] = if raw.starts_with(b"HEAD ") {
            b"HEAD"
        } else {
            b"GET"
        };
        loop {
            if !connection.is_ready()? {
                connection.end()?;
            }
            let Some(response) = connection.receive(method).or_else(after_garbage)? else {
                return Ok(());
            };
            // 501 and 505 are about the form of the request.
            let is_due = match response.status {
                501 => contains(&raw.to_ascii_lowercase(), b"transfer-encoding"),
                505 => true,
                status if is_error(status) => false,
                _ => !response.is_success() || self.could_be_due(raw, &response),
            };
            if !is_due {
                let place = response.line("X-Location");
                let what = format!("status {} in location {place:?}, not due", response.status);
                self.run.report(
                    number,
                    &Finding {
                        what,
                        sent: raw.to_vec(),
                    },
                );
            }
        }
    }

    /// Whether good credentials for the location of the response are somewhere in these bytes.
    fn could_be_due(&self, raw: &[u8], response: &Response) -> bool {
        self.has_credentials(raw, response.line("X-Location").unwrap_or_default())
    }

    fn has_credentials(&self, raw: &[u8], place: &str) -> bool {
        let has = |part: &str| contains(raw, part.as_bytes());
        let any = |tokens: &[String]| tokens.iter().any(|token| has(token));
        match place {
            "signed" | "cookie" | "argument" => any(&self.credentials.signed),
            "encrypted" => any(&self.credentials.encrypted),
            "nested" => any(&self.credentials.nested),
            "dpop" => has(&self.credentials.bound),
            "request" | "cached" => has(KEY),
            "body" => {
                let joined = http1::without_chunks(raw);
                let decoded = percent_decoded(&joined);
                has(PASSWORD)
                    || contains(&joined, PASSWORD.as_bytes())
                    || contains(&decoded, PASSWORD.as_bytes())
            }
            "either" => any(&self.credentials.signed) || has(KEY),
            "both" => any(&self.credentials.signed) && has(KEY),
            _ => false,
        }
    }

    /// Whether a request may be let in by this location. Two credentials are the same if their
    /// bytes are. All that is equivalent besides is here: spaces around a value and behind a
    /// scheme, the case of a scheme and of names, and what forms and JSON can write in several
    /// ways.
    fn due(&self, place: &str, case: &Case) -> Due {
        let request = &case.request;
        let bearer = |tokens: &[String]| match request.values("Authorization")[..] {
            [value] => is_token_behind(value, "bearer", tokens),
            _ => false,
        };
        let key = || match request.values("X-Key")[..] {
            [value] => value == KEY.as_bytes(),
            [value, ..] => self.reads_first_line && value == KEY.as_bytes(),
            [] => false,
        };
        let signed = &self.credentials.signed;
        let is_good = match place {
            "signed" => bearer(signed),
            "encrypted" => bearer(&self.credentials.encrypted),
            "nested" => bearer(&self.credentials.nested),
            "cookie" => request
                .values("Cookie")
                .iter()
                .any(|value| has_parameter(value, b';', signed)),
            "argument" => {
                let query = request.target.splitn(2, |&byte| byte == b'?').nth(1);
                query.is_some_and(|query| has_parameter(query, b'&', signed))
            }
            "dpop" => {
                let bound = std::slice::from_ref(&self.credentials.bound);
                let proof = case.proof.as_deref().unwrap_or_default().as_bytes();
                request.method == b"GET"
                    && request.values("DPoP") == [proof]
                    && matches!(request.values("Authorization")[..], [value] if is_token_behind(value, "dpop", bound))
            }
            "request" | "cached" => key(),
            "body" => has_password(request),
            "either" => bearer(signed) || key(),
            "both" => bearer(signed) && key(),
            _ => false,
        };
        match (is_good, case.is_changed) {
            (true, false) => Due::Yes,
            (true, true) => Due::Maybe,
            (false, _) => Due::No,
        }
    }

    fn over_http2(&self, number: u64, random: &mut Random) -> Result<()> {
        let mut cases = Vec::new();
        for _ in 0..1 + random.below(8) {
            cases.push(self.case(random)?);
        }
        let mut bytes = http2::start();
        for (index, case) in (0..).zip(&cases) {
            bytes.extend(http2::request(random, 2 * index + 1, &case.request));
        }
        // What comes last may be anything.
        let is_spoilt = random.once_in(2);
        if is_spoilt {
            let place = *random.pick(&PLACES);
            let last = self.good(random, place)?.0;
            let mut frames = http2::request(random, 2 * u32::try_from(cases.len())? + 1, &last);
            http2::spoil(random, &mut frames);
            bytes.extend(frames);
        }
        let statuses = http2::ask(
            self.http2,
            &bytes,
            cases.len() + usize::from(is_spoilt),
            is_spoilt,
        )?;
        for (stream, status) in statuses {
            self.run.count(format!("{status} by HTTP/2"));
            let finding = match cases.get(stream as usize / 2) {
                _ if is_error(status) => {
                    Some(format!("status {status} for what a client sent by HTTP/2"))
                }
                Some(case) if (200..300).contains(&status) => self
                    .places(&case.request)
                    .iter()
                    .all(|place| self.due(place, case) == Due::No)
                    .then(|| format!("a wrong yes by HTTP/2: {status} on stream {stream}")),
                // A frame that was spoilt ends the whole connection.
                Some(case) => (!case.is_changed && !is_spoilt)
                    .then(|| format!("a wrong no by HTTP/2: {status}")),
                None => {
                    let joined = http2::without_continuations(&bytes);
                    let could_be = PLACES.iter().any(|place| {
                        self.has_credentials(&bytes, place) || self.has_credentials(&joined, place)
                    });
                    ((200..300).contains(&status) && !could_be)
                        .then(|| format!("a wrong yes by HTTP/2: {status} for a spoilt stream"))
                }
            };
            if let Some(what) = finding {
                self.run.report(
                    number,
                    &Finding {
                        what,
                        sent: bytes.clone(),
                    },
                );
            }
        }
        Ok(())
    }

    /// The locations that a request may be for: with a path that was changed, any of them.
    fn places(&self, request: &HttpRequest) -> Vec<&'static str> {
        let path = request
            .target
            .split(|&byte| byte == b'?')
            .next()
            .unwrap_or_default();
        let is_it = |place: &&str| path == format!("{}/{place}", self.prefix).as_bytes();
        match PLACES.into_iter().find(is_it) {
            Some(place) => vec![place],
            None => PLACES.to_vec(),
        }
    }
}

/// Whether the application saw the user that the credentials are of, and nothing that a client has
/// written: the claim `sub`, a slash, and what the authorization service says.
fn is_right_user(place: &str, seen: &str) -> bool {
    match place {
        "request" | "cached" | "body" => seen.ends_with("/service"),
        "either" => seen == "user/" || seen == "/service",
        "both" => seen == "user/service",
        _ => seen.starts_with("user/"),
    }
}

fn is_error(status: u16) -> bool {
    status >= 500
}

/// What nginx makes of garbage may be no HTTP/1.1 response: its answer to HTTP/0.9 is a body alone.
fn after_garbage(error: std::io::Error) -> std::io::Result<Option<Response>> {
    match error.kind() {
        std::io::ErrorKind::InvalidData => Ok(None),
        _ => Err(error),
    }
}

/// Puts another token where the request has one, or ought to have one.
fn put_token(random: &mut Random, place: &str, request: &mut HttpRequest, token: &[u8]) {
    match place {
        "argument" => {
            let mut target = request
                .target
                .split(|&byte| byte == b'?')
                .next()
                .unwrap_or_default()
                .to_vec();
            target.extend(b"?token=");
            // A space would end the target.
            target.extend(
                token
                    .iter()
                    .map(|&byte| if byte == b' ' { b'+' } else { byte }),
            );
            request.target = target;
        }
        "cookie" => set_line(request, "Cookie", [b"token=", token].concat()),
        // The proof is what may be changed as well.
        "dpop" if random.once_in(2) => set_line(request, "DPoP", token.to_vec()),
        "dpop" => set_line(request, "Authorization", [b"DPoP ", token].concat()),
        _ => set_line(request, "Authorization", [b"Bearer ", token].concat()),
    }
}

fn set_line(request: &mut HttpRequest, name: &str, value: Vec<u8>) {
    match request
        .lines
        .iter_mut()
        .find(|line| line.0 == name.as_bytes())
    {
        Some(line) => line.1 = value,
        None => request.lines.push((name.into(), value)),
    }
}

fn percent_encode_some(random: &mut Random, body: &mut Vec<u8>) {
    *body = body
        .iter()
        .flat_map(|&byte| match random.once_in(8) {
            true => format!("%{byte:02x}").into_bytes(),
            false => vec![byte],
        })
        .collect();
}

fn is_token_behind(value: &[u8], scheme: &str, tokens: &[String]) -> bool {
    let Some((first, rest)) = value.split_at_checked(scheme.len()) else {
        return false;
    };
    let token = http1::trim(rest);
    first.eq_ignore_ascii_case(scheme.as_bytes())
        && rest.first() == Some(&b' ')
        && tokens.iter().any(|good| good.as_bytes() == token)
}

/// Whether one of the parameters `token` is one of these tokens, after the word Bearer or without
/// it.
fn has_parameter(text: &[u8], separator: u8, tokens: &[String]) -> bool {
    text.split(|&byte| byte == separator).any(|parameter| {
        let mut parts = parameter.splitn(2, |&byte| byte == b'=');
        let name = http1::trim(parts.next().unwrap_or_default());
        let value = http1::trim(parts.next().unwrap_or_default());
        let is_token = |value: &[u8]| tokens.iter().any(|good| good.as_bytes() == value);
        name.eq_ignore_ascii_case(b"token")
            && (is_token(value) || is_token_behind(value, "bearer", tokens))
    })
}

/// Whether exactly one field of the body is the password, and has the right value. Names of nginx's
/// variables have no upper case, and neither do those of the fields that they are made from. nginx
/// sends the value in a header line, whose receiver drops spaces around it.
fn has_password(request: &HttpRequest) -> bool {
    let body = request.body.as_deref().unwrap_or_default();
    if !request.values("Content-Encoding").is_empty() {
        return false;
    }
    let [kind] = request.values("Content-Type")[..] else {
        return false;
    };
    let kind = kind.to_ascii_lowercase();
    if kind.starts_with(b"application/json") {
        let Some(value) = answer::json(body) else {
            return contains(body, PASSWORD.as_bytes());
        };
        let members = value.as_object().into_iter().flatten();
        let passwords: Vec<_> = members
            .filter(|member| member.0.eq_ignore_ascii_case("password"))
            .map(|member| member.1.as_str())
            .collect();
        matches!(passwords[..], [Some(value)] if value.trim_matches(' ') == PASSWORD)
    } else if kind.starts_with(b"application/x-www-form-urlencoded") {
        let fields = body.split(|&byte| byte == b'&').map(|field| {
            let mut parts = field.splitn(2, |&byte| byte == b'=');
            let mut next = || percent_decoded(parts.next().unwrap_or_default());
            (next(), next())
        });
        let values: Vec<_> = fields
            .filter(|field| field.0.eq_ignore_ascii_case(b"password"))
            .collect();
        let is_password = |value: &[u8]| {
            std::str::from_utf8(value).is_ok_and(|value| value.trim_matches(' ') == PASSWORD)
        };
        matches!(&values[..], [(_, value)] if is_password(value))
    } else {
        false
    }
}

fn percent_decoded(text: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::new();
    let mut rest = text;
    while let [first, after @ ..] = rest {
        let hex = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) if *first == b'%' => {
                decoded.push(byte);
                rest = &after[2..];
            }
            _ => {
                decoded.push(if *first == b'+' { b' ' } else { *first });
                rest = after;
            }
        }
    }
    decoded
}
