//! Escape sequences in strings (RFC 8259 section 7).

use crate::step_counter;

/// The character that the escape sequence at the start of `text` stands for, and the length of the
/// sequence in bytes. `None` if there is no such sequence, or only half of a surrogate pair.
pub(super) fn escape_sequence(text: &[u8]) -> Option<(char, usize)> {
    let character = match text.get(1)? {
        b'"' => '"',
        b'\\' => '\\',
        b'/' => '/',
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => return unicode_escape(text),
        _ => return None,
    };
    Some((character, 2))
}

/// The text of a string that was parsed, with each escape sequence replaced by its character.
pub(super) fn unescape(text: &str) -> String {
    step_counter::add(text.len());
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, _)) = rest.split_once('\\') {
        plain.push_str(before);
        let sequence = rest.get(before.len()..).unwrap_or_default();
        let Some((character, length)) = escape_sequence(sequence.as_bytes()) else {
            break;
        };
        plain.push(character);
        rest = sequence.get(length..).unwrap_or_default();
    }
    plain.push_str(rest);
    plain
}

/// `\uXXXX`, or two of them for a character outside of the basic plane.
fn unicode_escape(text: &[u8]) -> Option<(char, usize)> {
    let unit = utf16_unit(text)?;
    if let Some(Ok(character)) = char::decode_utf16([unit]).next() {
        return Some((character, 6));
    }
    let low = utf16_unit(text.get(6..)?)?;
    let character = char::decode_utf16([unit, low]).next()?.ok()?;
    Some((character, 12))
}

/// The number in the `\uXXXX` at the start of `text`.
fn utf16_unit(text: &[u8]) -> Option<u16> {
    let digits = text.get(..6)?.strip_prefix(b"\\u")?;
    let mut digits = digits.iter().map(|&digit| char::from(digit).to_digit(16));
    digits
        .try_fold(0u32, |unit, digit| Some(unit << 4 | digit?))
        .and_then(|unit| u16::try_from(unit).ok())
}
