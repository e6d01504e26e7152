//! An nginx HTTP module, described by a Rust type.

use super::directive::{Commands, Config, ConfigError, Directive, conf_error};
use super::fence::{guard, install_hook};
use super::log::Log;
use super::pool::own;
use super::text::Text;
use super::variable::Variable;
use nginx_sys::{
    NGX_ERROR, NGX_HTTP_MODULE, NGX_OK, ngx_conf_t, ngx_http_module_t, ngx_int_t, ngx_module_t,
    ngx_uint_t,
};
use std::cell::{OnceCell, UnsafeCell};
use std::ffi::{CStr, c_char, c_void};
use std::marker::PhantomData;
use std::ptr::{self, NonNull};

/// An nginx HTTP module: its directives, its configuration and its state for each request.
pub trait Module: Sized + 'static {
    /// One for each `http{}`. Only ever shared: what changes in it is in cells.
    type MainConf: Default + 'static;
    /// One for each `http`, `server`, `location`, `if` and `limit_except`.
    type LocationConf: Default + Inherit + 'static;
    /// State of one request in one location: an internal redirect and a subrequest begin with none.
    type RequestContext: 'static;
    /// State of a client's request, over internal redirects and for its subrequests, too.
    type ClientContext: Default + 'static;

    const DIRECTIVES: &'static [Directive<Self>];

    /// Before the directives of `http{}` are read: the place to add variables.
    fn preconfiguration(cf: &mut Config<'_>) -> Result<(), ConfigError>;

    /// After all of `http{}` was read and merged: the place to add phase handlers.
    fn postconfiguration(cf: &mut Config<'_>) -> Result<(), ConfigError>;
}

/// The main configuration of a module, and what the fence keeps with it.
pub(super) struct MainState<M: Module> {
    pub(super) conf: M::MainConf,
    /// Where a request has its [`Module::ClientContext`].
    pub(super) client_context: OnceCell<Variable>,
    /// Variables whose value depends on whether a request has a body. nginx keeps the values of variables for a
    /// request and its subrequests together, but our subrequests have no body and their parent may have one.
    pub(super) body_variables: OnceCell<[Variable; 3]>,
}

impl<M: Module> Default for MainState<M> {
    fn default() -> Self {
        Self {
            conf: M::MainConf::default(),
            client_context: OnceCell::new(),
            body_variables: OnceCell::new(),
        }
    }
}

/// How a configuration level takes what it does not say from the level around it. Destructure both, so that a
/// setting that is forgotten does not compile.
pub trait Inherit {
    /// Takes note of a directive of this level, before it is set. Nothing unless a module wants to
    /// tell apart levels that say different things.
    fn record(&mut self, _directive: Text<'_>, _args: &[Text<'_>]) {}

    /// Takes over what this level does not say.
    ///
    /// # Errors
    /// What only shows when a level and those around it are known.
    fn inherit(&mut self, outer: &Self, cf: &mut Config<'_>) -> Result<(), ConfigError>;
}

impl Inherit for () {
    fn inherit(&mut self, (): &Self, _: &mut Config<'_>) -> Result<(), ConfigError> {
        Ok(())
    }
}

/// A module with its place in the tables that nginx's loader reads.
pub trait Exported: Module {
    /// The names of all modules whose order among each other matters, in the order in which nginx must hold them.
    const ORDER: &'static [&'static CStr];

    fn descriptor() -> &'static Descriptor<Self>;
}

/// The `ngx_module_t` of a module. nginx writes the indices it assigns into it.
#[repr(transparent)]
pub struct Descriptor<M> {
    module: UnsafeCell<ngx_module_t>,
    of: PhantomData<fn() -> M>,
}

// SAFETY: nginx writes it from the one thread that reads the configuration, before worker processes exist; after
// that all only read.
unsafe impl<M> Sync for Descriptor<M> {}

impl<M: Exported> Descriptor<M> {
    const COMMANDS: &'static Commands = &Commands::new(M::DIRECTIVES);

    const CONTEXT: &'static ngx_http_module_t = &ngx_http_module_t {
        preconfiguration: Some(preconfiguration::<M>),
        postconfiguration: Some(postconfiguration::<M>),
        create_main_conf: Some(create_main_conf::<M>),
        init_main_conf: None,
        create_srv_conf: None,
        merge_srv_conf: None,
        create_loc_conf: Some(create_loc_conf::<M>),
        merge_loc_conf: Some(merge_loc_conf::<M>),
    };

    #[expect(
        clippy::new_without_default,
        reason = "a static is initialized with it, in const context"
    )]
    pub const fn new() -> Self {
        let module = ngx_module_t {
            ctx: ptr::from_ref(Self::CONTEXT).cast_mut().cast(),
            commands: Self::COMMANDS.as_ptr().cast_mut(),
            type_: NGX_HTTP_MODULE as ngx_uint_t,
            ..ngx_module_t::default()
        };
        Self {
            module: UnsafeCell::new(module),
            of: PhantomData,
        }
    }
}

impl<M> Descriptor<M> {
    /// The module's place among the configurations and request contexts of HTTP modules.
    pub(super) fn ctx_index(&self) -> usize {
        // SAFETY: nginx set it (ngx_count_modules) before it called any callback of the module.
        unsafe { (*self.module.get()).ctx_index }
    }

    /// For a table of modules.
    pub const fn as_ptr(&self) -> *mut ngx_module_t {
        self.module.get()
    }
}

unsafe extern "C" fn preconfiguration<M: Exported>(cf: *mut ngx_conf_t) -> ngx_int_t {
    install_hook();
    let keep_and_configure = |cf: &mut Config<'_>| {
        cf.keep_client_context::<M>()?;
        cf.find_body_variables::<M>()?;
        M::preconfiguration(cf)
    };
    // SAFETY: nginx calls with its live cf.
    unsafe { configure(cf, keep_and_configure) }
}

unsafe extern "C" fn postconfiguration<M: Exported>(cf: *mut ngx_conf_t) -> ngx_int_t {
    let check_and_configure = |cf: &mut Config<'_>| {
        check_order(cf, M::ORDER)?;
        M::postconfiguration(cf)
    };
    // SAFETY: nginx calls with its live cf.
    unsafe { configure(cf, check_and_configure) }
}

/// # Safety
/// `cf` is what nginx handed to a configuration callback.
unsafe fn configure(
    cf: *mut ngx_conf_t,
    body: impl FnOnce(&mut Config<'_>) -> Result<(), ConfigError>,
) -> ngx_int_t {
    // SAFETY: passed on from the caller.
    match unsafe { with_config(cf, body) } {
        result if result.is_null() => NGX_OK as ngx_int_t,
        _ => NGX_ERROR as ngx_int_t,
    }
}

/// # Safety
/// `cf` is what nginx handed to a configuration callback.
unsafe fn with_config(
    cf: *mut ngx_conf_t,
    body: impl FnOnce(&mut Config<'_>) -> Result<(), ConfigError>,
) -> *mut c_char {
    let Some(cf) = NonNull::new(cf) else {
        return conf_error();
    };
    // SAFETY: the reference ends with this call.
    let mut cf = unsafe { Config::from_raw(cf) };
    guard(cf.log(), conf_error(), || {
        let result = body(&mut cf);
        cf.finish(result)
    })
}

unsafe extern "C" fn create_main_conf<M: Exported>(cf: *mut ngx_conf_t) -> *mut c_void {
    // SAFETY: nginx calls with its live cf.
    unsafe { create::<MainState<M>>(cf) }
}

unsafe extern "C" fn create_loc_conf<M: Exported>(cf: *mut ngx_conf_t) -> *mut c_void {
    // SAFETY: nginx calls with its live cf.
    unsafe { create::<M::LocationConf>(cf) }
}

/// # Safety
/// `cf` is what nginx handed to a configuration callback.
unsafe fn create<C: Default>(cf: *mut ngx_conf_t) -> *mut c_void {
    // SAFETY: cf->log and cf->pool are the cycle's.
    let (log, pool) = unsafe { (Log::from_raw((*cf).log), (*cf).pool) };
    guard(log, ptr::null_mut(), || {
        // SAFETY: as above. nginx keeps the pool for as long as anything uses this configuration.
        unsafe { own(pool, C::default()) }.map_or(ptr::null_mut(), |conf| conf.as_ptr().cast())
    })
}

unsafe extern "C" fn merge_loc_conf<M: Exported>(
    cf: *mut ngx_conf_t,
    outer: *mut c_void,
    inner: *mut c_void,
) -> *mut c_char {
    let merge = |cf: &mut Config<'_>| {
        // SAFETY: nginx hands over two different configurations that create_loc_conf<M> made, and refers to
        // neither during the call (ngx_http_merge_servers, ngx_http_merge_locations).
        let (outer, inner) = unsafe {
            (
                &*outer.cast::<M::LocationConf>(),
                &mut *inner.cast::<M::LocationConf>(),
            )
        };
        inner.inherit(outer, cf)
    };
    // SAFETY: nginx calls with its live cf.
    unsafe { with_config(cf, merge) }
}

/// nginx puts a dynamic module where the table of orders says, if it has one; in another place our access handlers
/// would run at another time, or the built-in auth_request would take our directives, and nothing would tell.
fn check_order(cf: &Config<'_>, order: &[&CStr]) -> Result<(), ConfigError> {
    let mut last: Option<(usize, &CStr)> = None;
    // SAFETY: the cycle's modules are an array that ends with NULL, each with a name (ngx_cycle_modules,
    // ngx_load_module).
    let place = |name: &CStr| unsafe {
        let modules = (*(*cf.raw()).cycle).modules;
        (0..)
            .map(|i| (i, *modules.add(i)))
            .take_while(|(_, module)| !module.is_null())
            .find(|(_, module)| CStr::from_ptr((**module).name) == name)
            .map(|(i, _)| i)
    };
    for name in order {
        let Some(here) = place(name) else { continue };
        if let Some((before, other)) = last.filter(|&(before, _)| before > here) {
            return Err(ConfigError::message(format_args!(
                "module \"{}\" has to come before \"{}\", but is in place {before} after place {here}: load it \
                 as a dynamic module, or give nginx's configure the order that the file \"config\" names",
                other.to_string_lossy(),
                name.to_string_lossy(),
            )));
        }
        last = Some((here, name));
    }
    Ok(())
}
