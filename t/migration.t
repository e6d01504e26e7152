#!/usr/bin/perl

# docs/from-*.md: the configuration that replaces the one of another product runs
# as it stands there, and the fields of that product that the page lists are all there.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Docs;
use ForwardAuth;
use Jose;

use JSON::PP ();

my $t = Test::Nginx->new()->has(qw/ http http_ssl proxy rewrite map access limit_req /)->plan(129);

# Each page has ports of its own.
my %port = (kjdev => 8080, envoy => 8081, kong => 8082, istio => 8083, apisix => 8084, traefik => 8085, caddy => 8086,
    'ingress-nginx' => 8087);
is(join(' ', sort map { m!/from-([\w-]+)\.md! } glob '../docs/from-*.md'), join(' ', sort keys %port), 'the pages');

my $d = $t->testdir();
for my $name (keys %port) {
    my ($conf) = map { $_->{text} } nginx_blocks("docs/from-$name.md");
    $conf =~ s/listen +8080;/listen 127.0.0.1:$port{$name};/ or die "no port in the example of $name\n";
    my %changes = ('127.0.0.1:9000' => '127.0.0.1:8090',
        $name eq 'envoy' ? ('/etc/nginx/partner.json' => "$d/partner.json") : (),
        $name =~ /apisix|traefik|caddy|ingress/ ? ('127.0.0.1:9001' => '127.0.0.1:8091') : (),
        $name eq 'apisix' ? ('https://id.example.com;' => 'https://id2.example.com;', 'audience  api;' => 'audience api; key_file keys.jwks;') : (),
        $name =~ /envoy|istio/ ? ('https://id.example.com/jwks' => 'http://127.0.0.1:8093/jwks') : ());
    for my $from (keys %changes) {
        $conf =~ s/\Q$from\E/$changes{$from}/g or die "no \"$from\" in the example of $name\n";
    }
    # nothing but the issuer is asked, and nothing needs a certificate of this machine
    $conf =~ s!/etc/ssl/certs/ca-certificates.crt!$d/ca.pem!;
    $t->write_file_expand("$name.conf", $conf);
}
mkdir "$d/credentials";
my %key = map { $_ => jwk('RS256', '--kid', $_) } qw/ corp partner bob /;
$key{alice} = jwk('HS256');
$t->write_file('issuer-keys.json', jwks('--public', $key{corp}));
$t->write_file('keys.jwks', jwks('--public', $key{corp}));
$t->write_file($_, jwks('--public', $key{partner})) for 'partner.jwks', 'partner.json';
$t->write_file('credentials/alice.jwks', jwks($key{alice}));
$t->write_file('credentials/bob.jwks', jwks('--public', $key{bob}));
$t->write_file('credentials/none.jwks', '{"keys":[]}');
$t->write_file('revoked.json', '{"mallory": {"since": "2026"}}');

configure($t, join '', map({ "    include $_.conf;\n" } sort keys %port), <<'EOF');
    server {
        listen 127.0.0.1:8093;
        location = /jwks { alias %%TESTDIR%%/issuer-keys.json; }
    }
EOF
application($t, 8090);
# A service for the examples of forward authentication. It tells users by a cookie.
authority($t, 8091, sub {
    my ($head) = @_;
    my ($user) = $head =~ /^Cookie: (?:session|_oauth2_proxy)=(\w+)\r$/m;
    return 302, ['Location: https://login.example.com/', 'Set-Cookie: csrf=1', 'X-Secret: s'], 'no' if ($user // 'nobody') eq 'nobody';
    return 401, ['X-Secret: s'], 'no' if $user eq 'expired';
    return 503, [], 'no' if $user eq 'broken';
    return 200, ["X-User-ID: $user", "X-User: $user", "X-Auth-Request-User: $user", "Remote-User: $user", 'Remote-Groups: staff',
        'X-Groups: staff', 'Set-Cookie: session=renewed'];
});
use_conf($t, 'auth-proxy.conf');
run_quietly($t);

my %corp = (iss => 'https://id.example.com', aud => 'api', sub => 'alice', exp => time + 300);
my %partner = (%corp, iss => 'https://partner.example.org');

# A token of this key with these claims; those that are undef are left out.
sub token {
    my ($signer, %claims) = @_;
    delete $claims{$_} for grep { !defined $claims{$_} } keys %claims;
    return sign($key{$signer} // $signer, JSON::PP::encode_json(\%claims));
}

# The status of a request, and behind it values of header lines that the application got.
sub outcome_of {
    my ($options, $uri, $token, @names) = @_;
    my @lines = map { ("$_: mallory", lc . ': mallory') } qw/ X-User X-Tenant X-Consumer-Username /;
    my $response = ask($options, $uri, bearer($token), @{ $options->{lines} // [] }, @lines);
    my $got = got($response);
    return join ' ', status($response), $got ne '' ? map({ header_values($got, $_) || '-' } @names) : ();
}

### kjdev/nginx-auth-jwt

my $kjdev = sub { my ($uri, @token) = @_; return outcome_of({ port => 8080 }, $uri, @token ? token(@token) : undef, 'x-user') };
my %granted = (%corp, grants => { access => 'allow' });
is($kjdev->('/'), '401', 'kjdev, no token');
is($kjdev->('/', jwk('RS256', '--kid', 'corp'), %granted), '401', 'kjdev, a foreign key');
is($kjdev->('/', 'corp', %granted, exp => undef), '401', 'kjdev, no exp');
is($kjdev->('/', 'corp', %granted, exp => time - 60), '401', 'kjdev, expired');
is($kjdev->('/', 'corp', %granted, iss => 'https://id.example.org'), '401', 'kjdev, another issuer');
is($kjdev->('/', 'corp', %corp), '401', 'kjdev, no grant');
is($kjdev->('/', 'corp', %corp, grants => { access => 'deny' }), '401', 'kjdev, another grant');
is($kjdev->('/', 'corp', %corp, 'grants.access' => 'allow'), '401', 'kjdev, a grant in the name');
is($kjdev->('/', 'corp', %granted, sub => 'mallory'), '401', 'kjdev, a revoked user');
is($kjdev->('/', 'corp', %granted, sub => undef), '401', 'kjdev, no user');
is($kjdev->('/', 'corp', %granted), '200 alice', 'kjdev, let in');
is($kjdev->('/', 'partner', %granted), '200 alice', 'kjdev, let in with a key that was in PEM');
is($kjdev->('/', 'corp', %granted, exp => time - 5), '200 alice', 'kjdev, within the leeway');
is($kjdev->('/admin/', 'corp', %granted, roles => $_), '401', 'kjdev, no admin') for undef, ['user'], ['admin,operator'];
is($kjdev->('/admin/', 'corp', %corp, roles => ['admin']), '401', 'kjdev, an admin without a grant');
is($kjdev->('/admin/', 'corp', %granted, roles => ['admin'], iss => 'x'), '401', 'kjdev, an admin of another issuer');
is($kjdev->('/admin/', 'corp', %granted, roles => ['admin'], sub => 'mallory'), '401', 'kjdev, a revoked admin');
is($kjdev->('/admin/', 'corp', %granted, roles => ['x', 'operator']), '200 alice', 'kjdev, an operator');

### Envoy

my $envoy = sub { my ($uri, @token) = @_;
    return outcome_of({ port => 8081 }, $uri, @token ? token(@token) : undef, qw/ x-user x-tenant authorization /) };
is($envoy->('/'), '401', 'Envoy, no token');
is($envoy->('/', 'partner', %corp), '401', "row 47: Envoy, the issuer's name and another issuer's key");
is($envoy->('/', 'corp', %partner), '401', "row 47: Envoy, the other way round");
is($envoy->('/', $_, %corp, iss => 'https://x.example'), '401', 'row 33: Envoy, an unknown issuer') for qw/ corp partner /;
is($envoy->('/', 'corp', %corp, iss => $_), '401', 'Envoy, no issuer, or two')
    for undef, ['https://id.example.com', 'https://partner.example.org'], '';
is($envoy->('/', 'corp', %corp, aud => $_), '401', 'Envoy, an audience of another issuer, or none')
    for 'web', ['web'], undef, 'none', ['none'];
is($envoy->('/', 'corp', %corp, exp => time - 120), '401', 'Envoy, expired');
is($envoy->('/', 'corp', %corp, account => { tenant => 'acme' }), '200 alice acme -', 'Envoy, the first issuer');
is($envoy->('/', 'corp', %corp, exp => time - 30), '200 alice - -', 'Envoy, within the leeway');
is($envoy->('/', 'partner', %partner, aud => ['web', 'x']), '200 alice - -', 'Envoy, the second issuer');
is($envoy->('/partner/', 'corp', %corp), '401', 'Envoy, an issuer whom the location does not trust');
is($envoy->('/partner/', 'partner', %partner, iss => 'https://id.example.com'), '401',
    'row 47: Envoy, the name of an issuer whom the location does not trust');
is($envoy->('/partner/', 'partner', %partner), '200 alice - -', 'Envoy, the issuer of the location');
is($envoy->('/catalog/', 'corp', %corp, exp => 1), '401', 'Envoy, optional, expired');
is($envoy->('/catalog/', $_, %partner), '401', 'row 33: Envoy, optional, another issuer') for qw/ corp partner /;
is($envoy->('/catalog/'), '200 - - -', 'Envoy, optional, no token');
is($envoy->('/catalog/', 'corp', %corp), '200 alice - -', 'Envoy, optional, a token');
is(outcome_of({ port => 8081 }, '/healthz', token('partner', %corp), qw/ x-user x-tenant /), '200 - -', 'Envoy, open');
my ($origin, $wanted) = ('Origin: https://app.example.com', 'Access-Control-Request-Method: PUT');
for (
    [ 'GET', '401', $origin, $wanted ],
    [ 'OPTIONS', '401' ],
    [ 'OPTIONS', '401', $origin ],
    [ 'OPTIONS', '401', $wanted ],
    [ 'OPTIONS', '401', "$wanted X" ],
    [ 'OPTIONS', '401', 'Origin:', $wanted ],
    [ 'OPTIONS', '200', $origin, $wanted ],
) {
    my ($method, $status, @lines) = @$_;
    is(status(ask({ port => 8081, method => $method }, '/', @lines)), $status, join ', ', 'row 29: Envoy', $method, @lines);
}

### Kong

my %app = (iss => 'alices-app', exp => time + 300);
my $kong = sub { my ($method, @token) = @_;
    return outcome_of({ port => 8082, method => $method }, '/orders', @token == 1 ? @token : @token ? token(@token) : undef,
        'x-consumer-username') };
is($kong->('GET'), '401', 'Kong, no token');
is($kong->('GET', 'alice', %app, iss => $_), '401', 'Kong, the name of another credential') for 'bobs-app', 'none', undef, 'alice';
is($kong->('GET', 'bob', %app), '401', "Kong, another consumer's key");
my $public_text = JSON::PP::decode_json(public($key{bob}))->{n};
is($kong->('GET', signed_by($_, '{"alg":"HS256"}', sprintf '{"iss":"bobs-app","exp":%d}', time + 300)), '401',
    'row 2: Kong, a public key as a secret') for $public_text, public($key{bob});
is($kong->('GET', 'alice', %app, exp => undef), '401', 'Kong, no exp');
is($kong->('GET', 'alice', %app, exp => 1), '401', 'Kong, expired');
is($kong->('GET', 'alice', %app), '200 alice', 'Kong, a secret');
is($kong->('GET', 'bob', %app, iss => 'bobs-app'), '200 bob', 'Kong, a public key');
is($kong->('OPTIONS'), '200 -', 'Kong, a preflight');
is($kong->('OPTIONS', 'bob', %app), '200 -', 'Kong, a preflight with a forged token has no consumer');
my %limited = (forged => {}, own => {});
$limited{forged}{$kong->('GET', 'bob', %app)}++ for 1 .. 40;
is_deeply($limited{forged}, { 401 => 40 }, "Kong, forged tokens with alice's name");
is($kong->('GET', 'alice', %app), '200 alice', "Kong, they do not use up alice's limit");
$limited{own}{$kong->('GET', 'alice', %app)}++ for 1 .. 40;
is(join(', ', sort keys %{ $limited{own} }), '200 alice, 429', "Kong, alice's limit");
is($kong->('GET', 'bob', %app, iss => 'bobs-app'), '200 bob', "Kong, bob's limit");

### Istio

my $istio = sub { my ($request, @token) = @_;
    my ($method, $uri) = split / /, $request;
    return outcome_of({ port => 8083, method => $method }, $uri, @token ? token(@token) : undef, qw/ x-user authorization /) };
my %orders = (%corp, aud => ['x', 'orders']);
my %staff = (%orders, realm_access => { roles => ['user', 'operator'] }, tenant => 'acme');
is($istio->($_), '401', "Istio, no token, $_") for 'GET /orders', 'GET /orders/1', 'HEAD /orders', 'GET /admin';
is($istio->($_), '403', "Istio, no token, $_") for 'GET /', 'POST /orders', 'GET /healthz/x';
is($istio->($_, 'corp', %staff), '403', "Istio, what no rule allows, $_")
    for 'GET /', 'GET /x', 'POST /orders', 'DELETE /orders/1', 'OPTIONS /orders', 'BREW /orders';
is($istio->('GET /orders', 'partner', %orders), '401', 'Istio, a foreign key');
is($istio->("GET $_", 'corp', %staff, iss => 'https://id.example.org'), '401', "Istio, another issuer, $_")
    for '/orders', '/admin';
is($istio->("GET $_", 'corp', %staff, aud => 'api'), '401', "Istio, another audience, $_") for '/orders', '/admin';
is($istio->('GET /admin', 'corp', %staff, realm_access => $_), '403', 'Istio, no role')
    for undef, {}, { roles => ['administrator'] }, { roles => ['admin,operator'] };
is($istio->('GET /admin', 'corp', %staff, tenant => $_), '403', 'Istio, a guest, or nobody') for 'guest', undef;
is($istio->('GET /healthz'), '200 - -', 'Istio, open');
is($istio->('GET /orders/1', 'corp', %orders), '200 alice -', 'Istio, GET');
is($istio->('HEAD /orders/1', 'corp', %orders), '200', 'Istio, HEAD');
is($istio->('POST /admin/x', 'corp', %staff), '200 alice -', 'Istio, staff');
is($istio->('GET /jwks', 'corp', %staff), '403', 'Istio, nothing else');

### forward authentication: APISIX, Traefik, Caddy, ingress-nginx

# The status of a request with this session, the header lines that the client gets, and behind it
# values of header lines that the application got.
sub forwarded {
    my ($name, $uri, $session, @names) = @_;
    my @lines = map { "$_: mallory" } @names, map { tr/-/./r } @names;
    my $cookie = $name eq 'ingress-nginx' ? '_oauth2_proxy' : 'session';
    requests($t, 8091);
    my $response = ask({ port => $port{$name} }, $uri, 'Host: app.example.com', $session ? "Cookie: $cookie=$session" : (), @lines);
    my @client = map { my $header = $_; map { "$header=$_" } headers($response, $header) } qw/ Location Set-Cookie X-Secret /;
    my $got = got($response);
    return join ' ', status($response), @client, $got ne '' ? map({ header_values($got, lc) || '-' } @names) : ();
}
my $login = 'Location=https://login.example.com/';
is(forwarded('apisix', '/', undef, 'X-User-ID'), "302 $login", 'APISIX, no session');
is(forwarded('apisix', '/', 'expired', 'X-User-ID'), '401', 'APISIX, an expired session');
is(forwarded('apisix', '/', 'broken', 'X-User-ID'), '503', 'APISIX, an error of the service');
is(forwarded('apisix', '/', 'alice', 'X-User-ID'), '200 alice', 'APISIX, a session');
is(outcome_of({ port => 8084 }, '/orders/', undef), '401', 'APISIX, no token');
my %id = (%corp, iss => 'https://id2.example.com');
is(outcome_of({ port => 8084 }, '/orders/', token('corp', %id)), '403', 'APISIX, no scope');
is(outcome_of({ port => 8084 }, '/orders/', token('corp', %id, scope => 'orders.read', aud => 'x')), '401', 'APISIX, another audience');
is(outcome_of({ port => 8084 }, '/orders/', token('corp', %id, scope => 'orders.read'), 'authorization') =~ s/Bearer .*/Bearer/r,
    '200 Bearer', 'APISIX, a token with the scope');
is(forwarded('traefik', '/', undef, 'X-User', 'X-Groups'), "302 $login Set-Cookie=csrf=1", 'Traefik, no session');
is(forwarded('traefik', '/', 'alice', 'X-User', 'X-Groups'), '200 Set-Cookie=session=renewed alice staff', 'Traefik, a session');
is(forwarded('traefik', '/healthz', undef, 'X-User', 'X-Groups'), '200 - -', 'Traefik, no check');
is(forwarded('traefik', '/a', 'broken', 'X-User'), '500', 'Traefik, an error of the service');
is(forwarded('caddy', '/', undef, 'X-Secret'), '200 mallory', 'Caddy, no check');
is(forwarded('caddy', '/private/', undef, 'Remote-User', 'X-Groups'), "302 $login Set-Cookie=csrf=1", 'Caddy, no session');
is(forwarded('caddy', '/private/', 'alice', 'Remote-User', 'X-Groups'), '200 alice staff', 'Caddy, a session');
like((requests($t, 8091))[0], qr{^GET /api/verify\?rd=https://login.example.com HTTP}, 'Caddy, what the service is asked');
is(forwarded('ingress-nginx', '/a?b=c&d', 'expired', 'X-Auth-Request-User'),
    '302 Location=https://app.example.com/oauth2/start?rd=https%3A%2F%2Fapp.example.com%2Fa%3Fb%3Dc%26d', 'ingress-nginx, no session');
is(forwarded('ingress-nginx', '/', 'alice', 'X-Auth-Request-User'), '200 alice', 'ingress-nginx, a session');
is(forwarded('ingress-nginx', '/', 'alice', 'X-Auth-Request-User'), '200 alice', 'ingress-nginx, the same session again');
is(scalar(requests($t, 8091)), 0, 'ingress-nginx, the verdict was cached');

### every field is on its page

my %fields = (
    kjdev => [ qw/
        auth_jwt auth_jwt_claim_set auth_jwt_header_set auth_jwt_key_file auth_jwt_key_request auth_jwt_validate_exp
        auth_jwt_validate_sig auth_jwt_leeway auth_jwt_phase auth_jwt_revocation_list_sub auth_jwt_revocation_list_kid
        auth_jwt_require auth_jwt_require_claim auth_jwt_require_header auth_jwt_allow_nested
        eq ne gt ge lt le in nin any intersect nintersect match $jwt_header_ $jwt_claim_ $jwt_claims $jwt_nowtime / ],
    envoy => [ qw/
        providers rules filter_state_rules bypass_cors_preflight requirement_map strip_failure_response stat_prefix
        match requires requirement_name disabled provider_name provider_and_audiences requires_any requires_all
        allow_missing allow_missing_or_failed extract_only_without_validation verification_status_header
        issuer audiences subjects require_expiration max_lifetime remote_jwks local_jwks forward from_headers from_params
        from_cookies forward_payload_header pad_forward_payload_header payload_in_metadata normalize_payload_in_metadata
        space_delimited_claims header_in_metadata failed_status_in_metadata clock_skew_seconds jwt_cache_config
        jwt_cache_size jwt_max_token_size claim_to_headers clear_route_cache http_uri cache_duration async_fetch
        fast_listener failed_refetch_duration retry_policy value_prefix header_name claim_name / ],
    kong => [ qw/
        uri_param_names cookie_names header_names key_claim_name secret_is_base64 claims_to_verify anonymous
        run_on_preflight maximum_expiration realm consumer key secret rsa_public_key algorithm tags
        enable_hs_signatures enable_instrumentation access_token_jwks_uri access_token_jwks_uri_client_username
        access_token_jwks_uri_client_password access_token_jwks_uri_client_certificate access_token_endpoints_ssl_verify
        access_token_jwks_uri_rotate_period access_token_request_header access_token_leeway access_token_scopes_required
        access_token_scopes_claim access_token_audiences_allowed access_token_audience_claim access_token_issuers_allowed
        access_token_issuer_claim access_token_subjects_allowed access_token_subject_claim access_token_expiry_claim
        access_token_notbefore_claim access_token_required_claims access_token_optional_claims access_token_optional
        access_token_consumer_claim access_token_consumer_by access_token_upstream_header access_token_signing
        access_token_signing_algorithm access_token_issuer access_token_keyset access_token_upstream_leeway
        verify_access_token_signature verify_access_token_expiry verify_access_token_notbefore verify_access_token_scopes
        verify_access_token_audience verify_access_token_issuer verify_access_token_subject
        issuer rediscovery_lifetime extra_jwks_uris auth_methods bearer_token_param_type bearer_token_cookie_name
        introspect_jwt_tokens issuers_allowed audience_required audience_claim scopes_required scopes_claim
        groups_required groups_claim roles_required roles_claim authenticated_groups_claim claims_forbidden verify_claims
        leeway max_age domains verify_signature ignore_signature jwt_session_claim jwt_session_cookie
        proof_of_possession_mtls proof_of_possession_dpop dpop_use_nonce dpop_proof_lifetime consumer_optional
        credential_claim upstream_headers_claims upstream_headers_names upstream_access_token_header
        downstream_headers_claims downstream_headers_names hide_credentials unauthorized_error_message
        forbidden_error_message display_errors expose_error_code ssl_verify timeout keepalive http_version http_proxy
        cache_tokens cache_ttl resolve_distributed_claims search_user_info / ],
    istio => [ qw/
        selector targetRef targetRefs jwtRules issuer audiences jwksUri jwks fromHeaders fromParams fromCookies
        outputPayloadToHeader outputClaimToHeaders forwardOriginalToken timeout spaceDelimitedClaims
        action ALLOW DENY AUDIT CUSTOM provider requestPrincipals notRequestPrincipals principals notPrincipals namespaces
        notNamespaces serviceAccounts notServiceAccounts ipBlocks notIpBlocks remoteIpBlocks notRemoteIpBlocks hosts
        notHosts ports notPorts paths notPaths methods notMethods request.auth.claims request.auth.principal
        request.auth.audiences request.auth.presenter values notValues / ],
    apisix => [ qw/
        uri ssl_verify request_method max_req_body_size request_headers extra_headers upstream_headers client_headers timeout
        keepalive keepalive_timeout keepalive_pool allow_degradation status_on_error
        key secret base64_secret public_key algorithm exp lifetime_grace_period header query cookie hide_credentials
        key_claim_name claims_to_verify anonymous_consumer realm store_in_ctx
        discovery bearer_only use_jwks jwk_expires_in token_signing_alg_values_expected accept_none_alg required_scopes
        introspection_endpoint unauth_action / ],
    traefik => [ qw/
        address trustForwardHeader authResponseHeaders authResponseHeadersRegex authRequestHeaders addAuthCookiesToResponse
        forwardBody maxBodySize maxResponseBodySize preserveLocationHeader preserveRequestMethod headerField tls.ca tls.cert
        tls.key tls.insecureSkipVerify
        signingSecret signingSecretBase64Encoded publicKey jwksFile jwksUrl trustedIssuers tokenKey forwardHeaders
        forwardAuthorization claims clientConfig / ],
    caddy => [ qw/
        forward_auth uri copy_headers header_up transport trusted_proxies
        sign_key sign_alg jwk_url from_header from_query from_cookies issuer_whitelist audience_whitelist user_claims
        meta_claims skip_verification / ],
    'ingress-nginx' => [ qw/
        auth-url auth-method auth-signin auth-signin-redirect-param auth-response-headers auth-request-redirect
        auth-proxy-set-headers auth-snippet auth-always-set-cookie auth-cache-key auth-cache-duration auth-keepalive
        auth-keepalive-requests auth-keepalive-timeout auth-keepalive-share-vars enable-global-auth global-auth-url satisfy
        auth-type auth-secret auth-realm auth-tls-secret auth-tls-verify-client / ],
);
for my $name (sort keys %fields) {
    my $left = join "\n", slurp("../docs/from-$name.md") =~ /^\| (?!---)(.*?) \| /mg;
    is(join(' ', grep { $left !~ /`[^`]*(?<!\w)\Q$_\E(?![a-z])[^`]*`/ } @{ $fields{$name} }), '', "every field of $name");
}
