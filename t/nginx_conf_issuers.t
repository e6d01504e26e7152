#!/usr/bin/perl

# nginx-conf/issuers.conf does what its comments say.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use ForwardAuth qw/ use_conf /;
use Jose;

my ($corp, $partner) = map { jwk('ES256', '--kid', 'a') } 1 .. 2;

my $t = Test::Nginx->new()->has(qw/ http rewrite proxy /)->plan(11);

# The keys of the company are at its discovered jwks_uri.
use_conf($t, 'issuers.conf', 'listen 8080;' => 'listen 127.0.0.1:8080;', '127.0.0.1:9000' => '127.0.0.1:8090',
    'https://login.example.com/realms/main;' => 'http://127.0.0.1:8081/realms/main;',
    'https://partner.example.net/keys.json;' => 'http://127.0.0.1:8082/keys.json;');
configure($t, <<'EOF');
    underscores_in_headers on;
    include issuers.conf;
    server {
        listen 127.0.0.1:8090;
        return 200 "$request_uri user=$http_x_user issuer=$http_x_issuer authorization=$http_authorization";
    }
    server {
        listen 127.0.0.1:8081;
        location = /realms/main/.well-known/openid-configuration {
            return 200 '{"issuer":"http://127.0.0.1:8081/realms/main","jwks_uri":"http://127.0.0.1:8081/realms/main/certs"}';
        }
        location = /realms/main/certs { alias %%TESTDIR%%/corp.json; }
    }
    server {
        listen 127.0.0.1:8082;
        location = /keys.json { alias %%TESTDIR%%/partner.json; }
    }
EOF

$t->write_file('corp.json', jwks(public($corp)));
$t->write_file('partner.json', jwks(public($partner)));
run_quietly($t);

my $corp_iss = 'http://127.0.0.1:' . port(8081) . '/realms/main';
my $partner_iss = 'https://partner.example.net';
my $of = sub {
    my ($key, $iss, $more) = @_;
    my %claims = (iss => $iss, aud => 'https://api.example.com', sub => 'alice', %{ $more // {} });
    return sign($key, '{' . join(',', map { "\"$_\":" . ($claims{$_} =~ /^true$/ ? 'true' : "\"$claims{$_}\"") }
        sort keys %claims) . '}');
};
my $verified = { email_verified => 'true' };

is(verdict(ask('/')), '401 Bearer realm="api"', 'no token');
is(body(get('/a?b', $of->($corp, $corp_iss))), "/a?b user=alice issuer=$corp_iss authorization=", 'a token of the company');
is(body(get('/', $of->($partner, $partner_iss, $verified), 'X-User: mallory', 'X_USER: mallory', 'X-Issuer: x')),
    "/ user=alice issuer=$partner_iss authorization=", 'one of the partner, with lines that the client wrote');
is(status(get('/', $of->($partner, $partner_iss))), 401, 'the partner has not verified the address');
is(status(get('/', $of->($partner, $corp_iss))), 401, 'row 47: the partner in the name of the company');
is(status(get('/', $of->($corp, $partner_iss, $verified))), 401, 'and the other way');
is(status(get('/', $of->($corp, 'https://other.example'))), 401, 'another issuer');
is(status(get('/', $of->($corp, $corp_iss, { aud => 'https://other.example' }))), 401, 'another API');
is(status(get('/internal/', $of->($corp, $corp_iss))), 200, 'internal, the company');
is(status(get('/internal/', $of->($partner, $partner_iss, $verified))), 401, 'internal, the partner');
is(wait_until(sub { 2 == (() = glob $t->testdir() . '/auth_jwt_keys/*.keys') }), 1, 'the keys are in files');
