use super::*;

fn text(kid: &str) -> Vec<u8> {
    format!(r#"{{"kty":"oct","kid":"{kid}","k":"AAAA"}}"#).into_bytes()
}

#[test]
fn the_same_text_gives_the_same_keys() {
    let mut parser = KeySetParser::default();
    let mut parse = |text: &[u8]| -> Vec<u64> {
        let keys = parser.parse(text, |_| ()).unwrap();
        keys.generations().collect()
    };
    let (first, other) = (parse(&text("a")), parse(&text("b")));
    assert_ne!(first, other);
    assert_eq!(parse(&text("b")), other);
    assert_ne!(parse(&text("a")), first);
    let first_error = parser.parse(b"{}", |_| ()).unwrap_err();
    assert_eq!(parser.parse(b"{}", |_| ()).unwrap_err(), first_error);
}

#[test]
fn warnings_are_reported_once_for_each_new_text() {
    let mut parser = KeySetParser::default();
    let mut reported = |text: &[u8]| {
        let mut count = 0;
        parser.parse(text, |_| count += 1).unwrap();
        count
    };
    assert_eq!(reported(&text("a")), 1);
    assert_eq!(reported(&text("a")), 0);
    assert_eq!(reported(&text("b")), 1);
}
