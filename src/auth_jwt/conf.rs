//! The configuration of a level: what its directives say, and what it takes over from outside.

use std::cell::{Cell, OnceCell};
use std::rc::Rc;
use std::time::Duration;

use super::AuthJwt;
use super::file_path::KeyFile;
use super::issuer::TrustedIssuers;
use super::key_request::KeyRequest;
use super::resource_metadata::ResourceMetadataSetting;
use super::strip::{Strip, TokenPlace};
use super::token_rules::TokenRules;
use super::trust::TrustSetting;
use super::upstream_headers::UpstreamHeaders;
use crate::config_checks::{
    self, Fault, Question, warn_of_asked_locations, warn_of_requirement_alone, warn_of_return,
};
use crate::nginx::{
    Config, ConfigError, Inherit, List, MergedConfig, Setting, Severity, Template, Text, Variable,
};
use crate::require::Requirement;
use crate::status::{AuthStatus, SourceCounters, ZoneCounters};
use crate::subrequest_uri::Uri;
use jose::{KeySet, SignatureCheck, TokenType};
use policy::auth_jwt::key_cache::KeyCache;
use policy::auth_jwt::mode::Mode;
use policy::auth_jwt::token_cache::VerifyOptions;
use text::Quoted;

/// The configuration of a level.
#[derive(Default)]
pub struct LocationConf {
    pub(super) auth_jwt: Setting<Rc<AuthJwtSetting>>,
    pub(super) mode: Setting<ModeSetting>,
    pub(super) phase: Setting<Rc<PhaseSetting>>,
    pub(super) token_type: Setting<TokenType>,
    pub(super) key_sources: List<KeySource>,
    pub(super) key_cache: Setting<KeyCache>,
    pub(super) leeway: Setting<Duration>,
    pub(super) requirements: List<Requirement>,
    pub(super) verify_signature: Setting<bool>,
    pub(super) compression: Setting<bool>,
    pub(super) challenge: Setting<ChallengeSetting>,
    pub(super) log_level: Setting<Severity>,
    pub(super) token_rules: TokenRules,
    pub(super) trust: Setting<Rc<TrustSetting>>,
    /// The issuers of `auth_jwt_trust`, when levels are merged.
    pub(super) trusted: Option<Rc<TrustedIssuers>>,
    /// Whether the key sources are those of a level outside of the one with `auth_jwt_trust`.
    are_keys_further_out: bool,
    pub(super) upstream_headers: UpstreamHeaders,
    pub(super) strip: Strip,
    pub(super) counters: ZoneCounters,
    /// Of this location only: nginx inherits no content handler.
    pub(super) resource_metadata: Option<ResourceMetadataSetting>,
    /// The first directive of this level that requires something of a token.
    own_requirement: Option<&'static str>,
    /// The keys of the only source, if that is a key request with a constant URI: set by the first
    /// request, which spares the others two hash lookups.
    pub(super) only_key_request: OnceCell<Option<Rc<KeyRequest>>>,
}

/// The arguments of `auth_jwt`.
pub(super) struct AuthJwtSetting {
    /// The realm, or `None` for `off`.
    pub(super) realm: Option<Template>,
    pub(super) token: TokenSource,
    /// The variable of `token=`, as it is configured.
    pub(super) token_variable: Option<Rc<[u8]>>,
    /// Whether this is `off token=$variable`, which asks for the values of a token that nobody
    /// verifies.
    pub(super) shows_unverified: bool,
    /// The file and line of the directive.
    pub(super) position: Rc<str>,
    /// Whether there was a warning of missing keys: one is enough for each directive.
    pub(super) has_warned: Cell<bool>,
}

/// The argument of `auth_jwt_mode`.
#[derive(Clone)]
pub(super) enum ModeSetting {
    Constant(Mode),
    /// A text with variables, which gives the mode of each request.
    PerRequest(Template),
}

/// The argument of `auth_jwt_phase`.
pub(super) struct PhaseSetting {
    pub(super) is_preaccess: bool,
    /// As in [`AuthJwtSetting`].
    pub(super) position: Cell<Option<Box<str>>>,
}

/// The arguments of `auth_jwt_challenge`.
#[derive(Clone)]
pub(super) enum ChallengeSetting {
    /// `off`: no challenge.
    Off,
    /// Attributes besides those that each challenge has; none of them for `on`.
    Attributes(Rc<[(Box<[u8]>, Template)]>),
}

impl AuthJwtSetting {
    /// `off` without `token=` keeps where the outer level has its token, for the log. It does not ask
    /// for the values of that token, whatever the outer level does.
    fn inherit(&self, outer: &Self) -> Option<Self> {
        let is_off_alone = self.realm.is_none() && self.token_variable.is_none();
        is_off_alone.then(|| Self {
            realm: None,
            token: outer.token,
            token_variable: outer.token_variable.clone(),
            shows_unverified: false,
            position: Rc::clone(&self.position),
            has_warned: Cell::new(true),
        })
    }

    fn token_place(&self) -> TokenPlace<'_> {
        TokenPlace {
            variable: self.token_variable.as_deref(),
            judged_by: self.realm.as_ref().map(|_| &*self.position),
        }
    }
}

/// Where the token is.
#[derive(Clone, Copy)]
pub(super) enum TokenSource {
    /// In the `Authorization` header line, with the scheme Bearer.
    Bearer,
    /// In a variable.
    Variable(Variable),
}

/// Where keys are.
#[derive(Clone)]
pub(super) enum KeySource {
    /// In a file.
    File(Rc<KeyFile>),
    /// In a file whose name contains variables.
    FileNamed(Template),
    /// Behind a URI.
    Request(KeyRequestSource),
}

/// The arguments of `auth_jwt_key_request`.
#[derive(Clone)]
pub(super) struct KeyRequestSource {
    pub(super) uri: Uri,
    /// The names of the client's header lines that the subrequest has.
    pub(super) pass_headers: Rc<[Box<[u8]>]>,
    pub(super) counters: SourceCounters,
}

impl KeyRequestSource {
    /// The URI, if the response is the same for all requests.
    pub(super) fn shared_uri(&self) -> Option<Text<'_>> {
        self.uri.constant().filter(|_| self.pass_headers.is_empty())
    }
}

impl LocationConf {
    pub(super) fn token_type(&self) -> TokenType {
        self.token_type.get().copied().unwrap_or_default()
    }

    pub(super) fn token_source(&self) -> TokenSource {
        let setting = self.auth_jwt.get();
        setting.map_or(TokenSource::Bearer, |setting| setting.token)
    }

    /// Whether variables have values of a token that nobody verifies.
    pub(super) fn shows_unverified(&self) -> bool {
        let setting = self.auth_jwt.get();
        setting.is_some_and(|setting| setting.shows_unverified)
    }

    /// Whether requests are judged here: there is an `auth_jwt` other than `off`.
    pub(super) fn is_on(&self) -> bool {
        let setting = self.auth_jwt.get();
        setting.is_some_and(|setting| setting.realm.is_some())
    }

    /// The options under which tokens are verified here.
    pub(super) fn verify_options(&self) -> VerifyOptions {
        let check = match self.verify_signature.get() {
            Some(false) => SignatureCheck::Believe,
            Some(true) | None => SignatureCheck::Verify,
        };
        VerifyOptions {
            kind: self.token_type(),
            check,
            compression: self.compression.get().copied().unwrap_or(true),
            has_issuer: self.trusted.is_some(),
        }
    }

    /// Whether requests are judged in the preaccess phase.
    pub(super) fn is_preaccess(&self) -> bool {
        self.phase.get().is_some_and(|phase| phase.is_preaccess)
    }

    pub(super) fn key_cache(&self) -> &KeyCache {
        self.key_cache.get().unwrap_or(&KeyCache::NONE)
    }

    pub(super) fn leeway(&self) -> Duration {
        self.leeway.get().copied().unwrap_or_default()
    }

    /// The level of log lines about refused tokens.
    pub(super) fn log_level(&self) -> Severity {
        self.log_level.get().copied().unwrap_or(Severity::Info)
    }

    /// Whether tokens are accepted without keys: signed ones whose signature is not verified.
    pub(super) fn needs_no_keys(&self) -> bool {
        let options = self.verify_options();
        let is_believed =
            (options.kind, options.check) == (TokenType::Signed, SignatureCheck::Believe);
        is_believed && self.trusted.is_none()
    }

    /// Whether tokens are refused for want of key sources.
    pub(super) fn lacks_key_sources(&self) -> bool {
        self.key_sources.is_empty() && !self.needs_no_keys() && self.needs_own_keys()
    }

    /// Whether the level's key sources are used: those of issuers verify, so that it needs its own
    /// to decrypt at most.
    fn needs_own_keys(&self) -> bool {
        self.trusted.is_none() || self.token_type() != TokenType::Signed
    }

    /// What the keys of the level's own sources have to be good for.
    pub(super) fn key_purpose(&self) -> (TokenType, SignatureCheck) {
        let VerifyOptions { kind, check, .. } = self.verify_options();
        match &self.trusted {
            Some(_) => (TokenType::Encrypted, check),
            None => (kind, check),
        }
    }

    /// Refuses what does not go with `auth_jwt_trust`.
    fn check_trust(&self) -> Result<(), ConfigError> {
        let (Some(setting), Some(_), true) = (self.trust.get(), &self.trusted, self.is_on()) else {
            return Ok(());
        };
        if self.verify_signature.get() == Some(&false) {
            let what = "needs signatures, and \"auth_jwt_verify_signature\" is off";
            return Err(setting.conflict(what));
        }
        match self.token_type() {
            // Whoever has the key for encryption could write any iss.
            TokenType::Encrypted => Err(setting.conflict(
                "needs a signature of the issuer, which tokens with \"auth_jwt_type encrypted\" do \
                 not have; see \"auth_jwt_type nested\"",
            )),
            TokenType::Signed if !self.key_sources.is_empty() && !self.are_keys_further_out => {
                Err(setting.conflict(
                    "has the keys of issuers verify tokens: \"auth_jwt_key_file\" or \
                     \"auth_jwt_key_request\" beside it is for \"auth_jwt_type nested\"; remove it, \
                     or write \"auth_jwt_trust off\"",
                ))
            }
            TokenType::Signed | TokenType::Nested => Ok(()),
        }
    }

    fn warn_of_satisfy_any(&self, cf: &Config<'_>) {
        if self.is_on()
            && self.is_preaccess()
            && cf.has_satisfy_any()
            && let Some(phase) = self.phase.get()
            && let Some(position) = phase.position.take()
        {
            cf.warn(format_args!(
                "\"satisfy any\" does not apply to \"auth_jwt_phase preaccess\" in {position}: \
                 a request without a valid token is refused whatever other modules say"
            ));
        }
    }

    fn warn_of_missing_keys(&self, cf: &Config<'_>) {
        let Some(setting) = self.auth_jwt.get() else {
            return;
        };
        if setting.realm.is_none() || !self.lacks_key_sources() {
            return;
        }
        if let Some(ModeSetting::Constant(Mode::Off | Mode::Report)) = self.mode.get() {
            return;
        }
        if !setting.has_warned.replace(true) {
            cf.warn(format_args!(
                "no auth_jwt_key_file or auth_jwt_key_request for \"auth_jwt\" in {}, \
                 every request is refused",
                setting.position
            ));
        }
    }

    /// Warns of key files that are of no use here, or that hold more than is needed. Nothing is
    /// known of keys that only a request fetches.
    fn warn_of_useless_keys(&self, cf: &Config<'_>) {
        let is_used = !self.key_sources.is_empty() && self.needs_own_keys();
        if !self.is_on() || !is_used || self.needs_no_keys() {
            return;
        }
        let keys = |source: &KeySource| match source {
            KeySource::File(file) => file.current_keys(None, |_| ()).ok(),
            KeySource::FileNamed(_) | KeySource::Request(_) => None,
        };
        let Some(sets) = self
            .key_sources
            .iter()
            .map(keys)
            .collect::<Option<Vec<_>>>()
        else {
            return;
        };
        let set = KeySet::merge(&sets);
        // These warnings are said now, and not once more by the first request.
        set.mark_used();
        let sources = self.describe_key_sources();
        let (kind, check) = self.key_purpose();
        for warning in set.warnings_for(kind, check) {
            let warning = format!("{sources}: {warning}");
            if cf.main_conf::<AuthJwt>().is_new_warning(&warning) {
                cf.warn(format_args!("{warning}"));
            }
        }
    }

    /// The sources of keys as log lines name them.
    pub(super) fn describe_key_sources(&self) -> String {
        let describe = |source: &KeySource| match source {
            KeySource::File(file) => format!("key file {}", file.access()),
            KeySource::FileNamed(_) => "key file named by variables".to_owned(),
            KeySource::Request(source) => match source.uri.constant() {
                Some(uri) => format!("key request {}", Quoted::whole(uri)),
                None => "key request with variables".to_owned(),
            },
        };
        let sources: Vec<_> = self.key_sources.iter().map(describe).collect();
        sources.join(", ")
    }
}

/// The directives that require something of a token.
const REQUIREMENTS: &[&str] = &[
    "auth_jwt_require",
    "auth_jwt_require_claim",
    "auth_jwt_require_header",
    "auth_jwt_require_scope",
    "auth_jwt_algorithms",
    "auth_jwt_max_age",
    "auth_jwt_binding",
    "auth_jwt_trust",
    "auth_jwt_revocation_list_sub",
    "auth_jwt_revocation_list_kid",
    "auth_jwt_revocation_list_jti",
];

impl Inherit for LocationConf {
    fn record(&mut self, directive: Text<'_>, args: &[Text<'_>]) {
        let is_it = |name: &&&str| name.as_bytes() == directive.bytes();
        let may_be_off = matches!(&*directive, b"auth_jwt_binding" | b"auth_jwt_trust");
        let is_off = may_be_off && args.iter().any(|arg| **arg == *b"off");
        if self.own_requirement.is_none() && !is_off {
            self.own_requirement = REQUIREMENTS.iter().find(is_it).copied();
        }
    }

    fn inherit(&mut self, outer: &Self, cf: &mut Config<'_>) -> Result<(), ConfigError> {
        let Self {
            auth_jwt,
            mode,
            phase,
            token_type,
            key_sources,
            key_cache,
            leeway,
            requirements,
            verify_signature,
            compression,
            challenge,
            log_level,
            token_rules,
            trust,
            trusted,
            are_keys_further_out,
            upstream_headers,
            strip,
            counters,
            resource_metadata: _,
            own_requirement: _,
            only_key_request: _,
        } = self;
        *counters = AuthStatus::counters(cf);
        let is_own = auth_jwt.get().is_some();
        if let (Some(own), Some(outer)) = (auth_jwt.get(), outer.auth_jwt.get())
            && let Some(inherited) = own.inherit(outer)
        {
            *auth_jwt = Setting::Set(Rc::new(inherited));
        }
        auth_jwt.inherit(&outer.auth_jwt);
        *are_keys_further_out = match (trust.get(), &**key_sources) {
            (Some(_), own) => own.is_empty(),
            (None, []) => outer.are_keys_further_out,
            (None, _) => false,
        };
        *trusted = match (trust.get(), outer.trust.get(), &outer.trusted) {
            (None, Some(_), Some(inherited)) => Some(Rc::clone(inherited)),
            (None, None, _) => None,
            // At the level of `http` nobody has looked for them yet.
            (Some(setting), ..) | (None, Some(setting), None) => setting
                .find(&cf.main_conf::<AuthJwt>().issuers)?
                .map(Rc::new),
        };
        trust.inherit(&outer.trust);
        mode.inherit(&outer.mode);
        phase.inherit(&outer.phase);
        token_type.inherit(&outer.token_type);
        key_sources.inherit(&outer.key_sources);
        key_cache.inherit(&outer.key_cache);
        leeway.inherit(&outer.leeway);
        requirements.inherit(&outer.requirements);
        verify_signature.inherit(&outer.verify_signature);
        compression.inherit(&outer.compression);
        challenge.inherit(&outer.challenge);
        log_level.inherit(&outer.log_level);
        token_rules.inherit(&outer.token_rules, &cf.main_conf::<AuthJwt>().sets);
        let place = auth_jwt.get().map(|setting| setting.token_place());
        strip.inherit(&outer.strip, place.unwrap_or_default(), cf)?;
        upstream_headers.inherit(&outer.upstream_headers, strip, cf);
        if let Some(setting) = self.auth_jwt.get()
            && setting.realm.is_some()
        {
            warn_of_return(cf, "auth_jwt", &setting.position, is_own);
        }
        self.check_trust()?;
        self.warn_of_missing_keys(cf);
        self.warn_of_useless_keys(cf);
        self.warn_of_satisfy_any(cf);
        match (self.is_on(), self.own_requirement) {
            (true, _) => self.token_rules.warn_of_algorithms(self.token_type(), cf),
            // Metadata names the trusted issuers, and requires nothing.
            (false, Some("auth_jwt_trust")) if self.resource_metadata.is_some() => {}
            (false, Some(requirement)) => warn_of_requirement_alone(cf, requirement, "auth_jwt"),
            (false, None) => {}
        }
        let is_judged = self.is_on();
        if let Some(metadata) = &mut self.resource_metadata {
            let issuers = self.trusted.iter().flat_map(|trusted| trusted.urls());
            metadata.finish(issuers, is_judged, cf)?;
        }
        Ok(())
    }
}

/// Warns of pages for refused requests that need a token themselves.
pub(super) fn warn_of_refused_pages(cf: &MergedConfig<'_, '_>) {
    config_checks::warn_of_refused_pages(cf, "auth_jwt", |location| {
        let conf = cf.conf::<AuthJwt>(location);
        let mode = conf.mode.get();
        conf.is_on()
            && mode.is_none_or(|mode| matches!(mode, ModeSetting::Constant(Mode::Required)))
    });
}

/// Warns of locations with keys that clients can request.
pub(super) fn warn_of_key_locations(cf: &MergedConfig<'_, '_>) {
    let locations = cf.locations();
    let questions = locations.iter().flat_map(|&from| {
        let conf = cf.conf::<AuthJwt>(from);
        let is_on = conf.is_on();
        let sources = conf.key_sources.iter().filter(move |_| is_on);
        sources.filter_map(move |source| match source {
            KeySource::Request(source) => Some(Question {
                directive: "auth_jwt_key_request",
                uri: &source.uri,
                from,
            }),
            KeySource::File(_) | KeySource::FileNamed(_) => None,
        })
    });
    warn_of_asked_locations(cf, questions, |asked| {
        (!asked.is_internal() && !asked.is_server()).then_some(Fault::NotInternal)
    });
}
