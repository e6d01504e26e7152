//! Why the certificate of a server is not accepted.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use openssl::nid::Nid;
use openssl::ssl::{SslRef, SslVerifyMode};
use openssl::x509::{X509NameRef, X509Ref, X509StoreContextRef, X509VerifyResult};
use text::Quoted;

use crate::error::FetchError;

/// How many names of a certificate a message shows.
const SHOWN_NAMES: usize = 5;

// Numbers of X509_V_ERR_*, which the openssl crate has no names for. They are part of OpenSSL's
// ABI.
const UNABLE_TO_GET_ISSUER_CERT: i32 = 2;
const CERT_NOT_YET_VALID: i32 = 9;
const CERT_HAS_EXPIRED: i32 = 10;
const DEPTH_ZERO_SELF_SIGNED_CERT: i32 = 18;
const SELF_SIGNED_CERT_IN_CHAIN: i32 = 19;
const UNABLE_TO_GET_ISSUER_CERT_LOCALLY: i32 = 20;
const UNABLE_TO_VERIFY_LEAF_SIGNATURE: i32 = 21;
const HOSTNAME_MISMATCH: i32 = 62;
const IP_ADDRESS_MISMATCH: i32 = 64;

/// Where the verification of a certificate leaves its reason.
#[derive(Clone, Default)]
pub(super) struct Verification(Arc<Mutex<Option<FetchError>>>);

impl Verification {
    /// Has OpenSSL verify the server's certificate, and keeps the reason of a failure.
    pub(super) fn of(ssl: &mut SslRef, wanted: &str) -> Self {
        let verification = Self::default();
        let (kept, wanted) = (verification.clone(), wanted.to_owned());
        ssl.set_verify_callback(SslVerifyMode::PEER, move |is_good, chain| {
            if !is_good {
                let mut error = kept.0.lock().unwrap_or_else(PoisonError::into_inner);
                error.get_or_insert(error_of(chain, &wanted));
            }
            is_good
        });
        verification
    }

    /// The reason, if the verification has failed.
    pub(super) fn error(&self) -> Option<FetchError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

fn error_of(chain: &X509StoreContextRef, wanted: &str) -> FetchError {
    let result = chain.error();
    let Some(certificate) = chain.current_cert() else {
        return other_error(result, Quoted::new(wanted));
    };
    let subject = quoted_name(certificate.subject_name());
    match result.as_raw() {
        CERT_HAS_EXPIRED => FetchError::CertificateExpired {
            subject,
            not_after: certificate.not_after().to_string(),
        },
        CERT_NOT_YET_VALID => FetchError::CertificateNotYetValid {
            subject,
            not_before: certificate.not_before().to_string(),
        },
        HOSTNAME_MISMATCH | IP_ADDRESS_MISMATCH => FetchError::CertificateName {
            wanted: wanted.to_owned(),
            names: names(certificate),
        },
        DEPTH_ZERO_SELF_SIGNED_CERT | SELF_SIGNED_CERT_IN_CHAIN => {
            FetchError::SelfSigned { subject }
        }
        UNABLE_TO_GET_ISSUER_CERT
        | UNABLE_TO_GET_ISSUER_CERT_LOCALLY
        | UNABLE_TO_VERIFY_LEAF_SIGNATURE => FetchError::UnknownCa {
            subject,
            issuer: quoted_name(certificate.issuer_name()),
        },
        _ => other_error(result, subject),
    }
}

fn other_error(result: X509VerifyResult, subject: Quoted) -> FetchError {
    FetchError::Certificate {
        subject,
        reason: result.error_string().to_owned(),
    }
}

/// The common name, or the organization where there is none.
fn quoted_name(name: &X509NameRef) -> Quoted {
    let entry = [Nid::COMMONNAME, Nid::ORGANIZATIONNAME]
        .into_iter()
        .find_map(|nid| name.entries_by_nid(nid).last());
    Quoted::new(entry.map_or(&b""[..], |entry| entry.data().as_slice()))
}

/// The names and addresses that a certificate is for; its common name if it has none.
fn names(certificate: &X509Ref) -> String {
    let alternatives = certificate.subject_alt_names();
    let mut names: Vec<_> = alternatives
        .iter()
        .flatten()
        .filter_map(|name| match (name.dnsname(), name.ipaddress()) {
            (Some(name), _) => Some(Quoted::new(name).to_string()),
            (None, Some(address)) => ip_address(address).map(|address| format!("\"{address}\"")),
            (None, None) => None,
        })
        .collect();
    if names.is_empty() {
        return quoted_name(certificate.subject_name()).to_string();
    }
    let hidden = names.len().saturating_sub(SHOWN_NAMES);
    names.truncate(SHOWN_NAMES);
    let shown = names.join(", ");
    match hidden {
        0 => shown,
        hidden => format!("{shown} and {hidden} more"),
    }
}

fn ip_address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from))
        .ok()
}
