//! Variables: those of ours that nginx reads, and those of others that we read and set.

use super::directive::{Config, ConfigError};
use super::failure::Failure;
use super::fence::guard;
use super::module::Exported;
use super::pool::own;
use super::request::Request;
use super::shim::{forget_value, set_not_found, set_value, value_text};
use super::text::Text;
use nginx_sys::{
    NGX_ERROR, NGX_HTTP_VAR_CHANGEABLE, NGX_HTTP_VAR_NOCACHEABLE, NGX_HTTP_VAR_NOHASH,
    NGX_HTTP_VAR_PREFIX, NGX_OK, ngx_http_add_variable, ngx_http_get_flushed_variable,
    ngx_http_get_variable_index, ngx_http_request_t, ngx_http_set_variable_pt,
    ngx_http_variable_value_t, ngx_int_t, ngx_str_t, ngx_uint_t,
};
use std::ffi::CStr;

/// A family of variables with a common prefix, as nginx's own `$arg_<name>`.
pub trait PrefixVariable: 'static {
    /// The module it belongs to. If [`get`](Self::get) panics, that module's access handler refuses the request.
    type Module: Exported;

    /// The prefix, in lower case.
    const PREFIX: &'static CStr;

    /// The value of the variable with this name behind the prefix; nginx turns names into lower case.
    fn get<'r>(request: Request<'r>, name: &[u8]) -> Result<Option<Text<'r>>, Failure>;
}

/// Gives the value of a variable for a request, from what was said when it was defined.
pub type Getter<D> = for<'r> fn(Request<'r>, &D) -> Result<Option<Text<'r>>, Failure>;

struct Definition<D> {
    data: D,
    get: Getter<D>,
}

/// A variable that the configuration refers to by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variable {
    pub(super) index: usize,
}

/// A variable that a directive gives a value, as nginx's own `set` does.
#[derive(Clone, Copy)]
pub struct AssignableVariable {
    index: usize,
    setter: ngx_http_set_variable_pt,
}

/// A variable of ours that has no value until it is set, and keeps what it is set to over internal redirects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModuleVariable(Variable);

impl Config<'_> {
    /// Adds a family of variables.
    pub fn add_prefix_variable<V: PrefixVariable>(&mut self) -> Result<(), ConfigError> {
        let mut name = ngx_str_t {
            len: V::PREFIX.count_bytes(),
            data: V::PREFIX.as_ptr().cast_mut().cast(),
        };
        let flags = NGX_HTTP_VAR_PREFIX | NGX_HTTP_VAR_NOCACHEABLE;
        // SAFETY: nginx copies the name; the variable it returns is its own until variables are initialized.
        unsafe {
            let variable = ngx_http_add_variable(self.raw(), &raw mut name, flags as ngx_uint_t);
            let variable = variable.as_mut().ok_or(ConfigError::Logged)?;
            variable.get_handler = Some(get_prefixed::<V>);
        }
        Ok(())
    }

    /// Defines a variable with a value of its own for each request.
    ///
    /// # Errors
    /// `the duplicate "name" variable` where there is one already. nginx itself would hand over one that `set` or `map`
    /// have defined, and then keep its first value for the whole request.
    pub fn define_variable<M: Exported, D: 'static>(
        &mut self,
        name: &[u8],
        data: D,
        get: Getter<D>,
    ) -> Result<(), ConfigError> {
        let mut name = self.copy(name)?;
        // SAFETY: the pool is the cycle's, which lives as long as the variable; nginx copies the name.
        unsafe {
            let definition = own((*self.raw()).pool, Definition { data, get })?;
            let flags = NGX_HTTP_VAR_NOCACHEABLE as ngx_uint_t;
            let variable = ngx_http_add_variable(self.raw(), &raw mut name, flags);
            let variable = variable.as_mut().ok_or(ConfigError::Logged)?;
            if variable.flags & NGX_HTTP_VAR_CHANGEABLE as ngx_uint_t != 0 {
                return Err(ConfigError::message(format_args!(
                    "the duplicate \"{}\" variable",
                    String::from_utf8_lossy(name.as_bytes())
                )));
            }
            variable.get_handler = Some(get_defined::<M, D>);
            variable.data = definition.as_ptr().expose_provenance();
        }
        Ok(())
    }

    /// Takes an entry of every request's variables for [`Module::ClientContext`](super::Module::ClientContext).
    pub(super) fn keep_client_context<M: Exported>(&mut self) -> Result<(), ConfigError> {
        let name = format!("nginx_auth_context_{}", M::descriptor().ctx_index());
        let variable = self.unset_variable(name.as_bytes(), NGX_HTTP_VAR_NOHASH)?;
        self.main_state::<M>()
            .client_context
            .get_or_init(|| variable);
        Ok(())
    }

    /// Adds a variable that [`Request::set_module_variable`] sets, and nobody else can.
    pub fn add_module_variable(&mut self, name: &[u8]) -> Result<ModuleVariable, ConfigError> {
        self.unset_variable(name, 0).map(ModuleVariable)
    }

    fn unset_variable(&mut self, name: &[u8], flags: u32) -> Result<Variable, ConfigError> {
        let mut text = self.copy(name)?;
        // SAFETY: nginx copies the name; the variable it returns is its own until variables are initialized.
        unsafe {
            let variable = ngx_http_add_variable(self.raw(), &raw mut text, flags as ngx_uint_t);
            let variable = variable.as_mut().ok_or(ConfigError::Logged)?;
            variable.get_handler = Some(get_unset);
        }
        self.variable(name)
    }

    pub(super) fn find_body_variables<M: Exported>(&mut self) -> Result<(), ConfigError> {
        let variables = [
            self.variable(b"content_length")?,
            self.variable(b"request_body")?,
            self.variable(b"request_body_file")?,
        ];
        self.main_state::<M>()
            .body_variables
            .get_or_init(|| variables);
        Ok(())
    }

    /// The variable with this name, without `$`. nginx checks after all was read that somebody defines it.
    pub fn variable(&mut self, name: &[u8]) -> Result<Variable, ConfigError> {
        let mut name = self.copy(name)?;
        // SAFETY: cf is live; nginx copies the name.
        let index = unsafe { ngx_http_get_variable_index(self.raw(), &raw mut name) };
        usize::try_from(index)
            .map(|index| Variable { index })
            .map_err(|_| ConfigError::Logged)
    }

    /// The name behind the `$` of a reference.
    ///
    /// # Errors
    /// `invalid variable name` where there is no `$` or no name.
    pub fn variable_name<'t>(&self, reference: &'t [u8]) -> Result<&'t [u8], ConfigError> {
        strip_dollar(reference)
    }

    /// The variable that `reference`, a name behind `$`, refers to.
    ///
    /// # Errors
    /// `invalid variable name` where there is no `$` or no name.
    pub fn variable_reference(&mut self, reference: &[u8]) -> Result<Variable, ConfigError> {
        let name = strip_dollar(reference)?;
        self.variable(name)
    }

    /// Defines the variable that `reference`, a name behind `$`, refers to, unless somebody has already, so that a
    /// directive can set it.
    ///
    /// # Errors
    /// `invalid variable name` where there is no `$` or no name; nginx says so where the variable may not be set.
    pub fn assignable_variable(
        &mut self,
        reference: &[u8],
    ) -> Result<AssignableVariable, ConfigError> {
        let name = strip_dollar(reference)?;
        let mut text = self.copy(name)?;
        let flags = NGX_HTTP_VAR_CHANGEABLE as ngx_uint_t;
        // SAFETY: nginx copies the name; the variable it returns is its own until variables are initialized.
        let setter = unsafe {
            let variable = ngx_http_add_variable(self.raw(), &raw mut text, flags);
            let variable = variable.as_mut().ok_or(ConfigError::Logged)?;
            if variable.get_handler.is_none() {
                variable.get_handler = Some(get_unset);
            }
            variable.set_handler
        };
        let Variable { index } = self.variable(name)?;
        Ok(AssignableVariable { index, setter })
    }
}

pub(super) fn strip_dollar(reference: &[u8]) -> Result<&[u8], ConfigError> {
    match reference.strip_prefix(b"$") {
        Some(name) if !name.is_empty() => Ok(name),
        _ => Err(ConfigError::Message(format!(
            "invalid variable name \"{}\"",
            String::from_utf8_lossy(reference)
        ))),
    }
}

impl<'r> Request<'r> {
    /// The value of a variable; `None` where it has none.
    pub fn variable(self, variable: Variable) -> Option<Text<'r>> {
        // SAFETY: the index is one that nginx gave out for the configuration that serves this request.
        unsafe {
            let value = ngx_http_get_flushed_variable(self.raw(), variable.index).as_ref()?;
            let mut text = ngx_str_t::empty();
            (value_text(value, &raw mut text) != 0).then(|| Text::from_raw(text))
        }
    }

    /// Gives a variable a value that internal redirects do not take away.
    pub fn assign(self, variable: &AssignableVariable, value: Text<'r>) {
        let text = value.raw();
        // SAFETY: r->variables has an entry for each index that nginx gave out; a set handler takes the request, the
        // value and the variable's data (ngx_http_script_var_set_handler_code does the same).
        unsafe {
            let entry = (*self.raw()).variables.add(variable.index);
            set_value(entry, text.data, text.len);
            if let Some(setter) = variable.setter {
                let variables = (*self.core_main_conf()).variables.elts;
                let definition = variables
                    .cast::<nginx_sys::ngx_http_variable_t>()
                    .add(variable.index);
                setter(self.raw(), entry, (*definition).data);
            }
        }
    }

    /// Gives a variable of ours a value.
    pub fn set_module_variable(self, ModuleVariable(variable): ModuleVariable, value: Text<'r>) {
        let text = value.raw();
        // SAFETY: r->variables has an entry for each index that nginx gave out.
        unsafe {
            let entry = (*self.raw()).variables.add(variable.index);
            set_value(entry, text.data, text.len);
        }
    }

    /// Drops the values that nginx keeps of variables of the body, so that they are computed anew: to be done when a
    /// subrequest of ours has ended.
    pub fn forget_body_variables<M: Exported>(self) {
        if !self.has_body() {
            return;
        }
        let variables = &self.main_state::<M>().body_variables;
        for variable in variables.get().into_iter().flatten() {
            self.forget(*variable);
        }
    }

    /// Drops the value that nginx keeps of a variable.
    pub(super) fn forget(self, variable: Variable) {
        // SAFETY: r->variables has an entry for each index that nginx gave out.
        unsafe { forget_value((*self.raw()).variables.add(variable.index)) };
    }
}

/// nginx calls it for a variable with the prefix; `data` then points to the variable's name
/// (ngx_http_variables_init_vars, ngx_http_get_variable).
unsafe extern "C" fn get_prefixed<V: PrefixVariable>(
    r: *mut ngx_http_request_t,
    value: *mut ngx_http_variable_value_t,
    data: usize,
) -> ngx_int_t {
    // SAFETY: nginx calls with a live request; the reference ends with this call.
    let Some(request) = (unsafe { Request::from_raw(r) }) else {
        return NGX_ERROR as ngx_int_t;
    };
    // SAFETY: nginx calls with an entry to fill and the name, both live during the call.
    let (value, name) = unsafe {
        (
            &mut *value,
            &*std::ptr::with_exposed_provenance::<ngx_str_t>(data),
        )
    };
    fill::<V::Module>(request, value, || {
        V::get(
            request,
            name.as_bytes()
                .get(V::PREFIX.count_bytes()..)
                .unwrap_or_default(),
        )
    })
}

/// nginx calls it for a variable of [`Config::define_variable`].
unsafe extern "C" fn get_defined<M: Exported, D: 'static>(
    r: *mut ngx_http_request_t,
    value: *mut ngx_http_variable_value_t,
    data: usize,
) -> ngx_int_t {
    // SAFETY: nginx calls with a live request; the reference ends with this call.
    let Some(request) = (unsafe { Request::from_raw(r) }) else {
        return NGX_ERROR as ngx_int_t;
    };
    // SAFETY: nginx calls with an entry to fill and the data that the variable was given.
    let (value, definition) = unsafe {
        (
            &mut *value,
            &*std::ptr::with_exposed_provenance::<Definition<D>>(data),
        )
    };
    fill::<M>(request, value, || {
        (definition.get)(request, &definition.data)
    })
}

/// Fills in the value that `get` gives. Where it fails, the module's access handler is to refuse the request: this one
/// can only say that the variable has no value.
fn fill<'r, M: Exported>(
    request: Request<'r>,
    value: &mut ngx_http_variable_value_t,
    get: impl FnOnce() -> Result<Option<Text<'r>>, Failure>,
) -> ngx_int_t {
    let result = guard(request.log(), Err(Failure::Panic), || {
        #[cfg(feature = "fault-injection")]
        super::fence::fault::in_request(request, "variable");
        get()
    });
    match result {
        Ok(Some(text)) => {
            let text = text.raw();
            // SAFETY: the entry is one that nginx has given us to fill.
            unsafe { set_value(value, text.data, text.len) };
            NGX_OK as ngx_int_t
        }
        Ok(None) => {
            // SAFETY: as above.
            unsafe { set_not_found(value) };
            NGX_OK as ngx_int_t
        }
        Err(_) => {
            request.poison::<M>();
            // SAFETY: as above.
            unsafe { set_not_found(value) };
            NGX_ERROR as ngx_int_t
        }
    }
}

/// The value of a variable that a directive has not set yet.
unsafe extern "C" fn get_unset(
    _: *mut ngx_http_request_t,
    value: *mut ngx_http_variable_value_t,
    _: usize,
) -> ngx_int_t {
    // SAFETY: nginx calls with an entry to fill.
    unsafe { set_not_found(value) };
    NGX_OK as ngx_int_t
}
