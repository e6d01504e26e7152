//! The strict parser: one pass over UTF-8 text into a flat list of nodes in the order of the text. It refuses what
//! RFC 8259 leaves open: names that occur twice, lone surrogates, nesting and length beyond the limits, anything
//! behind the value.

use std::borrow::Cow;
use text::Quoted;

use super::{Kind, Node, Value};
use crate::error::{Error, Part};
use crate::work;

/// Parses `text`, which belongs to `part`, into its nodes; the first one is the whole value.
pub(super) fn nodes(text: &str, part: Part, depth: usize) -> Result<Vec<Node>, Error> {
    // Nothing in here is beyond what the offsets of a node can hold.
    let end = u32::try_from(text.len()).map_err(|_| Error::TooLarge {
        part,
        limit: u32::MAX as usize,
    })?;
    let mut parser = Parser {
        text,
        end,
        nodes: Vec::with_capacity((text.len() >> 4).max(16)),
        fault: Fault::Depth,
    };
    match parser.document(depth) {
        Some(()) => Ok(parser.nodes),
        None => Err(parser.error(part, depth)),
    }
}

/// Why parsing stopped.
enum Fault {
    /// At this byte.
    Syntax(u32),
    /// Nested too deep.
    Depth,
    /// The object that is this node has a name twice.
    Duplicate(usize),
}

/// Every step takes the text from where it begins and gives what it left of it, or none if there is a fault: so the
/// place is always in registers.
struct Parser<'a> {
    text: &'a str,
    /// The length of the text.
    end: u32,
    nodes: Vec<Node>,
    /// The reason why a step gave none.
    fault: Fault,
}

impl<'a> Parser<'a> {
    fn document(&mut self, depth: usize) -> Option<()> {
        let rest = self.value(self.text.as_bytes(), depth)?;
        match behind_space(rest) {
            [] => Some(()),
            rest => self.fail(rest),
        }
    }

    fn error(&self, part: Part, limit: usize) -> Error {
        match self.fault {
            Fault::Syntax(at) => Error::JsonSyntax {
                part,
                offset: at as usize,
            },
            Fault::Depth => Error::TooDeep { part, limit },
            Fault::Duplicate(object) => {
                let name = self.repeated_name(object).unwrap_or_default();
                let name = Quoted::new(&*name);
                Error::DuplicateName { part, name }
            }
        }
    }

    /// Parses a value in which arrays and objects may be nested `depth` deep, and white space in front of it.
    #[inline(always)]
    fn value(&mut self, rest: &'a [u8], depth: usize) -> Option<&'a [u8]> {
        work::count(1);
        let rest = behind_space(rest);
        match rest {
            [b'"', ..] => self.string(rest),
            [b'{', inside @ ..] => self.object(rest, inside, depth),
            [b'[', inside @ ..] => self.array(rest, inside, depth),
            [b't', ..] => self.word(rest, b"true", Kind::True),
            [b'f', ..] => self.word(rest, b"false", Kind::False),
            [b'n', ..] => self.word(rest, b"null", Kind::Null),
            _ => self.number(rest),
        }
    }

    #[inline(never)]
    fn object(&mut self, start: &'a [u8], inside: &'a [u8], depth: usize) -> Option<&'a [u8]> {
        let depth = self.deeper(depth)?;
        let object = self.nodes.len();
        self.push(Kind::Object, start, start);
        let mut names = Names::default();
        let mut rest = behind_space(inside);
        if let [b'}', behind @ ..] = rest {
            rest = behind;
        } else {
            loop {
                rest = self.string(behind_space(rest))?;
                self.note_name(object, &mut names);
                rest = match behind_space(rest) {
                    [b':', value @ ..] => behind_space(self.value(value, depth)?),
                    rest => return self.fail(rest),
                };
                match rest {
                    [b',', name @ ..] => rest = name,
                    [b'}', behind @ ..] => break rest = behind,
                    _ => return self.fail(rest),
                }
            }
        }
        self.close(object, rest);
        if names.in_doubt && self.repeated_name(object).is_some() {
            self.fault = Fault::Duplicate(object);
            return None;
        }
        Some(rest)
    }

    #[inline(never)]
    fn array(&mut self, start: &'a [u8], inside: &'a [u8], depth: usize) -> Option<&'a [u8]> {
        let depth = self.deeper(depth)?;
        let array = self.nodes.len();
        self.push(Kind::Array, start, start);
        let mut rest = behind_space(inside);
        if let [b']', behind @ ..] = rest {
            rest = behind;
        } else {
            loop {
                rest = behind_space(self.value(rest, depth)?);
                match rest {
                    [b',', element @ ..] => rest = element,
                    [b']', behind @ ..] => break rest = behind,
                    _ => return self.fail(rest),
                }
            }
        }
        self.close(array, rest);
        Some(rest)
    }

    fn deeper(&mut self, depth: usize) -> Option<usize> {
        self.fault = Fault::Depth;
        depth.checked_sub(1)
    }

    #[inline(always)]
    fn string(&mut self, start: &'a [u8]) -> Option<&'a [u8]> {
        let [b'"', rest @ ..] = start else {
            return self.fail(start);
        };
        let mut rest = behind_plain(rest);
        let mut kind = Kind::String;
        // An escape sequence is checked; a pair of surrogates counts as one.
        while let [b'\\', ..] = rest {
            kind = Kind::EscapedString;
            match escape(rest) {
                Some((_, length)) => rest = behind_plain(rest.get(length..).unwrap_or_default()),
                None => return self.fail(rest),
            }
        }
        match rest {
            [b'"', rest @ ..] => self.push(kind, start, rest),
            _ => self.fail(rest),
        }
    }

    /// RFC 8259 section 6: `[-] int [frac] [exp]`, without leading zeros.
    fn number(&mut self, start: &'a [u8]) -> Option<&'a [u8]> {
        let mut rest = start.strip_prefix(b"-").unwrap_or(start);
        rest = match rest {
            [b'0', rest @ ..] => rest,
            _ => self.digits(rest)?,
        };
        if let [b'.', fraction @ ..] = rest {
            rest = self.digits(fraction)?;
        }
        if let [b'e' | b'E', exponent @ ..] = rest {
            rest = match exponent {
                [b'+' | b'-', exponent @ ..] => self.digits(exponent)?,
                _ => self.digits(exponent)?,
            };
        }
        self.push(Kind::Number, start, rest)
    }

    fn digits(&mut self, start: &'a [u8]) -> Option<&'a [u8]> {
        let mut rest = start;
        while let [b'0'..=b'9', behind @ ..] = rest {
            work::count(1);
            rest = behind;
        }
        match rest.len() == start.len() {
            true => self.fail(rest),
            false => Some(rest),
        }
    }

    fn word(&mut self, start: &'a [u8], word: &[u8], kind: Kind) -> Option<&'a [u8]> {
        let mut rest = start;
        for byte in word {
            match rest {
                [first, behind @ ..] if first == byte => rest = behind,
                _ => return self.fail(rest),
            }
        }
        self.push(kind, start, rest)
    }

    /// Looks whether the name that was just read can be told from those that the object has had so far.
    fn note_name(&self, object: usize, names: &mut Names) {
        let Some((name, _)) = self.nodes.split_last() else {
            return;
        };
        let mark = mark(self.bytes(name));
        let is_new = names.marks & mark != mark;
        names.marks |= mark;
        names.count = names.count.saturating_add(1);
        names.in_doubt |= name.kind != Kind::String
            || !is_new && (names.count > FEW || self.has_had(object, name));
    }

    /// Whether one of the names of an object that is being read is written like the last one.
    fn has_had(&self, object: usize, name: &Node) -> bool {
        let mut members = self.nodes.get(object..).unwrap_or_default();
        let mut size = 0;
        while let Some([_, rest @ ..]) = members.get(size..)
            && let [earlier, value, ..] = rest
        {
            work::count(self.bytes(name).len());
            if self.bytes(earlier) == self.bytes(name) {
                return true;
            }
            size = value.size as usize;
            members = rest;
        }
        false
    }

    /// The first in the alphabet of the names that an object has twice, escapes resolved.
    fn repeated_name(&self, object: usize) -> Option<Cow<'_, str>> {
        let object = Value::new(self.text, self.nodes.get(object..).unwrap_or_default());
        let mut names: Vec<_> = object.members().map(|(name, _)| name).collect();
        names.sort_unstable_by(|a, b| {
            work::count(a.len().min(b.len()));
            a.cmp(b)
        });
        let twice = names
            .windows(2)
            .position(|pair| matches!(pair, [a, b] if a == b))?;
        Some(names.swap_remove(twice))
    }

    fn bytes(&self, node: &Node) -> &'a [u8] {
        self.text.as_bytes().get(node.range()).unwrap_or_default()
    }

    /// Adds the node of a value that begins at `start` and is followed by `rest`; gives the latter.
    fn push(&mut self, kind: Kind, start: &[u8], rest: &'a [u8]) -> Option<&'a [u8]> {
        self.nodes.push(Node {
            kind,
            start: self.at(start),
            end: self.at(rest),
            size: 1,
        });
        Some(rest)
    }

    /// Completes the node of an array or object that is followed by `rest`.
    fn close(&mut self, node: usize, rest: &[u8]) {
        let (end, size) = (self.at(rest), self.nodes.len().saturating_sub(node));
        if let Some(node) = self.nodes.get_mut(node) {
            node.end = end;
            node.size = size as u32;
        }
    }

    #[cold]
    fn fail<T>(&mut self, rest: &[u8]) -> Option<T> {
        self.fault = Fault::Syntax(self.at(rest));
        None
    }

    /// The offset at which `rest` begins.
    fn at(&self, rest: &[u8]) -> u32 {
        self.end.wrapping_sub(rest.len() as u32)
    }
}

fn behind_space(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t' | b'\n' | b'\r', rest @ ..] = text {
        work::count(1);
        text = rest;
    }
    text
}

/// What is known of the names of an object that is being read.
#[derive(Default)]
struct Names {
    count: usize,
    /// Two bits for each name.
    marks: u64,
    /// Whether it takes sorting to tell that they differ.
    in_doubt: bool,
}

/// How many names are compared each with each, at most.
const FEW: usize = 32;

/// Most names of an object already differ in length, first and last byte, which choose two bits of 64.
fn mark(quoted: &[u8]) -> u64 {
    let byte = |byte: Option<&u8>| byte.map_or(0, |&byte| u32::from(byte));
    let (first, last) = (byte(quoted.get(1)), byte(quoted.iter().nth_back(1)));
    let mixed = (quoted.len() as u32) << 16 ^ first << 8 ^ last;
    // The golden ratio, as multiplicative hashing has it: the upper bits depend on all.
    let mixed = mixed.wrapping_mul(0x9e37_79b9);
    1u64.rotate_left(mixed >> 26) | 1u64.rotate_left(mixed >> 20)
}

/// The text of a string from the first byte on that needs a second look: a quotation mark, a backslash or a control
/// character. Looks at eight bytes at a time; in a word, the lowest byte that is marked is marked rightly.
#[inline(always)]
fn behind_plain(mut text: &[u8]) -> &[u8] {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    /// Lets the quotation mark and the space change places: the former is then next to the control characters.
    const SWAP: u64 = ONES * (b'"' ^ b' ') as u64;
    let below = |word: u64, limit: u8| word.wrapping_sub(ONES.wrapping_mul(limit.into()));
    while let Some((word, rest)) = text.split_first_chunk() {
        work::count(8);
        let word = u64::from_le_bytes(*word);
        let backslash = word ^ ONES.wrapping_mul(b'\\'.into());
        let marks = below(word ^ SWAP, b' ' + 1) | below(backslash, 1);
        let marks = marks & !word & ONES << 7;
        if marks != 0 {
            let plain = (marks.trailing_zeros() >> 3) as usize;
            return text.get(plain..).unwrap_or_default();
        }
        text = rest;
    }
    let special = |&byte: &u8| byte == b'"' || byte == b'\\' || byte < b' ';
    let plain = text.iter().position(special).unwrap_or(text.len());
    text.get(plain..).unwrap_or_default()
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
