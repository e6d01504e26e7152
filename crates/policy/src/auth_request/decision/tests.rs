use super::*;
use AuthError as E;
use BodyState::{Complete, TooLarge, Truncated};
use Decision::{Allow, Deny, Error};
use ResponseOrigin::{InvalidResponse as Invalid, NoResponse as NoReply, Service};
use proptest::prelude::*;

/// What becomes of the client's request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// The service allows it.
    LetIn,
    /// The service denies it: the client gets the status of the response.
    Denied,
    /// `auth_request_on_error 503` refuses it with 503 and `auth_request_on_error allow` with 500.
    Refused,
    /// `auth_request_on_error 503` refuses it with 503, but `auth_request_on_error allow` lets it
    /// in: it fails open.
    FailsOpen,
}
use Outcome::{Denied, FailsOpen, LetIn, Refused};

/// `auth_request_deny_status` is not configured.
const NONE: &str = "";

type Row = (
    &'static [u16],
    ResponseOrigin,
    BodyState,
    &'static str,
    Decision,
    Outcome,
);

/// The fail-open table: what each response means, and what that does to the client's request. A row
/// holds for each of its statuses. `deny` is the value of `auth_request_deny_status`.
#[rustfmt::skip]
const TABLE: &[Row] = &[
    // status               origin   body       deny   decision                    outcome
    // The service allows, if its whole response arrived.
    (&[200, 204, 206, 299], Service, Complete,  NONE,  Allow,                      LetIn),
    (&[200, 204, 206, 299], Service, Truncated, NONE,  Error(E::Truncated),        Refused),
    (&[200, 204, 206, 299], Service, TooLarge,  NONE,  Error(E::BodyTooLarge),     Refused),
    // The service denies. The body does not matter.
    (&[401, 403],           Service, Complete,  NONE,  Deny,                       Denied),
    (&[401, 403],           Service, Truncated, NONE,  Deny,                       Denied),
    (&[401, 403],           Service, TooLarge,  NONE,  Deny,                       Denied),
    (&[400, 404, 499],      Service, Complete,  "4xx", Deny,                       Denied),
    (&[404],                Service, Truncated, "404", Deny,                       Denied),
    (&[500, 502, 504, 599], Service, Complete,  "5xx", Deny,                       Denied),
    (&[300, 303, 308, 399], Service, Complete,  "3xx", Deny,                       Denied),
    // Another status is an error. A 5xx is an outage of the service, all others are not.
    (&[0, 100, 199],        Service, Complete,  NONE,  Error(E::UnexpectedStatus), Refused),
    (&[300, 301, 302, 399], Service, Complete,  NONE,  Error(E::UnexpectedStatus), Refused),
    (&[400, 402, 404, 499], Service, Complete,  NONE,  Error(E::UnexpectedStatus), Refused),
    (&[500, 502, 504, 599], Service, Complete,  NONE,  Error(E::UnexpectedStatus), FailsOpen),
    (&[500, 502, 504, 599], Service, Truncated, NONE,  Error(E::UnexpectedStatus), FailsOpen),
    (&[500, 502, 504, 599], Service, TooLarge,  NONE,  Error(E::UnexpectedStatus), FailsOpen),
    (&[600, 999],           Service, Complete,  NONE,  Error(E::UnexpectedStatus), Refused),
    // 304 never denies, even if its class is configured. A redirect needs a Location header.
    (&[304],                Service, Complete,  NONE,  Error(E::UnexpectedStatus), Refused),
    (&[304],                Service, Complete,  "3xx", Error(E::UnexpectedStatus), Refused),
    (&[301, 302],           Service, Complete,  "3xx", Error(E::NoLocation),       Refused),
    // nginx got no response: only 502 and 504 are an outage. They cannot be configured to deny.
    (&[502, 504],           NoReply, Complete,  NONE,  Error(E::NoResponse),       FailsOpen),
    (&[502, 504],           NoReply, Complete,  "5xx", Error(E::NoResponse),       FailsOpen),
    (&[500, 501, 503, 599], NoReply, Complete,  NONE,  Error(E::NoResponse),       Refused),
    (&[500, 501, 503, 599], NoReply, Complete,  "5xx", Error(E::NoResponse),       Refused),
    // nginx got an invalid response: only 504, when time ran out, is an outage.
    (&[504],                Invalid, Complete,  NONE,  Error(E::InvalidResponse),  FailsOpen),
    (&[504],                Invalid, Complete,  "5xx", Error(E::InvalidResponse),  FailsOpen),
    (&[500, 502, 503, 599], Invalid, Complete,  NONE,  Error(E::InvalidResponse),  Refused),
    (&[500, 502, 503, 599], Invalid, Complete,  "5xx", Error(E::InvalidResponse),  Refused),
    // Below 500 the configuration has replaced nginx's own status: the origin does not matter.
    (&[200],                NoReply, Complete,  NONE,  Allow,                      LetIn),
    (&[200],                Invalid, Truncated, NONE,  Error(E::Truncated),        Refused),
    (&[403],                NoReply, Complete,  NONE,  Deny,                       Denied),
    (&[404],                Invalid, Complete,  NONE,  Error(E::UnexpectedStatus), Refused),
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
    match OnError::Allow.refusal_status(error, status) {
        Some(500) => Refused,
        None => FailsOpen,
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_row_of_the_fail_open_table_has_its_outcome() {
    for &(row, origin, body, deny_status, decision, expected) in TABLE {
        let deny_status = statuses(deny_status);
        for &status in row {
            let response = ServiceResponse {
                status,
                origin,
                body,
                has_location: false,
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
fn a_redirect_with_a_location_denies_if_it_is_configured() {
    for status in [301, 302] {
        let response = ServiceResponse {
            status,
            origin: Service,
            body: Complete,
            has_location: true,
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
    let origin = prop_oneof![Just(Service), Just(NoReply), Just(Invalid)];
    let body = prop_oneof![Just(Complete), Just(Truncated), Just(TooLarge)];
    (0..1000_u16, origin, body, any::<bool>()).prop_map(|(status, origin, body, has_location)| {
        ServiceResponse {
            status,
            origin,
            body,
            has_location,
        }
    })
}

proptest! {
    #[test]
    fn only_a_complete_2xx_allows(response in any_response(), deny_status in "([345]xx)?") {
        let is_complete_success = is_success(response.status) && response.body == Complete;
        let decision = response.decision(statuses(&deny_status).as_ref());
        prop_assert_eq!(decision == Allow, is_complete_success);
    }

    #[test]
    fn only_a_5xx_fails_open(response in any_response(), deny_status in "([345]xx)?") {
        let decision = response.decision(statuses(&deny_status).as_ref());
        if outcome(response.status, decision) == FailsOpen {
            prop_assert!((500..600).contains(&response.status));
        }
    }
}
