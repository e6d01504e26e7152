#!/usr/bin/perl

# auth_jwt_issuer without key_file: the workers fetch the keys of an issuer, where its
# discovery document or jwks_uri says they are; before a request needs them, before they
# go stale, and when a token has an unknown key.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Jose;
use KeyService;
use Test::Nginx qw/ http_end /;

my ($old, $new, $other) = map { jwk('ES256', '--kid', $_) } qw/ old new other /;
my ($bare_old, $bare_new, $bare_other) = map { jwk('ES256') } 1 .. 3;

my $t = Test::Nginx->new()->has(qw/ http proxy rewrite /)->plan(35);

# /issuer/NAME is an issuer of which /NAME of the service has the keys, and
# /discovery_NAME the discovery document.
configure($t, <<'EOF', 'worker_processes 2;');
    log_format  asked "$request_uri $http_accept $http_host";

    auth_jwt_issuer found { issuer http://127.0.0.1:8081/issuer/found; audience api; }
    auth_jwt_issuer named { issuer named; audience api; jwks_uri http://127.0.0.1:8082/named; }
    auth_jwt_issuer bare { issuer bare; audience api; jwks_uri http://127.0.0.1:8082/bare; }
    auth_jwt_issuer slow { issuer slow; audience api; jwks_uri http://127.0.0.1:8082/slow; }
    auth_jwt_issuer dead { issuer dead; audience api; jwks_uri http://127.0.0.1:8089/dead; }
    auth_jwt_issuer large { issuer large; audience api; jwks_uri http://127.0.0.1:8082/large; }
    auth_jwt_issuer larger { issuer larger; audience api; jwks_uri http://127.0.0.1:8082/larger; }
    auth_jwt_issuer short {
        issuer    short;
        audience  api;
        jwks_uri  http://127.0.0.1:8082/short;
        refresh   1s;
        stale     1s;
    }

    server {
        listen       127.0.0.1:8080;
        server_name  localhost;

        auth_jwt        "r";
        auth_jwt_trust  found named bare slow dead large larger short;

        location / {
            add_header  X-V "$jwt_status" always;
            empty_gif;
        }
    }

    server {
        listen       127.0.0.1:8081;
        access_log   asked.log asked;

        location ~ ^/issuer/(\w+)/.well-known/openid-configuration$ {
            proxy_pass  http://127.0.0.1:8082/discovery_$1;
        }
    }
EOF

my $url = 'http://127.0.0.1:' . port(8082);
respond_with($t, 'discovery_found', keys_response(
    '{"issuer":"http://127.0.0.1:' . port(8081) . "/issuer/found\",\"jwks_uri\":\"$url/found\"}"));
respond_with($t, $_, keys_response(jwks(public($old)))) for qw/ found named slow short /;
my $padded = sub { my $set = jwks(public($old)); return $set . ' ' x ((4 << 20) + $_[0] - length $set) };
respond_with($t, 'large', keys_response($padded->(0)));
respond_with($t, 'larger', keys_response($padded->(1)));
respond_with($t, 'bare', keys_response(jwks(public($bare_old))));
hold($t, 'slow');
key_service($t, 8082);
run_quietly($t);

my $of = sub {
    my ($key, $iss) = @_;
    return sign($key, "{\"iss\":\"$iss\",\"aud\":\"api\",\"sub\":\"ann\"}");
};
my $found = 'http://127.0.0.1:' . port(8081) . '/issuer/found';
my $short_outcome = sub { return join ' ', status($_[0]), variables($_[0]) };
my $tasks = sub {
    return join "\n", map { /\[(\w+)\] \d+#\d+: auth_jwt: (issuer .*)/ ? "$1 $2" : () }
        split /\n/, $t->read_file('error.log');
};

### at the start

is($short_outcome->(get('/', $of->($old, $found))), '200 ok', 'keys of a discovered URL');
is($short_outcome->(get('/', $of->($old, 'named'))), '200 ok', 'keys of jwks_uri');
is($short_outcome->(get('/', $of->($old, 'named'))), '200 ok', 'again');
is(asked($t, 'found'), 1, 'one worker fetched for both');
is(asked($t, 'named'), 1, 'also with a request that waited');
is(asked($t, 'discovery_found'), 1, 'one discovery document was enough');
is($t->read_file('asked.log'), '/issuer/found/.well-known/openid-configuration application/json 127.0.0.1:'
    . port(8081) . "\n", 'what is asked');
my ($version) = slurp('../Cargo.toml') =~ /^version = "(.*)"/m;
is(last_request($t, 'named') =~ s/127\S+/HOST/r, join("\r\n", 'GET /named HTTP/1.1', 'host: HOST',
    "user-agent: nginx-auth/$version", 'accept: application/jwk-set+json, application/json',
    'accept-encoding: identity', 'connection: close', '', ''), 'the request for keys');

### an issuer that does not answer, or not in time

my $waiting = ask({ start => 1 }, '/', bearer($of->($old, 'slow')));
wait_asked($t, 'slow', 1);
is($short_outcome->(get('/', $of->($old, 'named'))), '200 ok', 'tokens of others do not wait');
jwt_logged($t);
is($short_outcome->(get('/', $of->($old, 'slow'))), '500 keys_unavailable', 'keys do not come in time');
is(jwt_logged($t) =~ s/\n.*//sr, 'error issuer "slow": no keys within 2 s', 'what the log says of it');
is($short_outcome->(http_end($waiting)), '500 keys_unavailable', 'nor for the one who waited first');
$waiting = ask({ start => 1 }, '/', bearer($of->($old, 'slow')));
go_on($t, 'slow');
is($short_outcome->(http_end($waiting)), '200 ok', 'a request that waits gets the keys when they come');
is(asked($t, 'slow'), 1, 'there was one fetch');

is($short_outcome->(get('/', $of->($old, 'dead'))), '500 keys_unavailable', 'nothing listens');
like($tasks->(), qr/^error issuer "dead": "http:\/\/127\.0\.0\.1:\d+\/dead": no connection to "127\.0\.0\.1:\d+": connection refused; there are no keys to use$/m,
    'what the log says of it');

### as much as a key set may have

# A request waits for two seconds at most, which may not be enough on a busy machine.
wait_until(sub { get('/', $of->($old, 'large')) =~ / 200 / });
is($short_outcome->(get('/', $of->($old, 'large'))), '200 ok', 'a key set of 4 MiB');
is($short_outcome->(get('/', $of->($old, 'larger'))), '500 keys_unavailable', 'a larger one');
like($tasks->(), qr/^error issuer "larger": "[^"]+": response is larger than 4194304 bytes; there are no keys to use$/m,
    'what the log says of it');

### rotation

respond_with($t, 'named', keys_response(jwks(public($new), public($old))));
is($short_outcome->(get('/', $of->($other, 'named'))), '401 unknown_key', 'an unknown key');
my $asked = asked($t, 'named');
wait_until(sub { get('/', $of->($new, 'named')) =~ / 200 / });
is($short_outcome->(get('/', $of->($new, 'named'))), '200 ok', 'a new key');
is(asked($t, 'named'), 2, 'the issuer was asked once for it');
is($short_outcome->(get('/', $of->($other, 'named'))), '401 unknown_key', 'an unknown key is unknown still');
is(asked($t, 'named'), 2, 'the issuer is not asked again at once');

# Of a key without a kid, only the signature tells that it is a new one.
respond_with($t, 'bare', keys_response(jwks(public($bare_new))));
wait_until(sub { get('/', $of->($bare_new, 'bare')) =~ / 200 / });
is($short_outcome->(get('/', $of->($bare_new, 'bare'))), '200 ok', 'a new key, and neither has a kid');
is(asked($t, 'bare'), 2, 'the issuer was asked once for it');
hold($t, 'bare');
is($short_outcome->(get('/', $of->($bare_other, 'bare'))), '401 bad_signature', 'one that nobody has');
is($short_outcome->(get('/', $of->($bare_old, 'bare'))), '401 bad_signature', 'the one of before');
is(asked($t, 'bare'), 2, 'the issuer is not asked again at once');

### keys that go stale

my $before = asked($t, 'short');
respond_with($t, 'short', keys_response(jwks(public($new))));
is(wait_until(sub { get('/', $of->($new, 'short')) =~ / 200 / }), 1, 'keys are fetched again in time');
is($short_outcome->(get('/', $of->($old, 'short'))), '401 unknown_key', 'a key that was withdrawn');
respond_with($t, 'short', keys_response('{}', 503));
is(wait_until(sub { $tasks->() =~ /^warn issuer "short": "[^"]+": HTTP status 503.*; using the last good keys$/m }), 1,
    'a fetch that fails');
is($short_outcome->(get('/', $of->($new, 'short'))), '200 ok', 'the last good keys are used');
is(wait_until(sub { get('/', $of->($new, 'short')) =~ / 500 / }), 1, 'for as long as stale says');
respond_with($t, 'short', keys_response(jwks(public($new))));
is(wait_until(sub { get('/', $of->($new, 'short')) =~ / 200 / }), 1, 'the issuer is there again');
