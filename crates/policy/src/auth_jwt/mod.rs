//! The decisions of `auth_jwt`.

pub mod allowed_algorithms;
pub mod bearer;
pub mod binding;
pub mod client_certificate;
pub mod discovery;
pub mod dpop;
pub mod dpop_nonce;
pub mod dpop_url;
mod envoy_certificate;
pub mod failure_reason;
pub mod fetch_schedule;
pub mod fetch_state;
pub mod issuer;
pub mod issuer_record;
pub mod issuer_source;
pub mod issuer_times;
pub mod jwt_status;
pub mod key_cache;
pub mod key_file;
pub mod key_route;
pub mod key_text_id;
pub mod max_age;
pub mod mode;
pub mod pass_header;
pub mod proof_algorithms;
pub mod realm;
pub mod recent_files;
pub mod recent_key_sets;
pub mod rejection;
pub mod remote_keys;
pub mod resource_metadata;
pub mod revocation;
pub mod revocation_file;
pub mod revocation_list;
pub mod rules;
pub mod saved_keys;
pub mod scopes;
#[cfg(test)]
mod test_disk;
pub mod token_cache;
pub mod token_carrier;
pub mod token_memo;
pub mod token_requirements;
pub mod upstream_header;
pub mod value_path;
mod variable_name;
pub mod watched_file;
pub mod worker_keys;

/// Whether a key of the set has this `kid`, as the error about a token with that `kid` tells.
#[cfg(test)]
fn has_kid(keys: &jose::KeySet, kid: &str) -> bool {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use jose::{Error, Limits, SignatureCheck, TokenType, UnverifiedToken};

    let header = URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"HS256","kid":"{kid}"}}"#));
    let token = format!("{header}.e30.AAAA");
    let token = UnverifiedToken::parse(token.as_bytes(), TokenType::Signed, &Limits::default());
    match token.unwrap().authenticate(keys, SignatureCheck::Verify) {
        Err(Error::BadSignature { .. }) => true,
        Err(Error::UnknownKey { .. }) => false,
        other => panic!("{other:?}"),
    }
}
