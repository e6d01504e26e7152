//! Splits the text of a file into directives and braces, by the grammar of nginx
//! (`ngx_conf_read_token`): what nginx refuses is refused here in the same words, and what it
//! accepts has the same words here.

/// nginx reads files through a buffer of this size, which a word or a comment has to fit.
const BUFFER: usize = 4096;

/// What [`Words::next`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Item {
    /// Words up to `;`.
    Simple(Vec<Vec<u8>>),
    /// Words up to `{`.
    Block(Vec<Vec<u8>>),
    /// `}`
    BlockEnd,
    /// There is no more.
    FileEnd,
}

/// What is wrong with a text, and in which line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SyntaxError {
    pub(crate) line: usize,
    pub(crate) message: String,
}

/// The text of a file, and how far it was read.
pub(crate) struct Words<'a> {
    text: &'a [u8],
    at: usize,
    line: usize,
}

/// What a byte is part of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum WordState {
    BetweenWords,
    Comment,
    Word,
    /// A word in quotes of this kind.
    Quotes(u8),
    /// The byte behind such a word, which must separate it from what follows.
    AfterQuotes,
}

impl<'a> Words<'a> {
    pub(crate) fn new(text: &'a [u8]) -> Self {
        Self {
            text,
            at: 0,
            line: 1,
        }
    }

    /// The line of the last byte that was read.
    pub(crate) fn line(&self) -> usize {
        self.line
    }

    /// The text behind what was read.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Passes over some bytes, which are of another language.
    pub(crate) fn skip(&mut self, length: usize) {
        let skipped = self.rest().get(..length).unwrap_or(self.rest());
        let lines = skipped.iter().filter(|&&byte| byte == b'\n').count();
        self.line = self.line.saturating_add(lines);
        self.at = self.at.saturating_add(skipped.len());
    }

    /// The next directive or brace.
    pub(crate) fn next(&mut self) -> Result<Item, SyntaxError> {
        let mut words = Vec::new();
        let mut state = WordState::BetweenWords;
        // A backslash has any byte taken as it is. "{" does not end a word where it stands behind
        // "$", so that "${name}" is part of a word.
        let (mut is_escaped, mut is_after_dollar) = (false, false);
        let (mut start, mut start_line) = (self.at, self.line);
        loop {
            let Some(&byte) = self.text.get(self.at) else {
                let is_complete = matches!(state, WordState::BetweenWords | WordState::Comment);
                return match words.is_empty() && is_complete {
                    true => Ok(Item::FileEnd),
                    false => Err(self.error("unexpected end of file, expecting \";\" or \"}\"")),
                };
            };
            if self.at.saturating_sub(start) >= BUFFER {
                return Err(self.too_long(start, start_line, state));
            }
            self.at = self.at.saturating_add(1);
            if byte == b'\n' {
                self.line = self.line.saturating_add(1);
                if state == WordState::Comment {
                    state = WordState::BetweenWords;
                }
            }
            if state == WordState::Comment {
                continue;
            }
            if is_escaped {
                is_escaped = false;
                continue;
            }
            if state == WordState::AfterQuotes {
                match byte {
                    b' ' | b'\t' | b'\r' | b'\n' => {
                        state = WordState::BetweenWords;
                        continue;
                    }
                    b';' => return Ok(Item::Simple(words)),
                    b'{' => return Ok(Item::Block(words)),
                    // if ($a = "b")
                    b')' => state = WordState::BetweenWords,
                    _ => return Err(self.unexpected(byte)),
                }
            }
            if state == WordState::BetweenWords {
                (start, start_line) = (self.at.saturating_sub(1), self.line);
                state = WordState::Word;
                match byte {
                    b' ' | b'\t' | b'\r' | b'\n' => state = WordState::BetweenWords,
                    b';' | b'{' if words.is_empty() => return Err(self.unexpected(byte)),
                    b';' => return Ok(Item::Simple(words)),
                    b'{' => return Ok(Item::Block(words)),
                    b'}' if words.is_empty() => return Ok(Item::BlockEnd),
                    b'}' => return Err(self.unexpected(byte)),
                    b'#' => state = WordState::Comment,
                    b'\\' => is_escaped = true,
                    b'"' | b'\'' => {
                        start = self.at;
                        state = WordState::Quotes(byte);
                    }
                    b'$' => is_after_dollar = true,
                    _ => {}
                }
                continue;
            }
            if byte == b'{' && is_after_dollar {
                continue;
            }
            is_after_dollar = byte == b'$';
            match (state, byte) {
                (_, b'\\') => {
                    is_escaped = true;
                    continue;
                }
                (WordState::Quotes(quote), _) if byte == quote => state = WordState::AfterQuotes,
                (WordState::Word, b' ' | b'\t' | b'\r' | b'\n' | b';' | b'{') => {
                    state = WordState::BetweenWords;
                }
                _ => continue,
            }
            let word = self.text.get(start..self.at.saturating_sub(1));
            words.push(unescape(word.unwrap_or_default()));
            match byte {
                b';' => return Ok(Item::Simple(words)),
                b'{' => return Ok(Item::Block(words)),
                _ => {}
            }
        }
    }

    fn unexpected(&self, byte: u8) -> SyntaxError {
        self.error(&format!("unexpected \"{}\"", printable(&[byte])))
    }

    fn too_long(&self, start: usize, line: usize, state: WordState) -> SyntaxError {
        let message = match state {
            WordState::Quotes(quote) => format!(
                "too long parameter, probably missing terminating \"{}\" character",
                char::from(quote)
            ),
            _ => {
                let shown = self.text.get(start..).unwrap_or_default();
                let shown = shown.get(..10).unwrap_or(shown);
                format!("too long parameter \"{}...\" started", printable(shown))
            }
        };
        SyntaxError { line, message }
    }

    fn error(&self, message: &str) -> SyntaxError {
        SyntaxError {
            line: self.line,
            message: message.into(),
        }
    }
}

/// Bytes as nginx prints them, where they are printable.
fn printable(bytes: &[u8]) -> String {
    let shown = bytes.iter().map(|byte| match byte {
        b' '..=b'~' => char::from(*byte).to_string(),
        _ => byte.escape_ascii().to_string(),
    });
    shown.collect()
}

/// A word without the backslashes that have a meaning; all others stay.
fn unescape(raw: &[u8]) -> Vec<u8> {
    let mut word = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((&byte, behind)) = rest.split_first() {
        let (byte, behind) = match (byte, behind.split_first()) {
            (b'\\', Some((&escaped @ (b'"' | b'\'' | b'\\'), behind))) => (escaped, behind),
            (b'\\', Some((b't', behind))) => (b'\t', behind),
            (b'\\', Some((b'r', behind))) => (b'\r', behind),
            (b'\\', Some((b'n', behind))) => (b'\n', behind),
            _ => (byte, behind),
        };
        word.push(byte);
        rest = behind;
    }
    word
}
