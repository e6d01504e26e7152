//! Warnings about `auth_jwt_binding` in a server that never sees what tokens are bound to, or that
//! takes it from whoever sends it.

use std::collections::HashSet;

use super::AuthJwt;
use super::binding::Binding;
use super::proof_url::ProofUrl;
use crate::nginx::{Location, MergedConfig};
use text::Quoted;

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum BindingFault {
    /// No connection has a client certificate, because none is TLS.
    NoTls,
    /// nginx asks nobody for a certificate.
    NotAsked,
    /// Whoever reaches the server chooses the certificate.
    CertificateOfClient,
    /// Proofs have to be for addresses with `http`.
    PlainAddress,
    /// The client chooses the host that a proof is for.
    HostOfClient,
}

/// Warns of bindings, once for each fault and directive.
pub(super) fn warn_of_bindings(cf: &MergedConfig<'_, '_>) {
    let mut known = HashSet::new();
    for location in cf.locations() {
        let conf = cf.conf::<AuthJwt>(location);
        if !conf.is_on() {
            continue;
        }
        let binding = &conf.token_rules.binding;
        let certificate = certificate_fault(cf, binding, location);
        let proof = proof_fault(cf, binding, location);
        for (fault, position) in certificate.into_iter().chain(proof) {
            if known.insert((fault, position)) {
                warn(cf, fault, binding, location, position);
            }
        }
    }
}

/// What is wrong with where the certificate of the client comes from, and the position of the
/// directive that says so.
fn certificate_fault<'c>(
    cf: &MergedConfig<'_, 'c>,
    binding: &'c Binding,
    location: Location<'c>,
) -> Option<(BindingFault, &'c str)> {
    let variable = binding.certificate_variable()?;
    let server = cf.server(location);
    let lower = variable.to_ascii_lowercase();
    let fault = match lower.strip_prefix('$')? {
        "ssl_client_raw_cert" | "ssl_client_cert" | "ssl_client_escaped_cert" => {
            match (server.takes_tls(), server.asks_for_certificates()) {
                (false, _) => BindingFault::NoTls,
                (true, false) => BindingFault::NotAsked,
                (true, true) => return None,
            }
        }
        name if name.starts_with("http_") => {
            let is_limited = !server.is_reached_from_elsewhere()
                || server.insists_on_certificates()
                || cf.requires_address(location);
            (!is_limited).then_some(BindingFault::CertificateOfClient)?
        }
        _ => return None,
    };
    Some((fault, binding.position()?))
}

/// What is wrong with the address that proofs have to be for, and the position of the directive that
/// says so.
fn proof_fault<'c>(
    cf: &MergedConfig<'_, 'c>,
    binding: &'c Binding,
    location: Location<'c>,
) -> Option<(BindingFault, &'c str)> {
    if !binding.has_proofs() {
        return None;
    }
    let server = cf.server(location);
    let url = binding.url();
    let is_plain = !server.takes_tls() && url.is_none_or(ProofUrl::has_scheme_of_connection);
    let is_of_client = server.is_default() && url.is_none_or(ProofUrl::has_host_of_request);
    let fault = match (is_plain, is_of_client) {
        (true, _) => BindingFault::PlainAddress,
        (false, true) => BindingFault::HostOfClient,
        (false, false) => return None,
    };
    let position = match url {
        Some(url) => &url.position,
        None => binding.position()?,
    };
    Some((fault, position))
}

fn warn(
    cf: &MergedConfig<'_, '_>,
    fault: BindingFault,
    binding: &Binding,
    location: Location<'_>,
    position: &str,
) {
    let directive = match (fault, binding.url()) {
        (BindingFault::PlainAddress | BindingFault::HostOfClient, Some(_)) => "auth_jwt_dpop_url",
        _ => "auth_jwt_binding",
    };
    let own = format_args!("\"{directive}\" in {position}, for {location},");
    match fault {
        BindingFault::NoTls => cf.warn(format_args!(
            "{own} asks for the client's certificate, and no \"listen\" of its server has \"ssl\": \
             every token that is bound to one is refused; if a proxy in front ends TLS, name the \
             variable with the certificate by \"cert=\""
        )),
        BindingFault::NotAsked => cf.warn(format_args!(
            "{own} asks for the client's certificate, and \"ssl_verify_client\" of its server is off: \
             every token that is bound to one is refused; write \"optional\", or \"optional_no_ca\" \
             for certificates that clients have signed themselves"
        )),
        BindingFault::CertificateOfClient => {
            let variable = binding.certificate_variable().unwrap_or_default();
            cf.warn(format_args!(
                "any client can send {} of {own} so that a stolen token is accepted; let in only \
                 the proxy that sets the header line, by \"allow\" and \"deny\" or by \
                 \"ssl_verify_client on\"",
                Quoted::whole(variable.as_bytes())
            ));
        }
        BindingFault::PlainAddress => cf.warn(format_args!(
            "{own} expects DPoP proofs for addresses with http, because no \"listen\" of its server \
             has \"ssl\"; if a proxy in front ends TLS, write the address that clients use, as in \
             \"auth_jwt_dpop_url https://api.example.com$request_uri\""
        )),
        BindingFault::HostOfClient => cf.warn(format_args!(
            "{own} expects DPoP proofs for the host that the client names, and the server takes \
             every host: a proof for another service is good here; write the host, as in \
             \"auth_jwt_dpop_url https://api.example.com$request_uri\", or have another default \
             server refuse other hosts"
        )),
    }
}
