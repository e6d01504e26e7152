use super::*;

fn outcome(refusal: Refusal<'_>) -> (Option<u16>, Option<(LogLevel, String)>) {
    let outcome = refusal.outcome();
    (outcome.status, outcome.log_line)
}

#[test]
fn what_nginx_refused_has_no_line_of_its_own() {
    assert_eq!(
        outcome(Refusal::ClientBody { status: 413 }),
        (Some(413), None)
    );
}

#[test]
fn a_denial_is_logged_with_its_status_and_the_uri_as_it_is_configured() {
    let refusal = Refusal::Denied {
        status: 403,
        uri: b"/check?$arg_token",
    };
    let line = r#"auth request: denied with status 403 by "/check?$arg_token""#;
    assert_eq!(
        outcome(refusal),
        (Some(403), Some((LogLevel::Info, line.into())))
    );
}

#[test]
fn an_unsafe_uri_is_an_error_of_the_server_and_is_logged_as_it_is_configured() {
    let refusal = Refusal::UnsafeUri {
        uri: b"/a/$arg_token",
        reason: UnsafePath::DotDot(4),
    };
    let line = r#"auth request: the URI "/a/$arg_token" contains ".." at byte 4 of its value"#;
    assert_eq!(
        outcome(refusal),
        (Some(500), Some((LogLevel::Error, line.into())))
    );
}

#[test]
fn an_unmet_condition_is_logged_as_it_is_configured() {
    let refusal = Refusal::Requirement {
        value: "$logged_in",
        status: 403,
    };
    let line = "auth request: required $logged_in is empty or 0";
    assert_eq!(
        outcome(refusal),
        (Some(403), Some((LogLevel::Info, line.into())))
    );
}

#[test]
fn an_error_of_the_service_is_logged_whether_or_not_the_request_is_let_in() {
    let refusal = |on_error| Refusal::ServiceError {
        error: AuthError::NoConnection,
        status: 502,
        replaced: None,
        uri: b"/check?$args",
        on_error,
        connects_by_variables: false,
    };
    let line = "auth request unexpected status: 502 from \"/check?$args\": \
                no connection to the service";
    assert_eq!(
        outcome(refusal(OnError::Refuse(503))),
        (Some(503), Some((LogLevel::Error, line.into())))
    );
    let let_in = format!("{line}, let in by auth_request_on_error");
    assert_eq!(
        outcome(refusal(OnError::Allow {
            on_server_error: false
        })),
        (None, Some((LogLevel::Error, let_in)))
    );
}

#[test]
fn whoever_may_have_brought_an_error_about_is_not_let_in_and_the_line_says_why() {
    let refusal = |error, on_error| Refusal::ServiceError {
        error,
        status: 502,
        replaced: None,
        uri: b"/check",
        on_error,
        connects_by_variables: true,
    };
    let line = "auth request unexpected status: 502 from \"/check\": no connection to the service, not \
                let in by auth_request_on_error, since the client may have a say in how nginx \
                connects: TLS settings or the bind address have variables";
    let allow = OnError::Allow {
        on_server_error: false,
    };
    assert_eq!(
        outcome(refusal(AuthError::NoConnection, allow)),
        (Some(500), Some((LogLevel::Error, line.into())))
    );
    let line = "auth request unexpected status: 502 from \"/check\": no connection to the service";
    assert_eq!(
        outcome(refusal(AuthError::NoConnection, OnError::Refuse(503))),
        (Some(503), Some((LogLevel::Error, line.into())))
    );
}

#[test]
fn a_status_that_the_configuration_has_replaced_is_logged() {
    let refusal = Refusal::ServiceError {
        error: AuthError::UnexpectedStatus,
        status: 500,
        replaced: Some(401),
        uri: b"/check",
        on_error: OnError::Refuse(503),
        connects_by_variables: false,
    };
    let line = "auth request unexpected status: 500 from \"/check\": neither allows nor denies, in place \
                of status 401 of the service";
    assert_eq!(
        outcome(refusal),
        (Some(503), Some((LogLevel::Error, line.into())))
    );
}

#[test]
fn a_status_that_decides_nothing_says_what_it_often_means() {
    let line = |error, status| {
        let uri = b"/check";
        let on_error = OnError::Refuse(500);
        let refusal = Refusal::ServiceError {
            error,
            status,
            replaced: None,
            uri,
            on_error,
            connects_by_variables: false,
        };
        let (_, line) = outcome(refusal);
        let (_, text) = line.unwrap();
        let start = format!("auth request unexpected status: {status} from \"/check\": {error}");
        text.strip_prefix(&start).unwrap().to_owned()
    };
    let unexpected = AuthError::UnexpectedStatus;
    for (status, advice) in [
        (
            301,
            "; auth_request_deny_status passes redirects on to clients",
        ),
        (
            302,
            "; auth_request_deny_status passes redirects on to clients",
        ),
        (304, ""),
        (400, ""),
        (
            404,
            "; no location has this URI, or nothing is at the address in its proxy_pass",
        ),
        (405, "; the service is asked by GET"),
        (429, "; auth_request_deny_status passes it on to clients"),
    ] {
        assert_eq!(line(unexpected, status), advice, "{status}");
    }
    assert_eq!(line(AuthError::ServerError, 500), "");
    assert_eq!(line(AuthError::NoLocation, 302), "");
}

#[test]
fn each_refusal_is_counted_as_what_it_is() {
    let error = AuthError::TimedOut;
    let service_error = |on_error| Refusal::ServiceError {
        error,
        status: 504,
        replaced: None,
        uri: b"/check",
        on_error,
        connects_by_variables: false,
    };
    let let_in = OnError::Allow {
        on_server_error: false,
    };
    let rows = [
        (Refusal::ClientBody { status: 413 }, CheckResult::ClientBody),
        (
            Refusal::UnsafeUri {
                uri: b"/..",
                reason: UnsafePath::Relative,
            },
            CheckResult::UnsafeUri,
        ),
        (
            Refusal::Denied {
                status: 403,
                uri: b"/check",
            },
            CheckResult::Denied,
        ),
        (
            Refusal::Requirement {
                value: "$x",
                status: 403,
            },
            CheckResult::Requirement,
        ),
        (
            service_error(OnError::Refuse(500)),
            CheckResult::Error(error),
        ),
        (service_error(let_in), CheckResult::LetIn(error)),
    ];
    for (refusal, result) in rows {
        assert_eq!(refusal.outcome().result, result, "{refusal:?}");
    }
}
