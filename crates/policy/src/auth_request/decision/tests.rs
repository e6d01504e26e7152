use super::*;
use AuthError as E;
use Decision::{Allow, Deny, Error};
use ResponseOrigin::{
    Elsewhere, InvalidResponse as Invalid, NoConnection, NoResponse as Closed, NotAsked, Service,
    TimedOut,
};
use proptest::prelude::*;

/// What becomes of the client's request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// The service allows it.
    LetIn,
    /// The service denies it: the client gets the status of the response.
    Denied,
    /// `auth_request_on_error 503` refuses it with 503, and `auth_request_on_error allow` with 500,
    /// with the word `5xx` or without.
    Refused,
    /// `auth_request_on_error allow` lets it in: it fails open.
    FailsOpen,
    /// `auth_request_on_error allow 5xx` lets it in, without the word it is refused with 500.
    FailsOpen5xx,
}
use Outcome::{Denied, FailsOpen, FailsOpen5xx, LetIn, Refused};

/// `auth_request_deny_status` is not configured.
const NONE: &str = "";

type Row = (
    &'static [u16],
    ResponseOrigin,
    &'static str,
    Decision,
    Outcome,
);

/// The fail-open table: what each response means, and what that does to the client's request. A row
/// holds for each of its statuses. `deny` is the value of `auth_request_deny_status`.
#[rustfmt::skip]
const TABLE: &[Row] = &[
    // status               origin        deny   decision                    outcome
    (&[200, 204, 206, 299], Service,      NONE,  Allow,                      LetIn),
    (&[200, 204, 206, 299], Elsewhere,    NONE,  Allow,                      LetIn),
    (&[401, 403],           Service,      NONE,  Deny,                       Denied),
    (&[401, 403],           Elsewhere,    NONE,  Deny,                       Denied),
    (&[400, 404, 499],      Service,      "4xx", Deny,                       Denied),
    (&[500, 502, 504, 599], Service,      "5xx", Deny,                       Denied),
    (&[500, 503, 599],      Elsewhere,    "5xx", Deny,                       Denied),
    (&[300, 303, 308, 399], Service,      "3xx", Deny,                       Denied),
    // Another status is an error. Only a 5xx of the service itself can be an outage.
    (&[0, 100, 199],        Service,      NONE,  Error(E::UnexpectedStatus), Refused),
    (&[300, 301, 302, 399], Service,      NONE,  Error(E::UnexpectedStatus), Refused),
    (&[400, 402, 404, 499], Service,      NONE,  Error(E::UnexpectedStatus), Refused),
    (&[500, 502, 504, 599], Service,      NONE,  Error(E::ServerError),      FailsOpen5xx),
    (&[600, 999],           Service,      NONE,  Error(E::UnexpectedStatus), Refused),
    (&[0, 300, 404, 600],   Elsewhere,    NONE,  Error(E::UnexpectedStatus), Refused),
    // limit_req, limit_conn, return, an error page, a response from the cache.
    (&[500, 502, 503, 504], Elsewhere,    NONE,  Error(E::UnexpectedStatus), Refused),
    // 304 never denies, even if its class is configured. A redirect needs a Location header.
    (&[304],                Service,      NONE,  Error(E::UnexpectedStatus), Refused),
    (&[304],                Service,      "3xx", Error(E::UnexpectedStatus), Refused),
    (&[301, 302],           Service,      "3xx", Error(E::NoLocation),       Refused),
    // nginx itself produced the status, which then cannot be configured to deny.
    (&[502, 504],           NoConnection, NONE,  Error(E::NoConnection),     FailsOpen),
    (&[502, 504],           NoConnection, "5xx", Error(E::NoConnection),     FailsOpen),
    (&[500, 501, 503, 599], NoConnection, NONE,  Error(E::NoConnection),     Refused),
    (&[500, 501, 503, 599], NoConnection, "5xx", Error(E::NoConnection),     Refused),
    (&[504],                TimedOut,     NONE,  Error(E::TimedOut),         FailsOpen),
    (&[504],                TimedOut,     "5xx", Error(E::TimedOut),         FailsOpen),
    (&[500, 502, 503, 599], TimedOut,     NONE,  Error(E::TimedOut),         Refused),
    (&[500, 502, 503, 504], Closed,       NONE,  Error(E::NoResponse),       Refused),
    (&[500, 502, 503, 504], Closed,       "5xx", Error(E::NoResponse),       Refused),
    (&[500, 502, 503, 504], Invalid,      NONE,  Error(E::InvalidResponse),  Refused),
    (&[500, 502, 503, 504], Invalid,      "5xx", Error(E::InvalidResponse),  Refused),
    (&[500, 502, 503, 504], NotAsked,     NONE,  Error(E::NotAsked),         Refused),
    (&[500, 502, 503, 504], NotAsked,     "5xx", Error(E::NotAsked),         Refused),
    // Below 500 the configuration has replaced nginx's own status: the origin does not matter.
    (&[200],                NoConnection, NONE,  Allow,                      LetIn),
    (&[403],                TimedOut,     NONE,  Deny,                       Denied),
    (&[200],                Closed,       NONE,  Allow,                      LetIn),
    (&[404],                Invalid,      NONE,  Error(E::UnexpectedStatus), Refused),
    (&[200],                NotAsked,     NONE,  Allow,                      LetIn),
];

fn statuses(text: &str) -> Option<Statuses> {
    let mut statuses = Statuses::default();
    match text {
        NONE => None,
        text => statuses.push(text.as_bytes()).map(|()| statuses),
    }
}

fn outcome(status: u16, decision: Decision) -> Outcome {
    let error = match decision {
        Allow => return LetIn,
        Deny => return Denied,
        Error(error) => error,
    };
    // Without `allow`, the configured status is always what the client gets.
    assert_eq!(
        OnError::Refuse(503).refusal_status(error, status),
        Some(503)
    );
    let [with_5xx, without] = [true, false]
        .map(|on_server_error| OnError::Allow { on_server_error }.refusal_status(error, status));
    match (without, with_5xx) {
        (Some(500), Some(500)) => Refused,
        (Some(500), None) => FailsOpen5xx,
        (None, None) => FailsOpen,
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_row_of_the_fail_open_table_has_its_outcome() {
    for &(row, origin, deny_status, decision, expected) in TABLE {
        let deny_status = statuses(deny_status);
        for &status in row {
            let response = ServiceResponse {
                status,
                origin,
                has_header: true,
                has_location: false,
                answer_error: None,
            };
            assert_eq!(
                response.decision(deny_status.as_ref()),
                decision,
                "{response:?}"
            );
            assert_eq!(outcome(status, decision), expected, "{response:?}");
        }
    }
}

#[test]
fn a_response_whose_header_nginx_could_not_process_never_allows() {
    for origin in [
        Service,
        Elsewhere,
        NoConnection,
        TimedOut,
        Closed,
        Invalid,
        NotAsked,
    ] {
        let response = ServiceResponse {
            status: 200,
            origin,
            has_header: false,
            has_location: false,
            answer_error: None,
        };
        let decision = response.decision(None);
        assert_eq!(decision, Error(E::Truncated), "{origin:?}");
        assert_eq!(outcome(200, decision), Refused, "{origin:?}");
    }
}

#[test]
fn a_response_whose_body_is_no_answer_never_allows_and_fails_closed() {
    for origin in [Service, Elsewhere] {
        for error in [AnswerError::Truncated, AnswerError::TooLarge] {
            let response = |status, has_header| ServiceResponse {
                status,
                origin,
                has_header,
                has_location: false,
                answer_error: Some(error),
            };
            for status in [200, 201, 299] {
                let decision = response(status, true).decision(None);
                assert_eq!(decision, Error(E::Answer(error)), "{origin:?}");
                assert_eq!(outcome(status, decision), Refused, "{origin:?}");
            }
            assert_eq!(response(200, false).decision(None), Error(E::Truncated));
            // The body of a response that does not allow does not count.
            assert_eq!(response(403, true).decision(None), Deny);
        }
    }
}

#[test]
fn an_error_of_the_client_never_lets_in() {
    for on_server_error in [true, false] {
        let closed = OnError::Allow { on_server_error }.closed();
        assert_eq!(closed, OnError::Refuse(500));
    }
    assert_eq!(OnError::Refuse(403).closed(), OnError::Refuse(403));
}

#[test]
fn a_redirect_with_a_location_denies_if_it_is_configured() {
    for status in [301, 302] {
        let response = ServiceResponse {
            status,
            origin: Service,
            has_header: true,
            has_location: true,
            answer_error: None,
        };
        assert_eq!(response.decision(statuses("3xx").as_ref()), Deny);
        assert_eq!(response.decision(None), Error(E::UnexpectedStatus));
    }
}

#[test]
fn a_denial_takes_along_the_header_that_its_status_needs() {
    for (status, name) in [
        (301, "Location"),
        (302, "LOCATION"),
        (399, "location"),
        (401, "WWW-Authenticate"),
        (429, "Retry-After"),
        (503, "retry-after"),
    ] {
        assert!(goes_with_denial(status, name.as_bytes()), "{status} {name}");
    }
    for (status, name) in [
        (403, "Location"),
        (400, "WWW-Authenticate"),
        (401, "Location"),
        (502, "Retry-After"),
        (401, "WWW-Authenticat"),
        (302, ""),
    ] {
        assert!(
            !goes_with_denial(status, name.as_bytes()),
            "{status} {name}"
        );
    }
}

fn any_response() -> impl Strategy<Value = ServiceResponse> {
    let origins = vec![
        Service,
        Elsewhere,
        NoConnection,
        TimedOut,
        Closed,
        Invalid,
        NotAsked,
    ];
    let origin = prop::sample::select(origins);
    let answer_error = prop::sample::select(vec![
        None,
        Some(AnswerError::Truncated),
        Some(AnswerError::NotJson(7)),
    ]);
    let parts = (
        0..1000_u16,
        origin,
        any::<bool>(),
        any::<bool>(),
        answer_error,
    );
    parts.prop_map(
        |(status, origin, has_header, has_location, answer_error)| ServiceResponse {
            status,
            origin,
            has_header,
            has_location,
            answer_error,
        },
    )
}

proptest! {
    #[test]
    fn only_a_2xx_allows(response in any_response(), deny_status in "([345]xx)?") {
        let is_allowing = is_success(response.status)
            && response.has_header
            && response.answer_error.is_none();
        let decision = response.decision(statuses(&deny_status).as_ref());
        prop_assert_eq!(decision == Allow, is_allowing);
    }

    #[test]
    fn only_an_outage_fails_open(response in any_response(), deny_status in "([345]xx)?") {
        let decision = response.decision(statuses(&deny_status).as_ref());
        match outcome(response.status, decision) {
            FailsOpen => {
                prop_assert!(matches!(response.status, 502 | 504));
                prop_assert!(matches!(response.origin, NoConnection | TimedOut));
            }
            FailsOpen5xx => {
                prop_assert!((500..600).contains(&response.status));
                prop_assert_eq!(response.origin, Service);
            }
            LetIn | Denied | Refused => {}
        }
    }
}
