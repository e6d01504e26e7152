use super::*;

fn one(value: &str) -> Presented<'_> {
    find_token([value.as_bytes()].into_iter(), false)
}

#[test]
fn row_42_short_and_odd_values() {
    for value in [
        "",
        "B",
        "Bearer",
        "Bearer ",
        "Bearer   ",
        "bearer\tabc",
        "Bearerabc",
        "Basic abc",
        " Bearer abc",
    ] {
        assert_eq!(one(value), Presented::Nothing, "{value:?}");
    }
    assert_eq!(find_token([].into_iter(), false), Presented::Nothing);
}

#[test]
fn row_42_two_lines() {
    let twice = [&b"Bearer abc"[..]; 2];
    assert_eq!(find_token(twice.into_iter(), false), Presented::Several);
    let other_scheme = [&b"Basic abc"[..], b"Bearer abc"];
    assert_eq!(
        find_token(other_scheme.into_iter(), false),
        Presented::Several
    );
}

#[test]
fn row_43_any_case_and_any_number_of_spaces() {
    for value in ["Bearer abc", "bearer abc", "BEARER abc", "bEaReR    abc"] {
        assert_eq!(one(value), Presented::Token(&b"abc"[..]), "{value:?}");
    }
    assert_eq!(one("Bearer a b"), Presented::Token(&b"a b"[..]));
    assert_eq!(one("Bearer \tabc"), Presented::Token(&b"\tabc"[..]));
}

#[test]
fn a_variable_may_have_the_scheme_in_front() {
    for value in [
        "abc",
        "Bearer abc",
        "bearer   abc",
        "Bearer%20abc",
        "BEARER+abc",
        "Bearer %20+abc",
    ] {
        let token = Presented::Token(&b"abc"[..]);
        assert_eq!(find_token_in_value(value.as_bytes()), token, "{value:?}");
    }
    for value in ["", "Bearer", "bearer ", "Bearer%20"] {
        let nothing = Presented::Nothing;
        assert_eq!(find_token_in_value(value.as_bytes()), nothing, "{value:?}");
    }
    for value in [
        "Bearerabc",
        "Bearer.a.b",
        "Basic abc",
        " abc",
        "Bearer\tabc",
    ] {
        let whole = Presented::Token(value.as_bytes());
        assert_eq!(find_token_in_value(value.as_bytes()), whole, "{value:?}");
    }
    let twice = find_token_in_value(b"Bearer Bearer abc");
    assert_eq!(twice, Presented::Token(&b"Bearer abc"[..]));
}

fn missing(authorization: Option<&str>, lines: &[(&str, &str)]) -> String {
    let lines = lines
        .iter()
        .map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    NoToken::in_header(authorization.map(str::as_bytes), lines).to_string()
}

#[test]
fn no_token_says_what_is_there_instead() {
    let header = "the \"Authorization\" header line";
    for (value, text) in [
        ("", "is empty"),
        (" ", "is empty"),
        ("Bearer", "has nothing behind \"Bearer\""),
        ("bearer  ", "has nothing behind \"Bearer\""),
        (
            "Bearer\teyJ.e30.x",
            "has a tab instead of a space behind \"Bearer\"",
        ),
        (
            "Bearer: eyJ.e30.x",
            "has something instead of a space behind \"Bearer\"",
        ),
        (
            "Bearer=eyJ.e30.x",
            "has something instead of a space behind \"Bearer\"",
        ),
        ("\"Bearer eyJ.e30.x\"", "begins with a quotation mark"),
        (
            "JWT eyJ.e30.x",
            "has the scheme \"JWT\" instead of \"Bearer\"",
        ),
        (
            "token eyJ.e30.x",
            "has the scheme \"Token\" instead of \"Bearer\"",
        ),
        (
            "Basic dTpw",
            "has the scheme \"Basic\" instead of \"Bearer\"",
        ),
        ("basic", "has the scheme \"Basic\" instead of \"Bearer\""),
        ("secret eyJ.e30.x", "has another scheme than \"Bearer\""),
        ("eyJ.e30.x", "has no \"Bearer\" in front of the token"),
        ("eyJ.e30.x more", "has another scheme than \"Bearer\""),
    ] {
        assert_eq!(
            missing(Some(value), &[]),
            format!("{header} {text}"),
            "{value:?}"
        );
    }
    let none = "no \"Authorization\" header line";
    assert_eq!(missing(None, &[]), none);
    let preflight = format!("{none}, as in every CORS preflight; see auth_jwt_mode");
    let asks = ("access-control-request-method", "PUT");
    assert_eq!(missing(None, &[("X-A", "eyJ.e30.x"), asks]), preflight);
    assert_eq!(missing(Some(""), &[asks]), format!("{header} is empty"));
    let others = [("Host", "a.b.c"), ("Accept", "eyJ"), ("X-A", "Basic x")];
    assert_eq!(missing(None, &others), none);
    for (name, value) in [("X-Access-Token", "eyJ.e30.x"), ("X-Auth\"", "bearer abc")] {
        let text = format!("{none}, but {} may hold one", Quoted::new(name));
        assert_eq!(missing(None, &[("Host", "a"), (name, value)]), text);
    }
    let empty = NoToken::EmptyVariable(Quoted::whole("$cookie_jwt"));
    assert_eq!(empty.to_string(), "\"$cookie_jwt\" is empty");
}

#[test]
fn what_is_in_front_of_a_token_is_said() {
    for token in ["Bearer eyJ", "BEARER: eyJ", "bearer%20eyJ"] {
        let text = "another \"Bearer\" is in front of the token";
        assert_eq!(in_front_of(token.as_bytes()), Some(text), "{token}");
    }
    assert_eq!(
        in_front_of(b"\"eyJ\""),
        Some("a quotation mark is in front of the token")
    );
    assert_eq!(
        in_front_of(b"\teyJ"),
        Some("white space is in front of the token")
    );
    for token in ["", "eyJ", "Bearer", "Bearereyj", "Basic eyJ"] {
        assert_eq!(in_front_of(token.as_bytes()), None, "{token}");
    }
}

#[test]
fn the_scheme_dpop_is_taken_where_proofs_are_checked() {
    let find = |value: &'static str| {
        let lines = || [value.as_bytes()].into_iter();
        (
            find_token(lines(), false),
            find_token(lines(), true),
            AuthScheme::of(value.as_bytes()),
        )
    };
    let (token, nothing) = (Presented::Token(b"abc"), Presented::Nothing);
    for value in ["DPoP abc", "dpop abc", "DPOP   abc"] {
        assert_eq!(
            find(value),
            (nothing, token, Some(AuthScheme::Dpop)),
            "{value}"
        );
    }
    for value in ["Bearer abc", "bearer  abc"] {
        assert_eq!(
            find(value),
            (token, token, Some(AuthScheme::Bearer)),
            "{value}"
        );
    }
    for value in [
        "",
        "DPoP",
        "DPoP\tabc",
        "DPoPabc",
        "Basic abc",
        "abc",
        " DPoP abc",
    ] {
        assert_eq!(find(value), (nothing, nothing, None), "{value}");
    }
    let two = || [&b"DPoP a"[..], b"DPoP a"].into_iter();
    assert_eq!(find_token(two(), true), Presented::Several);
}
