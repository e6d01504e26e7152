//! Sets of status codes.

/// Codes of answers, alone or by their first digit.
#[derive(Debug, Clone, Default)]
pub struct Statuses {
    codes: Vec<u16>,
    classes: Vec<u16>,
}

impl Statuses {
    pub fn contain(&self, status: u16) -> bool {
        self.codes.contains(&status) || self.classes.contains(&(status / 100))
    }

    /// Takes one more, such as `404` or `4xx`.
    pub fn push(&mut self, text: &[u8]) -> Option<()> {
        let digits = text.strip_suffix(b"xx").unwrap_or(text);
        let number = match digits.iter().all(u8::is_ascii_digit) {
            true => std::str::from_utf8(digits).ok()?.parse().ok()?,
            false => return None,
        };
        match (digits.len(), text.len()) {
            (1, 3) => self.classes.push(number),
            (3, 3) => self.codes.push(number),
            _ => return None,
        }
        Some(())
    }

    /// Takes all codes that begin with these digits.
    pub fn push_classes(&mut self, classes: impl IntoIterator<Item = u16>) {
        self.classes.extend(classes);
    }

    /// The code, if it is one and nothing else.
    pub fn as_code(&self) -> Option<u16> {
        match (self.codes.as_slice(), self.classes.as_slice()) {
            (&[code], []) => Some(code),
            _ => None,
        }
    }
}
