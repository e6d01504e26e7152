//! Texts with variables (nginx's complex values).

use super::directive::{Config, ConfigError};
use super::failure::Failure;
use super::request::Request;
use super::text::Text;
use super::variable::Variable;
use nginx_sys::{
    NGX_OK, ngx_http_compile_complex_value, ngx_http_compile_complex_value_t,
    ngx_http_complex_value, ngx_http_complex_value_t, ngx_int_t, ngx_palloc, ngx_str_t,
};
use std::mem;
use std::ptr::NonNull;

/// A text with variables, compiled when the configuration is read. It lives as long as that
/// configuration.
#[derive(Clone, Copy)]
pub struct Template {
    value: NonNull<ngx_http_complex_value_t>,
    /// The variable, if the text is a variable and nothing else.
    variable: Option<Variable>,
}

impl Config<'_> {
    /// Compiles a text with variables.
    ///
    /// # Errors
    /// An invalid name of a variable, which nginx logs.
    pub fn template(&mut self, text: &[u8]) -> Result<Template, ConfigError> {
        let mut value = self.copy(text)?;
        // SAFETY: all fields of both structures may be zero; the pool is the cycle's; nginx copies
        // what it keeps of `value`, whose bytes belong to the configuration.
        unsafe {
            let size = mem::size_of::<ngx_http_complex_value_t>();
            let place = ngx_palloc((*self.raw()).pool, size).cast::<ngx_http_complex_value_t>();
            let place = NonNull::new(place).ok_or(Failure::OutOfMemory)?;
            place.write(mem::zeroed());
            let mut compile: ngx_http_compile_complex_value_t = mem::zeroed();
            compile.cf = self.raw();
            compile.value = &raw mut value;
            compile.complex_value = place.as_ptr();
            if ngx_http_compile_complex_value(&raw mut compile) != NGX_OK as ngx_int_t {
                return Err(ConfigError::Logged);
            }
            Ok(Template {
                value: place,
                variable: variable_alone(text)
                    .map(|name| self.variable(name))
                    .transpose()?,
            })
        }
    }
}

/// The name of the variable, if the text is a variable and nothing else.
fn variable_alone(text: &[u8]) -> Option<&[u8]> {
    let name = text.strip_prefix(b"$")?;
    let in_braces = name
        .strip_prefix(b"{")
        .and_then(|name| name.strip_suffix(b"}"));
    let name = in_braces.unwrap_or(name);
    // A name that begins with a digit is a capture of a regular expression.
    let (first, rest) = name.split_first()?;
    let is_letter = |byte: &u8| byte.is_ascii_alphabetic() || *byte == b'_';
    let is_name = is_letter(first)
        && rest
            .iter()
            .all(|byte| is_letter(byte) || byte.is_ascii_digit());
    is_name.then_some(name)
}

impl Template {
    /// The text, if it has no variables.
    pub fn constant(&self) -> Option<Text<'_>> {
        // SAFETY: the value lives as long as its configuration, of which this is a part. Without
        // variables nginx leaves `lengths` NULL and the text in `value`.
        unsafe {
            let value = self.value.as_ref();
            value.lengths.is_null().then(|| Text::from_raw(value.value))
        }
    }

    /// The text with the values that the variables have for a request.
    ///
    /// # Errors
    /// nginx could not evaluate the text.
    pub fn evaluate<'r>(&self, request: Request<'r>) -> Result<Text<'r>, Failure> {
        // perf: nginx would copy the value, which takes 300 instructions more. The value of a
        // variable stays in place as long as the request.
        if let Some(variable) = self.variable {
            return Ok(request.variable(variable).unwrap_or(Text::from_static(b"")));
        }
        let mut text = ngx_str_t::empty();
        // SAFETY: the request is live, and so is the configuration that serves it.
        let code =
            unsafe { ngx_http_complex_value(request.raw(), self.value.as_ptr(), &raw mut text) };
        if code != NGX_OK as ngx_int_t {
            return Err(Failure::Evaluation);
        }
        // SAFETY: ngx_http_complex_value has made the text in the request's pool, or it is a
        // constant of the configuration.
        Ok(unsafe { Text::from_raw(text) })
    }
}
