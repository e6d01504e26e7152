//! The grammar of words. Each case is also one of t/nginx_conf_reader.t, where nginx judges it.

use crate::words::{Item, Words};
use proptest::prelude::*;

/// The items of a text, each as its words with `|` between them, or the error with its line.
fn read(text: &str) -> Result<Vec<String>, String> {
    let mut words = Words::new(text.as_bytes());
    let mut items = Vec::new();
    loop {
        let item = words.next();
        let item = item.map_err(|error| format!("{}: {}", error.line, error.message))?;
        let join = |words: Vec<Vec<u8>>| {
            let words = words
                .iter()
                .map(|word| String::from_utf8_lossy(word).into_owned());
            words.collect::<Vec<_>>().join("|")
        };
        items.push(match item {
            Item::Simple(words) => format!("{};", join(words)),
            Item::Block(words) => format!("{}{{", join(words)),
            Item::BlockEnd => "}".into(),
            Item::FileEnd => return Ok(items),
        });
    }
}

#[test]
fn words_that_nginx_refuses() {
    let end = "unexpected end of file, expecting \";\" or \"}\"";
    let cases = [
        (";", "1: unexpected \";\""),
        ("{", "1: unexpected \"{\""),
        ("a;\n ;", "2: unexpected \";\""),
        ("a b }c", "1: unexpected \"}\""),
        ("a b }", "1: unexpected \"}\""),
        ("a \"b\"c;", "1: unexpected \"c\""),
        ("a 'b''c';", "1: unexpected \"'\""),
        ("a \"b\"#c\n;", "1: unexpected \"#\""),
        ("a \"b\"}", "1: unexpected \"}\""),
    ];
    for (text, error) in cases {
        assert_eq!(read(text), Err(error.into()), "{text}");
    }
    for text in [
        "a",
        "a b",
        "a \"b;",
        "a 'b\n;\n",
        "a b\\",
        "a # b;",
        "a b\\;",
    ] {
        let line = 1 + text.matches('\n').count();
        assert_eq!(read(text), Err(format!("{line}: {end}")), "{text}");
    }
}

#[test]
fn a_word_or_a_comment_fits_the_buffer_of_nginx() {
    let x = |count| "x".repeat(count);
    let started =
        |line: usize, text: &str| Err(format!("{line}: too long parameter \"{text}...\" started"));
    assert!(read(&format!("a \"{}\";", x(4094))).is_ok());
    assert_eq!(
        read(&format!("a \"{}\";", x(4095))),
        started(1, "xxxxxxxxxx")
    );
    assert_eq!(
        read(&format!("a\n\"{}\";", x(4096))),
        Err("2: too long parameter, probably missing terminating \"\"\" character".into())
    );
    assert_eq!(
        read(&format!("a '{}';", x(4096))),
        Err("1: too long parameter, probably missing terminating \"'\" character".into())
    );
    assert!(read(&format!("a {};", x(4095))).is_ok());
    assert_eq!(read(&format!("a {};", x(4096))), started(1, "xxxxxxxxxx"));
    assert_eq!(read(&format!("#{}\na;", x(4096))), started(1, "#xxxxxxxxx"));
    assert!(read(&format!("#{}", x(4095))).is_ok());
}

#[test]
fn words_that_nginx_takes() {
    let cases: &[(&str, &[&str])] = &[
        ("", &[]),
        (" \t\r\n# a;\n", &[]),
        ("a;b c;", &["a;", "b|c;"]),
        ("a{b;}c{}", &["a{", "b;", "}", "c{", "}"]),
        ("a\n b\r\n\tc\n;", &["a|b|c;"]),
        ("a \"\" '';", &["a|||;".replace("|||", "||").leak()]),
        ("a \"b;{}#'\\\"\" 'c\"\\'';", &["a|b;{}#'\"|c\"';"]),
        ("a b\"c'd;", &["a|b\"c'd;"]),
        ("a b#c;# d\n", &["a|b#c;"]),
        ("a b}c;", &["a|b}c;"]),
        ("a b{c;}", &["a|b{", "c;", "}"]),
        ("a b\\;c;", &["a|b\\;c;"]),
        ("a b\\ c;", &["a|b\\ c;"]),
        ("a \\t\\n\\r\\\\\\'\\\"\\d;", &["a|\t\n\r\\'\"\\d;"]),
        ("a ${b}c$d{e;}", &["a|${b}c$d{", "e;", "}"]),
        ("a ${{b;", &["a|${{b;"]),
        ("a \"${b\" c;", &["a|${b|c;"]),
        ("if ($a = \"b\") {}", &["if|($a|=|b|){", "}"]),
        ("a \"b\"){}", &["a|b|){", "}"]),
        ("a \"^/[0-9]{2}$\" { }", &["a|^/[0-9]{2}${", "}"]),
    ];
    for (text, items) in cases {
        let items: Vec<_> = items.iter().map(|item| (*item).to_owned()).collect();
        assert_eq!(read(text), Ok(items), "{text}");
    }
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "[ab;{}#\\\\\"'$() \\n\\r\\t]{0,60}") {
        _ = read(&text);
    }

    #[test]
    fn what_is_quoted_comes_back(word in "[^\"\\\\]{0,60}") {
        prop_assert_eq!(read(&format!("a \"{word}\";")), Ok(vec![format!("a|{word};")]));
    }
}
