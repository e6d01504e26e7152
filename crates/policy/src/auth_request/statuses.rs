//! Sets of HTTP statuses, as directives name them: `404` or `4xx`.

#[cfg(test)]
mod tests;

/// A set of HTTP statuses, named one by one or by their first digit.
#[derive(Debug, Clone, Default)]
pub struct Statuses {
    codes: Vec<u16>,
    /// First digits.
    classes: Vec<u16>,
}

impl Statuses {
    /// Whether the set has this status.
    pub fn contain(&self, status: u16) -> bool {
        self.codes.contains(&status) || self.classes.contains(&(status / 100))
    }

    /// Adds what an argument such as `404` or `4xx` names, or returns `None` if it is neither.
    pub fn push(&mut self, text: &[u8]) -> Option<()> {
        match text {
            [digit @ b'0'..=b'9', b'x', b'x'] => self.classes.push(u16::from(digit - b'0')),
            _ => self.codes.push(parse_code(text)?),
        }
        Some(())
    }

    /// Adds all statuses with these first digits.
    pub fn push_classes(&mut self, classes: impl IntoIterator<Item = u16>) {
        self.classes.extend(classes);
    }
}

/// A status of exactly three digits, or `None` if the text is something else.
pub fn parse_code(text: &[u8]) -> Option<u16> {
    match text {
        [b'0'..=b'9', b'0'..=b'9', b'0'..=b'9'] => std::str::from_utf8(text).ok()?.parse().ok(),
        _ => None,
    }
}
