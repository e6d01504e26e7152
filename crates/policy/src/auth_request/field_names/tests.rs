use super::*;

#[test]
fn a_name_may_stand_for_others() {
    for (name, own, parents) in [
        ("a", Some("a"), &[][..]),
        ("A_b", Some("ab"), &[]),
        ("a.b", Some("ab"), &["a"]),
        ("a[", Some("a"), &[]),
        ("a[b", Some("ab"), &["a"]),
        ("a[]", None, &["a"]),
        ("a.b[c]", None, &["ab", "a"]),
        ("a\0b", Some("ab"), &["a"]),
        ("", Some(""), &[]),
    ] {
        let names = FieldNames::of(name);
        assert_eq!(names.own.as_deref(), own, "{name:?}");
        assert_eq!(names.parents, parents, "{name:?}");
        assert!(own.is_none_or(|own| names.include(own)));
        assert!(parents.iter().all(|parent| names.include(parent)));
        assert!(!names.include("other"));
    }
}

#[test]
fn a_dot_does_not_make_a_cookie_an_element() {
    assert_eq!(FieldNames::of("a.b").parents, ["a"]);
    assert!(FieldNames::of_cookie("a.b").parents.is_empty());
    assert_eq!(FieldNames::of_cookie("a.b[c]").parents, ["ab"]);
}

#[test]
fn an_escape_is_decoded_or_malformed() {
    assert_eq!(decode(b"a+b%26%c3%BC="), ("a b&\u{fc}=".into(), true));
    for text in ["%", "%4", "%zz", "a%u0062"] {
        assert_eq!(decode(text.as_bytes()), (text.into(), false));
    }
}
