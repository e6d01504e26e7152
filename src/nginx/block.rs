//! Block directives: a directive with directives of its own between braces, as `upstream` is.

use super::directive::{Config, ConfigError, conf_error};
use super::fence::guard;
use nginx_sys::{
    NGX_CONF_1MORE, NGX_CONF_2MORE, NGX_CONF_FLAG, ngx_command_t, ngx_conf_include, ngx_conf_parse,
    ngx_conf_t,
};
use std::ffi::{CStr, c_char, c_void};
use std::ptr::{self, NonNull};
use text::Quoted;

/// What the directives in a block say.
pub trait ConfigBlock: Default + 'static {
    const MEMBERS: &'static [Member<Self>];
}

/// A directive in a block: a row of [`ConfigBlock::MEMBERS`].
pub struct Member<B> {
    pub name: &'static CStr,
    /// The number of its arguments: a constant of [`args`](super::args).
    pub args: u32,
    /// The setter. It refuses a directive that is there twice, as those of a level do.
    pub set: fn(&mut B, &mut Config<'_>) -> Result<(), ConfigError>,
}

impl Config<'_> {
    /// Reads the block of the directive, up to its closing brace. The arguments of the directive
    /// itself have to be taken before: nginx puts those of the directives inside into their place.
    /// `include` works as it does elsewhere, and there are no blocks in the block.
    ///
    /// # Errors
    /// That of a directive inside, which was logged.
    pub fn read_block<B: ConfigBlock>(&mut self) -> Result<B, ConfigError> {
        let mut block = B::default();
        // SAFETY: nginx calls the setter of a directive with NGX_CONF_BLOCK where it has read the
        // opening brace, and ngx_conf_parse goes on from there. It hands each directive to
        // cf->handler, with cf->handler_conf, which points to `block` for as long. Putting the
        // structure back is what nginx's own blocks do (ngx_http_map_block).
        let result = unsafe {
            let cf = self.raw();
            let saved = *cf;
            (*cf).handler = Some(set_member::<B>);
            (*cf).handler_conf = (&raw mut block).cast();
            let result = ngx_conf_parse(cf, ptr::null_mut());
            *cf = saved;
            result
        };
        match result.is_null() {
            true => Ok(block),
            false => Err(ConfigError::Logged),
        }
    }
}

/// nginx calls it for each directive in the block (ngx_conf_parse).
unsafe extern "C" fn set_member<B: ConfigBlock>(
    cf: *mut ngx_conf_t,
    command: *mut ngx_command_t,
    block: *mut c_void,
) -> *mut c_char {
    let Some(config) = NonNull::new(cf) else {
        return conf_error();
    };
    // SAFETY: nginx calls with its live cf; the reference ends with this call.
    let mut config = unsafe { Config::from_raw(config) };
    guard(config.log(), conf_error(), || {
        let words = config.args().len();
        if &*config.directive() == b"include" && words == 1 {
            // SAFETY: nginx's own blocks do so (ngx_http_map): it reads cf->args, and hands the
            // directives of the file to this function again, while no reference to the block is
            // alive.
            return unsafe { ngx_conf_include(cf, command, block) };
        }
        // SAFETY: read_block::<B> has put the address of its `B` into cf->handler_conf, and waits
        // for ngx_conf_parse. No other call of this function is under way: those of an included
        // file have returned.
        let block = unsafe { &mut *block.cast::<B>() };
        #[cfg(feature = "fault-injection")]
        super::fence::fault_injection::panic_in_directive(
            &config.args().iter().map(|a| &**a).collect::<Vec<_>>(),
        );
        let result = find_and_set(block, &mut config);
        // nginx puts the name in front of such words for directives outside of blocks only.
        let result = result.map_err(|error| match error {
            ConfigError::Directive(words) => ConfigError::message(format_args!(
                "{} directive {}",
                Quoted::whole(config.directive()),
                words.to_string_lossy()
            )),
            error => error,
        });
        config.finish(result)
    })
}

fn find_and_set<B: ConfigBlock>(block: &mut B, config: &mut Config<'_>) -> Result<(), ConfigError> {
    let name = config.directive();
    let member = B::MEMBERS
        .iter()
        .find(|member| member.name.to_bytes() == &*name);
    let Some(member) = member else {
        let names: Vec<_> = B::MEMBERS
            .iter()
            .map(|member| member.name.to_string_lossy())
            .collect();
        return Err(ConfigError::message(format_args!(
            "unknown directive {} in this block, which may have: {}",
            Quoted::whole(name),
            names.join(", ")
        )));
    };
    match takes(member.args, config.args().len()) {
        true => (member.set)(block, config),
        false => Err(ConfigError::message(format_args!(
            "invalid number of arguments in {} directive",
            Quoted::whole(name)
        ))),
    }
}

/// Whether a directive takes so many arguments (ngx_conf_handler).
fn takes(args: u32, count: usize) -> bool {
    // NGX_CONF_NOARGS is 1, NGX_CONF_TAKE1 is 2, and so on to NGX_CONF_TAKE7.
    const MAX_COUNTED: usize = 7;
    match args {
        _ if args & NGX_CONF_FLAG != 0 => count == 1,
        _ if args & NGX_CONF_1MORE != 0 => count >= 1,
        _ if args & NGX_CONF_2MORE != 0 => count >= 2,
        _ => count <= MAX_COUNTED && args & (1 << count) != 0,
    }
}
