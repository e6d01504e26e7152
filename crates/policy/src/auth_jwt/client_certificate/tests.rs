use super::*;
use CertificateError as E;

/// What could be the DER of a certificate, with bytes that are "+" and "/" in base64.
const DER: &[u8] = b"\x30\x05\xfb\xff\xbf\x00\x01";
const BASE64: &str = "MAX7/78AAQ==";

fn sha256() -> Result<[u8; 32], CertificateError> {
    Ok(openssl::sha::sha256(DER))
}

fn pem(base64: &str) -> String {
    format!("-----BEGIN CERTIFICATE-----\n{base64}\n-----END CERTIFICATE-----\n")
}

/// All characters but letters and digits, as some encoders have it.
fn encoded(text: &str) -> String {
    let encode = |byte: u8| match byte.is_ascii_alphanumeric() {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02x}"),
    };
    text.bytes().map(encode).collect()
}

#[test]
fn each_form_of_a_certificate_has_the_same_sha256() {
    assert_eq!(STANDARD.decode(BASE64).unwrap(), DER);
    let plain = pem(BASE64);
    let broken = pem("MAX7\r\n/78A\r\nAQ==");
    let forms = [
        plain.clone(),
        broken.clone(),
        plain.trim().to_owned(),
        plain.replace('\n', "\n\t"),
        plain.replace('\n', "\t"),
        plain.replace('\n', " "),
        plain.replace('\n', ""),
        broken.replace("\r\n", " "),
        encoded(&plain),
        plain.replace('\n', "%0A").replace(' ', "%20"),
        plain.replace('\n', "%0A"),
        format!(":{BASE64}:"),
        format!(" :{BASE64}: "),
        BASE64.to_owned(),
        format!(" {BASE64} "),
        encoded(BASE64),
        BASE64.replace('/', "%2F").replace('=', "%3D"),
    ];
    for form in forms {
        assert_eq!(certificate_sha256(form.as_bytes()), sha256(), "{form}");
    }
}

#[test]
fn the_first_of_several_certificates_is_the_clients() {
    let authority = pem("MAEA");
    for between in ["", " ", "\n"] {
        let chain = format!("{}{between}{authority}", pem(BASE64));
        assert_eq!(certificate_sha256(chain.as_bytes()), sha256(), "{chain}");
        let chain = encoded(&chain);
        assert_eq!(certificate_sha256(chain.as_bytes()), sha256(), "{chain}");
    }
    let chain = format!("{BASE64},MAEA");
    assert_eq!(certificate_sha256(chain.as_bytes()), sha256());
    assert_eq!(certificate_sha256(encoded(&chain).as_bytes()), sha256());
    let turned = format!("{authority}{}", pem(BASE64));
    let sha256_of_authority = Ok(openssl::sha::sha256(&[0x30, 1, 0]));
    assert_eq!(certificate_sha256(turned.as_bytes()), sha256_of_authority);
}

#[test]
fn what_is_no_certificate_is_refused() {
    let good = pem(BASE64);
    let cases = [
        (String::new(), E::UnknownForm),
        ("(null)".to_owned(), E::UnknownForm),
        ("MAX7/78AAQ".to_owned(), E::Base64),
        ("MAX7_78AAQ==".to_owned(), E::UnknownForm),
        ("AAAA".to_owned(), E::NotDer),
        (format!(",{BASE64}"), E::UnknownForm),
        (format!("{BASE64},"), E::UnknownForm),
        // Two header lines of one name, as nginx joins them.
        (format!("{BASE64}, {BASE64}"), E::UnknownForm),
        (format!("{BASE64} {BASE64}"), E::UnknownForm),
        (format!("{BASE64},:{BASE64}:"), E::UnknownForm),
        // What Envoy appends to the line of a client.
        (format!("{BASE64},Hash={}", "0".repeat(64)), E::UnknownForm),
        (format!("{BASE64},Hash=AAAA"), E::UnknownForm),
        (encoded(&format!("{BASE64},Hash=AAAA")), E::UnknownForm),
        (format!("{BASE64},="), E::UnknownForm),
        (
            format!("{BASE64},Hash={}", "0".repeat(64)).replace(',', "%2C"),
            E::UnknownForm,
        ),
        (format!("x{good}"), E::UnknownForm),
        (good.replace("CERTIFICATE", "PUBLIC KEY"), E::UnknownForm),
        (good.replace("CERTIFICATE", "certificate"), E::UnknownForm),
        (good.replace(' ', "+"), E::UnknownForm),
        (good.replace("-----END", "----END"), E::NoEnd),
        (good.replace("END CERTIFICATE", "END PUBLIC KEY"), E::NoEnd),
        (format!("{good}x"), E::Trailing),
        // Two header lines of one name, as nginx joins them.
        (format!("{}, {}", good.trim(), good.trim()), E::Trailing),
        // What Envoy appends to the line of a client.
        (
            format!("{good}-----BEGIN CERTIFICATE-----,Hash=AAAA"),
            E::Trailing,
        ),
        (
            format!("{good}-----BEGIN CERTIFICATE-----,Hash=AAAA;Cert=\"{good}\""),
            E::Trailing,
        ),
        (
            good.clone() + &good.replace("\n-----END", ",Hash=AAAA\n-----END"),
            E::Trailing,
        ),
        (format!("{good}-----BEGIN CERTIFICATE-----"), E::Trailing),
        (format!("{good}{good}x"), E::Trailing),
        (
            encoded(&format!("{good}-----BEGIN CERTIFICATE-----,Hash=AAAA")),
            E::Trailing,
        ),
        (pem("MAX7/78AAQ="), E::Base64),
        (pem("MAX7/78AAQ"), E::Base64),
        (pem("MAX7/78AAR=="), E::Base64),
        (pem("MAX7_78AAQ=="), E::Base64),
        (pem("MAX7/78AAQ==MAX7"), E::Base64),
        (pem("MAX7\0/78AAQ=="), E::Base64),
        (pem(""), E::NotDer),
        (pem("AAAA"), E::NotDer),
        ("%".to_owned(), E::PercentEncoding),
        (format!("{good}%2"), E::PercentEncoding),
        (format!("{good}%g0"), E::PercentEncoding),
        (":".to_owned(), E::NoEnd),
        (format!(":{BASE64}"), E::NoEnd),
        ("::".to_owned(), E::NotDer),
        (":AAAA:".to_owned(), E::NotDer),
        (format!(":{BASE64}:x"), E::Trailing),
        (format!(":{BASE64}:, :{BASE64}:"), E::Trailing),
        (format!(":{BASE64}:;a=1"), E::Trailing),
        (format!(": {BASE64}:"), E::Base64),
        (":MAX7_78AAQ==:".to_owned(), E::Base64),
        (":MAX7/78AAQ:".to_owned(), E::Base64),
        (format!("\"{BASE64}\""), E::UnknownForm),
    ];
    for (text, error) in cases {
        assert_eq!(certificate_sha256(text.as_bytes()), Err(error), "{text}");
    }
}
