//! What is configured about TLS. The files are read once, when the configuration is read: the
//! workers may not be allowed to.

use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use http_url::{HttpUrl, UrlHost};
use openssl::error::ErrorStack;
use openssl::pkey::{PKey, Private};
use openssl::sha::Sha256;
use openssl::ssl::{SslContext, SslContextBuilder, SslMethod, SslOptions, SslVersion};
use openssl::x509::X509;
use openssl::x509::store::X509StoreBuilder;
use openssl::x509::verify::X509VerifyFlags;
use text::Quoted;

use super::error_queue::with_own_errors;

/// The protocol that is offered by ALPN, with its length in front.
const HTTP_1_1: &[u8] = b"\x08http/1.1";

/// What is configured about TLS.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TlsOptions {
    /// A PEM file with the certificates that are trusted; without it the system's.
    pub trusted_certificate: Option<PathBuf>,
    /// PEM files with the client certificate, which its chain may follow, and with its key.
    pub client_certificate: Option<(PathBuf, PathBuf)>,
    /// The name that the server's certificate has to have, and that the server is told; without it
    /// the URL's host.
    pub name: Option<String>,
    /// Whether the server's certificate is verified.
    pub verify: bool,
}

/// The certificates are those of the system, and verified.
impl Default for TlsOptions {
    fn default() -> Self {
        Self {
            trusted_certificate: None,
            client_certificate: None,
            name: None,
            verify: true,
        }
    }
}

/// All that a TLS connection needs.
#[derive(Clone)]
pub struct TlsConfig {
    pub(super) context: SslContext,
    pub(super) name: Option<String>,
    pub(super) verify: bool,
    trusted: Option<[u8; 32]>,
}

impl TlsConfig {
    /// A digest of the certificates in the file of [`TlsOptions::trusted_certificate`], if they are
    /// what the server's certificate is verified with. It changes with the content of that file.
    pub fn trusted_digest(&self) -> Option<[u8; 32]> {
        self.trusted
    }
}

/// Makes each [`TlsConfig`] of one nginx configuration. Those with the same files share what was
/// read of them: the 144 certificates of Debian 12 take 100 ms and 4 MB.
#[derive(Default)]
pub struct TlsConfigs(Vec<(TlsOptions, TlsFiles)>);

/// What was read.
#[derive(Clone)]
struct TlsFiles {
    context: SslContext,
    trusted: Option<[u8; 32]>,
}

/// What is wrong with the configuration of TLS.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsConfigError {
    /// A file cannot be read.
    #[error("cannot read \"{}\": {error}", .file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// The reason.
        error: io::Error,
    },
    /// A file has no certificate.
    #[error("no certificate in \"{}\": it has to be a PEM file", .0.display())]
    NoCertificate(PathBuf),
    /// A file has an invalid certificate.
    #[error("invalid certificate in \"{}\": {reason}", .file.display())]
    Certificate {
        /// The file.
        file: PathBuf,
        /// OpenSSL's text.
        reason: ErrorStack,
    },
    /// A file has no key, or an invalid one.
    #[error("no valid private key in \"{}\", which has to be a PEM file", .0.display())]
    Key(PathBuf),
    /// A key is encrypted.
    #[error(
        "the private key in \"{}\" is encrypted: it has to be stored without a password, in a file \
         that only the owner may read",
        .0.display()
    )]
    EncryptedKey(PathBuf),
    /// A key does not belong to its certificate.
    #[error(
        "the private key in \"{}\" does not belong to the certificate in \"{}\"",
        .key.display(), .certificate.display()
    )]
    KeyMismatch {
        /// The file with the certificate.
        certificate: PathBuf,
        /// The file with the key.
        key: PathBuf,
    },
    /// A name that no server can have.
    #[error("invalid name {0}: it has to be a host name or an IP address")]
    Name(Quoted),
    /// OpenSSL refuses something else.
    #[error("TLS cannot be set up: {0}")]
    OpenSsl(#[from] ErrorStack),
}

impl TlsConfigs {
    /// Reads the files, unless they were read before.
    ///
    /// # Errors
    /// [`TlsConfigError`]
    pub fn config(&mut self, options: &TlsOptions) -> Result<TlsConfig, TlsConfigError> {
        if let Some(name) = options.name.as_ref().filter(|name| !is_server_name(name)) {
            return Err(TlsConfigError::Name(Quoted::new(name)));
        }
        // The name is that of a connection, not of a context.
        let files = TlsOptions {
            name: None,
            ..options.clone()
        };
        let known = self.0.iter().find(|(known, _)| *known == files);
        let read = match known {
            Some((_, read)) => read.clone(),
            None => {
                let read = with_own_errors(|| read_files(&files))?;
                self.0.push((files, read.clone()));
                read
            }
        };
        Ok(TlsConfig {
            context: read.context,
            trusted: read.trusted,
            name: options.name.clone(),
            verify: options.verify,
        })
    }
}

/// Whether a certificate can be for this name.
fn is_server_name(name: &str) -> bool {
    let is_host = |url: HttpUrl| matches!(url.host(), UrlHost::Name(host) if *host == name.to_ascii_lowercase());
    name.parse::<IpAddr>().is_ok() || HttpUrl::parse(&format!("https://{name}")).is_ok_and(is_host)
}

fn read_files(options: &TlsOptions) -> Result<TlsFiles, TlsConfigError> {
    let mut context = SslContext::builder(SslMethod::tls_client())?;
    context.set_min_proto_version(Some(SslVersion::TLS1_2))?;
    context.set_options(SslOptions::NO_RENEGOTIATION | SslOptions::NO_COMPRESSION);
    context.set_alpn_protos(HTTP_1_1)?;
    let trusted = match options.verify {
        true => trust(&mut context, options.trusted_certificate.as_deref())?,
        false => None,
    };
    if let Some((certificate, key)) = &options.client_certificate {
        use_client_certificate(&mut context, certificate, key)?;
    }
    Ok(TlsFiles {
        context: context.build(),
        trusted,
    })
}

/// Trusts the certificates in a file, or those of the system. Returns a digest of those in the file.
fn trust(
    context: &mut SslContextBuilder,
    file: Option<&Path>,
) -> Result<Option<[u8; 32]>, TlsConfigError> {
    let Some(file) = file else {
        context.set_default_verify_paths()?;
        return Ok(None);
    };
    let mut store = X509StoreBuilder::new()?;
    let mut digest = Sha256::new();
    for certificate in read_certificates(file)? {
        digest.update(&certificate.to_der()?);
        store.add_cert(certificate)?;
    }
    context.set_cert_store(store.build());
    // Whoever names the certificate of an intermediate CA, or that of the server, trusts it.
    let flags = X509VerifyFlags::PARTIAL_CHAIN;
    context.verify_param_mut().set_flags(flags)?;
    Ok(Some(digest.finish()))
}

fn use_client_certificate(
    context: &mut SslContextBuilder,
    certificate_file: &Path,
    key_file: &Path,
) -> Result<(), TlsConfigError> {
    let mut certificates = read_certificates(certificate_file)?.into_iter();
    let Some(certificate) = certificates.next() else {
        return Err(TlsConfigError::NoCertificate(certificate_file.into()));
    };
    let key = read_key(key_file)?;
    let is_of_key = certificate
        .public_key()
        .is_ok_and(|public_key| public_key.public_eq(&key));
    if !is_of_key {
        return Err(TlsConfigError::KeyMismatch {
            certificate: certificate_file.into(),
            key: key_file.into(),
        });
    }
    context.set_certificate(&certificate)?;
    for certificate in certificates {
        context.add_extra_chain_cert(certificate)?;
    }
    context.set_private_key(&key)?;
    Ok(())
}

/// The certificates in a file; there is at least one.
fn read_certificates(file: &Path) -> Result<Vec<X509>, TlsConfigError> {
    match X509::stack_from_pem(&read(file)?) {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Err(reason) if !reason.errors().is_empty() => Err(TlsConfigError::Certificate {
            file: file.into(),
            reason,
        }),
        Ok(_) | Err(_) => Err(TlsConfigError::NoCertificate(file.into())),
    }
}

fn read_key(file: &Path) -> Result<PKey<Private>, TlsConfigError> {
    let pem = read(file)?;
    let mut is_encrypted = false;
    // Without a callback, OpenSSL would ask for the password at the terminal.
    let key = PKey::private_key_from_pem_callback(&pem, |_| {
        is_encrypted = true;
        Err(ErrorStack::get())
    });
    match key {
        Ok(key) => Ok(key),
        Err(_) if is_encrypted => Err(TlsConfigError::EncryptedKey(file.into())),
        Err(_) => Err(TlsConfigError::Key(file.into())),
    }
}

fn read(file: &Path) -> Result<Vec<u8>, TlsConfigError> {
    std::fs::read(file).map_err(|error| TlsConfigError::Unreadable {
        file: file.into(),
        error,
    })
}
