use super::super::client_certificate::{CertificateError, certificate_sha256};
use super::*;
use EnvoyError as E;

const HASH: &str = "468ed33be74eee6556d90c0149c1309e9ba61d6425303443c0748a02dd8de688";
const OTHER: &str = "0000000000000000000000000000000000000000000000000000000000000000";

fn judge(text: &str) -> Result<String, CertificateError> {
    let sha256 = certificate_sha256(text.as_bytes())?;
    Ok(sha256.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[test]
fn the_hash_of_envoys_line_counts() {
    let subject = r#"Subject="/C=US/ST=CA/L=San Francisco/OU=Lyft/CN=Test Client""#;
    let pem = r#"Cert="-----BEGIN%20CERTIFICATE-----%0AMAEA%0A-----END%20CERTIFICATE-----%0A""#;
    for text in [
        format!("Hash={HASH}"),
        format!("By=http://frontend.lyft.com;Hash={HASH};{subject};URI=http://testclient.lyft.com"),
        format!("By=spiffe://a/b;Hash={HASH};{pem};Chain=\"x\";{subject};URI=;DNS=a.example;DNS=b"),
        format!("Hash={HASH};Subject=\"\""),
        format!("Hash={HASH};"),
        format!("By=;Hash={}", HASH.to_uppercase()),
        // Nothing in quotation marks is a field.
        format!(r#"Hash={HASH};Subject="CN=a\",b;URI=c,DNS=d""#),
        format!(r#"Hash={HASH};Subject="CN=my hash=1";URI=http://a?hash=1"#),
        format!(r#"Hash={HASH};Subject="a\\";URI=x"#),
        format!(r#"Hash={HASH};URI=a"b"#),
        // Pieces of a name that is not in quotation marks.
        format!("Hash={HASH};URI=a;b;DNS=c"),
        format!("Hash={HASH};URI=a;;b"),
    ] {
        assert_eq!(judge(&text), Ok(HASH.to_owned()), "{text}");
    }
}

#[test]
fn row_61_the_owner_of_a_certificate_cannot_write_a_hash() {
    for (text, error) in [
        // In a name of the certificate, which Envoy does not quote.
        (format!("By=x;Hash={HASH};URI=x;Hash={OTHER}"), E::NoHash),
        (format!("By=x;Hash={HASH};URI=x;hash={OTHER}"), E::NoHash),
        (format!("By=x;Hash={HASH};URI=x;Hash={HASH}"), E::NoHash),
        (
            format!("By=x;Hash={HASH};URI=x,Hash={OTHER}"),
            E::SeveralProxies,
        ),
        (
            format!("By=x;Hash={HASH};DNS=x,By=y;Hash={OTHER}"),
            E::SeveralProxies,
        ),
        (format!("By=x;Hash={HASH};URI=x;y;Hash={OTHER}"), E::NoHash),
        (format!("By=x;Hash={HASH};URI=x;;Hash={OTHER}"), E::NoHash),
        (
            format!(r#"By=x;Hash={HASH};Subject="a";URI=x;Hash="{OTHER}""#),
            E::NoHash,
        ),
        (
            format!(r#"Hash={HASH};Subject="a\\";Hash={OTHER};DNS=""#),
            E::NoHash,
        ),
        // What a client has sent, or another proxy.
        (format!("Hash={OTHER},By=x;Hash={HASH}"), E::SeveralProxies),
        (format!("Hash={OTHER}, Hash={HASH}"), E::SeveralProxies),
        (
            format!(r#"Hash={HASH};Subject="a",Hash={OTHER}"#),
            E::SeveralProxies,
        ),
        // The same, so that the comma is in front of what Envoy itself has written.
        (format!("Hash={OTHER};,Hash={HASH}"), E::SeveralProxies),
        (format!("Hash={OTHER};, Hash={HASH}"), E::SeveralProxies),
        (format!("Hash={OTHER};x,Hash={HASH}"), E::SeveralProxies),
        (
            format!(r#"By=x;Hash={OTHER};Subject="a";x,Hash={HASH};URI=y"#),
            E::SeveralProxies,
        ),
        (format!("Hash={OTHER};x,By=x"), E::SeveralProxies),
        (format!("Hash={OTHER};x,y"), E::SeveralProxies),
        (format!("Hash={OTHER};,"), E::SeveralProxies),
        // A quotation mark of the client, which one in a name of its certificate closes.
        (
            format!(r#"Hash={OTHER};Subject=",Hash={HASH};URI=x";DNS=y"#),
            E::NoHash,
        ),
        (
            format!(r#"Hash={OTHER};Subject=",By=x;Hash={HASH};URI=x";DNS=y"#),
            E::NoHash,
        ),
        (
            format!(r#"Hash={OTHER};Subject=", Hash={HASH};URI=x""#),
            E::NoHash,
        ),
        (
            format!(r#"Hash={HASH};Subject="CN=a\",b;hash={OTHER}""#),
            E::NoHash,
        ),
    ] {
        assert_eq!(judge(&text), Err(error.into()), "{text}");
    }
}

#[test]
fn what_envoy_does_not_write_is_refused() {
    for (text, error) in [
        ("By=x".to_owned(), E::NoHash),
        ("Hash=".to_owned(), E::NoHash),
        (format!("Hash={}", &HASH[1..]), E::NoHash),
        (format!("Hash={HASH}0"), E::NoHash),
        (format!("Hash=+{}", &HASH[1..]), E::NoHash),
        (format!("Hash= {HASH}"), E::NoHash),
        (format!("By=x; Hash={HASH}"), E::NoHash),
        (format!("Cert=\"{HASH}\""), E::NoHash),
        (format!("By=\"x;Hash={HASH}"), E::Quotation),
        (format!("By=\"x\"y;Hash={HASH}"), E::Quotation),
        (format!(r#"Hash={HASH};Subject="a\""#), E::Quotation),
    ] {
        assert_eq!(judge(&text), Err(error.into()), "{text}");
    }
    for (text, error) in [
        (format!("hash={HASH}"), CertificateError::UnknownForm),
        (format!(";Hash={HASH}"), CertificateError::UnknownForm),
        (format!("X=1;Hash={HASH}"), CertificateError::UnknownForm),
        ("Hash".to_owned(), CertificateError::NotDer),
    ] {
        assert_eq!(judge(&text), Err(error), "{text}");
    }
}
