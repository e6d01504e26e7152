//! Changes of a request's arguments.

use super::directive::{Config, ConfigError};
use super::failure::Failure;
use super::filter_state::SubrequestFilter;
use super::request::Request;
use super::text::Text;

impl Config<'_> {
    /// Prepares [`Request::replace_original_uri`].
    ///
    /// # Errors
    /// There is no memory.
    pub fn prepare_uri_changes(&mut self) -> Result<(), ConfigError> {
        let variable = self.variable(b"request_uri")?;
        let filters = self.main_conf::<SubrequestFilter>();
        filters.request_uri.get_or_init(|| variable);
        Ok(())
    }
}

impl<'r> Request<'r> {
    /// Replaces the arguments. Those that the client's request has had before are remembered.
    ///
    /// # Errors
    /// There is no memory.
    pub fn replace_args(self, args: Text<'r>) -> Result<(), Failure> {
        let state = self.client_context::<SubrequestFilter>()?;
        if self.is_main() && state.removed_args.get().is_none() {
            state.removed_args.set(Some(self.args().raw()));
        }
        // SAFETY: the request is live, and the text lives as long.
        unsafe { (*self.raw()).args = args.raw() };
        Ok(())
    }

    /// The arguments that the client's request had before the first replacement.
    pub fn removed_args(self) -> Option<Text<'r>> {
        let state = self.client_context_if_any::<SubrequestFilter>()?;
        // SAFETY: the arguments that the request had, which live as long as it.
        Some(unsafe { Text::from_raw(state.removed_args.get()?) })
    }

    /// Replaces the path and the arguments as the client has sent them, which `$request_uri` shows
    /// and nginx passes to an upstream. The path has to stay the same.
    pub fn replace_original_uri(self, uri: Text<'r>) {
        // SAFETY: the request is live, and the text lives as long.
        unsafe { (*self.raw()).unparsed_uri = uri.raw() };
        if let Some(variable) = self.main_conf::<SubrequestFilter>().request_uri.get() {
            self.forget(*variable);
        }
    }
}
