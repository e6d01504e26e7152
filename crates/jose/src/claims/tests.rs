use super::*;

const NOW: i64 = 1_700_000_000;

fn check(claims: &str, leeway: Duration) -> Result<(), Error> {
    let claims = Claims::parse(claims.as_bytes().to_vec(), &Limits::default()).unwrap();
    claims.validity_period()?.check(NOW, leeway)
}

fn without_leeway(claims: &str) -> Result<(), Error> {
    check(claims, Duration::ZERO)
}

#[test]
fn exp_is_the_first_second_that_is_too_late() {
    assert_eq!(without_leeway("{}"), Ok(()));
    assert_eq!(without_leeway(r#"{"exp":1700000001}"#), Ok(()));
    let expired = |exp, leeway| {
        Err(Error::Expired {
            exp,
            now: NOW,
            leeway,
        })
    };
    assert_eq!(without_leeway(r#"{"exp":1700000000}"#), expired(NOW, 0));
    assert_eq!(without_leeway(r#"{"exp":1700000000.0}"#), expired(NOW, 0));
    assert_eq!(without_leeway(r#"{"exp":1700000000.25}"#), Ok(()));
    assert_eq!(without_leeway(r#"{"exp":1.7e9}"#), expired(NOW, 0));
    let leeway = Duration::from_secs(60);
    assert_eq!(check(r#"{"exp":1699999941}"#, leeway), Ok(()));
    assert_eq!(
        check(r#"{"exp":1699999940}"#, leeway),
        expired(NOW - 60, 60)
    );
}

#[test]
fn nbf_is_the_first_second_that_is_not_too_early() {
    assert_eq!(without_leeway(r#"{"nbf":1700000000}"#), Ok(()));
    let early = |nbf, leeway| {
        Err(Error::NotYetValid {
            nbf,
            now: NOW,
            leeway,
        })
    };
    assert_eq!(without_leeway(r#"{"nbf":1700000000.1}"#), early(NOW + 1, 0));
    assert_eq!(without_leeway(r#"{"nbf":1700000001}"#), early(NOW + 1, 0));
    let leeway = Duration::from_secs(60);
    assert_eq!(check(r#"{"nbf":1700000060}"#, leeway), Ok(()));
    assert_eq!(check(r#"{"nbf":1700000061}"#, leeway), early(NOW + 61, 60));
}

#[test]
fn row_14_times_are_numbers() {
    for claim in ["exp", "nbf"] {
        let not_a_date = Err(Error::NotNumericDate { claim });
        for value in [
            "\"1800000000\"",
            "true",
            "null",
            "[]",
            "{}",
            "1e400",
            "-1e400",
        ] {
            assert_eq!(
                without_leeway(&format!("{{\"{claim}\":{value}}}")),
                not_a_date,
                "{value}"
            );
        }
    }
    assert_eq!(without_leeway(r#"{"nbf":-0,"exp":1e308}"#), Ok(()));
}

#[test]
fn row_15_and_44_times_do_not_overflow() {
    let century = Duration::from_secs(100 * 366 * 86400);
    for leeway in [Duration::ZERO, century, Duration::MAX] {
        assert_eq!(check(r#"{"exp":9223372036854775807}"#, leeway), Ok(()));
        assert_eq!(check(r#"{"exp":18446744073709551615}"#, leeway), Ok(()));
        assert_eq!(check(r#"{"nbf":-9223372036854775808}"#, leeway), Ok(()));
        assert_eq!(check(r#"{"nbf":-18446744073709551615}"#, leeway), Ok(()));
    }
    let exp = i64::MIN;
    let expired = Error::Expired {
        exp,
        now: NOW,
        leeway: 0,
    };
    assert_eq!(
        without_leeway(r#"{"exp":-9223372036854775808}"#),
        Err(expired)
    );
    assert_eq!(
        check(r#"{"exp":-9223372036854775808}"#, Duration::MAX),
        Ok(())
    );
    let nbf = i64::MAX;
    let early = Error::NotYetValid {
        nbf,
        now: NOW,
        leeway: 0,
    };
    assert_eq!(without_leeway(r#"{"nbf":9223372036854775807}"#), Err(early));
    let claims = Claims::parse(br#"{"exp":5,"nbf":5}"#.to_vec(), &Limits::default()).unwrap();
    let period = claims.validity_period().unwrap();
    assert!(period.check(i64::MIN, Duration::MAX).is_ok());
    assert!(period.check(i64::MAX, Duration::MAX).is_ok());
    assert!(period.check(i64::MAX, Duration::ZERO).is_err());
    assert!(period.check(i64::MIN, Duration::ZERO).is_err());
}

#[test]
fn each_time_can_be_asked_for_alone() {
    let claims = |json: &str| Claims::parse(json.into(), &Limits::default()).unwrap();
    let exp = |json| claims(json).exp(NOW, Duration::from_secs(60));
    let nbf = |json| claims(json).nbf(NOW, Duration::from_secs(60));
    assert_eq!((exp("{}"), nbf("{}")), (Ok(None), Ok(None)));
    let expired = Error::Expired {
        exp: NOW - 60,
        now: NOW,
        leeway: 60,
    };
    assert_eq!(exp(r#"{"exp":1699999940}"#), Err(expired));
    assert_eq!(exp(r#"{"exp":1699999941}"#), Ok(Some(NOW - 59)));
    let early = Error::NotYetValid {
        nbf: NOW + 61,
        now: NOW,
        leeway: 60,
    };
    assert_eq!(nbf(r#"{"nbf":1700000061}"#), Err(early));
    assert_eq!(nbf(r#"{"nbf":1700000060}"#), Ok(Some(NOW + 60)));
    let not_a_date = |claim| Err(Error::NotNumericDate { claim });
    assert_eq!(exp(r#"{"exp":"1"}"#), not_a_date("exp"));
    assert_eq!(nbf(r#"{"nbf":"1"}"#), not_a_date("nbf"));
}
