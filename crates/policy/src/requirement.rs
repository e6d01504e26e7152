//! The values of `auth_jwt_require` and `auth_request_require`, as the configuration has them.

/// Whether a value is always met: it has text besides its variables that makes it neither empty nor
/// `0`, whatever values the variables have.
pub fn is_always_met(value: &[u8]) -> bool {
    !matches!(text_besides_variables(value).as_slice(), b"" | b"0")
}

/// The text without its variables. nginx reads `$name` and `${name}`.
fn text_besides_variables(value: &[u8]) -> Vec<u8> {
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let mut text = Vec::new();
    let mut rest = value;
    while let Some((&first, behind)) = rest.split_first() {
        rest = behind;
        if first != b'$' {
            text.push(first);
            continue;
        }
        let (in_braces, name) = match behind.strip_prefix(b"{") {
            Some(name) => (true, name),
            None => (false, behind),
        };
        let length = name.iter().take_while(|byte| is_name(byte)).count();
        rest = name.get(length..).unwrap_or_default();
        if in_braces {
            rest = rest.strip_prefix(b"}").unwrap_or(rest);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_with_text_is_always_met_unless_the_text_is_0() {
        for value in [
            "$a", "${a}", "$a$b", "${a}$b", "${a}0", "$a${b}0", "$1", "", "0", "$a_1",
        ] {
            assert!(!is_always_met(value.as_bytes()), "{value}");
        }
        for value in [
            "$a=bob", "${a}00", "$a $b", "$a:", "${a}x", "$a.b", "$a-b", "0$a=", " $a", "text",
        ] {
            assert!(is_always_met(value.as_bytes()), "{value}");
        }
    }
}
