//! Text from outside as a terminal may have it. Whatever is printed goes through here once, so that
//! no escape sequence of a token or of a file reaches the terminal.

use std::fmt::Write as _;

/// The text with `\u{...}` for each character that a terminal could act upon or nobody can see:
/// ASCII but its control characters, letters and digits of all scripts stay. Line feeds stay as
/// well.
pub fn printable(text: &str) -> String {
    escape(text, |shown, c| {
        // Writing to a String cannot fail.
        _ = write!(shown, "\\u{{{:x}}}", u32::from(c));
    })
}

/// JSON that is the same value, with `\uXXXX` for the same characters. Between its tokens JSON has
/// none of them but line feeds.
pub fn printable_json(json: &str) -> String {
    escape(json, |shown, c| {
        for unit in c.encode_utf16(&mut [0; 2]) {
            _ = write!(shown, "\\u{unit:04x}");
        }
    })
}

/// JSON on several lines, with each member and element on its own. Strings and numbers stay as
/// written.
pub fn indented_json(json: &str) -> String {
    let mut text = String::with_capacity(json.len().saturating_mul(2));
    let (mut depth, mut in_string, mut is_escaped) = (0_usize, false, false);
    let compact = text::compact_json(json);
    let mut previous = ' ';
    for c in compact.chars() {
        let is_close = matches!(c, '}' | ']') && !in_string;
        if is_close {
            depth = depth.saturating_sub(1);
        }
        let is_after_open = matches!(previous, '{' | '[') && !in_string;
        let breaks = match is_close {
            true => !is_after_open,
            false => is_after_open,
        };
        if breaks {
            new_line(&mut text, depth);
        }
        text.push(c);
        match c {
            '{' | '[' if !in_string => depth = depth.saturating_add(1),
            ',' if !in_string => new_line(&mut text, depth),
            ':' if !in_string => text.push(' '),
            _ => {}
        }
        previous = if in_string || c == '"' { ' ' } else { c };
        in_string ^= c == '"' && !is_escaped;
        is_escaped = c == '\\' && !is_escaped;
    }
    text
}

/// At most `limit` characters of a text, with `...` behind them if there are more.
pub fn shortened(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

fn new_line(text: &mut String, depth: usize) {
    text.push('\n');
    (0..depth).for_each(|_| text.push_str("  "));
}

fn escape(text: &str, write: impl Fn(&mut String, char)) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c == '\n' || c.is_alphanumeric() || c == ' ' || c.is_ascii_graphic() {
            true => shown.push(c),
            false => write(&mut shown, c),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_acts_upon_is_left() {
        let hostile = "a\x1b[31m\x07\r\t\u{9b}\u{202e}\u{200b}\u{7f}\u{feff}é日\n";
        assert_eq!(
            printable(hostile),
            "a\\u{1b}[31m\\u{7}\\u{d}\\u{9}\\u{9b}\\u{202e}\\u{200b}\\u{7f}\\u{feff}é日\n"
        );
        let json = "{\"a\":\"\u{9b}\u{1f600}\u{7f}é\"}";
        let shown = printable_json(json);
        assert_eq!(shown, "{\"a\":\"\\u009b\\ud83d\\ude00\\u007fé\"}");
        let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(value(&shown), value(json));
    }

    #[test]
    fn indented_json_is_the_same_json() {
        let json = r#"{"a":[1,{"b":"x,{}[]:\" "}],"c":{},"d":[],"e":1.0e2}"#;
        let indented = "{\n  \"a\": [\n    1,\n    {\n      \"b\": \"x,{}[]:\\\" \"\n    }\n  ],\n  \
                        \"c\": {},\n  \"d\": [],\n  \"e\": 1.0e2\n}";
        assert_eq!(indented_json(json), indented);
        assert_eq!(text::compact_json(indented), json);
    }

    #[test]
    fn long_text_is_cut_between_characters() {
        assert_eq!(shortened("日本語", 2), "日本...");
        assert_eq!(shortened("日本", 2), "日本");
    }
}
