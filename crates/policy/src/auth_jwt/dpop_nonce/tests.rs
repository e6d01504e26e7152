use super::*;

const NOW: i64 = 1_700_000_000;

/// The outcome for a proof with this claim.
fn judge(nonce: &str) -> Result<bool, NonceError> {
    let json = format!("{{\"nonce\":{nonce},\"other\":1}}");
    judge_claims(&json)
}

fn judge_claims(json: &str) -> Result<bool, NonceError> {
    let document = jose::Document::parse_value(json.as_bytes(), &jose::Limits::default());
    let key = DpopNonceKey::new(&[1; 32]);
    check_nonce(document.unwrap().root(), &key, NOW)
}

/// The outcome for a nonce that was made at this time, with a secret of this byte.
fn judge_time(time: i64, secret: u8) -> Result<bool, NonceError> {
    let nonce = DpopNonceKey::new(&[secret; 32]).nonce(time);
    judge(&format!("\"{nonce}\""))
}

#[test]
fn row_61_a_proof_without_a_nonce_of_this_server_is_refused() {
    assert_eq!(judge_claims("{}"), Err(NonceError::Missing));
    for value in ["null", "1", "true", "[]", "{}", "[\"a\"]"] {
        assert_eq!(judge(value), Err(NonceError::NotString), "{value}");
    }
    for value in ["", "a", "1700000000", &"A".repeat(54)] {
        let value = format!("\"{value}\"");
        assert_eq!(judge(&value), Err(NonceError::Unknown), "{value}");
    }
    assert_eq!(judge_time(NOW, 2), Err(NonceError::Unknown));
}

#[test]
fn row_61_a_nonce_of_another_time_is_refused() {
    for age in [121, 122, 86_400, NOW] {
        assert_eq!(judge_time(NOW - age, 1), Err(NonceError::Old { age }));
    }
    for ahead in [11, 12, 86_400] {
        assert_eq!(
            judge_time(NOW + ahead, 1),
            Err(NonceError::Future { ahead })
        );
    }
    let age = i64::MAX;
    assert_eq!(judge_time(i64::MIN, 1), Err(NonceError::Old { age }));
    let ahead = i64::MAX - NOW;
    assert_eq!(judge_time(i64::MAX, 1), Err(NonceError::Future { ahead }));
}

#[test]
fn a_nonce_is_renewed_in_its_second_half() {
    for (age, needs_another) in [
        (-10, false),
        (0, false),
        (59, false),
        (60, true),
        (120, true),
    ] {
        assert_eq!(judge_time(NOW - age, 1), Ok(needs_another), "{age}");
    }
}

#[test]
fn a_log_line_says_what_is_wrong_with_a_nonce() {
    let lines = [
        (
            NonceError::Missing,
            "claim \"nonce\" is missing, which \"auth_jwt_dpop_nonce on\" requires",
        ),
        (NonceError::NotString, "claim \"nonce\" is not a string"),
        (
            NonceError::Unknown,
            "the nonce is not one of this server, or of before its last start",
        ),
        (
            NonceError::Old { age: 121 },
            "the nonce is 121 seconds old, more than 120",
        ),
        (
            NonceError::Future { ahead: 11 },
            "the nonce is 11 seconds ahead of the clock",
        ),
    ];
    for (error, line) in lines {
        assert_eq!(error.to_string(), line);
    }
}
