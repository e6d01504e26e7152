#!/usr/bin/perl

# auth_jwt_issuer, resolver: the names of providers are resolved by nginx's resolver while it runs,
# so that an address may change; without it, when the configuration is read.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use DnsServer;
use Issuers;
use Jose;
use Provider;

my $t = Test::Nginx->new()->has(qw/ http http_ssl /)->plan(21);
answer_names($t, 'idp.example' => ['127.0.0.1'], 'silent.example' => undef,
    # nothing listens at the first one
    'two.example' => ['127.0.0.77', '127.0.0.1']);
dns_server($t, 8953);
provider_certificates($t, 'idp.example', 'none.example', 'silent.example', 'two.example', 'localhost');

my $key = jwk('ES256', '--kid', 'a');
my %idp = map {
    my ($name, $port) = @$_;
    $name => Provider->new($t, $name, $port, host => "$name.example", keys => jwks(public($key)))->start()
} ['idp', 8441], ['none', 8442], ['silent', 8443], ['two', 8444];
my $local = Provider->new($t, 'local', 8445, keys => jwks(public($key)))->start();

my @lines = ("resolver 127.0.0.1:8953 valid=1s ipv6=off;", 'connect_timeout 2s;', 'refresh 1s;');
configure($t, join('', map({ issuer_block($_, $idp{$_}, @lines) } sort keys %idp), issuer_block('local', $local)) . <<"EOF");
    server {
        listen      127.0.0.1:8080;
        root        html;
        auth_jwt    "r";
        add_header  X-Status \$jwt_status always;
        @{[ map { "location /$_/ { auth_jwt_trust $_; }" } 'local', keys %idp ]}
    }
EOF
run_quietly($t);
my %token = map { $_ => token_of($idp{$_}, $key) } keys %idp;

is(await_issuer('/idp/', $token{idp}, '404 ok'), '404 ok', 'a name');
is((dns_questions($t))[0] =~ /^(?:idp|none|silent|two)\.example\z/, 1, 'asked at the resolver');
is(scalar(grep { $_ eq 'localhost' } dns_questions($t)), 0, 'and not without one in the block');
is(await_issuer('/local/', token_of($local, $key), '404 ok'), '404 ok', 'resolved when the configuration was read');
is(await_issuer('/two/', $token{two}, '404 ok'), '404 ok', 'two addresses, one is dead');

my $log = fetch_logged($t, qr/"none"/);
like($log, qr/^(?:error|warn) issuer "none".*"none\.example:\d+".*(?:does not exist|not be resolved|not found)/m, 'no such name, log');
is(jwt_status(get('/none/', $token{none})), '500 keys_unavailable', 'no such name');
is(jwt_status(get('/silent/', $token{silent})), '500 keys_unavailable', 'a resolver that does not answer');
like($log . "\n" . fetch_logged($t, qr/"silent"/), qr/^error issuer "silent".*: no name server has answered about "silent\.example" within 2s, see resolver; there are no keys to use$/m, 'a resolver that does not answer, log');

# a name that comes into being, and one whose address changes
answer_names($t, 'idp.example' => ['127.0.0.77'], 'none.example' => ['127.0.0.1'], 'silent.example' => ['127.0.0.1'],
    'two.example' => ['127.0.0.1']);
is(await_issuer('/none/', $token{none}, '404 ok'), '404 ok', 'the name is there');
is(await_issuer('/silent/', $token{silent}, '404 ok'), '404 ok', 'the resolver answers');
like(fetch_logged($t, qr/"idp"/), qr/^warn issuer "idp".*"idp\.example:\d+".*refused.*; using the last good keys$/m, 'another address, nothing listens there, log');
is(jwt_status(get('/idp/', $token{idp})), '404 ok', 'another address, the last keys are used');
$idp{idp}->forget();
answer_names($t, 'idp.example' => ['127.0.0.1'], map { ("$_.example" => ['127.0.0.1']) } qw/ none silent two /);
is($idp{idp}->wait_asked('jwks', 1), 1, 'the first address again');

### the configuration

my $tested = sub { return config_test($t, issuer_block('corp', $idp{none}, @_)) };
like($tested->(), qr/^\[emerg\] .*"none\.example"|host not found.* \| exit 1\z/, 'no resolver, and no such name when it is read');
is($tested->("resolver 127.0.0.1:8953;"), 'exit 0', 'with a resolver');
like($tested->('resolver;'), qr/^\[emerg\] .*resolver.* in DIR\/http\.conf:\d+ \| exit 1\z/, 'no address');
like($tested->('resolver 300.0.0.1;'), qr/^\[emerg\] .*300\.0\.0\.1.* \| exit 1\z/, 'no such address');
like($tested->("resolver 127.0.0.1:8953 valid=x;"), qr/^\[emerg\] .*valid=x.* \| exit 1\z/, 'a parameter that is none');

### a worker that exits, and has asked a name server that does not answer

answer_names($t, map { ("$_.example" => undef) } keys %idp);
my $counts = sub { my ($pattern) = @_; return scalar(() = $t->read_file('error.log') =~ /$pattern/mg) };
my $sent = $counts->(qr/resolve: ".*" A \d/);
is(wait_until(sub { $counts->(qr/resolve: ".*" A \d/) > $sent }), 1, 'a question without an answer');
$t->stop();
is($counts->(qr/resolve name done: -?\d+$/), $counts->(qr/resolve: "[^"]*"$/), 'each was answered or taken back');
