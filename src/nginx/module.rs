//! HTTP modules of nginx, each described by a Rust type: this file makes the tables and callbacks
//! that nginx needs out of it.

use super::directive::{Commands, Config, ConfigError, Directive, MergedConfig, conf_error};
use super::fence::{guard, install_hook};
use super::log::Log;
use super::net;
use super::pool::own;
use super::text::Text;
use super::variable::{Definition, Variable};
use nginx_sys::{
    NGX_ERROR, NGX_HTTP_MODULE, NGX_OK, ngx_conf_t, ngx_cycle_t, ngx_http_conf_ctx_t,
    ngx_http_module, ngx_http_module_t, ngx_int_t, ngx_module_t, ngx_uint_t,
};
use std::cell::{Cell, OnceCell, RefCell, UnsafeCell};
use std::ffi::{CStr, c_char, c_void};
use std::marker::PhantomData;
use std::ptr::{self, NonNull};
use text::Quoted;

/// An nginx HTTP module: its directives, its configuration and its state for each request.
pub trait Module: Sized + 'static {
    /// The configuration of `http{}`. It is only ever shared, so whatever changes in it is in a
    /// cell.
    type MainConf: Default + 'static;
    /// The configuration of one level: `http`, `server`, `location`, `if` or `limit_except`.
    type LocationConf: Default + Inherit + 'static;
    /// The state of a request in one location. It is empty after an internal redirect, and in a
    /// subrequest.
    type RequestContext: 'static;
    /// The state of a client's request. It outlives internal redirects, and subrequests share it.
    type ClientContext: Default + 'static;

    const DIRECTIVES: &'static [Directive<Self>];

    /// Called before nginx reads the directives of `http{}`: variables are added here, or
    /// [later](Config::preconfigure_late).
    ///
    /// # Errors
    /// nginx does not start with the configuration.
    fn preconfiguration(_cf: &mut Config<'_>) -> Result<(), ConfigError> {
        Ok(())
    }

    /// Called when nginx has read `http{}` and merged its levels: phase handlers are added here.
    ///
    /// # Errors
    /// nginx does not start with the configuration.
    fn postconfiguration(cf: &mut Config<'_>) -> Result<(), ConfigError>;

    /// Called after that: a place for warnings about the configuration as a whole.
    fn check(_cf: &MergedConfig<'_, '_>) {}

    /// Called in each worker process, before it serves a request: a place to start tasks
    /// ([`net::spawn`]).
    fn start_worker(_conf: &Self::MainConf) {}
}

/// The main configuration of a module, and what the fence keeps beside it.
pub(super) struct MainState<M: Module> {
    pub(super) conf: M::MainConf,
    /// The variable whose entry in a request holds its [`Module::ClientContext`].
    pub(super) client_context: OnceCell<Variable>,
    /// The variables whose value depends on the body of the request. nginx caches values for a
    /// request and its subrequests together, but a check has no body where the client's request may
    /// have one.
    pub(super) body_variables: OnceCell<[Variable; 3]>,
    /// The variables that the module has defined.
    pub(super) definitions: RefCell<Vec<Definition>>,
    /// Those of them that the configuration refers to.
    pub(super) own_variables: OnceCell<Box<[Variable]>>,
    /// How many panics there had been when the caches in `conf` were emptied last.
    pub(super) panics_seen: Cell<usize>,
}

impl<M: Module> Default for MainState<M> {
    fn default() -> Self {
        Self {
            conf: M::MainConf::default(),
            client_context: OnceCell::new(),
            body_variables: OnceCell::new(),
            definitions: RefCell::default(),
            own_variables: OnceCell::new(),
            panics_seen: Cell::new(0),
        }
    }
}

/// How a level of the configuration takes values from the level around it. An implementation
/// destructures `Self`, so that a forgotten field does not compile.
pub trait Inherit {
    /// Called for each directive of this level, before its setter. A module overrides it if it has
    /// to tell levels apart by what they say.
    fn record(&mut self, _directive: Text<'_>, _args: &[Text<'_>]) {}

    /// Takes over the values that this level does not set. Called once, after all directives were
    /// read.
    ///
    /// # Errors
    /// Whatever is wrong with the level as a whole.
    fn inherit(&mut self, outer: &Self, cf: &mut Config<'_>) -> Result<(), ConfigError>;
}

impl Inherit for () {
    fn inherit(&mut self, (): &Self, _: &mut Config<'_>) -> Result<(), ConfigError> {
        Ok(())
    }
}

/// A module that nginx's loader finds.
pub trait Exported: Module {
    /// The module's own.
    fn descriptor() -> &'static Descriptor<Self>;
}

/// The `ngx_module_t` of a module. nginx writes the indices that it assigns into it.
// nginx reads a pointer to it as a pointer to the ngx_module_t.
#[repr(C)]
pub struct Descriptor<M> {
    module: UnsafeCell<ngx_module_t>,
    /// The names of the modules whose order matters: this one comes before all that follow it.
    order: &'static [&'static CStr],
    marker: PhantomData<fn() -> M>,
}

// SAFETY: nginx writes to an ngx_module_t only while it reads the configuration (ngx_add_module,
// ngx_count_modules), in one thread and before worker processes exist. After that it is only read.
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

    /// Describes the module `M`, which must come before all modules that follow it in `order`.
    pub const fn new(order: &'static [&'static CStr]) -> Self {
        let module = ngx_module_t {
            ctx: ptr::from_ref(Self::CONTEXT).cast_mut().cast(),
            commands: Self::COMMANDS.as_ptr().cast_mut(),
            type_: NGX_HTTP_MODULE as ngx_uint_t,
            init_module: Some(replace_configuration),
            init_process: Some(start_process::<M>),
            exit_process: Some(exit_process),
            ..ngx_module_t::default()
        };
        Self {
            module: UnsafeCell::new(module),
            order,
            marker: PhantomData,
        }
    }
}

impl<M> Descriptor<M> {
    /// The index of the module's configuration and request context (`ctx_index`).
    pub(super) fn ctx_index(&self) -> usize {
        // SAFETY: nginx set it (ngx_count_modules) before it called any callback of the module.
        unsafe { (*self.module.get()).ctx_index }
    }

    /// The pointer for a table of modules.
    pub const fn as_ptr(&self) -> *mut ngx_module_t {
        self.module.get()
    }
}

unsafe extern "C" fn preconfiguration<M: Exported>(cf: *mut ngx_conf_t) -> ngx_int_t {
    install_hook();
    let reserve_and_configure = |cf: &mut Config<'_>| {
        // perf: an entry of its variables less for each request.
        if size_of::<M::ClientContext>() > 0 {
            cf.reserve_client_context::<M>()?;
        }
        cf.find_body_variables::<M>()?;
        M::preconfiguration(cf)
    };
    // SAFETY: ngx_http_block calls with its live cf.
    unsafe { configure(cf, reserve_and_configure) }
}

unsafe extern "C" fn postconfiguration<M: Exported>(cf: *mut ngx_conf_t) -> ngx_int_t {
    let check_and_configure = |cf: &mut Config<'_>| {
        check_order::<M>(cf)?;
        M::postconfiguration(cf)?;
        // SAFETY: ngx_http_block calls postconfiguration with it.
        M::check(&unsafe { MergedConfig::new(cf) });
        Ok(())
    };
    // SAFETY: ngx_http_block calls with its live cf.
    unsafe { configure(cf, check_and_configure) }
}

/// # Safety
/// `cf` is what nginx handed to a configuration callback.
unsafe fn configure(
    cf: *mut ngx_conf_t,
    body: impl FnOnce(&mut Config<'_>) -> Result<(), ConfigError>,
) -> ngx_int_t {
    // SAFETY: the caller promises that nginx handed `cf` to a configuration callback.
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
    // SAFETY: the caller promises that nginx handed `cf` to a configuration callback; the reference
    // ends with this call.
    let mut cf = unsafe { Config::from_raw(cf) };
    guard(cf.log(), conf_error(), || {
        let result = body(&mut cf);
        cf.finish(result)
    })
}

unsafe extern "C" fn create_main_conf<M: Exported>(cf: *mut ngx_conf_t) -> *mut c_void {
    // SAFETY: ngx_http_block calls with its live cf.
    unsafe { create::<MainState<M>>(cf) }
}

unsafe extern "C" fn create_loc_conf<M: Exported>(cf: *mut ngx_conf_t) -> *mut c_void {
    // SAFETY: nginx calls with its live cf (ngx_http_block, ngx_http_core_server,
    // ngx_http_core_location).
    unsafe { create::<M::LocationConf>(cf) }
}

/// # Safety
/// `cf` is what nginx handed to a configuration callback.
unsafe fn create<C: Default>(cf: *mut ngx_conf_t) -> *mut c_void {
    // SAFETY: cf is live, and its log and its pool are the cycle's (ngx_init_cycle).
    let (log, pool) = unsafe { (Log::from_raw((*cf).log), (*cf).pool) };
    guard(log, ptr::null_mut(), || {
        // SAFETY: cf->pool is the cycle's. The pool lives as long as this configuration is in use.
        unsafe { own(pool, C::default()) }.map_or(ptr::null_mut(), |conf| conf.as_ptr().cast())
    })
}

unsafe extern "C" fn merge_loc_conf<M: Exported>(
    cf: *mut ngx_conf_t,
    outer: *mut c_void,
    inner: *mut c_void,
) -> *mut c_char {
    let merge = |cf: &mut Config<'_>| {
        // SAFETY: nginx hands over two different configurations that create_loc_conf<M> has made,
        // and uses neither during the call (ngx_http_merge_servers, ngx_http_merge_locations).
        let (outer, inner) = unsafe {
            (
                &*outer.cast::<M::LocationConf>(),
                &mut *inner.cast::<M::LocationConf>(),
            )
        };
        inner.inherit(outer, cf)
    };
    // SAFETY: nginx calls with its live cf (ngx_http_merge_servers, ngx_http_merge_locations).
    unsafe { with_config(cf, merge) }
}

/// nginx calls it with each new configuration, before it gives the old one up (ngx_init_cycle). A
/// process that has tasks then is both master and worker ("master_process off"), and their
/// configuration is the old one. nginx calls no `init_process` for the new one, nor does it serve
/// requests any more.
unsafe extern "C" fn replace_configuration(_: *mut ngx_cycle_t) -> ngx_int_t {
    net::drop_tasks();
    NGX_OK as ngx_int_t
}

/// nginx calls it when a process starts that handles events (ngx_worker_process_init,
/// ngx_single_process_cycle).
unsafe extern "C" fn start_process<M: Exported>(cycle: *mut ngx_cycle_t) -> ngx_int_t {
    // SAFETY: the log is used during this call only.
    let log = unsafe { Log::of_cycle() };
    guard(log, NGX_ERROR as ngx_int_t, || {
        if net::start_tasks() {
            // SAFETY: nginx hands over the cycle that the process serves.
            let state = unsafe { main_state_of::<M>(cycle) };
            if let Some(state) = state {
                M::start_worker(&state.conf);
            }
        }
        NGX_OK as ngx_int_t
    })
}

/// nginx calls it before a worker exits, and frees the configuration afterwards
/// (ngx_worker_process_exit, ngx_single_process_cycle).
unsafe extern "C" fn exit_process(_: *mut ngx_cycle_t) {
    net::drop_tasks();
}

/// The main configuration in a cycle. None if that has no `http{}`.
///
/// # Safety
/// `cycle` points to a cycle that nginx has made, and that outlives `'c`.
unsafe fn main_state_of<'c, M: Exported>(cycle: *const ngx_cycle_t) -> Option<&'c MainState<M>> {
    // SAFETY: conf_ctx has an entry for each module; that of the HTTP module is NULL, or an
    // ngx_http_conf_ctx_t whose main_conf has an entry for each HTTP module (ngx_http_block), and
    // create_main_conf<M> has made that of M.
    unsafe {
        let context = *(*cycle).conf_ctx.add(ngx_http_module.index);
        let context = context.cast::<ngx_http_conf_ctx_t>().as_ref()?;
        let state = *context.main_conf.add(M::descriptor().ctx_index());
        state.cast::<MainState<M>>().as_ref()
    }
}

/// Checks that the module comes before all that follow it in `order`. nginx places a dynamic module
/// by the table of orders in its library, if it has one. In another place the access handlers of
/// this module would run at another time, or a built-in module would get its directives, both
/// without a message.
fn check_order<M: Exported>(cf: &Config<'_>) -> Result<(), ConfigError> {
    let Descriptor { module, order, .. } = M::descriptor();
    // SAFETY: nginx has set the name when it loaded the module (ngx_load_module), or its build did
    // (ngx_preinit_modules).
    let name = unsafe { CStr::from_ptr((*module.get()).name) };
    // SAFETY: the cycle's modules are an array that ends with NULL, each with a name
    // (ngx_cycle_modules, ngx_load_module).
    let position_of = |name: &CStr| unsafe {
        let modules = (*(*cf.raw()).cycle).modules;
        (0..)
            .map(|i| (i, *modules.add(i)))
            .take_while(|(_, module)| !module.is_null())
            .find(|(_, module)| CStr::from_ptr((**module).name) == name)
            .map(|(i, _)| i)
    };
    let own_position = position_of(name);
    let followers = order.iter().skip_while(|other| **other != name).skip(1);
    for follower in followers {
        if let (Some(own), Some(position)) = (own_position, position_of(follower))
            && own > position
        {
            return Err(ConfigError::message(format_args!(
                "module {} must come before {} in nginx's list of modules, but has position {own} \
                 after position {position}: load it as a dynamic module, or build nginx with the \
                 module order in the file \"config\"",
                Quoted::whole(name.to_bytes()),
                Quoted::whole(follower.to_bytes()),
            )));
        }
    }
    Ok(())
}
