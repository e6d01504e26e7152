//! Names of form fields, arguments and cookies, as the parsers of applications may read them.

#[cfg(test)]
mod tests;

/// The names by which parsers may know a field, each as a [`skeleton`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldNames {
    /// The name itself. `None` if it is certain to be an element of an array or of an object.
    pub own: Option<String>,
    /// The names of arrays or objects that the field may be an element of.
    pub parents: Vec<String>,
}

impl FieldNames {
    /// The names that the decoded name of an argument may stand for.
    pub fn of(name: &str) -> Self {
        // Parsers take what is in front of these for the name of an array or an object; one that
        // is written in C may take a NUL for the end.
        Self::with_ends(name, &['[', '.', '\0'])
    }

    /// The names that the name of a cookie may stand for. A dot does not make an object: frameworks
    /// have a `session.sig` beside their `session`.
    pub fn of_cookie(name: &str) -> Self {
        Self::with_ends(name, &['[', '\0'])
    }

    fn with_ends(name: &str, ends: &[char]) -> Self {
        let parents = ends.iter().filter_map(|&end| name.find(end));
        let is_element = name.find('[').is_some_and(|at| name[at..].contains(']'));
        let own = (!is_element).then(|| skeleton(name));
        let parents = parents.map(|end| skeleton(&name[..end]));
        Self {
            parents: parents
                .filter(|parent| Some(parent) != own.as_ref())
                .collect(),
            own,
        }
    }

    /// Whether some parser may know the field by this name, which is a [`skeleton`].
    pub fn include(&self, name: &str) -> bool {
        self.own.as_deref() == Some(name) || self.parents.iter().any(|parent| parent == name)
    }
}

/// What is left of a name if everything is ignored that some parser ignores: upper and lower case
/// (ASP.NET, and Go's for JSON), the difference between a space, `.`, `[` and `_` (PHP), and
/// whether words are joined by `_` or by a capital letter (Protocol Buffers).
pub fn skeleton(name: &str) -> String {
    let folded = name.chars().flat_map(char::to_uppercase);
    let folded = folded.flat_map(char::to_lowercase);
    folded.filter(|char| char.is_alphanumeric()).collect()
}

/// Decodes a name or a value of a form: `+` is a space, and `%XX` is a byte. A malformed escape
/// stays as it is, and the second result says that there is none.
pub fn decode(text: &[u8]) -> (Vec<u8>, bool) {
    let digit = |at: Option<&u8>| at.and_then(|&byte| char::from(byte).to_digit(16));
    let mut decoded = Vec::with_capacity(text.len());
    let mut is_well_formed = true;
    let mut rest = text.iter();
    while let Some(&byte) = rest.next() {
        let ahead = rest.as_slice();
        match (byte, digit(ahead.first()), digit(ahead.get(1))) {
            (b'+', ..) => decoded.push(b' '),
            (b'%', Some(high), Some(low)) => {
                decoded.push((high * 16 + low) as u8);
                rest = ahead[2..].iter();
            }
            _ => {
                is_well_formed &= byte != b'%';
                decoded.push(byte);
            }
        }
    }
    (decoded, is_well_formed)
}
