//! What an `auth_jwt_issuer` block says about fetching keys.

use std::cell::RefCell;
use std::path::PathBuf;
use std::time::Duration;

use super::endpoint::{Endpoint, KeyPlace};
use super::fetched_keys::FetchedKeys;
use super::saved_file::SavedFile;
use super::shared_keys::SharedKeys;
use crate::nginx::net::{HostNames, Resolver, WorkerNetwork, uptime};
use crate::nginx::{Config, ConfigError, Setting};
use crate::status::AuthStatus;
use http_client::limits::FetchLimits;
use http_client::network::Address;
use http_client::proxy::Proxy;
use http_client::tls::{TlsConfig, TlsConfigs, TlsOptions};
use http_url::{HttpUrl, without_credentials};
use policy::auth_jwt::discovery::Discovery;
use policy::auth_jwt::issuer_source::IssuerSource;
use policy::auth_jwt::issuer_times::IssuerTimes;
use policy::auth_jwt::key_route::{KeyRoute, ProxyPlace};
use text::Quoted;

/// How long a worker that hangs keeps others from fetching, beyond the time that a fetch may take.
const LEASE_MARGIN: Duration = Duration::from_secs(2);

/// What may follow a URL.
const INSECURE: &str = "it must be \"insecure\"";

/// The directives about fetching.
#[derive(Default)]
pub(in super::super) struct FetchSettings {
    discovery: Setting<DiscoverySetting>,
    jwks_uri: Setting<JwksUriSetting>,
    refresh: Setting<Duration>,
    stale: Setting<Duration>,
    resolver: Setting<Resolver>,
    trusted_certificate: Setting<Box<str>>,
    certificate: Setting<Box<str>>,
    certificate_key: Setting<Box<str>>,
    name: Setting<Box<str>>,
    verify: Setting<bool>,
    connect_timeout: Setting<Duration>,
    read_timeout: Setting<Duration>,
    proxy: Setting<Proxy>,
    state_path: Setting<PathBuf>,
    /// The name of the first directive that only makes sense if keys are fetched.
    first: Option<Box<str>>,
}

/// `discovery [url] [insecure]`
struct DiscoverySetting {
    url: Option<HttpUrl>,
    insecure: bool,
}

/// `jwks_uri url [insecure]`
struct JwksUriSetting {
    url: HttpUrl,
    insecure: bool,
}

impl FetchSettings {
    /// The name of a directive about fetching that the block has.
    pub(in super::super) fn first(&self) -> Option<&str> {
        self.first.as_deref()
    }

    pub(in super::super) fn set_discovery(&mut self, cf: &Config<'_>) -> Result<(), ConfigError> {
        self.note(cf);
        let args = cf.args();
        let (args, insecure) = match args.split_last() {
            Some((last, rest)) if &**last == b"insecure" => (rest, true),
            _ => (&args[..], false),
        };
        let url = match args {
            [] => None,
            [url] => Some(read_url(url, insecure, cf)?),
            [_, other, ..] => return Err(no_parameter(other, cf)),
        };
        self.discovery.set(DiscoverySetting { url, insecure })
    }

    pub(in super::super) fn set_jwks_uri(&mut self, cf: &Config<'_>) -> Result<(), ConfigError> {
        self.note(cf);
        let (url, rest) = cf.first_argument();
        let insecure = match &rest[..] {
            [] => false,
            [word] if &**word == b"insecure" => true,
            [other, ..] => return Err(no_parameter(other, cf)),
        };
        let url = read_url(&url, insecure, cf)?;
        self.jwks_uri.set(JwksUriSetting { url, insecure })
    }

    pub(in super::super) fn set_refresh(&mut self, cf: &Config<'_>) -> Result<(), ConfigError> {
        self.note(cf);
        self.refresh.set(positive_time(cf)?)
    }

    pub(in super::super) fn set_stale(&mut self, cf: &Config<'_>) -> Result<(), ConfigError> {
        self.note(cf);
        self.stale.set(cf.time(&cf.argument())?)
    }

    pub(in super::super) fn set_resolver(
        &mut self,
        cf: &mut Config<'_>,
    ) -> Result<(), ConfigError> {
        self.note(cf);
        // nginx warns of nothing when it makes a second one.
        if self.resolver.get().is_some() {
            return Err(ConfigError::Directive(c"is duplicate"));
        }
        self.resolver.set(cf.resolver()?)
    }

    pub(in super::super) fn set_trusted_certificate(
        &mut self,
        cf: &Config<'_>,
    ) -> Result<(), ConfigError> {
        self.note(cf);
        self.trusted_certificate.set(text(cf)?)
    }

    pub(in super::super) fn set_certificate(&mut self, cf: &Config<'_>) -> Result<(), ConfigError> {
        self.note(cf);
        self.certificate.set(text(cf)?)
    }

    pub(in super::super) fn set_certificate_key(
        &mut self,
        cf: &Config<'_>,
    ) -> Result<(), ConfigError> {
        self.note(cf);
        self.certificate_key.set(text(cf)?)
    }

    pub(in super::super) fn set_name(&mut self, cf: &Config<'_>) -> Result<(), ConfigError> {
        self.note(cf);
        self.name.set(text(cf)?)
    }

    pub(in super::super) fn set_verify(&mut self, cf: &Config<'_>) -> Result<(), ConfigError> {
        self.note(cf);
        self.verify.set(cf.flag()?)
    }

    pub(in super::super) fn set_connect_timeout(
        &mut self,
        cf: &Config<'_>,
    ) -> Result<(), ConfigError> {
        self.note(cf);
        self.connect_timeout.set(positive_time(cf)?)
    }

    pub(in super::super) fn set_read_timeout(
        &mut self,
        cf: &Config<'_>,
    ) -> Result<(), ConfigError> {
        self.note(cf);
        self.read_timeout.set(positive_time(cf)?)
    }

    pub(in super::super) fn set_proxy(&mut self, cf: &Config<'_>) -> Result<(), ConfigError> {
        self.note(cf);
        let url = url_text(&cf.argument(), cf)?;
        let proxy = Proxy::parse(&url).map_err(|error| {
            let shown = Quoted::whole(&*without_credentials(&url));
            ConfigError::message(format_args!("proxy {shown} {error}"))
        })?;
        self.proxy.set(proxy)
    }

    pub(in super::super) fn set_state_path(
        &mut self,
        cf: &mut Config<'_>,
    ) -> Result<(), ConfigError> {
        self.note(cf);
        let name = text(cf)?;
        self.state_path.set(cf.worker_folder(name.as_bytes())?)
    }

    /// The keys of an issuer, as the block says. `name` is that of the block.
    pub(in super::super) fn keys(
        self,
        name: &str,
        issuer: &str,
        tls: &RefCell<TlsConfigs>,
        cf: &mut Config<'_>,
    ) -> Result<FetchedKeys, ConfigError> {
        let wrong = |what: &dyn std::fmt::Display| {
            ConfigError::message(format_args!(
                "auth_jwt_issuer {} {what}",
                Quoted::whole(name)
            ))
        };
        let options = self.tls_options(cf).map_err(|what| wrong(&what))?;
        let source = self.source().map_err(|what| wrong(&what))?;
        let source_id = source.id(issuer);
        let route = self.route();
        let (place, first_url) = place(source, issuer, route).map_err(|what| wrong(&what))?;
        self.warn_of_route(name, route, &first_url, cf);
        if !options.verify {
            cf.warn(format_args!(
                "auth_jwt_issuer {} has \"ssl_verify off\": whoever is on the way to the issuer can \
                 give keys in its name",
                Quoted::whole(name)
            ));
        }
        let tls = tls.borrow_mut().config(&options);
        let tls =
            tls.map_err(|error| wrong(&format_args!("has TLS settings that fail: {error}")))?;
        // Whose keys these are, and who can have changed them on the way.
        let proxy = self.proxy.get().map(Proxy::address);
        let trusted = trusted_id(&tls);
        let identity = format!("{source_id} {options:?} {proxy:?}{trusted}");
        let endpoint = Endpoint {
            tls,
            network: WorkerNetwork::new(self.host_names(&first_url, &wrong)?),
            limits: self.limits(),
            proxy: self.proxy.get().cloned(),
            place,
        };
        let times = IssuerTimes {
            refresh: self.refresh.get().copied().unwrap_or(IssuerTimes::REFRESH),
            stale: self.stale.get().copied().unwrap_or(IssuerTimes::STALE),
            lease: Endpoint::LIMIT + LEASE_MARGIN,
            configured_at: uptime(),
        };
        let shared = SharedKeys::define(name, &identity, cf)?;
        let folder = self.state_path.get();
        let saved = folder.map(|folder| SavedFile::new(folder, &identity));
        let counters = AuthStatus::issuer(cf, name);
        Ok(FetchedKeys::new(
            name, counters, endpoint, times, shared, saved,
        ))
    }

    /// Remembers that the block has this directive.
    fn note(&mut self, cf: &Config<'_>) {
        let name = || String::from_utf8_lossy(&cf.directive()).into();
        self.first.get_or_insert_with(name);
    }

    fn source(&self) -> Result<IssuerSource, &'static str> {
        match (self.discovery.get(), self.jwks_uri.get()) {
            (Some(_), Some(_)) => Err("has both \"discovery\" and \"jwks_uri\""),
            (None, Some(uri)) => Ok(IssuerSource::JwksUri(uri.url.clone())),
            (discovery, None) => Ok(IssuerSource::Discovery {
                url: discovery.and_then(|discovery| discovery.url.clone()),
                insecure: discovery.is_some_and(|discovery| discovery.insecure),
            }),
        }
    }

    /// The way to the servers.
    fn route(&self) -> KeyRoute {
        let of_discovery = self.discovery.get().map(|discovery| discovery.insecure);
        let of_uri = self.jwks_uri.get().map(|uri| uri.insecure);
        let proxy = self
            .proxy
            .get()
            .map(|proxy| match proxy.address().is_local() {
                true => ProxyPlace::ThisMachine,
                false => ProxyPlace::Elsewhere,
            });
        KeyRoute {
            insecure: of_discovery.or(of_uri).unwrap_or(false),
            proxy,
        }
    }

    /// Warns of keys that somebody on the way can change, unless [`read_url`] has done so.
    fn warn_of_route(&self, name: &str, route: KeyRoute, first_url: &HttpUrl, cf: &Config<'_>) {
        if !route.insecure {
            return;
        }
        let name = Quoted::whole(name);
        let discovery = self.discovery.get();
        if first_url.is_https() || route.is_local(first_url) {
            // Only a document leads on to other URLs.
            if discovery.is_some() {
                cf.warn(format_args!(
                    "auth_jwt_issuer {name} has \"discovery insecure\": if the discovery document \
                     leads to http, whoever is on the way can give keys in the name of the issuer"
                ));
            }
            return;
        }
        let is_of_issuer = discovery.is_some_and(|discovery| discovery.url.is_none());
        if is_of_issuer || first_url.is_local() {
            cf.warn(format_args!(
                "auth_jwt_issuer {name} asks \"{first_url}\", which is not https: whoever is on the \
                 way can give keys in the name of the issuer"
            ));
        }
    }

    fn tls_options(&self, cf: &Config<'_>) -> Result<TlsOptions, String> {
        let path = |name: &str| cf.path(name.as_bytes());
        let client_certificate = match (self.certificate.get(), self.certificate_key.get()) {
            (Some(certificate), Some(key)) => Some((path(certificate), path(key))),
            (None, None) => None,
            (Some(_), None) => {
                return Err("has \"ssl_certificate\" but no \"ssl_certificate_key\"".into());
            }
            (None, Some(_)) => {
                return Err("has \"ssl_certificate_key\" but no \"ssl_certificate\"".into());
            }
        };
        Ok(TlsOptions {
            trusted_certificate: self.trusted_certificate.get().map(|name| path(name)),
            client_certificate,
            name: self.name.get().map(|name| name.to_string()),
            verify: self.verify.get().copied().unwrap_or(true),
        })
    }

    /// Where addresses of host names are from. Without `resolver`, the system is asked now.
    fn host_names(
        &self,
        first_url: &HttpUrl,
        wrong: &dyn Fn(&dyn std::fmt::Display) -> ConfigError,
    ) -> Result<HostNames, ConfigError> {
        if let Some(resolver) = self.resolver.get() {
            return Ok(HostNames::Resolver(*resolver));
        }
        let address = match self.proxy.get() {
            Some(proxy) => proxy.address().clone(),
            None => Address::from(first_url),
        };
        let host = match &address {
            Address::Name { host, .. } => Some(host.as_str()),
            Address::Ip(_) | Address::Unix(_) => None,
        };
        HostNames::look_up(host).map_err(|(host, error)| {
            wrong(&format_args!(
                "needs the address of the host {}, which the system does not know now ({error}): \
                 with \"resolver\" workers ask for it",
                Quoted::whole(host)
            ))
        })
    }

    fn limits(&self) -> FetchLimits {
        let default = FetchLimits::default();
        let connect = self.connect_timeout.get().copied();
        FetchLimits {
            connect: connect.unwrap_or(default.connect),
            handshake: connect.unwrap_or(default.handshake),
            read: self.read_timeout.get().copied().unwrap_or(default.read),
            whole: Endpoint::LIMIT,
            ..default
        }
    }
}

/// Where the keys are, and the URL that is asked first.
fn place(
    source: IssuerSource,
    issuer: &str,
    route: KeyRoute,
) -> Result<(KeyPlace, HttpUrl), String> {
    let search = match source {
        IssuerSource::JwksUri(url) => {
            return match route.check(&url) {
                Ok(()) => Ok((KeyPlace::At(url.clone()), url)),
                Err(error) => Err(format!("has the jwks_uri \"{url}\", which {error}")),
            };
        }
        IssuerSource::Discovery { url: Some(url), .. } => Discovery::at(issuer, url.clone(), route)
            .map_err(|error| format!("has the discovery document \"{url}\", which {error}"))?,
        IssuerSource::Discovery { url: None, .. } => {
            Discovery::of_issuer(issuer, route).map_err(|error| {
                let shown = Quoted::whole(&*without_credentials(issuer));
                format!("has the issuer {shown}, which {error}")
            })?
        }
    };
    let first_url = search.url().clone();
    let issuer = issuer.into();
    Ok((KeyPlace::Discovered { issuer, search }, first_url))
}

/// A URL whose response may be believed.
fn read_url(value: &[u8], insecure: bool, cf: &Config<'_>) -> Result<HttpUrl, ConfigError> {
    let directive = cf.directive();
    let directive = String::from_utf8_lossy(&directive);
    let value = url_text(value, cf)?;
    let wrong = |what: &dyn std::fmt::Display| {
        let shown = Quoted::whole(&*without_credentials(&value));
        ConfigError::message(format_args!("{directive} {shown} {what}"))
    };
    let url = HttpUrl::parse(&value).map_err(|error| wrong(&error))?;
    // The proxy may stand further down in the block.
    let route = KeyRoute {
        insecure,
        proxy: None,
    };
    route.check(&url).map_err(|error| wrong(&error))?;
    if insecure && !url.is_https() && !url.is_local() {
        cf.warn(format_args!(
            "{directive} \"{url}\" is not https: whoever is on the way can give keys in the name of \
             the issuer"
        ));
    }
    Ok(url)
}

/// What tells the certificates in the file of `ssl_trusted_certificate` from others: keys that were
/// fetched with others do not count any more.
fn trusted_id(tls: &TlsConfig) -> String {
    let Some(digest) = tls.trusted_digest() else {
        return String::new();
    };
    let digits = digest.iter().map(|byte| format!("{byte:02x}"));
    format!(" {}", digits.collect::<String>())
}

fn text(cf: &Config<'_>) -> Result<Box<str>, ConfigError> {
    let value = cf.argument();
    check_text(&value)
        .map(Box::from)
        .map_err(|must| cf.invalid_value(&value, must))
}

/// A value that may have a password in it.
fn url_text(value: &[u8], cf: &Config<'_>) -> Result<Box<str>, ConfigError> {
    check_text(value)
        .map(Box::from)
        .map_err(|must| cf.invalid_value(shown_url(value).as_bytes(), must))
}

fn check_text(value: &[u8]) -> Result<&str, &'static str> {
    match str::from_utf8(value) {
        Ok("") => Err("it must not be empty"),
        Ok(text) if text.contains('$') => Err("it must not have variables"),
        Ok(text) => Ok(text),
        Err(_) => Err("it must be in UTF-8"),
    }
}

/// The error for what follows a URL.
fn no_parameter(value: &[u8], cf: &Config<'_>) -> ConfigError {
    cf.invalid_parameter(shown_url(value).as_bytes(), INSECURE)
}

fn shown_url(value: &[u8]) -> String {
    without_credentials(&String::from_utf8_lossy(value)).into()
}

fn positive_time(cf: &Config<'_>) -> Result<Duration, ConfigError> {
    let value = cf.argument();
    let time = cf.time(&value)?;
    match time.is_zero() {
        true => Err(cf.invalid_value(&value, "it must be a time, and more than 0")),
        false => Ok(time),
    }
}
