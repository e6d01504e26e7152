//! `auth_jwt_trust`: the issuers whose tokens a level accepts.

use super::issuer::{ConfiguredIssuers, TrustedIssuers};
use crate::nginx::{Config, ConfigError};
use text::Quoted;

/// The arguments of `auth_jwt_trust`.
pub(super) struct TrustSetting {
    /// The names of blocks; none for `off`. The blocks may stand further down.
    names: Vec<Box<[u8]>>,
    /// The file and line of the directive.
    pub(super) position: Box<str>,
}

impl TrustSetting {
    /// Reads the arguments of the directive.
    pub(super) fn read(cf: &Config<'_>) -> Result<Self, ConfigError> {
        let args = cf.args();
        let mut names: Vec<Box<[u8]>> = Vec::new();
        for name in &args {
            let is_off = &**name == b"off";
            if is_off && args.len() > 1 {
                return Err(cf.invalid_value(name, "no name may stand beside it"));
            }
            if names.iter().any(|known| **known == **name) {
                return Err(ConfigError::message(format_args!(
                    "duplicate issuer {} in \"auth_jwt_trust\"",
                    Quoted::whole(name)
                )));
            }
            if !is_off {
                names.push(name[..].into());
            }
        }
        Ok(Self {
            names,
            position: cf.position().into(),
        })
    }

    /// The issuers, when all blocks were read. `None` for `off`.
    ///
    /// # Errors
    /// There is no block with one of the names.
    pub(super) fn find(
        &self,
        issuers: &ConfiguredIssuers,
    ) -> Result<Option<TrustedIssuers>, ConfigError> {
        let find = |name: &[u8]| {
            issuers.named(name).ok_or_else(|| {
                ConfigError::message(format_args!(
                    "\"auth_jwt_trust\" in {} names the issuer {}, and there is no such \
                     auth_jwt_issuer{}",
                    self.position,
                    Quoted::whole(name),
                    issuers.describe()
                ))
            })
        };
        let found = self.names.iter().map(|name| find(name));
        let found = found.collect::<Result<Vec<_>, _>>()?;
        Ok((!found.is_empty()).then(|| TrustedIssuers::new(found)))
    }

    /// The error for something that does not go with the directive.
    pub(super) fn conflict(&self, what: &str) -> ConfigError {
        ConfigError::message(format_args!(
            "\"auth_jwt_trust\" in {} {what}",
            self.position
        ))
    }
}
