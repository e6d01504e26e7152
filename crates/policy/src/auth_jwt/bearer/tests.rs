use super::*;

fn one(value: &str) -> Presented<'_> {
    find_bearer_token([value.as_bytes()].into_iter())
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
    assert_eq!(find_bearer_token([].into_iter()), Presented::Nothing);
}

#[test]
fn row_42_two_lines() {
    let twice = [&b"Bearer abc"[..]; 2];
    assert_eq!(find_bearer_token(twice.into_iter()), Presented::Several);
    let other_scheme = [&b"Basic abc"[..], b"Bearer abc"];
    assert_eq!(
        find_bearer_token(other_scheme.into_iter()),
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
