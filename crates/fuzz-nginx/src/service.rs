//! An authorization service whose answers are mutated: only a response with a 2xx allows, and what
//! is sound counts as it is.

use std::net::SocketAddr;

use crate::answer::{Answer, Change, Parsed, json};
use crate::http1::{self, HttpRequest, Response};
use crate::random::Random;
use crate::run::{Finding, Run};
use anyhow::Result;

/// The locations of t/fuzz_nginx.t below /service/. Each of them asks this service.
const PLACES: [&str; 5] = ["plain", "answer", "denial", "cached", "failing"];

const STATUSES: [&str; 14] = [
    "200 OK",
    "200 OK",
    "200 OK",
    "200 OK",
    "204 No Content",
    "202 Accepted",
    "401 Unauthorized",
    "401 Unauthorized",
    "403 Forbidden",
    "302 Found",
    "404 Not Found",
    "418 X",
    "500 X",
    "503 X",
];

/// The answer in a case. The request brings the number of its case, so that the service and the
/// client need not talk to each other.
pub fn answer(seed: u64, case: u64) -> Answer {
    let random = &mut Random::of_case(seed, case);
    let status = *random.pick(&STATUSES);
    let mut lines = vec!["Content-Type: application/json".to_owned()];
    for line in [
        "X-Service: service",
        "WWW-Authenticate: Basic realm=\"service\"",
        "Set-Cookie: a=b",
        "Location: /login",
        "Cache-Control: max-age=1",
        "Vary: Cookie",
    ] {
        if random.once_in(2) {
            lines.push(line.to_owned());
        }
    }
    let body = *random.pick(&[
        r#"{"active":true,"sub":"user","n":[1,{"a":null}]}"#,
        r#"{"active":false,"sub":"user"}"#,
    ]);
    Answer::new(random, status, &lines, body.as_bytes())
}

/// Asks nginx for one case, and judges its response.
pub fn ask(run: &Run, nginx: SocketAddr, prefix: &str, case: u64) -> Result<()> {
    let place = PLACES[Random::of_case(!run.seed, case).below(PLACES.len())];
    let request =
        HttpRequest::get(&format!("{prefix}/service/{place}")).with("X-Case", format!("{case:x}"));
    let answer = answer(run.seed, case);
    let parsed = Parsed::new(&answer.bytes);
    // A verdict in the cache is the same as the one that was not.
    let times = if place == "cached" { 2 } else { 1 };
    for _ in 0..times {
        let Some(response) = http1::ask(nginx, &request)? else {
            anyhow::bail!("{place}: nginx closed the connection");
        };
        let what = wrong(place, &answer, &parsed, &response);
        run.count(format!("{} for {:?}", response.status, answer.change));
        if let Some(what) = what {
            run.report(
                case,
                &Finding {
                    what,
                    sent: answer.bytes.clone(),
                },
            );
        }
    }
    Ok(())
}

fn wrong(place: &str, answer: &Answer, parsed: &Parsed, response: &Response) -> Option<String> {
    let what = |what: &str| {
        Some(format!(
            "{place}: {what}: {} for the status {:?}",
            response.status, parsed.status
        ))
    };
    let is_success = parsed
        .status
        .is_some_and(|status| (200..300).contains(&status));
    let may_allow =
        is_success && (place != "answer" || parsed.bodies.iter().any(|body| is_active(body)));
    if response.is_success() {
        if !may_allow {
            return what("a wrong yes");
        }
        if parsed.is_sound {
            let names = parsed.values("X-Service");
            let seen = response
                .line("X-Seen")
                .unwrap_or_default()
                .trim_start_matches('/');
            if !matches!(names[..], [] | [_]) {
                return None;
            }
            let wanted = names.first().copied().unwrap_or_default();
            if seen.as_bytes() != wanted {
                return what(&format!("the application saw {seen:?}"));
            }
        }
        return None;
    }
    let wanted = match parsed.status? {
        _ if !parsed.is_sound => return None,
        // Whether JSON that was changed is good is not known here.
        200..300 if place == "answer" && (answer.change != Change::Nothing || !may_allow) => {
            return None;
        }
        200..300 => 200,
        status @ (401 | 403) => status,
        // It would confirm what the client has, or is a redirect that leads nowhere.
        304 => 500,
        301 | 302 if parsed.values("Location").len() != 1 => 500,
        status @ 300..500 if place == "denial" => status,
        // A failing service is allowed to be an error.
        _ => 500,
    };
    (response.status != wanted).then(|| what(&format!("not {wanted}")))?
}

/// Whether a JSON object has the member "active" with the value true.
fn is_active(body: &[u8]) -> bool {
    json(body).is_none_or(|value| value["active"] == true)
}
