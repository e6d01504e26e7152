//! What a text is that should be a token, and the token that may be meant.

use std::borrow::Cow;

/// What a text is, by its looks.
pub fn describe(text: &[u8]) -> String {
    let length = text.len();
    let kind = match text.split(|&byte| byte == b'.').count() {
        _ if text.is_empty() => return "nothing".to_owned(),
        1 => one_part(text),
        2 => "two parts with a dot between, as of a JWT without its signature",
        3 if text.ends_with(b".") => "three parts, the signature is empty",
        3 => "signed token (JWS), three parts",
        5 => "encrypted token (JWE), five parts",
        _ => "parts with dots between, and no JWT has so many",
    };
    format!("{kind}, {length} bytes")
}

fn one_part(text: &[u8]) -> &'static str {
    let trimmed = text.trim_ascii();
    match trimmed.first() {
        None => "white space",
        Some(b'{') => "JSON instead of the compact form of a token",
        Some(b'<') => "HTML or XML",
        Some(b'-') if trimmed.starts_with(b"-----BEGIN ") => "PEM",
        _ if trimmed.starts_with(b"http://") || trimmed.starts_with(b"https://") => "a URL",
        _ if trimmed.starts_with(b"eyJ") => "the first part of a JWT alone",
        _ if trimmed.contains(&b' ') => "several words",
        _ => "one word without dots: an opaque token, which only its issuer can judge",
    }
}

/// The token that a text contains if what people wrongly put around it is taken away, and what that
/// was. `None` if there is nothing to take away.
pub fn repair(text: &[u8]) -> Option<(Vec<u8>, Vec<&'static str>)> {
    let mut rest = Cow::Borrowed(text);
    let mut removed = Vec::new();
    while let Some((less, what)) = step(&rest) {
        if !removed.contains(&what) {
            removed.push(what);
        }
        rest = Cow::Owned(less);
    }
    match rest {
        Cow::Borrowed(_) => None,
        Cow::Owned(token) => Some((token, removed)),
    }
}

/// Takes one thing away.
fn step(text: &[u8]) -> Option<(Vec<u8>, &'static str)> {
    let trimmed = text.trim_ascii();
    if trimmed.len() < text.len() {
        return Some((trimmed.to_vec(), "white space around it"));
    }
    if text.iter().any(u8::is_ascii_whitespace) && text.contains(&b'.') && !has_word(text) {
        let kept = text.iter().filter(|byte| !byte.is_ascii_whitespace());
        return Some((kept.copied().collect(), "white space inside"));
    }
    let words: [(&[u8], &str); 4] = [
        (b"authorization:", "the name of the header line"),
        (b"bearer:", "\"Bearer:\" in front"),
        (b"bearer%20", "\"Bearer%20\" in front"),
        (b"bearer ", "\"Bearer\" in front"),
    ];
    for (word, what) in words {
        if let Some((start, rest)) = text.split_at_checked(word.len())
            && start.eq_ignore_ascii_case(word)
        {
            return Some((rest.to_vec(), what));
        }
    }
    for quote in *b"\"'`" {
        let behind = text.strip_prefix(&[quote]);
        let between = behind.unwrap_or(text).strip_suffix(&[quote]);
        if let Some(rest) = between.or(behind) {
            return Some((rest.to_vec(), "quotation marks"));
        }
    }
    let is_padding = |at: usize| {
        let next = text.iter().skip(at).find(|byte| **byte != b'=');
        matches!(next, None | Some(b'.'))
    };
    let padded = text.iter().enumerate();
    let kept = padded.filter(|(at, byte)| **byte != b'=' || !is_padding(*at));
    let kept: Vec<_> = kept.map(|(_, byte)| *byte).collect();
    (kept.len() < text.len()).then_some((kept, "the padding \"=\""))
}

/// Whether the first word is one that may be in front of a token.
fn has_word(text: &[u8]) -> bool {
    let mut words = text.split(|byte| byte.is_ascii_whitespace());
    words.next().is_some_and(|word| !word.contains(&b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_found_in_what_people_paste() {
        for (text, token, removed) in [
            (" e.f.g\n", "e.f.g", &["white space around it"][..]),
            ("Bearer e.f.g", "e.f.g", &["\"Bearer\" in front"]),
            ("bearer%20e.f.g", "e.f.g", &["\"Bearer%20\" in front"]),
            (
                "Authorization: Bearer e.f.g",
                "e.f.g",
                &[
                    "the name of the header line",
                    "white space around it",
                    "\"Bearer\" in front",
                ],
            ),
            ("\"e.f.g\"", "e.f.g", &["quotation marks"]),
            (
                "'Bearer e.f.g'",
                "e.f.g",
                &["quotation marks", "\"Bearer\" in front"],
            ),
            ("e.f\n.g", "e.f.g", &["white space inside"]),
            ("e=.f==.g=", "e.f.g", &["the padding \"=\""]),
        ] {
            let repaired = repair(text.as_bytes());
            let expected = Some((token.as_bytes().to_vec(), removed.to_vec()));
            assert_eq!(repaired, expected, "{text}");
        }
        for text in ["", "e.f.g", "opaque", "e=x.f.g", "some words"] {
            assert_eq!(repair(text.as_bytes()), None, "{text}");
        }
    }
}
