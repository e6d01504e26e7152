use super::*;

fn set(texts: &[&str]) -> Statuses {
    let mut statuses = Statuses::default();
    for text in texts {
        statuses.push(text.as_bytes()).unwrap();
    }
    statuses
}

#[test]
fn a_set_has_the_codes_and_the_classes_that_it_was_given() {
    let statuses = set(&["404", "5xx"]);
    for status in [404, 500, 599] {
        assert!(statuses.contain(status), "{status}");
    }
    for status in [0, 40, 400, 403, 405, 499, 600] {
        assert!(!statuses.contain(status), "{status}");
    }
    assert!(!set(&[]).contain(200));
    let mut all = set(&["302"]);
    all.push_classes([2, 4]);
    assert!(all.contain(200) && all.contain(302) && all.contain(499) && !all.contain(301));
}

#[test]
fn an_argument_that_is_neither_a_code_nor_a_class_is_refused() {
    for text in [
        "",
        "4",
        "40",
        "4040",
        "+04",
        "-04",
        " 404",
        "404 ",
        "xx",
        "4x",
        "4xxx",
        "40x",
        "4XX",
        "xxx",
        "any",
        "\u{664}04",
    ] {
        assert_eq!(Statuses::default().push(text.as_bytes()), None, "{text:?}");
    }
}

#[test]
fn a_code_has_three_digits() {
    assert_eq!(parse_code(b"000"), Some(0));
    assert_eq!(parse_code(b"503"), Some(503));
    assert_eq!(parse_code(b"999"), Some(999));
    for text in ["", "50", "5030", "+50", "5xx", "allow"] {
        assert_eq!(parse_code(text.as_bytes()), None, "{text}");
    }
}
