//! Finds the end of a Lua block, such as that of `access_by_lua_block`, which OpenResty's module
//! reads by Lua's grammar and not by nginx's.

/// Whether the block of the directive with this name holds Lua.
pub(crate) fn holds_lua(directive: &[u8]) -> bool {
    directive.ends_with(b"_by_lua_block")
}

/// How many bytes there are up to and with the brace that ends the block. `None`: it has no end.
pub(crate) fn block_length(text: &[u8]) -> Option<usize> {
    let mut rest = text;
    let mut depth = 1_usize;
    while let Some((&byte, behind)) = rest.split_first() {
        rest = match byte {
            b'{' => {
                depth = depth.saturating_add(1);
                behind
            }
            b'}' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return text.len().checked_sub(behind.len());
                }
                behind
            }
            b'"' | b'\'' => behind_string(behind, byte)?,
            b'[' => behind_long_bracket(rest).unwrap_or(Some(behind))?,
            b'-' if behind.first() == Some(&b'-') => {
                let comment = behind.get(1..).unwrap_or_default();
                match behind_long_bracket(comment) {
                    Some(end) => end?,
                    None => {
                        let line = comment.iter().position(|&byte| byte == b'\n');
                        comment
                            .get(line.unwrap_or(comment.len())..)
                            .unwrap_or_default()
                    }
                }
            }
            _ => behind,
        };
    }
    None
}

/// What is behind the string, whose first quote was read.
fn behind_string(text: &[u8], quote: u8) -> Option<&[u8]> {
    let mut rest = text;
    loop {
        rest = match rest.split_first()? {
            (b'\\', behind) => behind.get(1..)?,
            (&byte, behind) if byte == quote => return Some(behind),
            (_, behind) => behind,
        };
    }
}

/// What is behind a text in long brackets: `[[ ]]`, `[=[ ]=]` and so on. The outer `None`: the text
/// does not begin with such a bracket. The inner one: the bracket is not closed.
fn behind_long_bracket(text: &[u8]) -> Option<Option<&[u8]>> {
    let behind = text.strip_prefix(b"[")?;
    let level = behind.iter().take_while(|&&byte| byte == b'=').count();
    let content = behind.get(level..)?.strip_prefix(b"[")?;
    let mut end = vec![b']'];
    end.extend(std::iter::repeat_n(b'=', level));
    end.push(b']');
    let at = content.windows(end.len()).position(|window| window == end);
    Some(at.and_then(|at| content.get(at.saturating_add(end.len())..)))
}
