//! The words of a directive's arguments, as nginx reads them (`ngx_conf_read_token`).

/// Splits a text into words. A word in quotes may have spaces, and a backslash stays unless it is
/// in front of a quote or of another one.
///
/// # Errors
/// What would be right.
pub fn split_words(text: &str) -> Result<Vec<String>, &'static str> {
    let mut words = Vec::new();
    let mut chars = text.chars().peekable();
    loop {
        while chars.next_if(|c| c.is_ascii_whitespace()).is_some() {}
        let Some(&first) = chars.peek() else {
            return Ok(words);
        };
        let quote = chars.next_if(|c| matches!(c, '"' | '\''));
        let mut word = String::new();
        let mut is_closed = quote.is_none();
        while let Some(c) = chars.next() {
            match (c, quote) {
                ('\\', _) => match chars.next() {
                    Some(next @ ('"' | '\'' | '\\')) => word.push(next),
                    Some('t') => word.push('\t'),
                    Some('r') => word.push('\r'),
                    Some('n') => word.push('\n'),
                    Some(next) => word.extend(['\\', next]),
                    None => word.push('\\'),
                },
                (c, Some(quote)) if c == quote => {
                    is_closed = true;
                    break;
                }
                (c, None) if c.is_ascii_whitespace() => break,
                (c, _) => word.push(c),
            }
        }
        if !is_closed {
            return Err("a quotation mark is not closed");
        }
        if quote.is_some() && chars.peek().is_some_and(|c| !c.is_ascii_whitespace()) {
            return Err("a space must follow a quotation mark");
        }
        debug_assert!(!word.is_empty() || matches!(first, '"' | '\''));
        words.push(word);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_nginx() {
        for (text, words) in [
            ("", &[][..]),
            ("  ", &[]),
            ("aud any api web", &["aud", "any", "api", "web"]),
            ("aud any \"a b\" 'c d'", &["aud", "any", "a b", "c d"]),
            (r#"sub match ^\d+\.$"#, &["sub", "match", r"^\d+\.$"]),
            (r#"a eq "x\"y\\z""#, &["a", "eq", r#"x"y\z"#]),
            (r#"a eq 'json="x"'"#, &["a", "eq", r#"json="x""#]),
            (r#"a eq json="x""#, &["a", "eq", r#"json="x""#]),
            ("a eq ''", &["a", "eq", ""]),
            (r"a eq x\ty", &["a", "eq", "x\ty"]),
        ] {
            let split = split_words(text);
            assert_eq!(
                split.as_deref(),
                Ok(&words.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>()[..]),
                "{text}"
            );
        }
        assert_eq!(split_words("a 'b"), Err("a quotation mark is not closed"));
        assert_eq!(
            split_words("'a'b"),
            Err("a space must follow a quotation mark")
        );
    }
}
