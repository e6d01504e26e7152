//! Providers whose discovery documents and key sets are mutated: a token is only good if its key
//! was in a set that its issuer has sent.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::json;

use crate::answer::{self, Answer, Change, Parsed};
use crate::credentials::{Credentials, HEADER_EDDSA, signing_key};
use crate::http1::{self, HttpRequest, is_success};
use crate::keys;
use crate::random::Random;
use crate::run::{Finding, Run};
use crate::server;

/// A worker begins its fetches within two seconds after its start.
const START: Duration = Duration::from_secs(5);
/// In this time a fetch that failed is tried once more.
const RETRY: Duration = Duration::from_millis(1500);

/// What nginx has got of one issuer.
#[derive(Clone, Default)]
struct Served {
    documents: u64,
    /// Whether a document could be taken for a good one.
    has_document: bool,
    key_sets: u64,
    /// Whether something could be taken for a key set.
    has_set: bool,
    /// Whether a key set could be taken for one with the key.
    has_key: bool,
    /// Whether a key set was good without doubt, and the first one that could be used.
    is_certain: bool,
    wrong: Option<&'static str>,
}

/// As many issuers as t/fuzz_nginx.t has written: `i0`, `i1` and so on, whose URLs are
/// `http://ADDRESS/SEED/NUMBER`. Those with an even number are asked for a discovery document.
pub struct Provider {
    address: SocketAddr,
    seed: u64,
    issuers: u64,
    served: Mutex<HashMap<u64, Served>>,
}

impl Provider {
    /// Listens, and waits until nginx has asked for each issuer.
    pub fn start(address: SocketAddr, seed: u64, issuers: u64, waits: bool) -> Result<Arc<Self>> {
        let provider = Arc::new(Self {
            address,
            seed,
            issuers,
            served: Mutex::default(),
        });
        let own = Arc::clone(&provider);
        server::listen(address, move |head| own.answer(head))?;
        let started = Instant::now();
        let count = |provider: &Self| provider.served(|served| served.len()) as u64;
        while waits && count(&provider) < issuers && started.elapsed() < START {
            thread::sleep(Duration::from_millis(20));
        }
        if waits {
            thread::sleep(RETRY);
        }
        Ok(provider)
    }

    fn served<T>(&self, look: impl FnOnce(&mut HashMap<u64, Served>) -> T) -> T {
        look(&mut self.served.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn issuer(&self, number: u64) -> String {
        format!("http://{}/{}/{number}", self.address, self.seed)
    }

    fn answer(&self, head: &str) -> Option<Answer> {
        let path = head.split(' ').nth(1)?;
        // An issuer with a path may have its document in either place (RFC 8414, section 3.1).
        let rest = ["openid-configuration", "oauth-authorization-server"]
            .iter()
            .find_map(|name| path.strip_prefix(&format!("/.well-known/{name}")));
        let mut parts = rest.unwrap_or(path).split('/').skip(1);
        let (seed, number) = (parts.next()?, parts.next()?.parse().ok()?);
        if seed != self.seed.to_string() || number >= self.issuers {
            return None;
        }
        match path.ends_with("/jwks") {
            true => Some(self.key_set(number)),
            false => Some(self.document(number)),
        }
    }

    fn random(&self, number: u64, attempt: u64) -> Random {
        Random::of_case(self.seed, number << 16 | attempt)
    }

    fn document(&self, number: u64) -> Answer {
        let issuer = self.issuer(number);
        self.served(|all| {
            let served = all.entry(number).or_default();
            served.documents += 1;
            let jwks_uri = format!("{issuer}/jwks");
            let document =
                json!({"issuer": issuer, "jwks_uri": jwks_uri, "scopes_supported": ["a"]});
            let answer = new_answer(
                &mut self.random(number, served.documents * 2),
                document.to_string().as_bytes(),
            );
            let parsed = Parsed::new(&answer.bytes);
            let is_good = |body: &Vec<u8>| {
                answer::json(body).is_none_or(|value| {
                    value["issuer"] == issuer.as_str() && value["jwks_uri"].is_string()
                })
            };
            served.has_document |= parsed.status == Some(200) && parsed.bodies.iter().any(is_good);
            answer
        })
    }

    fn key_set(&self, number: u64) -> Answer {
        self.served(|all| {
            let served = all.entry(number).or_default();
            if number.is_multiple_of(2) && !served.has_document {
                served.wrong = Some("keys were fetched for a document that is none of the issuer");
            }
            served.key_sets += 1;
            let answer = new_answer(
                &mut self.random(number, served.key_sets * 2 + 1),
                keys::KEYS.trim().as_bytes(),
            );
            let parsed = Parsed::new(&answer.bytes);
            let is_response = parsed.status == Some(200);
            if is_response && answer.change == Change::Nothing && !served.has_set {
                served.is_certain = true;
            }
            served.has_set |= is_response;
            let header = test_tokens::base64url(HEADER_EDDSA.as_bytes());
            served.has_key |= is_response
                && parsed
                    .bodies
                    .iter()
                    .any(|body| keys::has_key(body, &header));
            answer
        })
    }

    /// Asks nginx with a good token of one issuer and with one that nobody has signed.
    pub fn ask(
        &self,
        run: &Run,
        credentials: &Credentials,
        nginx: SocketAddr,
        prefix: &str,
        number: u64,
    ) -> Result<()> {
        if number >= self.issuers {
            return Ok(());
        }
        let issuer = self.issuer(number);
        let claims = format!("{{\"iss\":\"{issuer}\",\"aud\":\"api\",\"sub\":\"user\"}}");
        let good = test_tokens::sign(
            "EdDSA",
            &signing_key("EdDSA")?,
            HEADER_EDDSA,
            claims.as_bytes(),
        )?;
        let stranger = test_tokens::sign(
            "EdDSA",
            &credentials.stranger,
            HEADER_EDDSA,
            claims.as_bytes(),
        )?;
        for (token, is_good) in [(good, true), (stranger, false)] {
            let request = HttpRequest::get(&format!("{prefix}/provider/{number}"))
                .with("Authorization", format!("Bearer {token}"));
            let (mut status, mut served) = self.status(nginx, &request, number)?;
            if is_good && served.is_certain && !is_success(status) {
                // nginx may be busy with the answer that it has got.
                thread::sleep(2 * RETRY);
                (status, served) = self.status(nginx, &request, number)?;
            }
            let (has_key, is_certain, wrong) = (served.has_key, served.is_certain, served.wrong);
            run.count(format!(
                "{status} for a token of {}",
                if is_good { "the issuer" } else { "a stranger" }
            ));
            let what = match is_success(status) {
                true if !is_good || !has_key => format!("a wrong yes: {status}"),
                false if is_good && is_certain => format!("a wrong no: {status}"),
                false if is_certain && status >= 500 => {
                    format!("an error although there are keys: {status}")
                }
                _ => match wrong {
                    Some(wrong) => wrong.to_owned(),
                    None => continue,
                },
            };
            let sent = request.to_bytes();
            run.report(number, &Finding { what, sent });
        }
        Ok(())
    }

    /// The status of nginx's response, and what nginx has got of the issuer until then.
    fn status(
        &self,
        nginx: SocketAddr,
        request: &HttpRequest,
        number: u64,
    ) -> Result<(u16, Served)> {
        let Some(response) = http1::ask(nginx, request)? else {
            bail!("nginx closed the connection");
        };
        let served = self.served(|all| all.entry(number).or_default().clone());
        Ok((response.status, served))
    }
}

fn new_answer(random: &mut Random, body: &[u8]) -> Answer {
    let status = match random.once_in(12) {
        true => *random.pick(&["404 Not Found", "204 X", "302 X", "500 X", "304 X"]),
        false => "200 OK",
    };
    let mut lines = vec!["Content-Type: application/json".to_owned()];
    let line = *random.pick(&[
        "Cache-Control: max-age=60",
        "Age: 100",
        "Expires: 0",
        "Location: /jwks",
        "ETag: \"x\"",
    ]);
    lines.push(line.to_owned());
    Answer::new(random, status, &lines, body)
}
