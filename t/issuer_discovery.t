#!/usr/bin/perl

# auth_jwt_issuer, discovery and jwks_uri: where the metadata of a provider is, what has to be in it,
# and what nginx does with responses that are wrong. Each provider has one fault from the start; no
# token of it is accepted until it has ended.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Issuers;
use Jose;
use Provider;

my $key = jwk('ES256', '--kid', 'a');
my $keys = jwks(public($key));
my $well_known = '/.well-known/openid-configuration';

# Providers that are as good as any: a name, options of the provider, members of the block, and what
# it is asked for.
my @good = (
    ['openid', {}, [], $well_known],
    ['openid_path', { path => '/realms/main' }, [], "/realms/main$well_known"],
    ['oauth', { metadata => 'oauth' }, [], '/.well-known/oauth-authorization-server'],
    ['oauth_path', { metadata => 'oauth', path => '/tenant/a' }, [],
        '/.well-known/oauth-authorization-server/tenant/a'],
    # as Auth0's: the slash is part of the issuer, and not doubled in the URL
    ['slash', { path => '/' }, [], $well_known],
    ['named', { metadata => 'openid' }, ["discovery URL$well_known;"], $well_known],
    # as Entra's version 1: the metadata is not below the issuer
    ['elsewhere', { issuer => 'https://sts.example/t/' }, ["issuer https://sts.example/t/;", "discovery URL$well_known;"],
        $well_known],
    ['jwks_uri', { metadata => 'none' }, ['jwks_uri URL/jwks;'], undef],
    ['by_ip', { host => '127.0.0.1' }, [], $well_known],
    ['plain', { host => '127.0.0.1', plain => 1 }, [], $well_known],
    ['moved', { discovery => "redirect /moved$well_known" }, [], $well_known],
    ['jwks_moved', { jwks => 'redirect /moved/jwks' }, [], $well_known],
);

# Providers with a fault: a name, the options, and a line of the log.
my @bad = (
    ['other_issuer', { issuer => 'https://mallory.example' }, qr/issuer "https:\/\/mallory\.example"/],
    ['with_slash', { issuer => 'SELF/' }, qr/issuer "https:\/\/localhost:\d+\/"/],
    ['no_issuer', { members => { issuer => undef } }, qr/"issuer"/],
    ['no_jwks_uri', { members => { jwks_uri => undef } }, qr/"jwks_uri"/],
    ['jwks_http', { members => { jwks_uri => 'http://127.0.0.1/jwks' } }, qr/"http:\/\/127\.0\.0\.1\/jwks"|https/],
    ['jwks_relative', { members => { jwks_uri => '/jwks' } }, qr/jwks_uri/],
    ['jwks_number', { members => { jwks_uri => 1 } }, qr/jwks_uri/],
    ['no_metadata', { metadata => 'none' }, qr/HTTP status 404/],
    ['status', { discovery => 'status 503' }, qr/HTTP status 503/],
    ['html', { discovery => 'html' }, qr/HTML|JSON/],
    ['garbage', { discovery => 'garbage' }, qr/no valid HTTP response/],
    ['closed', { discovery => 'close' }, qr/connection closed by the server before the response/],
    ['reset', { discovery => 'reset' }, qr/connection (?:broke|closed)/],
    ['half', { discovery => 'half' }, qr/truncated after \d+ bytes/],
    ['half_chunked', { discovery => 'half_chunked' }, qr/truncated after \d+ bytes/],
    ['large', { discovery => 'large' }, qr/larger than 262144 bytes/],
    ['large_length', { discovery => 'large_length' }, qr/larger than 262144 bytes/],
    ['endless_header', { discovery => 'endless_header' }, qr/header is larger than/],
    ['gzip', { discovery => 'gzip' }, qr/encoding "gzip"/],
    ['redirect_host', { discovery => 'redirect https://mallory.example/x' },
        qr/redirect to "https:\/\/mallory\.example\/x", another server/],
    ['redirect_http', { discovery => 'redirect http://localhost/x' }, qr/redirect to "http:\/\/localhost\/x", another server/],
    ['redirect_port', { discovery => 'redirect https://localhost:1/x' }, qr/redirect to "https:\/\/localhost:1\/x", another server/],
    ['redirect_loop', { discovery => "redirect $well_known" }, qr/redirect to "[^"]*", which was asked before/],
    ['redirect_text', { discovery => 'redirect http://[' }, qr/redirect to "http:\/\/\[", which/],
    ['hang', { discovery => 'hang' }, qr/no response header within/],
    ['hang_after_header', { discovery => 'hang_after_header' }, qr/response body stopped after 0 bytes|not complete within/],
    ['trickle', { discovery => 'trickle' }, qr/within/],
    ['no_handshake', { handshake => 'hang' }, qr/no TLS handshake with "localhost:\d+" within/],
    ['jwks_status', { jwks => 'status 404' }, qr/HTTP status 404/],
    ['jwks_html', { jwks => 'html' }, qr/HTML|JSON/],
    ['jwks_half', { jwks => 'half' }, qr/truncated after \d+ bytes/],
    ['jwks_large', { jwks => 'large' }, qr/larger than 4194304 bytes/],
    ['jwks_large_length', { jwks => 'large_length' }, qr/larger than 4194304 bytes/],
    ['jwks_gzip', { jwks => 'gzip' }, qr/encoding "gzip"/],
    ['jwks_redirect', { jwks => 'redirect https://mallory.example/jwks' }, qr/another server/],
    ['jwks_hang', { jwks => 'hang' }, qr/no response header within/],
    ['jwks_object', { keys => '{}' }, qr/JWK Set/],
    ['down', { down => 1 }, qr/connection refused/],
);

my $t = Test::Nginx->new()->has(qw/ http http_ssl /)->plan(@good * 3 + @bad * 5 + 6);
provider_certificates($t);

my (%idp, $blocks, $locations);
my $number = 8400;
for my $case (@good, @bad) {
    my ($name, $options, $lines) = @$case;
    $lines = [] unless ref $lines eq 'ARRAY';
    my %options = (keys => $keys, %$options);
    my $idp = $idp{$name} = Provider->new($t, $name, $number++, %options);
    my @lines = map { s/URL/$idp->url()/er } @$lines;
    # the others have all the time that they need on a machine with much to do
    push @lines, $options{handshake} ? 'connect_timeout 1s;' : 'read_timeout 1s;'
        if grep { /^(?:hang|trickle)/ } values %options;
    $blocks .= issuer_block($name, $idp, @lines);
    $locations .= "location /$name/ { auth_jwt_trust $name; }\n";
    $idp->start();
    $idp->behave(issuer => $options{issuer} =~ s/SELF/$idp->issuer()/er) if $options{issuer};
}

configure($t, $blocks . <<"EOF", 'worker_processes 2;');
    server {
        listen      127.0.0.1:8080;
        root        html;
        auth_jwt    "r";
        add_header  X-Status \$jwt_status always;
        $locations
        location /no-auth/ { auth_jwt off; return 204; }
    }
EOF
run_quietly($t);

### good ones

for my $case (@good) {
    my ($name, $options, undef, $uri) = @$case;
    my $idp = $idp{$name};
    my $token = token_of($idp, $key, $options->{issuer} ? (iss => $options->{issuer}) : ());
    is(await_issuer("/$name/", $token, '404 ok'), '404 ok', "$name, a good token");
    my @uris = map { /^GET (\S+)/ } $idp->requests('discovery');
    is($uris[0], $uri, "$name, where the metadata is");
    # one worker of two, once
    is($idp->asked('jwks'), $options->{jwks} ? 2 : 1, "$name, fetches of keys");
}

my ($request) = $idp{openid}->requests('jwks');
is(join('|', sort map { lc } $request =~ /^([\w-]+):/mg), 'accept|accept-encoding|connection|host|user-agent', 'header lines of a request');
like($request, qr/^accept-encoding: identity\r$/mi, 'no encoding is accepted');
like($request, qr/^host: localhost:@{[port(8400)]}\r$/mi, 'Host');

### bad ones

my $log = fetch_logged($t, qr/"trickle"/);
for my $case (@bad) {
    my ($name, undef, $line) = @$case;
    my $idp = $idp{$name};
    wait_longer(sub { ($log .= "\n" . fetch_logged($t)) =~ /^\w+ issuer "$name".*$line/m });
    my @own = $log =~ /^(\w+ issuer "$name".*)$/mg;
    my ($own) = ((grep { /$line/ } @own), @own);
    like($own // 'nothing', qr/^(?:error|warn) .*$line/, "$name, log");
    like($own // 'nothing', qr/"https:\/\/localhost:\d+/, "$name, log has a URL");
    my $token = token_of($idp, $key);
    is(jwt_status(get("/$name/", $token)), '500 keys_unavailable', "$name, a token");
}
is(status(get('/no-auth/')), 204, 'the worker serves other requests');
# a large response is not read to its end
for my $name (qw/ large jwks_large /) {
    my ($sent) = map { $_->[1] } grep { $_->[0] eq 'sent' } $idp{$name}->events();
    cmp_ok($sent // 0, '<', 40_000_000, "$name, bytes that were sent");
}

### and then they recover

for my $case (@bad) {
    my ($name) = @$case;
    my $idp = $idp{$name};
    $idp->recover()->behave(keys => $keys, issuer => $idp->issuer(), members => {}, metadata => 'openid');
}
for my $case (@bad) {
    my ($name) = @$case;
    my $idp = $idp{$name};
    # the next attempt is due after 1 s, 2 s, 4 s ... and a little by chance
    is(await_issuer("/$name/", token_of($idp, $key), '404 ok'), '404 ok', "$name, recovered");
    is(jwt_status(get("/$name/", token_of($idp, jwk('ES256', '--kid', 'a')))), '401 bad_signature', "$name, forged");
}
