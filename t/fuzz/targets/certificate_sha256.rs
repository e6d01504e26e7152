//! The certificate of a client as a TLS server passes it on: any text is refused or has a digest, and
//! one certificate has the same digest in every form.
#![no_main]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use policy::auth_jwt::client_certificate::{CertificateError, certificate_sha256};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| nginx_auth_fuzz::in_time(|| check(bytes)));

fn check(bytes: &[u8]) {
    let outcome = certificate_sha256(bytes);
    let padded = [b" \t".as_slice(), bytes, b"\r\n"].concat();
    assert_eq!(certificate_sha256(&padded), outcome);
    check_forms(bytes);
}

/// The bytes are the DER.
fn check_forms(der: &[u8]) {
    let base64 = STANDARD.encode(der);
    let lines: Vec<_> = base64.as_bytes().chunks(64).map(<[u8]>::to_vec).collect();
    let pem = |line_end: &str| {
        let (begin, end) = ("-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----");
        let base64 = String::from_utf8(lines.join(line_end.as_bytes())).unwrap();
        [begin, &base64, end].join(line_end)
    };
    let percent_encoded = pem("\n").replace('\n', "%0A").replace('+', "%2B");
    let chain = pem("\n") + "\n" + &pem("\n");
    let forms = [
        format!(":{base64}:"),
        pem("\n"),
        pem("\r\n"),
        pem("\n\t"),
        pem(" "),
        pem(""),
        percent_encoded.replace('=', "%3d").replace(' ', "%20"),
        percent_encoded,
        chain,
    ];
    for form in &forms {
        let outcome = certificate_sha256(form.as_bytes());
        match der.first() {
            Some(0x30) => assert_eq!(outcome, certificate_sha256(forms[0].as_bytes()), "{form}"),
            _ => assert_eq!(outcome, Err(CertificateError::NotDer), "{form}"),
        }
        assert_eq!(outcome.is_ok(), der.first() == Some(&0x30), "{form}");
    }
}
