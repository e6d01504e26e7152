//! The path of a request as locations are compared with it: percent-decoded, without `.` and `..`,
//! and with several slashes merged into one (`ngx_http_parse_complex_uri`).

/// What the path is part of at the moment.
#[derive(Clone, Copy, PartialEq, Eq)]
enum PathState {
    Usual,
    Slash,
    Dot,
    TwoDots,
}

/// The path of a URI as in a request line, such as `/a/%62?c`.
///
/// # Errors
/// nginx would answer it with status 400, and why.
pub fn path(uri: &[u8], merges_slashes: bool) -> Result<Vec<u8>, &'static str> {
    if !uri.starts_with(b"/") {
        return Err("it must begin with \"/\"");
    }
    if uri.iter().any(|byte| *byte <= b' ' || *byte == 0x7f) {
        return Err("it has a space or a control character, which must be percent-encoded");
    }
    let mut path = Vec::with_capacity(uri.len());
    let mut state = PathState::Usual;
    let mut rest = uri;
    while let Some((&raw, behind)) = rest.split_first() {
        let (byte, behind) = match raw {
            b'?' | b'#' => break,
            b'%' => decode(behind)?,
            _ => (raw, behind),
        };
        rest = behind;
        // These have no meaning where they were encoded.
        let is_plain = matches!(byte, b'?' | b'#' | b'%');
        state = match (state, byte) {
            _ if is_plain => {
                path.push(byte);
                PathState::Usual
            }
            (PathState::Usual, b'/') => {
                path.push(byte);
                PathState::Slash
            }
            (PathState::Slash, b'/') => {
                if !merges_slashes {
                    path.push(byte);
                }
                PathState::Slash
            }
            (PathState::Slash, b'.') => {
                path.push(byte);
                PathState::Dot
            }
            (PathState::Dot, b'/') => {
                path.pop();
                PathState::Slash
            }
            (PathState::Dot, b'.') => {
                path.push(byte);
                PathState::TwoDots
            }
            (PathState::TwoDots, b'/') => {
                leave_folder(&mut path)?;
                PathState::Slash
            }
            _ => {
                path.push(byte);
                PathState::Usual
            }
        };
    }
    match state {
        PathState::Usual | PathState::Slash => {}
        PathState::Dot => _ = path.pop(),
        PathState::TwoDots => leave_folder(&mut path)?,
    }
    Ok(path)
}

/// The byte that two hexadecimal digits stand for, and what is behind them.
fn decode(text: &[u8]) -> Result<(u8, &[u8]), &'static str> {
    let invalid = "it has \"%\" without two hexadecimal digits";
    let (digits, behind) = text.split_at_checked(2).ok_or(invalid)?;
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return Err(invalid);
    }
    let digits = str::from_utf8(digits).map_err(|_| invalid)?;
    match u8::from_str_radix(digits, 16) {
        Ok(0) => Err("it has \"%00\""),
        Ok(byte) => Ok((byte, behind)),
        Err(_) => Err(invalid),
    }
}

/// Removes `/..` from the end, and what is in front of it up to the slash there.
fn leave_folder(path: &mut Vec<u8>) -> Result<(), &'static str> {
    path.truncate(path.len().saturating_sub(3));
    while let Some(byte) = path.pop() {
        if byte == b'/' {
            path.push(byte);
            return Ok(());
        }
    }
    Err("it has \"..\" that leads out of \"/\"")
}
