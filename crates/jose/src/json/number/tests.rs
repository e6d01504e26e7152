use super::*;

#[test]
fn numbers_compare_by_value() {
    for equal in [
        ["1", "1.0"],
        ["10e-1", "1"],
        ["0", "-0.0e7"],
        ["0e99", "0.000"],
        ["120", "1.2E+2"],
        ["0.05", "5e-2"],
        ["-0.5", "-5e-1"],
        ["1e99999999999999999999", "1e99999999999999999999"],
    ] {
        assert_eq!(
            compare_numbers(equal[0], equal[1]),
            Some(Ordering::Equal),
            "{equal:?}"
        );
    }
    for [less, more] in [
        ["9007199254740992", "9007199254740993"],
        ["-2", "-1"],
        ["-1", "0"],
        ["0", "1e-400"],
        ["1e400", "1e401"],
        ["0.1", "0.11"],
        ["99", "100"],
        ["9.99e1", "100"],
        ["1e-99999999999999999999", "1"],
    ] {
        assert_eq!(
            compare_numbers(less, more),
            Some(Ordering::Less),
            "{less} {more}"
        );
        assert_eq!(
            compare_numbers(more, less),
            Some(Ordering::Greater),
            "{more} {less}"
        );
    }
}

#[test]
fn other_texts_are_not_numbers() {
    for text in [
        "", "-", "+1", "01", "1.", ".5", "1e", "1e+", "1e-x", "--1", "1 ", "0x1", "inf", "1.5.2",
        "1e1.5",
    ] {
        assert_eq!(compare_numbers(text, "1"), None, "{text}");
        assert_eq!(compare_numbers("1", text), None, "{text}");
    }
}
