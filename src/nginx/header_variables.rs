//! Variables that show header lines.

use super::directive::Config;
use super::filter_state::SubrequestFilter;
use super::request::Request;
use super::text::Text;
use super::variable::Variable;
use nginx_sys::{
    NGX_HTTP_VAR_CHANGEABLE, ngx_hash_key_t, ngx_http_variable_t, ngx_str_t, ngx_uint_t,
};
use std::ptr;
use std::slice;

/// Variables that show header lines and have getters of their own, and not that of their family.
const VARIABLES_WITH_GETTERS: [&[u8]; 6] = [
    b"http_cookie",
    b"http_referer",
    b"http_user_agent",
    b"http_via",
    b"http_x_forwarded_for",
    b"proxy_add_x_forwarded_for",
];

impl<'r> Request<'r> {
    /// Drops nginx's cached values of `$http_<name>` and `$cookie_<name>`, because the header lines
    /// have changed.
    pub(super) fn forget_header_variables(self) {
        let variables = &self.main_conf::<SubrequestFilter>().header_variables;
        for variable in variables.get_or_init(|| self.header_variables()) {
            self.forget(*variable);
        }
    }

    /// The name of a variable, which a configuration has in any case of letters and nginx in lower
    /// case.
    pub(super) fn name_of(self, variable: Variable) -> Text<'r> {
        // SAFETY: as for `header_variables`; an index is one of this array.
        unsafe {
            let conf = &*self.core_main_conf();
            let variables = conf.variables.as_slice::<ngx_http_variable_t>();
            let name = variables.get(variable.index).map(|variable| variable.name);
            Text::from_raw(name.unwrap_or(ngx_str_t::empty()))
        }
    }

    /// The variables `$http_<name>` and `$cookie_<name>`, and others that show header lines, to
    /// which the configuration refers, without those that a directive may set.
    pub(super) fn header_variables(self) -> Vec<Variable> {
        // SAFETY: once a configuration is in force, these are arrays of ngx_http_variable_t.
        let [indexed, prefixed] = unsafe {
            let conf = &*self.core_main_conf();
            [conf.variables, conf.prefix_variables].map(|variables| match variables.nelts {
                0 => &[][..],
                count => slice::from_raw_parts(variables.elts.cast::<ngx_http_variable_t>(), count),
            })
        };
        // SAFETY: names of variables live as long as the configuration.
        let name = |variable: &ngx_http_variable_t| unsafe { Text::from_raw(variable.name) };
        let getters: Vec<_> = prefixed
            .iter()
            .filter(|family| matches!(&*name(family), b"http_" | b"cookie_"))
            .filter_map(|family| family.get_handler)
            .collect();
        let has_own_getter = |variable: &ngx_http_variable_t| {
            VARIABLES_WITH_GETTERS.contains(&&*name(variable))
                && variable.flags & NGX_HTTP_VAR_CHANGEABLE as ngx_uint_t == 0
        };
        let shows_header = |variable: &ngx_http_variable_t| {
            let mut getters = getters.iter();
            variable
                .get_handler
                .is_some_and(|own| getters.any(|getter| ptr::fn_addr_eq(own, *getter)))
                || has_own_getter(variable)
        };
        let with_index = indexed.iter().enumerate();
        with_index
            .filter(|(_, variable)| shows_header(variable))
            .map(|(index, _)| Variable { index })
            .collect()
    }
}

impl Config<'_> {
    /// Whether a name such as `http_NAME`, `cookie_NAME` or `arg_NAME` has the meaning that nginx
    /// gives to its prefix: no directive defines a variable of this name.
    pub fn is_variable_of_nginx(&self, name: &[u8]) -> bool {
        // SAFETY: nginx makes the keys before it reads http{}, and frees them when all of it has
        // been read (ngx_http_variables_init_vars); their names live as long.
        let keys = unsafe {
            match (*self.core_main_conf()).variables_keys.as_ref() {
                Some(keys) => keys.keys.as_slice::<ngx_hash_key_t>(),
                None => return false,
            }
        };
        let is_defined = keys
            .iter()
            .any(|key| key.key.as_bytes().eq_ignore_ascii_case(name));
        !is_defined
            || VARIABLES_WITH_GETTERS
                .iter()
                .any(|own| own.eq_ignore_ascii_case(name))
    }
}
