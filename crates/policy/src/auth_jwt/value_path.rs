//! Where in a JSON object the value is that a directive is about.

use jose::JsonValue;

const NO_VARIABLE: &str =
    "it must be a name, and no variable; .\"$a\" is for a name with the character \"$\"";

/// A member at the top of an object, or a path into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValuePath(Box<[PathStep]>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum PathStep {
    /// The member of an object with this name.
    Member(Box<[u8]>),
    /// The element of an array at this position, counted from 0.
    Element(usize),
}

impl ValuePath {
    /// Reads a name. With `.` or `[` in front it is a path, such as `.a.b`, `."dotted.name"` and
    /// `.roles[0]`; any other name is that of a member at the top, as it is.
    ///
    /// # Errors
    /// What would be right.
    pub fn parse(text: &[u8]) -> Result<Self, &'static str> {
        let steps = match text {
            b"" => return Err("it must not be empty"),
            [b'$', ..] => return Err(NO_VARIABLE),
            [b'.' | b'[', ..] => path_steps(text)?,
            name => vec![PathStep::Member(name.into())],
        };
        Ok(Self(steps.into()))
    }

    /// What to say of a name that would be a path with a dot in front, such as `a.b` and `roles[0]`,
    /// since a name is hardly what was meant.
    pub fn doubt(name: &[u8]) -> Option<String> {
        let is_name = !matches!(name, [] | [b'.' | b'[', ..]);
        let is_path =
            is_name && path_steps(&[b".", name].concat()).is_ok_and(|steps| steps.len() > 1);
        let name = String::from_utf8_lossy(name);
        is_path.then(|| {
            format!(
                "\"{name}\" is one name; a path begins with a dot, as in .{name}, and .\"{name}\" is \
                 for this name"
            )
        })
    }

    /// The names of a path such as `.a.b`, apart from each other as `auth_jwt_claim_set` has them.
    /// None if the text is a name, or has a position in it.
    pub fn names_apart(path: &[u8]) -> Option<String> {
        let steps = path_steps(path).ok().filter(|steps| !steps.is_empty())?;
        let names = steps.iter().map(|step| match step {
            PathStep::Element(_) => None,
            PathStep::Member(name) => match &*String::from_utf8_lossy(name) {
                name if name.contains(['.', ' ']) => Some(format!("\"{name}\"")),
                name => Some(name.to_owned()),
            },
        });
        Some(names.collect::<Option<Vec<_>>>()?.join(" "))
    }

    /// The value in this object, if it is there.
    pub fn find<'a>(&self, object: JsonValue<'a>) -> Option<JsonValue<'a>> {
        self.0.iter().try_fold(object, |value, step| match step {
            PathStep::Member(name) => value.get(name),
            PathStep::Element(position) => value.elements().nth(*position),
        })
    }
}

fn path_steps(text: &[u8]) -> Result<Vec<PathStep>, &'static str> {
    let mut steps = Vec::new();
    let mut rest = text;
    while let [first, inside @ ..] = rest {
        let (step, behind) = match (first, inside) {
            (b'.', [b'"', inside @ ..]) => quoted_member(inside)?,
            (b'.', _) => member(inside)?,
            (b'[', _) => element(inside)?,
            _ => return Err("\".\" or \"[\" must follow a name in quotes and a position"),
        };
        steps.push(step);
        rest = behind;
    }
    Ok(steps)
}

/// A name without quotes, and what follows it.
fn member(text: &[u8]) -> Result<(PathStep, &[u8]), &'static str> {
    let is_plain =
        |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-') || !byte.is_ascii();
    let length = text.iter().take_while(|byte| is_plain(byte)).count();
    match text.split_at_checked(length) {
        Some((name, rest @ ([] | [b'.' | b'[', ..]))) if !name.is_empty() => {
            Ok((PathStep::Member(name.into()), rest))
        }
        _ => Err(
            "a name in a path must consist of letters, digits, \"_\" and \"-\", \
             or be in double quotes, as in .\"a.b\"",
        ),
    }
}

/// A name in quotes without the first of them, and what follows it.
fn quoted_member(text: &[u8]) -> Result<(PathStep, &[u8]), &'static str> {
    let mut parts = text.splitn(2, |&byte| byte == b'"');
    match (parts.next(), parts.next()) {
        (Some(b""), Some(_)) => Err("a name in a path must not be empty"),
        (Some(name), Some(rest)) => Ok((PathStep::Member(name.into()), rest)),
        _ => Err("a closing quote is missing"),
    }
}

/// A position without the first bracket, and what follows it.
fn element(text: &[u8]) -> Result<(PathStep, &[u8]), &'static str> {
    const MUST: &str = "a position in a path must be a number without a sign, as in .roles[0]";
    let mut parts = text.splitn(2, |&byte| byte == b']');
    let (Some(digits), Some(rest)) = (parts.next(), parts.next()) else {
        return Err("a closing bracket is missing");
    };
    let is_number = digits.iter().all(u8::is_ascii_digit) && !matches!(digits, [b'0', _, ..]);
    let position = str::from_utf8(digits)
        .ok()
        .filter(|_| is_number)
        .and_then(|digits| digits.parse().ok());
    match position {
        Some(position) => Ok((PathStep::Element(position), rest)),
        None => Err(MUST),
    }
}

#[cfg(test)]
mod tests;
