//! The table of a module's directives, and the configuration that nginx is reading.

use super::conf_path;
use super::failure::Failure;
use super::fence::guard;
use super::log::{Line, Log};
use super::module::{Exported, Inherit as _, MainState, Module};
use super::net::Resolver;
use super::text::Text;
use nginx_sys::{
    NGX_CONF_BLOCK, NGX_HTTP_LOC_CONF_OFFSET, NGX_HTTP_MAIN_CONF_OFFSET, NGX_LOG_EMERG,
    NGX_LOG_WARN, ngx_command_t, ngx_conf_log_error, ngx_conf_t, ngx_core_conf_t, ngx_core_module,
    ngx_http_conf_ctx_t, ngx_parse_size, ngx_parse_time, ngx_pnalloc, ngx_str_t, ngx_uint_t,
};
use std::ffi::{CStr, c_char, c_void};
use std::fmt;
use std::marker::PhantomData;
use std::path::PathBuf;
use std::ptr::{self, NonNull};
use std::time::Duration;
use text::Quoted;

/// One directive: a row of the table.
pub struct Directive<M: Module> {
    pub name: &'static CStr,
    /// The levels where it may stand: a sum of constants of [`context`].
    pub contexts: u32,
    /// The number of its arguments: a constant of [`args`]. nginx checks it.
    pub args: u32,
    pub set: Set<M>,
}

/// The setter of a directive.
pub enum Set<M: Module> {
    /// A directive of `http{}`, for the whole configuration.
    Main(fn(&M::MainConf, &mut Config<'_>) -> Result<(), ConfigError>),
    /// A block of `http{}`, which the setter reads ([`Config::read_block`]).
    Block(fn(&M::MainConf, &mut Config<'_>) -> Result<(), ConfigError>),
    /// A directive that each level may set for itself.
    Location(fn(&mut M::LocationConf, &mut Config<'_>) -> Result<(), ConfigError>),
}

/// Levels of the configuration.
pub mod context {
    use nginx_sys as sys;
    pub const HTTP: u32 = sys::NGX_HTTP_MAIN_CONF;
    pub const SERVER: u32 = sys::NGX_HTTP_SRV_CONF;
    pub const LOCATION: u32 = sys::NGX_HTTP_LOC_CONF;
    pub const LIMIT_EXCEPT: u32 = sys::NGX_HTTP_LMT_CONF;
}

/// Numbers of arguments.
pub mod args {
    use nginx_sys as sys;
    pub const NONE_OR_ONE: u32 = sys::NGX_CONF_NOARGS | sys::NGX_CONF_TAKE1;
    pub const NO_MORE_THAN_TWO: u32 =
        sys::NGX_CONF_NOARGS | sys::NGX_CONF_TAKE1 | sys::NGX_CONF_TAKE2;
    pub const ONE: u32 = sys::NGX_CONF_TAKE1;
    pub const TWO: u32 = sys::NGX_CONF_TAKE2;
    pub const ONE_OR_MORE: u32 = sys::NGX_CONF_1MORE;
    pub const TWO_OR_MORE: u32 = sys::NGX_CONF_2MORE;
    pub const FLAG: u32 = sys::NGX_CONF_FLAG;
    pub const ONE_TO_THREE: u32 = sys::NGX_CONF_TAKE1 | sys::NGX_CONF_TAKE2 | sys::NGX_CONF_TAKE3;
    pub const ONE_OR_TWO: u32 = sys::NGX_CONF_TAKE1 | sys::NGX_CONF_TAKE2;
}

/// Why nginx does not start with a configuration.
#[derive(Debug)]
pub enum ConfigError {
    /// Text that nginx puts after `"name" directive`, such as `is duplicate`.
    Directive(&'static CStr),
    /// A whole message, to which nginx adds file and line.
    Message(String),
    /// nginx has logged the error.
    Logged,
}

impl ConfigError {
    pub fn message(message: impl fmt::Display) -> Self {
        Self::Message(message.to_string())
    }
}

impl From<Failure> for ConfigError {
    fn from(failure: Failure) -> Self {
        Self::Message(format!("nginx-auth: {failure}"))
    }
}

/// The configuration that nginx is reading, at one of its directives.
pub struct Config<'cf> {
    cf: NonNull<ngx_conf_t>,
    lifetime: PhantomData<&'cf mut ngx_conf_t>,
}

impl<'cf> Config<'cf> {
    /// # Safety
    /// `cf` is what nginx handed to a configuration callback, and `'cf` does not outlast that call.
    pub(super) unsafe fn from_raw(cf: NonNull<ngx_conf_t>) -> Self {
        Self {
            cf,
            lifetime: PhantomData,
        }
    }

    pub(super) fn raw(&self) -> *mut ngx_conf_t {
        self.cf.as_ptr()
    }

    /// The arguments of the directive.
    pub fn args(&self) -> Vec<Text<'cf>> {
        // SAFETY: while nginx sets a directive, cf->args holds its words (ngx_conf_read_token).
        // They belong to the cycle's pool, which outlives every request that this configuration
        // serves.
        unsafe {
            let words = (*(*self.raw()).args).as_slice::<ngx_str_t>();
            words
                .iter()
                .skip(1)
                .map(|word| Text::from_raw(*word))
                .collect()
        }
    }

    /// The main configuration of a module.
    pub fn main_conf<M: Exported>(&self) -> &'cf M::MainConf {
        &self.main_state::<M>().conf
    }

    pub(super) fn main_state<M: Exported>(&self) -> &'cf MainState<M> {
        let index = M::descriptor().ctx_index();
        // SAFETY: inside http{} cf->ctx is an ngx_http_conf_ctx_t whose main_conf has an entry for
        // each HTTP module (ngx_http_block), and create_main_conf<M> has made that of M.
        unsafe {
            let context = (*self.raw()).ctx.cast::<ngx_http_conf_ctx_t>();
            &*(*(*context).main_conf.add(index)).cast::<MainState<M>>()
        }
    }

    /// The argument of a directive that takes one. nginx has checked the number (ngx_conf_handler).
    pub fn argument(&self) -> Text<'cf> {
        self.first_argument().0
    }

    /// The first argument and the others. nginx has checked that there is one (ngx_conf_handler).
    pub fn first_argument(&self) -> (Text<'cf>, Vec<Text<'cf>>) {
        let mut args = self.args().into_iter();
        let first = args.next().unwrap_or(Text::from_static(b""));
        (first, args.collect())
    }

    /// The error for a value that the directive does not take. `must` says what it takes, as in `it
    /// must be "on" or "off"`.
    pub fn invalid_value(&self, value: &[u8], must: &str) -> ConfigError {
        self.invalid("value", value, must)
    }

    /// The error for a parameter, such as `stale=1h`, that the directive does not have. `must` says
    /// which it has, as for [`invalid_value`](Self::invalid_value).
    pub fn invalid_parameter(&self, parameter: &[u8], must: &str) -> ConfigError {
        self.invalid("parameter", parameter, must)
    }

    /// The error for a part of the directive, such as "operator", that is wrong.
    pub fn invalid(&self, part: &str, text: &[u8], must: &str) -> ConfigError {
        ConfigError::message(format_args!(
            "invalid {part} {} in \"{}\" directive, {must}",
            Quoted::whole(text),
            String::from_utf8_lossy(&self.directive())
        ))
    }

    /// The argument, which is `on` or `off`.
    ///
    /// # Errors
    /// [`invalid_value`](Self::invalid_value)
    pub fn flag(&self) -> Result<bool, ConfigError> {
        let value = self.argument();
        match value.to_ascii_lowercase().as_slice() {
            b"on" => Ok(true),
            b"off" => Ok(false),
            _ => Err(self.invalid_value(&value, "it must be \"on\" or \"off\"")),
        }
    }

    /// The argument, which is a size or `off`, in bytes.
    ///
    /// # Errors
    /// [`invalid_value`](Self::invalid_value)
    pub fn size_or_off(&self) -> Result<Option<usize>, ConfigError> {
        match self.argument() {
            off if &*off == b"off" => Ok(None),
            size => match self.size(&size) {
                Ok(bytes) => Ok(Some(bytes)),
                Err(_) => Err(self.invalid_value(&size, "it must be a size or \"off\"")),
            },
        }
    }

    /// The name of the directive.
    pub fn directive(&self) -> Text<'cf> {
        // SAFETY: as for `args`.
        let words = unsafe { (*(*self.raw()).args).as_slice::<ngx_str_t>() };
        let name = words.first().copied().unwrap_or(ngx_str_t::empty());
        // SAFETY: as for `args`.
        unsafe { Text::from_raw(name) }
    }

    /// What [`time`](Self::time) takes.
    pub const TIME: &'static str = "it must be a time, as in 10m or 500ms";

    /// A time in nginx's form: `10`, `10s`, `1m 30s`, `500ms`.
    ///
    /// # Errors
    /// [`invalid_value`](Self::invalid_value)
    pub fn time(&self, value: &[u8]) -> Result<Duration, ConfigError> {
        let mut text = self.copy(value)?;
        // SAFETY: nginx only reads the text.
        let milliseconds = unsafe { ngx_parse_time(&raw mut text, 0) };
        u64::try_from(milliseconds)
            .map(Duration::from_millis)
            .map_err(|_| self.invalid_value(value, Self::TIME))
    }

    /// What [`seconds`](Self::seconds) takes.
    pub const SECONDS: &'static str = "it must be a time in whole seconds, as in 30s or 1h";

    /// A time in nginx's form for whole seconds: `10`, `10s`, `1m 30s`, `1M`.
    ///
    /// # Errors
    /// [`invalid_value`](Self::invalid_value)
    pub fn seconds(&self, value: &[u8]) -> Result<Duration, ConfigError> {
        let mut text = self.copy(value)?;
        // SAFETY: nginx only reads the text.
        let seconds = unsafe { ngx_parse_time(&raw mut text, 1) };
        u64::try_from(seconds)
            .map(Duration::from_secs)
            .map_err(|_| self.invalid_value(value, Self::SECONDS))
    }

    /// A size in nginx's form, in bytes: `512`, `64k`, `4m`.
    ///
    /// # Errors
    /// `"name" directive invalid value`, nginx's own words.
    pub fn size(&self, text: &[u8]) -> Result<usize, ConfigError> {
        let mut text = self.copy(text)?;
        // SAFETY: nginx only reads the text.
        let bytes = unsafe { ngx_parse_size(&raw mut text) };
        usize::try_from(bytes).map_err(|_| ConfigError::Directive(c"invalid value"))
    }

    /// Name servers, by the arguments of nginx's own directive `resolver`.
    ///
    /// # Errors
    /// Those of nginx, which it has logged.
    pub fn resolver(&mut self) -> Result<Resolver, ConfigError> {
        let args: Vec<_> = self.args().iter().map(|arg| arg.raw()).collect();
        // SAFETY: nginx handed cf to a callback; the words of the directive belong to the cycle.
        unsafe { Resolver::create(self.raw(), &args) }.ok_or(ConfigError::Logged)
    }

    /// A path, relative to the folder of nginx.conf.
    pub fn path(&self, path: &[u8]) -> PathBuf {
        // SAFETY: cf->cycle is the cycle that is being made, and nginx has set its conf_prefix
        // before it reads the file (ngx_init_cycle).
        let prefix = unsafe { (*(*self.raw()).cycle).conf_prefix };
        conf_path::join(prefix, path)
    }

    /// The user of the worker processes, by the directive `user`. None if that stands behind
    /// `http{}`, or if nginx is not started by root.
    pub fn worker_user(&self) -> Option<u32> {
        // SAFETY: cycle->conf_ctx has an entry for each module, and nginx has made the core
        // module's before it reads the file (ngx_core_module_create_conf in ngx_init_cycle).
        let user = unsafe {
            let core = (*(*self.raw()).cycle).conf_ctx.add(ngx_core_module.index);
            (*(*core).cast::<ngx_core_conf_t>()).user
        };
        // NGX_CONF_UNSET_UINT, cut to the size of a uid_t.
        (user != u32::MAX).then_some(user)
    }

    /// File and line of the directive, in nginx's form.
    pub fn position(&self) -> String {
        // SAFETY: cf->conf_file is NULL, or the file being read with its name.
        match unsafe { (*self.raw()).conf_file.as_ref() } {
            Some(file) => {
                let name = String::from_utf8_lossy(file.file.name.as_bytes()).into_owned();
                format!("{name}:{}", file.line)
            }
            None => "command line".into(),
        }
    }

    /// Logs a `[warn]`, to which nginx adds file and line.
    pub fn warn(&self, message: fmt::Arguments<'_>) {
        self.write(NGX_LOG_WARN, message);
    }

    /// A copy in the configuration's pool. A NUL follows it, which nginx's parsers of values need.
    pub(super) fn copy(&self, bytes: &[u8]) -> Result<ngx_str_t, Failure> {
        // SAFETY: cf->pool is the cycle's pool; NULL is checked, and the copy fits what was
        // allocated.
        unsafe {
            let data = ngx_pnalloc((*self.raw()).pool, bytes.len() + 1).cast::<u8>();
            if data.is_null() {
                return Err(Failure::OutOfMemory);
            }
            ptr::copy_nonoverlapping(bytes.as_ptr(), data, bytes.len());
            data.add(bytes.len()).write(0);
            Ok(ngx_str_t {
                len: bytes.len(),
                data,
            })
        }
    }

    pub(super) fn log(&self) -> Log<'cf> {
        // SAFETY: cf->log is the log of the cycle that is being made.
        unsafe { Log::from_raw((*self.raw()).log) }
    }

    /// The result of a callback in nginx's form: NGX_CONF_OK, NGX_CONF_ERROR, or the text of the
    /// error.
    pub(super) fn finish(&self, result: Result<(), ConfigError>) -> *mut c_char {
        match result {
            Ok(()) => ptr::null_mut(),
            Err(ConfigError::Directive(words)) => words.as_ptr().cast_mut(),
            Err(ConfigError::Message(message)) => {
                self.write(NGX_LOG_EMERG, format_args!("{message}"));
                conf_error()
            }
            Err(ConfigError::Logged) => conf_error(),
        }
    }

    fn write(&self, level: u32, message: fmt::Arguments<'_>) {
        let line = Line::new(message);
        // SAFETY: cf is live, and "%*s" takes a size_t and a pointer to that many bytes.
        unsafe {
            ngx_conf_log_error(
                level as ngx_uint_t,
                self.raw(),
                0,
                c"%*s".as_ptr(),
                line.0.len(),
                line.0.as_ptr(),
            );
        }
    }
}

/// A configuration whose levels nginx has merged, so that nothing changes them any more.
pub struct MergedConfig<'c, 'cf> {
    pub(super) config: &'c Config<'cf>,
}

impl<'c, 'cf> MergedConfig<'c, 'cf> {
    /// # Safety
    /// nginx has called postconfiguration with this configuration.
    pub(super) unsafe fn new(config: &'c Config<'cf>) -> Self {
        Self { config }
    }

    /// Logs a `[warn]`, to which nginx adds file and line.
    pub fn warn(&self, message: fmt::Arguments<'_>) {
        self.config.warn(message);
    }
}

/// NGX_CONF_ERROR
pub(super) fn conf_error() -> *mut c_char {
    ptr::without_provenance_mut(usize::MAX)
}

/// nginx's table of a module's commands. An empty command ends it.
pub(super) struct Commands([ngx_command_t; Self::CAPACITY]);

impl Commands {
    const CAPACITY: usize = 40;

    pub(super) const fn new<M: Exported>(rows: &'static [Directive<M>]) -> Self {
        assert!(
            rows.len() < Self::CAPACITY,
            "more directives than Commands::CAPACITY"
        );
        let mut table = [const { ngx_command_t::empty() }; Self::CAPACITY];
        let mut i = 0;
        while i < rows.len() {
            table[i] = command(&rows[i]);
            i += 1;
        }
        Self(table)
    }

    pub(super) const fn as_ptr(&self) -> *const ngx_command_t {
        self.0.as_ptr()
    }
}

const fn command<M: Exported>(row: &'static Directive<M>) -> ngx_command_t {
    let name = row.name.to_bytes();
    ngx_command_t {
        name: ngx_str_t {
            len: name.len(),
            data: name.as_ptr().cast_mut(),
        },
        type_: match row.set {
            Set::Block(_) => (row.contexts | row.args | NGX_CONF_BLOCK) as ngx_uint_t,
            Set::Main(_) | Set::Location(_) => (row.contexts | row.args) as ngx_uint_t,
        },
        set: Some(set::<M>),
        conf: match row.set {
            Set::Main(_) | Set::Block(_) => NGX_HTTP_MAIN_CONF_OFFSET,
            Set::Location(_) => NGX_HTTP_LOC_CONF_OFFSET,
        },
        offset: 0,
        post: ptr::from_ref(row).cast_mut().cast::<c_void>(),
    }
}

/// nginx calls it for each directive of the module (ngx_conf_handler).
unsafe extern "C" fn set<M: Exported>(
    cf: *mut ngx_conf_t,
    command: *mut ngx_command_t,
    conf: *mut c_void,
) -> *mut c_char {
    let Some(cf) = NonNull::new(cf) else {
        return conf_error();
    };
    // SAFETY: nginx calls with its live cf; the reference ends with this call.
    let mut cf = unsafe { Config::from_raw(cf) };
    // SAFETY: nginx hands back an entry of COMMANDS, whose `post` is the row that it was made
    // of.
    let row = unsafe { &*(*command).post.cast::<Directive<M>>() };
    guard(cf.log(), conf_error(), || {
        #[cfg(feature = "fault-injection")]
        super::fence::fault_injection::panic_in_directive(
            &cf.args().iter().map(|a| &**a).collect::<Vec<_>>(),
        );
        let result = match row.set {
            Set::Main(set) | Set::Block(set) => {
                // SAFETY: create_main_conf<M> has made conf; it is only ever shared.
                let state = unsafe { &*conf.cast::<MainState<M>>() };
                set(&state.conf, &mut cf)
            }
            Set::Location(set) => {
                // SAFETY: create_loc_conf<M> has made conf for this level, and while nginx sets a
                // directive, no other code of this module runs that could refer to it.
                let conf = unsafe { &mut *conf.cast::<M::LocationConf>() };
                conf.record(cf.directive(), &cf.args());
                set(conf, &mut cf)
            }
        };
        cf.finish(result)
    })
}
