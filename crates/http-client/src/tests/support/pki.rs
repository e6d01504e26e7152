//! Certificates for tests.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use openssl::asn1::Asn1Time;
use openssl::bn::{BigNum, MsbOption};
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::ssl::{SslAcceptor, SslMethod, SslVerifyMode};
use openssl::x509::extension::{BasicConstraints, SubjectAlternativeName};
use openssl::x509::store::X509StoreBuilder;
use openssl::x509::{X509, X509NameBuilder};

/// What a certificate says.
pub struct Leaf<'a> {
    pub common_name: &'a str,
    pub names: &'a [&'a str],
    pub addresses: &'a [&'a str],
    /// Seconds since 1970.
    pub not_before: i64,
    pub not_after: i64,
    pub is_ca: bool,
}

/// The year 2100.
const FAR: i64 = 4_102_444_800;

impl Default for Leaf<'_> {
    fn default() -> Self {
        Self {
            common_name: "leaf",
            names: &["login.test"],
            addresses: &[],
            not_before: 0,
            not_after: FAR,
            is_ca: false,
        }
    }
}

/// A certificate with its key.
pub struct Identity {
    pub certificate: X509,
    pub key: PKey<Private>,
}

/// A certification authority.
pub struct Ca(pub Identity);

impl Ca {
    pub fn new(name: &str) -> Self {
        let leaf = Leaf {
            common_name: name,
            names: &[],
            is_ca: true,
            ..Leaf::default()
        };
        Self(Identity::make(&leaf, None))
    }

    pub fn issue(&self, leaf: &Leaf<'_>) -> Identity {
        Identity::make(leaf, Some(&self.0))
    }

    /// The certificate in a file.
    pub fn file(&self, folder: &Folder) -> PathBuf {
        folder.write("ca.pem", &self.0.certificate.to_pem().unwrap())
    }
}

impl Identity {
    pub fn make(leaf: &Leaf<'_>, issuer: Option<&Self>) -> Self {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
        let key = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
        let mut name = X509NameBuilder::new().unwrap();
        name.append_entry_by_nid(Nid::COMMONNAME, leaf.common_name)
            .unwrap();
        let name = name.build();
        let mut serial = BigNum::new().unwrap();
        serial.rand(120, MsbOption::ONE, false).unwrap();

        let mut builder = X509::builder().unwrap();
        builder.set_version(2).unwrap();
        builder
            .set_serial_number(&serial.to_asn1_integer().unwrap())
            .unwrap();
        let time = |time| Asn1Time::from_unix(time).unwrap();
        builder.set_not_before(&time(leaf.not_before)).unwrap();
        builder.set_not_after(&time(leaf.not_after)).unwrap();
        builder.set_subject_name(&name).unwrap();
        let issuer_name = issuer.map_or(&*name, |issuer| issuer.certificate.subject_name());
        builder.set_issuer_name(issuer_name).unwrap();
        builder.set_pubkey(&key).unwrap();
        let mut constraints = BasicConstraints::new();
        if leaf.is_ca {
            constraints.critical().ca();
        }
        builder
            .append_extension(constraints.build().unwrap())
            .unwrap();
        if !(leaf.names.is_empty() && leaf.addresses.is_empty()) {
            let mut names = SubjectAlternativeName::new();
            leaf.names.iter().for_each(|name| _ = names.dns(name));
            leaf.addresses.iter().for_each(|ip| _ = names.ip(ip));
            let context = builder.x509v3_context(None, None);
            let names = names.build(&context).unwrap();
            builder.append_extension(names).unwrap();
        }
        let signer = issuer.map_or(&key, |issuer| &issuer.key);
        builder.sign(signer, MessageDigest::sha256()).unwrap();
        Self {
            certificate: builder.build(),
            key,
        }
    }

    /// What a server with this certificate needs; `chain` follows it.
    pub fn acceptor(&self, chain: &[&Self], client_ca: Option<&Ca>) -> SslAcceptor {
        let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server()).unwrap();
        acceptor.set_certificate(&self.certificate).unwrap();
        acceptor.set_private_key(&self.key).unwrap();
        for identity in chain {
            acceptor
                .add_extra_chain_cert(identity.certificate.clone())
                .unwrap();
        }
        if let Some(ca) = client_ca {
            let mut store = X509StoreBuilder::new().unwrap();
            store.add_cert(ca.0.certificate.clone()).unwrap();
            acceptor.set_cert_store(store.build());
            acceptor.set_verify(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT);
        }
        acceptor.build()
    }

    /// The certificate and the key in files.
    pub fn files(&self, folder: &Folder) -> (PathBuf, PathBuf) {
        let key = self.key.private_key_to_pem_pkcs8().unwrap();
        let certificate = self.certificate.to_pem().unwrap();
        (
            folder.write("client.pem", &certificate),
            folder.write("client.key", &key),
        )
    }
}

/// A folder for the files of a test, which is removed at its end.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("http-client-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub fn write(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        path
    }
}

impl AsRef<Path> for Folder {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
