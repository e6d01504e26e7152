//! Times in header lines.

use nginx_sys::{NGX_ERROR, ngx_parse_http_time};

/// A time such as `Sun, 06 Nov 1994 08:49:37 GMT`, in seconds since 1970. `None` if it is
/// malformed.
pub fn parse_http_date(text: &[u8]) -> Option<i64> {
    // SAFETY: ngx_parse_http_time only reads the `len` bytes.
    let time = unsafe { ngx_parse_http_time(text.as_ptr().cast_mut(), text.len()) };
    (time != NGX_ERROR as i64).then_some(time)
}
