use super::*;

fn text(error: &str) -> String {
    FailureReason::new(error.to_owned()).to_string()
}

#[test]
fn a_short_text_stays_as_it_is() {
    for error in [
        "",
        "HTTP status 503",
        &"a".repeat(512),
        &"\u{e4}".repeat(256),
    ] {
        assert_eq!(text(error), error);
    }
}

#[test]
fn a_long_text_is_cut_off_between_two_characters() {
    assert_eq!(text(&"a".repeat(513)), "a".repeat(509) + "...");
    assert_eq!(text(&"\u{e4}".repeat(257)), "\u{e4}".repeat(254) + "...");
    assert_eq!(
        text(&"\u{10000}".repeat(9999)),
        "\u{10000}".repeat(127) + "..."
    );
}

#[test]
fn other_workers_read_what_was_shared() {
    for error in ["", "HTTP status 503", &"\u{10000}".repeat(9999)] {
        let reason = FailureReason::new(error.to_owned());
        let shared = reason.as_str().as_bytes().to_vec();
        assert_eq!(FailureReason::from_shared(shared), Some(reason));
    }
}

#[test]
fn bytes_of_something_else_are_no_reason() {
    assert_eq!(FailureReason::from_shared(b"\xff".to_vec()), None);
    assert_eq!(FailureReason::from_shared(vec![b'a'; 513]), None);
}
