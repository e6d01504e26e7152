#!/usr/bin/perl

# auth_jwt over HTTP/3: tokens, cookies, bindings, variables of TLS, and clients that leave streams and
# connections during a key request. Needs Python, see scripts/http3-python.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Certificates;
use Dpop;
use Http3;
use Jose;
use KeyService;

use Digest::SHA qw/ sha256 /;
use MIME::Base64 qw/ decode_base64 encode_base64url /;

my $t = Test::Nginx->new()->has(qw/ http http_ssl http_v3 proxy rewrite map access stub_status /)->plan(60);

certificate_authority($t, 'ca');
certificate($t, 'localhost', ['localhost'], authority => 'ca');
certificate($t, $_, [$_], authority => 'ca', purpose => 'client') for qw/ a b /;
my %thumbprint = map {
    my ($base64) = $t->read_file("$_.crt") =~ /-----\n(.*)\n-----END/s;
    $_ => encode_base64url(sha256(decode_base64($base64)));
} qw/ a b /;

my ($key, $other) = (jwk('ES256', '--kid', 'k'), jwk('ES256', '--kid', 'k'));
$t->write_file('keys.json', jwks(public($key)));

configure($t, <<"EOF");
    map \$ssl_client_verify \$is_known { SUCCESS 1; default 0; }
    map \$ssl_client_s_dn \$dn { ""  -; default \$ssl_client_s_dn; }

    server {
        @{[listen_http3(8443)]}
        server_name             localhost;
        ssl_certificate         localhost.crt;
        ssl_certificate_key     localhost.key;
        ssl_client_certificate  ca.crt;
        ssl_verify_client       optional;

        auth_jwt           "r";
        auth_jwt_key_file  keys.json;
        add_header         X-V "<\$jwt_status|\$jwt_claim_sub>" always;

        location / { }
        location /tls { add_header X-V "\$server_protocol \$scheme \$ssl_protocol \$ssl_client_verify \$dn \$jwt_claim_sub" always; }
        location /cookie { auth_jwt "r" token=\$cookie_token; }
        location /certificate { auth_jwt_require \$is_known error=403; }
        location /bound { auth_jwt_binding tls; }
        location /bound/required { auth_jwt_binding tls required; }
        location /dpop { auth_jwt_binding dpop; auth_jwt_dpop_url https://localhost\$request_uri; }
        location /dpop-default { auth_jwt_binding dpop; }
        location /preaccess { auth_jwt_phase preaccess; }
        location /any { satisfy any; deny all; }
        location /scope { auth_jwt_require_scope write; }
        location /delayed { auth_delay 100ms; }
        location /report { auth_jwt_mode report; }
        location /upstream {
            auth_jwt_strip on;
            auth_jwt_upstream_header X-User sub;
            proxy_pass http://127.0.0.1:8082;
        }
        location /held  { auth_jwt_key_request /keys?held; auth_jwt_key_cache 1h refresh=off; }
        location /none  { auth_jwt_key_request /keys?none; auth_jwt_key_cache 0; }
        location /alone { auth_jwt_key_request /keys?alone; auth_jwt_key_cache 1h refresh=off; }
        location = /keys { internal; proxy_pass http://127.0.0.1:8081/\$args; }
    }
    server {
        listen 127.0.0.1:8080;
        location / { stub_status; }
    }
    server {
        listen 127.0.0.1:8082;
        location / {
            add_header X-V "<\$http_x_user|\$http_authorization|\$http_cookie>";
            return 204;
        }
    }
EOF

respond_with($t, $_, keys_response(jwks(public($key)))) for qw/ held none alone /;
key_service($t, 8081);
run_quietly($t);

my %token = (
    good => sign($key, '{"sub":"alice","exp":"now+300"}'),
    forged => sign($other, '{"sub":"alice","exp":"now+300"}'),
    expired => sign($key, '{"sub":"alice","exp":"now-300"}'),
    map({ $_ => sign($key, "{\"sub\":\"$_\",\"cnf\":{\"x5t#S256\":\"$thumbprint{$_}\"}}") } qw/ a b /),
);
my $connection = http3_connection($t, 8443);

# What comes of a request: verdict and variables.
my $sent_on = sub {
    my $response = http3(@_);
    return join ' ', verdict($response), variables($response);
};
my $sent = sub { return $sent_on->($connection, @_) };

my $allowed = '404 <ok|alice>';
my $invalid = sub { return "401 Bearer realm=\"r\", error=\"invalid_token\" <$_[0]|>" };

### tokens

is($sent->('/x'), '401 Bearer realm="r" <missing|>', 'no token');
is($sent->('/x', bearer($token{good})), $allowed, 'a token');
is($sent->('/x', bearer($token{good})), $allowed, 'a token, which is cached');
is($sent->('/x', bearer($token{forged})), $invalid->('bad_signature'), 'a forged token');
is($sent->('/x', bearer($token{expired})), $invalid->('expired'), 'an expired token');
is($sent->('/x', bearer('x' x 3000)), $invalid->('malformed'), 'no token at all, and long');
like($sent->('/x', bearer($token{good}), bearer($token{good})), qr/^40[01] /, 'two Authorization lines');
is($sent->('/preaccess', bearer($token{good})), $allowed, 'preaccess, a token');
is($sent->('/preaccess'), '401 Bearer realm="r" <missing|>', 'preaccess, no token');
is($sent->('/any', bearer($token{good})), $allowed, 'satisfy any, a token');
is($sent->('/any'), '401 Bearer realm="r" <missing|>', 'satisfy any, no token');
is($sent->('/scope', bearer($token{good})), '403 Bearer realm="r", error="insufficient_scope", scope="write" '
    . '<insufficient_scope|>', 'a scope is missing');
is($sent->('/delayed'), '401 Bearer realm="r" <missing|>', 'auth_delay, no token');
is($sent->('/report'), '404 <missing|>', 'report, no token');

# An HTTP/3 client may send each cookie as a line of its own (RFC 9114, section 4.2.1).
is($sent->('/cookie', "Cookie: a=1; token=$token{good}"), $allowed, 'a cookie');
is($sent->('/cookie', 'Cookie: a=1', "Cookie: token=$token{good}", 'Cookie: b=2'), $allowed, 'a cookie of several lines');
is($sent->('/cookie', 'Cookie: a=1', "Cookie: token=$token{forged}"), $invalid->('bad_signature'), 'a forged token in a cookie');
is($sent->('/cookie', bearer($token{good})), '401 Bearer realm="r" <missing|>', 'no cookie');

### what the upstream gets

is($sent->('/upstream', bearer($token{good}), 'X-User: root', 'Cookie: a=1', 'Cookie: b=2'), '204 <alice||a=1; b=2>', 'upstream');
is($sent->({ method => 'POST', body => 'x' x 100_000 }, '/upstream', bearer($token{good})), '204 <alice||>', 'upstream, with a body');
is($sent->({ method => 'POST', body => 'x' x 100_000 }, '/upstream', bearer($token{forged})), $invalid->('bad_signature'),
    'refused, with a body');
is($sent->('/x', bearer($token{good})), $allowed, 'the next request of the connection');

### variables of TLS, and tokens that are bound to a certificate

my %client = (none => $connection, map { $_ => http3_connection($t, 8443, $_) } qw/ a b /);
my $variables = sub { return variables(http3($client{$_[0]}, '/tls', bearer($token{good}))) };
is($variables->('none'), 'HTTP/3.0 https TLSv1.3 NONE - alice', 'variables of TLS, no certificate');
is($variables->('a'), 'HTTP/3.0 https TLSv1.3 SUCCESS CN=a alice', 'variables of TLS, a certificate');
is($sent_on->($client{none}, '/certificate', bearer($token{good})), '403 <requirement|>', 'a rule on the certificate, none');
is($sent_on->($client{a}, '/certificate', bearer($token{good})), $allowed, 'a rule on the certificate');

for my $uri ('/bound', '/bound/required') {
    is($sent_on->($client{a}, $uri, bearer($token{a})), '404 <ok|a>', "$uri, the client itself");
    is($sent_on->($client{b}, $uri, bearer($token{a})), $invalid->('binding'), "$uri, a thief with a certificate");
    is($sent_on->($client{none}, $uri, bearer($token{a})), $invalid->('binding'), "$uri, a thief without");
    is($sent_on->($client{b}, $uri, bearer($token{b})), '404 <ok|b>', "$uri, the other client");
}
is($sent->('/bound', bearer($token{good})), $allowed, '/bound, a token that is not bound');
is($sent->('/bound/required', bearer($token{good})), $invalid->('binding'), '/bound/required, a token that is not bound');

### tokens that are bound to a key (DPoP)

my ($client, $thief) = (dpop_client(), dpop_client());
my $bound = sign($key, '{"sub":"alice","cnf":{"jkt":"' . thumbprint($client) . '"}}');
my $with = sub {
    my ($proof, $uri, @lines) = @_;
    return $sent->($uri // '/dpop', @lines, "Authorization: DPoP $bound", "DPoP: $proof") =~ s/.* (?=<)//r;
};
my %for = (htu => '"https://localhost/dpop"');
my $proof = dpop_proof($client, $bound, %for);
is($with->($proof), '<ok|alice>', 'DPoP, the client itself');
is($with->($proof), '<binding|>', 'DPoP, replay');
is($with->(dpop_proof($thief, $bound, %for)), '<binding|>', 'DPoP, a thief');
is($with->(dpop_proof($client, $bound, htu => '"https://localhost/x"')), '<binding|>', 'DPoP, another address');

# The default of auth_jwt_dpop_url has $http_host.
%for = (htu => '"https://localhost/dpop-default"');
is($with->(dpop_proof($client, $bound, %for), '/dpop-default', 'Host: localhost'), '<ok|alice>', 'DPoP, default URL, a Host line');
is($with->(dpop_proof($client, $bound, %for), '/dpop-default'), '<binding|>', 'DPoP, default URL, no Host line');
is(status(http3($connection, '/dpop-default', 'Host: evil')), 400, 'another host in the Host line');

### key requests: many streams, and clients that leave

my $sent_all = sub {
    my ($connection, $uri, $count) = @_;
    return map { http3_send($connection, $uri, bearer($token{good})) } 1 .. $count;
};
my $statuses = sub {
    my ($connection, @streams) = @_;
    my %count;
    $count{status(http3_response($connection, $_))}++ for @streams;
    return join ' ', map { "$_: $count{$_}" } sort keys %count;
};

hold($t, 'held');
my @streams = $sent_all->($connection, '/held', 20);
is(wait_asked($t, 'held', 1), 1, 'a key request');
# the stream that began the fetch, and others that wait for it
http3_reset($connection, splice @streams, 0, 10);
is($sent->('/x', bearer($token{good})), $allowed, 'another request meanwhile');
go_on($t, 'held');
is($statuses->($connection, @streams), '404: 10', 'the streams that stayed');
is(asked($t, 'held'), 1, 'one key request for all');

hold($t, 'none');
@streams = $sent_all->($connection, '/none', 20);
is(wait_asked($t, 'none', 20), 20, 'no key cache: a key request for each');
http3_reset($connection, splice @streams, 0, 10);
go_on($t, 'none');
is($statuses->($connection, @streams), '404: 10', 'no key cache: the streams that stayed');

for my $name (qw/ none alone /) {
    forget($t, $name);
    hold($t, $name);
    my $leaving = http3_connection($t, 8443);
    @streams = $sent_all->($leaving, "/$name", 10);
    my $asked = $name eq 'none' ? 10 : 1;
    is(wait_asked($t, $name, $asked), $asked, "$name: key requests of a connection");
    http3_close($leaving);
    is($sent->('/x', bearer($token{good})), $allowed, "$name: the connection is closed");
    go_on($t, $name);
    is($sent->("/$name", bearer($token{good})), $allowed, "$name: a client that comes later");
}
is(asked($t, 'alone'), 1, 'the fetch of the client that left was for the next one');

http3_close($_) for values %client;
is(connections_left('/'), 1, 'all connections are closed');

### QUIC counts as TLS when the configuration is checked

my $listen = listen_http3(8444);
my $said = sub {
    return config_test($t, "server { $listen ssl_certificate localhost.crt; ssl_certificate_key localhost.key; $_[0] auth_jwt r; "
        . 'auth_jwt_key_file keys.json; location /a { auth_jwt_binding tls; } }');
};
is($said->('ssl_client_certificate ca.crt; ssl_verify_client optional;'), 'exit 0', 'a binding and QUIC');
like($said->(''), qr/\[warn\] [^|]*"ssl_verify_client"[^|]* \| exit 0/, 'no client is asked for a certificate');
unlike($said->(''), qr/has "ssl"/, 'no warning that there is no TLS');
