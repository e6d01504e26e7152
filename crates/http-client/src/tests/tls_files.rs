use openssl::symm::Cipher;

use super::support::{Ca, Folder, Leaf};
use crate::tls::{TlsConfigs, TlsOptions};

#[track_caller]
fn error(options: &TlsOptions) -> String {
    TlsConfigs::default()
        .config(options)
        .err()
        .unwrap()
        .to_string()
}

#[test]
fn a_bad_file_of_trusted_certificates_is_named() {
    let folder = Folder::new();
    let options = |file| TlsOptions {
        trusted_certificate: Some(file),
        ..TlsOptions::default()
    };
    let missing = folder.path("missing.pem");
    let expected = format!("cannot read \"{}\": ", missing.display());
    assert_eq!(
        error(&options(missing)),
        expected + "No such file or directory (os error 2)"
    );

    for content in [
        "",
        "no PEM",
        "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n",
    ] {
        let file = folder.write("none.pem", content.as_bytes());
        let shown = file.display().to_string();
        let expected = format!("no certificate in \"{shown}\": it has to be a PEM file");
        assert_eq!(error(&options(file)), expected, "{content}");
    }
    let garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let file = folder.write("bad.pem", garbage.as_bytes());
    let expected = format!("invalid certificate in \"{}\": ", file.display());
    let error = error(&options(file));
    assert!(error.starts_with(&expected), "{error}");
}

#[test]
fn a_bad_client_certificate_is_named() {
    let (folder, ca) = (Folder::new(), Ca::new("Test CA"));
    let client = ca.issue(&Leaf::default());
    let (certificate, key) = client.files(&folder);
    let options = |certificate: &std::path::Path, key: &std::path::Path| TlsOptions {
        client_certificate: Some((certificate.into(), key.into())),
        ..TlsOptions::default()
    };
    assert!(
        TlsConfigs::default()
            .config(&options(&certificate, &key))
            .is_ok()
    );

    let expected = format!(
        "no certificate in \"{}\": it has to be a PEM file",
        key.display()
    );
    assert_eq!(error(&options(&key, &key)), expected);

    let expected = format!(
        "no valid private key in \"{}\", which has to be a PEM file",
        certificate.display()
    );
    assert_eq!(error(&options(&certificate, &certificate)), expected);

    let encrypted = client
        .key
        .private_key_to_pem_pkcs8_passphrase(Cipher::aes_128_cbc(), b"secret")
        .unwrap();
    let encrypted = folder.write("encrypted.key", &encrypted);
    let expected = format!(
        "the private key in \"{}\" is encrypted: it has to be stored without a password, in a file \
         that only the owner may read",
        encrypted.display()
    );
    assert_eq!(error(&options(&certificate, &encrypted)), expected);

    let other = ca.issue(&Leaf::default()).key.private_key_to_pem_pkcs8();
    let other = folder.write("other.key", &other.unwrap());
    let expected = format!(
        "the private key in \"{}\" does not belong to the certificate in \"{}\"",
        other.display(),
        certificate.display()
    );
    assert_eq!(error(&options(&certificate, &other)), expected);
}

#[test]
fn a_name_that_no_server_can_have_is_refused() {
    let options = |name: &str| TlsOptions {
        name: Some(name.to_owned()),
        verify: false,
        ..TlsOptions::default()
    };
    for (name, shown) in [
        ("", "\"\""),
        ("a b", "\"a b\""),
        ("login.test:443", "\"login.test:443\""),
        ("login.test/", "\"login.test/\""),
        ("user@login.test", "\"user@login.test\""),
        ("*.login.test", "\"*.login.test\""),
        ("[::1]", "\"[::1]\""),
        ("unix:/run/a", "\"unix:/run/a\""),
        ("login\0.test", "\"login\\x00.test\""),
    ] {
        let expected = format!("invalid name {shown}: it has to be a host name or an IP address");
        assert_eq!(error(&options(name)), expected);
    }
    for name in [
        "login.test",
        "LOGIN.test",
        "a_b",
        "login.test.",
        "127.0.0.1",
        "::1",
    ] {
        assert!(
            TlsConfigs::default().config(&options(name)).is_ok(),
            "{name}"
        );
    }
}

#[test]
fn another_content_of_a_file_of_trusted_certificates_is_told_from_the_one_before() {
    let (folder, one, other) = (Folder::new(), Ca::new("Test CA"), Ca::new("Test CA"));
    let digest = |options: &TlsOptions| {
        let config = TlsConfigs::default().config(options);
        config.unwrap().trusted_digest()
    };
    assert_eq!(digest(&TlsOptions::default()), None);
    let options = TlsOptions {
        trusted_certificate: Some(one.file(&folder)),
        ..TlsOptions::default()
    };
    let first = digest(&options);
    assert!(first.is_some());
    assert_eq!(digest(&options), first);
    let name = Some("login.test".to_owned());
    let named = TlsOptions {
        name,
        ..options.clone()
    };
    assert_eq!(digest(&named), first);
    assert_eq!(options.trusted_certificate, Some(other.file(&folder)));
    assert!(digest(&options).is_some_and(|digest| Some(digest) != first));
    let unused = TlsOptions {
        verify: false,
        ..options
    };
    assert_eq!(digest(&unused), None);
}

#[test]
fn files_are_read_once() {
    let (folder, ca) = (Folder::new(), Ca::new("Test CA"));
    let options = TlsOptions {
        trusted_certificate: Some(ca.file(&folder)),
        ..TlsOptions::default()
    };
    let mut configs = TlsConfigs::default();
    assert!(configs.config(&options).is_ok());
    drop(folder);
    let named = TlsOptions {
        name: Some("login.test".to_owned()),
        ..options.clone()
    };
    assert!(configs.config(&named).is_ok());
    assert!(TlsConfigs::default().config(&options).is_err());
}
