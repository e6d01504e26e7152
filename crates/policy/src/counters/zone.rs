//! What is counted of requests: a group for each name of `auth_status_zone`, and one for the
//! requests of levels without.

use super::ReadCounter;
use crate::auth_jwt::jwt_status::JwtStatus;
use crate::auth_request::answer::AnswerError;
use crate::auth_request::cache_status::CacheStatus;
use crate::auth_request::check_result::CheckResult;
use crate::auth_request::decision::AuthError;
use metrics::{Buckets, Family, MetricKind};

/// The number of a counter in the group of a zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ZoneCounter(u8);

/// What became of a request that `auth_jwt` has judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenResult {
    /// The token is accepted.
    Accepted,
    /// The request is refused.
    Refused,
    /// The token is not accepted, and the request goes on all the same, by `auth_jwt_mode`.
    Passed,
}

const TOKENS: u8 = 0;
const TOKEN_CACHE_HITS: u8 = TOKENS + 2 * JwtStatus::ALL.len() as u8;
const TOKEN_CACHE_MISSES: u8 = TOKEN_CACHE_HITS + 1;
const DPOP_REPLAYS: u8 = TOKEN_CACHE_MISSES + 1;
const CHECKS: u8 = DPOP_REPLAYS + 1;
const ERRORS: u8 = CHECKS + RESULTS.len() as u8;
const CACHE_LOOKUPS: u8 = ERRORS + AUTH_ERRORS.len() as u8;
const DURATION_SUM: u8 = CACHE_LOOKUPS + CACHE_STATUSES.len() as u8;
const DURATIONS: u8 = DURATION_SUM + 1;

/// The results of a check; which error it is does not matter.
const RESULTS: [CheckResult; 7] = [
    CheckResult::Allowed,
    CheckResult::Denied,
    CheckResult::Requirement,
    CheckResult::ClientBody,
    CheckResult::UnsafeUri,
    CheckResult::Error(AuthError::NoConnection),
    CheckResult::LetIn(AuthError::NoConnection),
];

/// The errors of a check; what is wrong with an answer does not matter.
const AUTH_ERRORS: [AuthError; 10] = [
    AuthError::NoConnection,
    AuthError::TimedOut,
    AuthError::NoResponse,
    AuthError::InvalidResponse,
    AuthError::NotAsked,
    AuthError::Truncated,
    AuthError::Answer(AnswerError::Truncated),
    AuthError::NoLocation,
    AuthError::ServerError,
    AuthError::UnexpectedStatus,
];

const CACHE_STATUSES: [CacheStatus; 4] = [
    CacheStatus::Hit,
    CacheStatus::Miss,
    CacheStatus::Expired,
    CacheStatus::Bypass,
];

impl ZoneCounter {
    /// How many there are.
    pub const COUNT: usize = DURATIONS as usize + Buckets::OF_REQUESTS.count();

    /// Found in the token cache.
    pub const TOKEN_CACHE_HIT: Self = Self(TOKEN_CACHE_HITS);
    /// Not found in the token cache.
    pub const TOKEN_CACHE_MISS: Self = Self(TOKEN_CACHE_MISSES);
    /// A DPoP proof that was used before.
    pub const DPOP_REPLAY: Self = Self(DPOP_REPLAYS);
    /// How long the authorization service took for all requests together, in milliseconds.
    pub const DURATION_SUM: Self = Self(DURATION_SUM);

    /// A request that `auth_jwt` has judged.
    #[inline]
    pub fn token(status: JwtStatus, result: TokenResult) -> Self {
        let is_refused = u8::from(result == TokenResult::Refused);
        Self(TOKENS + 2 * status as u8 + is_refused)
    }

    /// A check of `auth_request`.
    #[inline]
    pub fn check(result: CheckResult) -> Self {
        Self(
            CHECKS
                + match result {
                    CheckResult::Allowed => 0,
                    CheckResult::Denied => 1,
                    CheckResult::Requirement => 2,
                    CheckResult::ClientBody => 3,
                    CheckResult::UnsafeUri => 4,
                    CheckResult::Error(_) => 5,
                    CheckResult::LetIn(_) => 6,
                },
        )
    }

    /// A response of the authorization service that decides nothing.
    pub fn error(error: AuthError) -> Self {
        Self(
            ERRORS
                + match error {
                    AuthError::NoConnection => 0,
                    AuthError::TimedOut => 1,
                    AuthError::NoResponse => 2,
                    AuthError::InvalidResponse => 3,
                    AuthError::NotAsked => 4,
                    AuthError::Truncated => 5,
                    AuthError::Answer(_) => 6,
                    AuthError::NoLocation => 7,
                    AuthError::ServerError => 8,
                    AuthError::UnexpectedStatus => 9,
                },
        )
    }

    /// A look into the cache of verdicts.
    #[inline]
    pub fn cache_lookup(status: CacheStatus) -> Self {
        Self(
            CACHE_LOOKUPS
                + match status {
                    CacheStatus::Hit => 0,
                    CacheStatus::Miss => 1,
                    CacheStatus::Expired => 2,
                    CacheStatus::Bypass => 3,
                },
        )
    }

    /// A response of the authorization service that took so many milliseconds.
    #[inline]
    pub fn duration(ms: u64) -> Self {
        // There are less than 256 buckets.
        Self(DURATIONS + Buckets::OF_REQUESTS.index(ms) as u8)
    }

    /// The number.
    #[inline]
    pub fn number(self) -> usize {
        self.0.into()
    }
}

/// The metrics of zones, each with its name and its counters. The name of those without is empty.
pub fn zone_families(zones: &[(&str, ReadCounter<'_>)]) -> Vec<Family> {
    let mut tokens = Family::new(
        "nginx_auth_jwt_requests_total",
        MetricKind::Counter,
        "Requests that auth_jwt has judged, by $jwt_status and by what became of them.",
    );
    let mut token_cache = Family::new(
        "nginx_auth_jwt_token_cache_lookups_total",
        MetricKind::Counter,
        "Tokens that were known (hit), or whose signature had to be verified (miss).",
    );
    let mut replays = Family::new(
        "nginx_auth_jwt_dpop_replays_total",
        MetricKind::Counter,
        "DPoP proofs that were refused because they had been used before.",
    );
    let mut checks = Family::new(
        "nginx_auth_request_checks_total",
        MetricKind::Counter,
        "Checks of auth_request by their result.",
    );
    let mut errors = Family::new(
        "nginx_auth_request_errors_total",
        MetricKind::Counter,
        "Checks of auth_request in which the service did not decide, by the reason.",
    );
    let mut lookups = Family::new(
        "nginx_auth_request_cache_lookups_total",
        MetricKind::Counter,
        "Checks with auth_request_cache, by $auth_request_cache_status.",
    );
    let mut durations = Family::new(
        "nginx_auth_request_duration_seconds",
        MetricKind::Histogram,
        "How long the authorization service took to respond.",
    );
    for (zone, read) in zones {
        let get = |counter: ZoneCounter| read(counter.number());
        let zone = ("zone", *zone);
        for status in JwtStatus::ALL {
            for (result, name) in results(status) {
                let labels = [zone, ("status", status.name()), ("result", name)];
                tokens.push(&labels, get(ZoneCounter::token(status, *result)));
            }
        }
        let hits = get(ZoneCounter::TOKEN_CACHE_HIT);
        token_cache.push(&[zone, ("result", "hit")], hits);
        let misses = get(ZoneCounter::TOKEN_CACHE_MISS);
        token_cache.push(&[zone, ("result", "miss")], misses);
        replays.push(&[zone], get(ZoneCounter::DPOP_REPLAY));
        for result in RESULTS {
            let labels = [zone, ("result", result.name())];
            checks.push(&labels, get(ZoneCounter::check(result)));
        }
        for error in AUTH_ERRORS {
            let labels = [zone, ("error", error.name())];
            errors.push(&labels, get(ZoneCounter::error(error)));
        }
        for status in CACHE_STATUSES {
            let name = status.name().to_ascii_lowercase();
            let count = get(ZoneCounter::cache_lookup(status));
            lookups.push(&[zone, ("result", &name)], count);
        }
        let bucket = |index: usize| read(usize::from(DURATIONS).saturating_add(index));
        let sum = get(ZoneCounter::DURATION_SUM);
        let histogram = Buckets::OF_REQUESTS.value(bucket, sum);
        durations.push_histogram(&[zone], histogram);
    }
    vec![
        tokens,
        token_cache,
        replays,
        checks,
        errors,
        lookups,
        durations,
    ]
}

/// What may become of a request with this status.
fn results(status: JwtStatus) -> &'static [(TokenResult, &'static str)] {
    match status {
        JwtStatus::Ok => &[(TokenResult::Accepted, "accepted")],
        JwtStatus::Disabled => &[(TokenResult::Passed, "passed")],
        _ => &[
            (TokenResult::Refused, "refused"),
            (TokenResult::Passed, "passed"),
        ],
    }
}
