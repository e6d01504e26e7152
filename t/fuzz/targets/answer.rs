//! The body of a response that allows: what is an answer is the same when it was stored.
#![no_main]

use policy::auth_request::answer::{Answer, VariableText};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| nginx_auth_fuzz::in_time(|| check(bytes)));

fn check(body: &[u8]) {
    let lines = [(&b"Content-Type"[..], &b"application/json"[..])];
    let Ok(answer) = Answer::read(200, lines.into_iter(), body) else {
        return;
    };
    let compact = answer.compact().expect("it was parsed");
    let stored = Answer::from_stored(compact.as_bytes()).expect("it is UTF-8");
    assert_eq!(stored.compact().as_ref(), Ok(&compact));
    for name in [&b"a"[..], b"active", b"exp", b""] {
        let text = answer.text(name);
        assert_eq!(stored.text(name), text);
        assert_eq!(stored.json(name), answer.json(name));
        if let Ok(Some(VariableText::Plain(text))) = text {
            assert!(!text.chars().any(char::is_control));
        }
    }
}
