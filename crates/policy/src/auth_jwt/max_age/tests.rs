use super::*;
use jose::{Document, Limits};

const NOW: i64 = 1_000_000;

fn check(iat: &str, now: i64, max_age: u64, leeway: u64) -> Result<(), String> {
    let claims = format!("{{\"iat\":{iat}}}");
    let claims = Document::parse_value(claims.as_bytes(), &Limits::default()).unwrap();
    let (max_age, leeway) = (Duration::from_secs(max_age), Duration::from_secs(leeway));
    check_age(claims.root(), now, max_age, leeway).map_err(|error| error.to_string())
}

#[test]
fn the_age_counts_to_the_second_and_exactly() {
    let old = |iat: &str| Err(format!("too old: iat \"{iat}\", now 1000000, max_age 60"));
    let future = |iat: &str| {
        Err(format!(
            "issued in the future: iat \"{iat}\", now 1000000, leeway 5: if the clocks of issuer and \
             nginx differ, see auth_jwt_leeway"
        ))
    };
    for (iat, expected) in [
        ("999939", old("999939")),
        (
            "999939.999999999999999999999",
            old("999939.999999999999999999999"),
        ),
        ("999940", Ok(())),
        ("999940.0", Ok(())),
        ("1e6", Ok(())),
        ("1000005", Ok(())),
        (
            "1000005.0000000000000000000001",
            future("1000005.0000000000000000000001"),
        ),
        ("1000006", future("1000006")),
        ("0", old("0")),
        ("-1", old("-1")),
        ("-1e400", old("-1e400")),
        ("1e400", future("1e400")),
        ("18446744073709551616", future("18446744073709551616")),
    ] {
        assert_eq!(check(iat, NOW, 60, 5), expected, "{iat}");
    }
}

#[test]
fn row_15_nothing_overflows() {
    assert_eq!(check("0", i64::MAX, u64::MAX, u64::MAX), Ok(()));
    assert_eq!(check("0", i64::MIN, u64::MAX, u64::MAX), Ok(()));
    assert!(check("1e99", i64::MAX, u64::MAX, u64::MAX).is_err());
}

#[test]
fn the_claim_must_be_a_number() {
    for iat in ["null", "true", "\"1000000\"", "[1000000]", "{}"] {
        assert_eq!(
            check(iat, NOW, 60, 5),
            Err("claim \"iat\" is not a number".into()),
            "{iat}"
        );
    }
    let empty = Document::parse_value(b"{}", &Limits::default()).unwrap();
    assert_eq!(
        check_age(empty.root(), NOW, Duration::MAX, Duration::MAX),
        Err(AgeError::Missing)
    );
}
