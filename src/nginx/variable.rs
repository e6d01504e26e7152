//! Variables: defining those of this module, reading those of others, and setting both.

use super::directive::{Config, ConfigError};
use super::failure::Failure;
use super::fence::guard;
use super::module::Exported;
use super::pool::own;
use super::request::Request;
use super::shim::{
    forbid_caching, forget_computed_value, forget_value, set_not_found, set_value, value_text,
};
use super::text::Text;
use nginx_sys::{
    NGX_ERROR, NGX_HTTP_VAR_CHANGEABLE, NGX_HTTP_VAR_NOCACHEABLE, NGX_HTTP_VAR_NOHASH,
    NGX_HTTP_VAR_PREFIX, NGX_OK, ngx_hash_key_t, ngx_http_add_variable,
    ngx_http_get_flushed_variable, ngx_http_get_variable_index, ngx_http_request_t,
    ngx_http_set_variable_pt, ngx_http_variable_t, ngx_http_variable_value_t, ngx_int_t, ngx_str_t,
    ngx_uint_t,
};
use std::ffi::CStr;
use std::slice;
use text::Quoted;

/// A family of variables with a common prefix, like nginx's own `$arg_<name>`.
pub trait PrefixVariable: 'static {
    /// The module that the family belongs to.
    type Module: Exported;

    /// The prefix, in lower case.
    const PREFIX: &'static CStr;

    /// The value of the variable with this name after the prefix. nginx has turned the name into
    /// lower case.
    ///
    /// # Errors
    /// The variable has no value, and the next access handler refuses the client's request.
    fn get<'r>(request: Request<'r>, name: &[u8]) -> Result<Option<Text<'r>>, Failure>;
}

/// Computes the value of a variable for a request, from the data that it was defined with.
pub type Getter<D> = for<'r> fn(Request<'r>, &D) -> Result<Option<Text<'r>>, Failure>;

struct VariableDefinition<D> {
    data: D,
    get: Getter<D>,
}

/// What tells in nginx's table of variables that a variable is one of a module.
#[derive(Debug, Clone, Copy)]
pub(super) enum Definition {
    /// A family: the variable's name begins with this, and nginx has made the name its data.
    Prefix(&'static CStr),
    /// A single variable: its data has this address.
    Single(usize),
}

/// A variable that the configuration refers to by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variable {
    pub(super) index: usize,
}

/// A variable that a directive sets, as nginx's own `set` does.
#[derive(Clone, Copy)]
pub struct AssignableVariable {
    index: usize,
    setter: ngx_http_set_variable_pt,
}

/// A variable that only this module sets. It has no value before, and keeps its value over internal
/// redirects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModuleVariable(Variable);

impl Config<'_> {
    /// Adds a family of variables.
    ///
    /// # Errors
    /// nginx does not accept the name, and logs why.
    pub fn add_prefix_variable<V: PrefixVariable>(&mut self) -> Result<(), ConfigError> {
        let mut name = ngx_str_t {
            len: V::PREFIX.count_bytes(),
            data: V::PREFIX.as_ptr().cast_mut().cast(),
        };
        let flags = NGX_HTTP_VAR_PREFIX | NGX_HTTP_VAR_NOCACHEABLE;
        // SAFETY: cf is live. ngx_http_add_variable copies the name, and the variable that it
        // returns stays in place until nginx initializes all variables
        // (ngx_http_variables_init_vars).
        unsafe {
            let variable = ngx_http_add_variable(self.raw(), &raw mut name, flags as ngx_uint_t);
            let variable = variable.as_mut().ok_or(ConfigError::Logged)?;
            variable.flags = flags as ngx_uint_t;
            variable.get_handler = Some(get_prefixed::<V>);
        }
        self.add_definition::<V::Module>(Definition::Prefix(V::PREFIX));
        Ok(())
    }

    /// Lets this module define variables and families that another one has defined. All of them
    /// must be defined then: they have no get handler any more. To be called before nginx reads the
    /// directives of `http{}`, which look variables up.
    pub fn release_variables(&mut self, names: &[&[u8]]) {
        let release = |variable: &mut ngx_http_variable_t| {
            variable.flags |= NGX_HTTP_VAR_CHANGEABLE as ngx_uint_t;
            variable.get_handler = None;
            variable.set_handler = None;
        };
        // SAFETY: until ngx_http_variables_init_vars, the keys are an array of ngx_hash_key_t whose
        // values are ngx_http_variable_t (ngx_http_add_variable), and the families an array of
        // those (ngx_http_add_prefix_variable). Nothing else refers to either during this call, and
        // the names live as long as the configuration.
        unsafe {
            let conf = &mut *self.core_main_conf();
            if let Some(keys) = conf.variables_keys.as_mut() {
                for key in keys.keys.as_slice_mut::<ngx_hash_key_t>() {
                    if names.contains(&&*Text::from_raw(key.key)) {
                        release(&mut *key.value.cast());
                    }
                }
            }
            for family in conf.prefix_variables.as_slice_mut::<ngx_http_variable_t>() {
                if names.contains(&&*Text::from_raw(family.name)) {
                    release(family);
                }
            }
        }
    }

    /// Defines a variable whose value is computed for each request. It takes the place of one of
    /// [`define_changeable_variable`](Self::define_changeable_variable).
    ///
    /// # Errors
    /// `the duplicate "name" variable` if a `map`, `set` or other directive has defined it before.
    pub fn define_variable<M: Exported, D: 'static>(
        &mut self,
        name: &[u8],
        data: D,
        get: Getter<D>,
    ) -> Result<(), ConfigError> {
        self.define::<M, D>(name, data, get, 0)
    }

    /// Defines a variable that gives way to a `map`, `set` or other directive of the configuration
    /// for the same name.
    ///
    /// # Errors
    /// As for [`define_variable`](Self::define_variable).
    pub fn define_changeable_variable<M: Exported, D: 'static>(
        &mut self,
        name: &[u8],
        data: D,
        get: Getter<D>,
    ) -> Result<(), ConfigError> {
        self.define::<M, D>(name, data, get, NGX_HTTP_VAR_CHANGEABLE)
    }

    fn define<M: Exported, D: 'static>(
        &mut self,
        name: &[u8],
        data: D,
        get: Getter<D>,
        flags: u32,
    ) -> Result<(), ConfigError> {
        let mut name = self.copy(name)?;
        // SAFETY: cf->pool is the cycle's pool and lives as long as the variable; otherwise as in
        // add_prefix_variable.
        unsafe {
            let definition = own((*self.raw()).pool, VariableDefinition { data, get })?;
            let variable = ngx_http_add_variable(self.raw(), &raw mut name, flags as ngx_uint_t);
            let variable = variable.as_mut().ok_or(ConfigError::Logged)?;
            if variable.get_handler.is_some() && !self.is_definition::<M>(variable.data) {
                return Err(ConfigError::message(format_args!(
                    "the duplicate {} variable",
                    Quoted::whole(name.as_bytes())
                )));
            }
            variable.flags = flags as ngx_uint_t;
            variable.get_handler = Some(get_defined::<D>);
            variable.data = definition.as_ptr().expose_provenance();
            self.add_definition::<M>(Definition::Single(variable.data));
        }
        Ok(())
    }

    /// Whether a variable with this data is one that the module has defined.
    fn is_definition<M: Exported>(&self, data: usize) -> bool {
        let definitions = self.main_state::<M>().definitions.borrow();
        let is_same =
            |definition: &Definition| matches!(definition, Definition::Single(own) if *own == data);
        definitions.iter().any(is_same)
    }

    fn add_definition<M: Exported>(&self, definition: Definition) {
        let definitions = &self.main_state::<M>().definitions;
        definitions.borrow_mut().push(definition);
    }

    /// Reserves an entry of every request's variables for
    /// [`Module::ClientContext`](super::Module::ClientContext).
    pub(super) fn reserve_client_context<M: Exported>(&mut self) -> Result<(), ConfigError> {
        let name = format!("nginx_auth_context_{}", M::descriptor().ctx_index());
        let variable = self.add_valueless_variable(name.as_bytes(), NGX_HTTP_VAR_NOHASH)?;
        self.main_state::<M>()
            .client_context
            .get_or_init(|| variable);
        Ok(())
    }

    /// Adds a variable that only [`Request::set_module_variable`] sets. `None` if the configuration
    /// has a variable of its own by this name, which keeps its meaning. To be called when all of
    /// the configuration has been read.
    ///
    /// # Errors
    /// nginx does not accept the name, and logs why.
    pub fn add_module_variable(
        &mut self,
        name: &[u8],
    ) -> Result<Option<ModuleVariable>, ConfigError> {
        let mut name_copy = self.copy(name)?;
        let flags = NGX_HTTP_VAR_CHANGEABLE as ngx_uint_t;
        // SAFETY: as in add_prefix_variable.
        unsafe {
            let variable = ngx_http_add_variable(self.raw(), &raw mut name_copy, flags);
            let variable = variable.as_mut().ok_or(ConfigError::Logged)?;
            if variable.get_handler.is_some() {
                return Ok(None);
            }
            variable.get_handler = Some(get_no_value);
        }
        self.variable(name)
            .map(|variable| Some(ModuleVariable(variable)))
    }

    /// Adds a variable whose get handler reports no value.
    fn add_valueless_variable(&mut self, name: &[u8], flags: u32) -> Result<Variable, ConfigError> {
        let mut name_copy = self.copy(name)?;
        let flags = flags as ngx_uint_t;
        // SAFETY: as in add_prefix_variable.
        unsafe {
            let variable = ngx_http_add_variable(self.raw(), &raw mut name_copy, flags);
            let variable = variable.as_mut().ok_or(ConfigError::Logged)?;
            variable.get_handler = Some(get_no_value);
        }
        self.variable(name)
    }

    /// Looks up the variables that [`Request::forget_body_variables`] resets.
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

    /// The variable with this name, which does not include the `$`. When all of the configuration
    /// has been read, nginx checks that the variable is defined.
    ///
    /// # Errors
    /// There is no memory.
    pub fn variable(&mut self, name: &[u8]) -> Result<Variable, ConfigError> {
        let mut name = self.copy(name)?;
        // SAFETY: cf is live; ngx_http_get_variable_index copies the name.
        let index = unsafe { ngx_http_get_variable_index(self.raw(), &raw mut name) };
        usize::try_from(index)
            .map(|index| Variable { index })
            .map_err(|_| ConfigError::Logged)
    }

    /// The variables with this prefix that the directives read so far refer to: their names behind
    /// it.
    pub fn referenced_variables(&self, prefix: &[u8]) -> Vec<Vec<u8>> {
        // SAFETY: nginx has made the array of ngx_http_variable_t, or not yet; it does not change
        // during this call, and its names live as long as the configuration.
        let variables = unsafe {
            let variables = &(*self.core_main_conf()).variables;
            match variables.nelts {
                0 => &[][..],
                count => slice::from_raw_parts(variables.elts.cast::<ngx_http_variable_t>(), count),
            }
        };
        let names = variables.iter();
        // SAFETY: as above.
        let names = names.map(|variable| unsafe { Text::from_raw(variable.name) });
        names
            .filter_map(|name| name.strip_prefix(prefix).map(<[u8]>::to_vec))
            .collect()
    }

    /// Whether a module or a directive of the configuration has defined the variable, as far as it
    /// was read. A variable of a family counts only if it is defined by its own name.
    pub fn defines_variable(&self, name: &[u8]) -> bool {
        self.definition_of(name).is_some()
    }

    /// Whether the variable is still the one of
    /// [`define_changeable_variable`](Self::define_changeable_variable), as far as the configuration
    /// was read: a directive such as `map` takes its place. One that sets it does not.
    pub fn is_changeable_variable<M: Exported>(&self, name: &[u8]) -> bool {
        let is_it = |variable: &ngx_http_variable_t| {
            variable.flags & NGX_HTTP_VAR_CHANGEABLE as ngx_uint_t != 0
                && self.is_definition::<M>(variable.data)
        };
        self.definition_of(name).is_some_and(is_it)
    }

    /// What defines the variable with this name.
    fn definition_of(&self, name: &[u8]) -> Option<&ngx_http_variable_t> {
        // SAFETY: nginx makes the keys before it reads a configuration, and drops them when it has
        // called all postconfiguration functions (ngx_http_variables_add_core_vars,
        // ngx_http_variables_init_vars). They do not change during this call.
        let keys = unsafe {
            match (*self.core_main_conf()).variables_keys.as_ref() {
                Some(keys) if keys.keys.nelts > 0 => {
                    slice::from_raw_parts(keys.keys.elts.cast::<ngx_hash_key_t>(), keys.keys.nelts)
                }
                _ => &[],
            }
        };
        // SAFETY: the names live as long as the configuration.
        let is_it =
            |key: &&ngx_hash_key_t| unsafe { Text::from_raw(key.key) }.eq_ignore_ascii_case(name);
        let key = keys.iter().find(is_it)?;
        // SAFETY: the keys' values are ngx_http_variable_t (ngx_http_add_variable), which live as
        // long as the configuration and do not change during this call.
        unsafe { key.value.cast::<ngx_http_variable_t>().as_ref() }
    }

    /// The name in a reference such as `$name`.
    ///
    /// # Errors
    /// [`invalid`](Self::invalid) if the `$` or the name is missing.
    pub fn variable_name<'t>(&self, reference: &'t [u8]) -> Result<&'t [u8], ConfigError> {
        strip_dollar(reference)
            .map_err(|_| self.invalid("variable name", reference, "it must be \"$\" and a name"))
    }

    /// The variable that a reference such as `$name` refers to.
    ///
    /// # Errors
    /// [`invalid`](Self::invalid) if the `$` or the name is missing.
    pub fn variable_reference(&mut self, reference: &[u8]) -> Result<Variable, ConfigError> {
        let name = self.variable_name(reference)?;
        self.variable(name)
    }

    /// The variable that a reference such as `$name` refers to, for a directive that sets it. It is
    /// defined unless it exists.
    ///
    /// # Errors
    /// `invalid variable name`, the words of nginx's own module, if the `$` or the name is missing;
    /// an error of nginx if the variable cannot be set.
    pub fn assignable_variable(
        &mut self,
        reference: &[u8],
    ) -> Result<AssignableVariable, ConfigError> {
        let name = strip_dollar(reference)?;
        let mut name_copy = self.copy(name)?;
        let flags = NGX_HTTP_VAR_CHANGEABLE as ngx_uint_t;
        // SAFETY: as in add_prefix_variable.
        let setter = unsafe {
            let variable = ngx_http_add_variable(self.raw(), &raw mut name_copy, flags);
            let variable = variable.as_mut().ok_or(ConfigError::Logged)?;
            if variable.get_handler.is_none() {
                variable.get_handler = Some(get_no_value);
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
        _ => Err(ConfigError::message(format_args!(
            "invalid variable name {}",
            Quoted::whole(reference)
        ))),
    }
}

impl<'r> Request<'r> {
    /// The value of a variable. None if it has none.
    pub fn variable(self, variable: Variable) -> Option<Text<'r>> {
        // SAFETY: ngx_http_get_variable_index returned the index for the configuration that serves
        // this request.
        unsafe {
            let value = ngx_http_get_flushed_variable(self.raw(), variable.index).as_ref()?;
            let mut text = ngx_str_t::empty();
            (value_text(value, &raw mut text) != 0).then(|| Text::from_raw(text))
        }
    }

    /// Sets a variable. The value outlives internal redirects.
    pub fn assign(self, variable: &AssignableVariable, value: Text<'r>) {
        let text = value.raw();
        // SAFETY: r->variables has an entry for each index that ngx_http_get_variable_index
        // returned. A set handler takes the request, the value and the data of the variable
        // (ngx_http_script_var_set_handler_code does the same).
        unsafe {
            let entry = (*self.raw()).variables.add(variable.index);
            set_value(entry, text.data, text.len);
            if let Some(setter) = variable.setter {
                let variables = (*self.core_main_conf()).variables.elts;
                let definition = variables.cast::<ngx_http_variable_t>().add(variable.index);
                setter(self.raw(), entry, (*definition).data);
            }
        }
    }

    /// Sets a variable of this module.
    pub fn set_module_variable(self, ModuleVariable(variable): ModuleVariable, value: Text<'r>) {
        let text = value.raw();
        // SAFETY: r->variables has an entry for each index that ngx_http_get_variable_index
        // returned.
        unsafe {
            let entry = (*self.raw()).variables.add(variable.index);
            set_value(entry, text.data, text.len);
        }
    }

    /// Drops nginx's cached values of the variables about the body. Called when a subrequest has
    /// ended: it shares these values with the client's request, which may have another body.
    pub fn forget_body_variables<M: Exported>(self) {
        if !self.has_body() {
            return;
        }
        let variables = &self.main_state::<M>().body_variables;
        for variable in variables.get().into_iter().flatten() {
            self.forget(*variable);
        }
    }

    /// Whether the configuration refers to a variable that the module has defined.
    pub fn uses_variables_of<M: Exported>(self) -> bool {
        !self.own_variables::<M>().is_empty()
    }

    /// Drops nginx's cached values of the variables that the module has defined, for those who read
    /// cached values although a variable must not be cached, as ngx_http_log_module does.
    pub fn forget_variables_of<M: Exported>(self) {
        for variable in self.own_variables::<M>() {
            // SAFETY: r->variables has an entry for each index of the table of variables.
            unsafe { forget_computed_value((*self.raw()).variables.add(variable.index)) };
        }
    }

    fn own_variables<M: Exported>(self) -> &'r [Variable] {
        let state = self.main_state::<M>();
        state.own_variables.get_or_init(|| {
            let definitions = state.definitions.borrow();
            // SAFETY: nginx has filled the table before it serves requests
            // (ngx_http_variables_init_vars), and it lives as long as the configuration.
            let variables = unsafe {
                let variables = &(*self.core_main_conf()).variables;
                variables.as_slice::<ngx_http_variable_t>()
            };
            let is_own = |variable: &ngx_http_variable_t| {
                definitions.iter().any(|definition| match definition {
                    Definition::Prefix(prefix) => {
                        variable.data == (&raw const variable.name).addr()
                            && variable.name.as_bytes().starts_with(prefix.to_bytes())
                    }
                    Definition::Single(data) => variable.data == *data,
                })
            };
            let indices = (0..)
                .zip(variables)
                .filter(|(_, variable)| is_own(variable));
            indices.map(|(index, _)| Variable { index }).collect()
        })
    }

    /// Drops nginx's cached value of a variable.
    pub(super) fn forget(self, variable: Variable) {
        // SAFETY: r->variables has an entry for each index that ngx_http_get_variable_index
        // returned.
        unsafe { forget_value((*self.raw()).variables.add(variable.index)) };
    }
}

/// nginx calls it for a variable with the prefix. `data` then points to the name of the variable
/// (ngx_http_variables_init_vars, ngx_http_get_variable).
unsafe extern "C" fn get_prefixed<V: PrefixVariable>(
    r: *mut ngx_http_request_t,
    value: *mut ngx_http_variable_value_t,
    data: usize,
) -> ngx_int_t {
    // SAFETY: nginx calls a get handler with a live request; the reference ends with this call.
    let Some(request) = (unsafe { Request::from_raw(r) }) else {
        return NGX_ERROR as ngx_int_t;
    };
    // SAFETY: nginx calls a get handler with the name, which lives as long as the configuration.
    let name = unsafe { &*std::ptr::with_exposed_provenance::<ngx_str_t>(data) };
    let get = || {
        let name = name.as_bytes().get(V::PREFIX.count_bytes()..);
        V::get(request, name.unwrap_or_default())
    };
    // SAFETY: nginx calls a get handler with an entry to fill.
    unsafe { fill(request, value, get) }
}

/// nginx calls it for a variable of [`Config::define_variable`].
unsafe extern "C" fn get_defined<D: 'static>(
    r: *mut ngx_http_request_t,
    value: *mut ngx_http_variable_value_t,
    data: usize,
) -> ngx_int_t {
    // SAFETY: nginx calls a get handler with a live request; the reference ends with this call.
    let Some(request) = (unsafe { Request::from_raw(r) }) else {
        return NGX_ERROR as ngx_int_t;
    };
    // SAFETY: nginx calls a get handler with the data of the variable, which define_variable has
    // put there and which lives as long as the configuration.
    let definition = unsafe { &*std::ptr::with_exposed_provenance::<VariableDefinition<D>>(data) };
    let get = || (definition.get)(request, &definition.data);
    // SAFETY: nginx calls a get handler with an entry to fill.
    unsafe { fill(request, value, get) }
}

/// Fills an entry with the value that `get` returns. If `get` fails, the variable has no value, and
/// the next access handler refuses the client's request: a variable cannot refuse it.
///
/// # Safety
/// `value` is the entry that nginx has passed to a get handler. It is a pointer rather than a
/// reference because `get` may evaluate other variables, and nginx then writes to their entries,
/// this one among them if a variable depends on itself.
unsafe fn fill<'r>(
    request: Request<'r>,
    value: *mut ngx_http_variable_value_t,
    get: impl FnOnce() -> Result<Option<Text<'r>>, Failure>,
) -> ngx_int_t {
    let result = guard(request.log(), Err(Failure::Panic), || {
        #[cfg(feature = "fault-injection")]
        super::fence::fault_injection::panic_in_variable(request);
        get()
    });
    let code = match result {
        Ok(Some(text)) => {
            let text = text.raw();
            // SAFETY: the caller's; the text lives as long as the request.
            unsafe { set_value(value, text.data, text.len) };
            NGX_OK as ngx_int_t
        }
        Ok(None) => {
            // SAFETY: the caller's.
            unsafe { set_not_found(value) };
            NGX_OK as ngx_int_t
        }
        Err(_) => {
            request.poison();
            // SAFETY: the caller's.
            unsafe { set_not_found(value) };
            NGX_ERROR as ngx_int_t
        }
    };
    // The value may change with each step of the request. A flag of the variable would say the
    // same, but would also count for a directive that takes the variable over.
    // SAFETY: nginx has passed the entry to a get handler to fill.
    unsafe { forbid_caching(value) };
    code
}

/// nginx calls it for a variable that was not set yet: it has no value.
unsafe extern "C" fn get_no_value(
    _: *mut ngx_http_request_t,
    value: *mut ngx_http_variable_value_t,
    _: usize,
) -> ngx_int_t {
    // SAFETY: nginx calls a get handler with an entry to fill.
    unsafe { set_not_found(value) };
    NGX_OK as ngx_int_t
}
