//! Values in the configuration that are one variable and nothing else.

/// The name in `$name` or `${name}`, if the text is nothing else.
pub(super) fn variable_name(text: &[u8]) -> Option<&[u8]> {
    let name = text.strip_prefix(b"$")?;
    let in_braces = name
        .strip_prefix(b"{")
        .and_then(|name| name.strip_suffix(b"}"));
    let name = in_braces.unwrap_or(name);
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    (!name.is_empty() && name.iter().all(is_name)).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_variable_alone_has_a_name() {
        for text in ["$a_1", "${a_1}"] {
            assert_eq!(variable_name(text.as_bytes()), Some(&b"a_1"[..]), "{text}");
        }
        for text in [
            "", "a", "$", "${}", "$a$b", "$a b", "x$a", "${a", "$a}", "${a}b", "$a-b",
        ] {
            assert_eq!(variable_name(text.as_bytes()), None, "{text}");
        }
    }
}
