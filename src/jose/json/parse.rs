//! The strict parser: one pass over UTF-8 text into a flat list of nodes in the order of the text. It refuses what
//! RFC 8259 leaves open: names that occur twice, lone surrogates, nesting and length beyond the limits, anything
//! behind the value.

use std::borrow::Cow;

use super::{Kind, Node, Value};
use crate::jose::error::{Error, Part, Quoted};

/// Parses `text`, which belongs to `part`, into its nodes; the first one is the whole value.
pub(super) fn nodes(text: &str, part: Part, depth: usize) -> Result<Vec<Node>, Error> {
    let mut parser = Parser {
        text,
        at: 0,
        nodes: Vec::with_capacity((text.len() >> 4).max(16)),
        part,
        depth,
    };
    match parser.document() {
        Ok(()) => Ok(parser.nodes),
        Err(fault) => Err(parser.error(fault)),
    }
}

/// Why parsing stopped; as small as can be, since every step may return it.
enum Fault {
    /// At the byte where the parser is.
    Syntax,
    /// Nested too deep.
    Depth,
    /// The object that is this node has a name twice.
    Duplicate(usize),
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    nodes: Vec<Node>,
    part: Part,
    depth: usize,
}

impl Parser<'_> {
    fn document(&mut self) -> Result<(), Fault> {
        self.white_space();
        self.value(self.depth)?;
        self.white_space();
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(Fault::Syntax),
        }
    }

    fn error(&self, fault: Fault) -> Error {
        let (part, limit) = (self.part, self.depth);
        match fault {
            Fault::Syntax => Error::JsonSyntax {
                part,
                offset: self.at,
            },
            Fault::Depth => Error::TooDeep { part, limit },
            Fault::Duplicate(object) => {
                let mut names = self.names(object);
                names.sort_unstable();
                let mut pairs = names.iter().zip(names.iter().skip(1));
                let twice = pairs.find_map(|(a, b)| (a == b).then_some(a));
                let name = Quoted::new(twice.map_or("", |name| name));
                Error::DuplicateName { part, name }
            }
        }
    }

    /// Parses a value in which arrays and objects may be nested `depth` deep.
    fn value(&mut self, depth: usize) -> Result<(), Fault> {
        match self.peek() {
            Some(b'"') => self.string(),
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b't') => self.word("true", Kind::True),
            Some(b'f') => self.word("false", Kind::False),
            Some(b'n') => self.word("null", Kind::Null),
            _ => self.number(),
        }
    }

    fn object(&mut self, depth: usize) -> Result<(), Fault> {
        let depth = self.deeper(depth)?;
        let node = self.open(Kind::Object);
        let mut members = 0usize;
        if !self.empty(b'}') {
            loop {
                self.white_space();
                self.string()?;
                self.white_space();
                self.expect(b':')?;
                self.white_space();
                self.value(depth)?;
                members = members.saturating_add(1);
                if !self.more(b'}')? {
                    break;
                }
            }
        }
        self.close(node);
        self.unique(node, members)
    }

    fn array(&mut self, depth: usize) -> Result<(), Fault> {
        let depth = self.deeper(depth)?;
        let node = self.open(Kind::Array);
        if !self.empty(b']') {
            loop {
                self.white_space();
                self.value(depth)?;
                if !self.more(b']')? {
                    break;
                }
            }
        }
        self.close(node);
        Ok(())
    }

    fn deeper(&self, depth: usize) -> Result<usize, Fault> {
        depth.checked_sub(1).ok_or(Fault::Depth)
    }

    /// Whether the array or object that was just opened ends at once.
    fn empty(&mut self, end: u8) -> bool {
        self.white_space();
        self.eat(end)
    }

    /// Whether another element follows; otherwise the end was read.
    fn more(&mut self, end: u8) -> Result<bool, Fault> {
        self.white_space();
        if self.eat(b',') {
            return Ok(true);
        }
        self.expect(end).map(|()| false)
    }

    fn string(&mut self) -> Result<(), Fault> {
        let start = self.at;
        let mut kind = Kind::String;
        self.expect(b'"')?;
        loop {
            let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
            self.advance(plain_length(rest));
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => self.escape()?,
                _ => return Err(Fault::Syntax),
            }
            kind = Kind::EscapedString;
        }
        self.advance(1);
        self.push(kind, start)
    }

    /// Checks one escape sequence; a pair of surrogates counts as one.
    fn escape(&mut self) -> Result<(), Fault> {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        match escape(rest) {
            Some((_, length)) => {
                self.advance(length);
                Ok(())
            }
            None => Err(Fault::Syntax),
        }
    }

    /// RFC 8259 section 6: `[-] int [frac] [exp]`, without leading zeros.
    fn number(&mut self) -> Result<(), Fault> {
        let start = self.at;
        self.eat(b'-');
        if !self.eat(b'0') {
            self.digits()?;
        }
        if self.eat(b'.') {
            self.digits()?;
        }
        if self.eat(b'e') || self.eat(b'E') {
            let _sign = self.eat(b'+') || self.eat(b'-');
            self.digits()?;
        }
        self.push(Kind::Number, start)
    }

    fn digits(&mut self) -> Result<(), Fault> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.advance(1);
        }
        if self.at == start {
            return Err(Fault::Syntax);
        }
        Ok(())
    }

    fn word(&mut self, word: &str, kind: Kind) -> Result<(), Fault> {
        let start = self.at;
        for byte in word.bytes() {
            self.expect(byte)?;
        }
        self.push(kind, start)
    }

    /// Refuses an object two of whose members have the same name, escapes resolved.
    fn unique(&self, object: usize, members: usize) -> Result<(), Fault> {
        if members <= FEW && are_few_and_distinct(self.value_at(object)) {
            return Ok(());
        }
        let mut names = self.names(object);
        names.sort_unstable();
        let mut pairs = names.iter().zip(names.iter().skip(1));
        match pairs.any(|(a, b)| a == b) {
            false => Ok(()),
            true => Err(Fault::Duplicate(object)),
        }
    }

    fn names(&self, object: usize) -> Vec<Cow<'_, str>> {
        let members = self.value_at(object).members();
        members.map(|(name, _)| name).collect()
    }

    fn value_at(&self, node: usize) -> Value<'_> {
        Value::new(self.text, self.nodes.get(node..).unwrap_or_default())
    }

    fn push(&mut self, kind: Kind, start: usize) -> Result<(), Fault> {
        self.nodes.push(Node {
            kind,
            start: offset(start),
            end: offset(self.at),
            size: 1,
        });
        Ok(())
    }

    /// Begins an array or object; says which node it is.
    fn open(&mut self, kind: Kind) -> usize {
        let node = self.nodes.len();
        self.nodes.push(Node {
            kind,
            start: offset(self.at),
            end: 0,
            size: 0,
        });
        self.advance(1);
        node
    }

    fn close(&mut self, node: usize) {
        let (end, size) = (self.at, self.nodes.len().saturating_sub(node));
        if let Some(node) = self.nodes.get_mut(node) {
            node.end = offset(end);
            node.size = offset(size);
        }
    }

    fn white_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.advance(1);
        }
    }

    fn expect(&mut self, byte: u8) -> Result<(), Fault> {
        if self.eat(byte) {
            return Ok(());
        }
        Err(Fault::Syntax)
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        if found {
            self.advance(1);
        }
        found
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn advance(&mut self, bytes: usize) {
        self.at = self.at.saturating_add(bytes);
    }
}

/// How many names are compared each with each.
const FEW: usize = 16;

/// Whether the names of an object are plain and differ: the usual case, without memory and without sorting. Most names
/// already differ in length, first and last byte, of which `marks` has one bit for each that was seen.
fn are_few_and_distinct(object: Value<'_>) -> bool {
    let mut seen = [""; FEW];
    let mut marks = 0u64;
    let mut members = object.members().enumerate();
    members.all(
        |(n, (name, _))| match (name, seen.split_at_mut_checked(n)) {
            (Cow::Borrowed(name), Some((before, [place, ..]))) => {
                *place = name;
                let mark = mark(name.as_bytes());
                let is_new = marks & mark == 0 || !before.contains(&name);
                marks |= mark;
                is_new
            }
            _ => false,
        },
    )
}

fn mark(name: &[u8]) -> u64 {
    let byte = |byte: Option<&u8>| byte.map_or(0, |&byte| u32::from(byte));
    let length = u32::try_from(name.len()).unwrap_or_default();
    let (first, last) = (byte(name.first()), byte(name.last()));
    let mixed = first.wrapping_mul(7) ^ last.wrapping_mul(13) ^ length;
    1u64.rotate_left(mixed)
}

/// How many bytes from the start of a string need no second look: up to a quotation mark, a backslash or a control
/// character. Looks at eight bytes at a time; in a word, the lowest byte that a test marks is marked rightly.
fn plain_length(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::from_le_bytes([0x01; 8]);
    const HIGH: u64 = u64::from_le_bytes([0x80; 8]);
    let less_than = |word: u64, limit: u8| {
        let limits = ONES.wrapping_mul(u64::from(limit));
        word.wrapping_sub(limits) & !word & HIGH
    };
    let equal = |word: u64, byte: u8| less_than(word ^ ONES.wrapping_mul(u64::from(byte)), 1);
    let (words, rest) = bytes.as_chunks::<8>();
    let mut plain = 0usize;
    for word in words {
        let word = u64::from_le_bytes(*word);
        let marks = less_than(word, 0x20) | equal(word, b'"') | equal(word, b'\\');
        if marks != 0 {
            let first = marks.trailing_zeros() >> 3;
            return plain.saturating_add(usize::try_from(first).unwrap_or_default());
        }
        plain = plain.saturating_add(8);
    }
    let special = |&byte: &u8| byte == b'"' || byte == b'\\' || byte < 0x20;
    let more = rest.iter().position(special);
    plain.saturating_add(more.unwrap_or(rest.len()))
}

/// The length limits keep every offset far below 4 GiB.
fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

/// The character that the escape sequence at the start of `text` stands for, and the length of the sequence; none if
/// it is no escape sequence, or half a pair of surrogates.
pub(super) fn escape(text: &[u8]) -> Option<(char, usize)> {
    let simple = match text.get(1)? {
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
    Some((simple, 2))
}

fn unicode_escape(text: &[u8]) -> Option<(char, usize)> {
    let unit = utf16_unit(text)?;
    if let Some(Ok(single)) = char::decode_utf16([unit]).next() {
        return Some((single, 6));
    }
    let low = utf16_unit(text.get(6..)?)?;
    let pair = char::decode_utf16([unit, low]).next()?.ok()?;
    Some((pair, 12))
}

/// Reads `\uXXXX`.
fn utf16_unit(text: &[u8]) -> Option<u16> {
    let digits = text.get(..6)?.strip_prefix(b"\\u")?;
    let mut digits = digits.iter().map(|&digit| char::from(digit).to_digit(16));
    digits
        .try_fold(0u32, |unit, digit| Some(unit << 4 | digit?))
        .and_then(|unit| u16::try_from(unit).ok())
}
