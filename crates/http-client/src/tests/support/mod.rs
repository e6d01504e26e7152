//! Servers, a network by tokio, and certificates.

mod network;
mod pki;
mod server;

pub use network::TestNetwork;
pub use pki::{Ca, Folder, Identity, Leaf};
pub use server::{Conn, Server, read_header};

use std::future::{Future as _, poll_fn};
use std::pin::pin;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use http_url::HttpUrl;

use crate::client::{FetchedDocument, GetRequest, get};
use crate::error::FetchError;
use crate::limits::FetchLimits;
use crate::proxy::Proxy;
use crate::tls::{TlsConfigs, TlsOptions};

/// No limit that a test could reach.
pub const PATIENT: FetchLimits = FetchLimits {
    connect: HOUR,
    handshake: HOUR,
    read: HOUR,
    whole: HOUR,
    body_bytes: 1024,
    header_bytes: 8192,
    header_lines: 20,
    redirects: 3,
};
pub const HOUR: Duration = Duration::from_secs(3600);
/// A limit that is reached, because the server never goes on.
pub const SOON: Duration = Duration::from_millis(50);

/// The tests share the system's certificates.
static CONFIGS: LazyLock<Mutex<TlsConfigs>> = LazyLock::new(Mutex::default);

pub fn url(text: &str) -> HttpUrl {
    HttpUrl::parse(text).unwrap()
}

/// Gets a URL with these options.
pub struct Fetch<'a> {
    pub limits: FetchLimits,
    pub tls: TlsOptions,
    pub proxy: Option<&'a str>,
    pub is_quiet: Option<Arc<AtomicBool>>,
    /// What others in this thread do before each step of the fetch.
    pub meanwhile: fn(),
}

impl Default for Fetch<'_> {
    fn default() -> Self {
        Self {
            limits: PATIENT,
            tls: TlsOptions::default(),
            proxy: None,
            is_quiet: None,
            meanwhile: || (),
        }
    }
}

impl Fetch<'_> {
    pub fn document(&self, text: &str) -> Result<FetchedDocument, FetchError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let proxy = self.proxy.map(|proxy| Proxy::parse(proxy).unwrap());
        let tls = CONFIGS.lock().unwrap().config(&self.tls).unwrap();
        let url = url(text);
        let request = GetRequest {
            url: &url,
            accept: "application/json",
            proxy: proxy.as_ref(),
        };
        let network = TestNetwork {
            is_quiet: self.is_quiet.clone(),
        };
        let mut document = pin!(get(&network, &request, &self.limits, &tls));
        runtime.block_on(poll_fn(|cx| {
            (self.meanwhile)();
            document.as_mut().poll(cx)
        }))
    }

    /// The body as text.
    pub fn text(&self, url: &str) -> Result<String, FetchError> {
        let document = self.document(url)?;
        Ok(String::from_utf8(document.body).unwrap())
    }

    /// The text of the error.
    #[track_caller]
    pub fn error(&self, url: &str) -> String {
        self.text(url).unwrap_err().to_string()
    }
}

/// The body of a URL, with default options.
pub fn text(url: &str) -> Result<String, FetchError> {
    Fetch::default().text(url)
}

/// The text of the error of a URL, with default options.
#[track_caller]
pub fn error(url: &str) -> String {
    Fetch::default().error(url)
}
