#!/usr/bin/perl

# Row 47: with keys that are fetched, a token of one issuer that says it is of another is refused,
# whoever knows which keys, in every order.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Issuers;
use Jose;
use Provider;

my $t = Test::Nginx->new()->has(qw/ http http_ssl /)->plan(24);
provider_certificates($t);

# the same kid, so that only the issuer tells the keys apart
my %key = map { $_ => jwk('ES256', '--kid', 'a') } qw/ a b /;
my %idp = map {
    my ($name, $port) = @$_;
    $name => Provider->new($t, $name, $port, keys => jwks(public($key{$name})))->start()
} ['a', 8441], ['b', 8442];

configure($t, join('', map { issuer_block($_, $idp{$_}) } qw/ a b /) . <<'EOF', 'worker_processes 1;');
    server {
        listen      127.0.0.1:8080;
        root        html;
        auth_jwt    "r";
        add_header  X-Status $jwt_status always;
        location /a/  { auth_jwt_trust a; }
        location /b/  { auth_jwt_trust b; }
        location /ab/ { auth_jwt_trust a b; }
        location /ba/ { auth_jwt_trust b a; }
    }
EOF
run_quietly($t);

my %own = map { $_ => token_of($idp{$_}, $key{$_}) } qw/ a b /;
my %mixed = (a => token_of($idp{a}, $key{b}), b => token_of($idp{b}, $key{a}));
await_issuer('/ab/', $own{$_}, '404 ok') for qw/ a b /;

for my $round (1, 2) {
    for my $uri (qw{ /ab/ /ba/ }) {
        is(jwt_status(get($uri, $own{$_})), '404 ok', "$uri $round, $_ says $_") for qw/ a b /;
        is(jwt_status(get($uri, $mixed{a})), '401 bad_signature', "$uri $round, b says a");
        is(jwt_status(get($uri, $mixed{b})), '401 bad_signature', "$uri $round, a says b");
    }
    is(jwt_status(get('/a/', $own{b})), '401 untrusted_issuer', "/a/ $round, b says b");
    is(jwt_status(get('/b/', $own{a})), '401 untrusted_issuer', "/b/ $round, a says a");
}

### a provider whose document names the keys of the other one gives nobody more than it has

$idp{b}->behave(members => { jwks_uri => $idp{a}->url() . '/jwks' });
reload_workers($t);
is(jwt_status(get('/ab/', $own{a})), '404 ok', 'the keys of a, a says a');
is(jwt_status(get('/ab/', token_of($idp{b}, jwk('ES256', '--kid', 'a')))), '401 bad_signature', 'the keys of a, a stranger says b');
is(jwt_status(get('/a/', token_of($idp{b}, $key{a}))), '401 untrusted_issuer', 'the keys of a, a says b where b is not trusted');
is(jwt_status(get('/b/', token_of($idp{a}, $key{a}))), '401 untrusted_issuer', 'the keys of a, a says a where a is not trusted');
