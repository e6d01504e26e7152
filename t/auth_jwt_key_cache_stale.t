#!/usr/bin/perl

# auth_jwt_key_cache, stale= and refresh=: a source that fails after it has
# delivered keys, and a token that names a key which is not in the set (row
# 39b).

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Jose;
use KeyService;

use Time::HiRes qw/ sleep time /;

my $t = Test::Nginx->new()->has(qw/ http proxy rewrite /)->plan(88);

configure($t, <<'EOF');
    server {
        listen       127.0.0.1:8080;
        server_name  localhost;

        auth_jwt     "r";
        root         html;
        add_header   X-Status $jwt_status always;

        location /plain/   { auth_jwt_key_request /plain-keys; auth_jwt_key_cache 1ms refresh=off; }
        location /stale/   { auth_jwt_key_request /stale-keys; auth_jwt_key_cache 1ms stale=1h refresh=0; }
        location /hanging/ { auth_jwt_key_request /hanging-keys; auth_jwt_key_cache 1ms stale=1h; }
        location /ending/  { auth_jwt_key_request /ending-keys; auth_jwt_key_cache 1ms stale=1s refresh=0; }
        location /none/    { auth_jwt_key_request /none-keys; auth_jwt_key_cache 0 stale=1h; }
        location /off/     { auth_jwt_key_request /off-keys; auth_jwt_key_cache 1h refresh=off; }
        location /default/ { auth_jwt_key_request /default-keys; auth_jwt_key_cache 1h; }
        location /always/  { auth_jwt_key_request /always-keys; auth_jwt_key_cache 1h refresh=0s; }
        location /bare/    { auth_jwt_key_request /bare-keys; auth_jwt_key_cache 1h refresh=0s; }
        location /often/   { auth_jwt_key_request /often-keys; auth_jwt_key_cache 1h refresh=500ms; }

        location /file/    { auth_jwt_key_file file.json; auth_jwt_key_cache 1h refresh=off; }
        location /file-none/    { auth_jwt_key_file file.json; auth_jwt_key_cache 0; }
        location /file-refresh/ { auth_jwt_key_file refresh.json; auth_jwt_key_cache 1h refresh=0; }
        location /file-stale/   { auth_jwt_key_file stale.json; auth_jwt_key_cache 0 stale=1h; }
        location /file-plain/   { auth_jwt_key_file stale.json; auth_jwt_key_cache 0; }

        location ~ ^/(\w+)-keys$ { proxy_pass http://127.0.0.1:8081/$1; }
    }

EOF

my %key = map { $_ => jwk('ES256', '--kid', $_) } qw/ a b c /;
my %token = map { $_ => sign($key{$_}, '{"exp":"now+300"}') } keys %key;
my $forged = sign(jwk('ES256', '--kid', 'a'), '{"exp":"now+300"}');
my $no_kid = sign(jwk('ES256'), '{"exp":"now+300"}');

gives($t, $_, 'a')
    for qw/ plain stale hanging ending none off default always often /;
$t->write_file("$_.json", jwks(public($key{a}))) for qw/ file refresh stale /;
key_service($t, 8081);
run_quietly($t);

### a source that fails

for my $name (qw/ plain stale hanging ending none /) {
    is(jwt_status(get("/$name/", $forged)), '401 bad_signature', "$name, forged");
    is(jwt_status(get("/$name/", $token{a})), '404 ok', "$name, good");
}
jwt_logged($t);
sleep 0.01;
respond_with($t, $_, keys_response('', 503)) for qw/ plain stale ending /;
respond_with($t, 'none', "HTTP/1.1 200 X\r\nContent-Length: 99\r\n\r\n{");

# without stale keys: the request that finds none waits for the fetch, and in the
# pause that follows nobody waits or asks
my $stale = '; using the last good keys';
my $paused = 'last attempt failed, and the next one is not due';
is(jwt_status(get('/plain/', $token{a})), '500 keys_unavailable', 'without stale');
is(jwt_logged($t), 'error key request "/plain-keys": HTTP status 503',
    'without stale, log');
my $asked = asked($t, 'plain');
is(jwt_status(get('/plain/', $token{a})), '500 keys_unavailable', 'paused');
is(jwt_logged($t), "error key request \"/plain-keys\": $paused: HTTP status 503",
    'paused, log');
is(jwt_status(get('/plain/', $forged)), '500 keys_unavailable', 'paused, forged');
is(asked($t, 'plain') - $asked, 0, 'paused, no key request');

# with stale keys: they are used at once, one fetch runs besides, and its failure
# is logged once
$asked = asked($t, 'stale');
hold($t, 'stale');
is(jwt_status(get('/stale/', $token{a})), '404 ok', 'stale, good, a fetch begins');
is(wait_asked($t, 'stale', $asked + 1), $asked + 1, 'stale, a key request');
is(jwt_status(get('/stale/', $token{a})), '404 ok', 'stale, good, during the fetch');
is(jwt_status(get('/stale/', $forged)), '401 bad_signature', 'stale, forged');
jwt_logged($t);
go_on($t, 'stale');
my $log = '';
wait_until(sub { ($log .= jwt_logged($t)) =~ /^warn/m });
is($log, "warn key request \"/stale-keys\": HTTP status 503$stale", 'stale, log');
is(jwt_status(get('/stale/', $token{a})), '404 ok', 'stale, paused, good');
is(jwt_status(get('/stale/', $forged)), '401 bad_signature', 'stale, paused, forged');
is(jwt_status(get('/stale/', $token{b})), '401 unknown_key', 'stale, paused, unknown kid');
is(asked($t, 'stale') - $asked, 1, 'stale, one key request');

# the provider hangs: nobody who has keys waits, and nobody asks again
$asked = asked($t, 'hanging');
hold($t, 'hanging');
is(join('|', map { jwt_status(get('/hanging/', $token{a})) } 1 .. 20),
    join('|', ('404 ok') x 20), 'the source hangs, stale keys are used');
is(wait_asked($t, 'hanging', $asked + 1), $asked + 1, 'the source hangs, one key request');
gives($t, 'hanging', 'b');
go_on($t, 'hanging');
is(wait_until(sub { jwt_status(get('/hanging/', $token{a})) eq '401 unknown_key' }), 1,
    'a removed key is refused when the source has responded');
jwt_logged($t);

is(jwt_status(get('/none/', $token{a})), '500 keys_unavailable', 'time 0, no stale keys');
is(jwt_logged($t), 'error key request "/none-keys": response was truncated', 'time 0, log');

is(wait_until(sub { jwt_status(get('/ending/', $token{a})) eq '500 keys_unavailable' }), 1,
    'stale ends');
like(jwt_logged($t), qr/^error key request "\/ending-keys": (\Q$paused\E: )?HTTP status 503\z/m,
    'stale ends, log');

# an empty key set is a valid response, not a failure
respond_with($t, 'stale', keys_response('{"keys":[]}'));
is(wait_until(sub { jwt_status(get('/stale/', $token{a})) eq '401 unknown_key' }), 1,
    'an empty set replaces the keys');
gives($t, 'stale', 'b');
is(jwt_status(get('/stale/', $token{b})), '404 ok', 'the source is back, new key');
is(jwt_status(get('/stale/', $token{a})), '401 unknown_key', 'the source is back, old key');
gives($t, 'plain', 'b');
is(wait_until(sub { jwt_status(get('/plain/', $token{b})) eq '404 ok' }), 1,
    'without stale, the source is back');
jwt_logged($t);

### an unknown kid

for my $name (qw/ off default always often /) {
    is(jwt_status(get("/$name/", $token{a})), '404 ok', "refresh $name, good");
    gives($t, $name, 'b');
    is(jwt_status(get("/$name/", $forged)), '401 bad_signature', "refresh $name, forged");
    is(asked($t, $name), 1, "refresh $name, a bad signature of a known key causes no key request");
}

for my $name (qw/ off default /) {
    is(jwt_status(get("/$name/", $no_kid)), '401 bad_signature', "refresh $name, no kid");
}
is(jwt_status(get('/off/', $token{b})), '401 unknown_key', 'refresh=off');
is(jwt_status(get('/default/', $token{b})), '401 unknown_key',
    'refresh is not sooner than ten seconds');
is(asked($t, 'off') . asked($t, 'default'), 11, 'no key request');

is(jwt_status(get('/always/', $token{b})), '404 ok', 'refresh=0');
is(jwt_status(get('/always/', $token{b})), '404 ok', 'refresh=0, kept');
is(asked($t, 'always'), 2, 'refresh=0, asked once');
is(jwt_status(get('/always/', $token{c})), '401 unknown_key', 'refresh=0, unknown key');
is(asked($t, 'always'), 3, 'refresh=0, one key request');
respond_with($t, 'always', keys_response('', 500));
is(jwt_status(get('/always/', $token{c})), '401 unknown_key', 'refresh=0, fails');
is(jwt_logged($t) =~ /^(warn .*)/m && $1,
    "warn key request \"/always-keys\": HTTP status 500$stale",
    'refresh=0, fails, log');
is(jwt_status(get('/always/', $token{b})), '404 ok', 'refresh=0, the cached keys stay in use');

### tokens without a kid

my @bare = map { jwk('ES256') } 1 .. 3;
my ($first, $second, $third) = map { sign($_, '{"exp":"now+300"}', '--no-kid') } @bare;
respond_with($t, 'bare', keys_response(jwks(public($bare[0]))));
is(jwt_status(get('/bare/', $first)), '404 ok', 'no kid, good');
is(asked($t, 'bare'), 1, 'no kid, asked once');
respond_with($t, 'bare', keys_response(jwks(public($bare[1]))));
is(jwt_status(get('/bare/', $second)), '404 ok', 'no kid, new key');
is(asked($t, 'bare'), 2, 'no kid, asked for the new key');
is(jwt_status(get('/bare/', $second)), '404 ok', 'no kid, kept');
is(asked($t, 'bare'), 2, 'no kid, not asked again');
is(jwt_status(get('/bare/', $third)), '401 bad_signature', 'no kid, a key that nobody has');
is(jwt_status(get('/bare/', $first)), '401 bad_signature', 'no kid, the old key');
is(asked($t, 'bare'), 4, 'no kid, asked once for each of them');
jwt_logged($t);

my ($start, $began) = (asked($t, 'often'), time);
is(wait_until(sub { jwt_status(get('/often/', $token{b})) eq '404 ok' }), 1,
    'refresh=500ms, new key');
jwt_status(get('/often/', $token{c})) for 1 .. 50;
cmp_ok(asked($t, 'often') - $start, '<=', 2 * (time - $began) + 1,
    'refresh=500ms, at most two requests a second');
jwt_logged($t);

### files

is(jwt_status(get("/$_/", $token{a})), '404 ok', "$_, good")
    for qw/ file file-none file-refresh file-stale file-plain /;
$t->write_file("$_.json", jwks(public($key{b}))) for qw/ file refresh /;
is(jwt_status(get('/file/', $token{a})), '404 ok', 'file, replaced key');
is(jwt_status(get('/file/', $token{b})), '401 unknown_key', 'file, new key');
is(jwt_status(get('/file-refresh/', $token{a})), '404 ok', 'file, refresh, replaced key');
is(jwt_status(get('/file-refresh/', $token{b})), '404 ok', 'file, refresh, new key');
is(jwt_status(get('/file-refresh/', $token{a})), '401 unknown_key', 'file, refresh, old key');
is(jwt_status(get('/file-none/', $token{b})), '404 ok', 'file, no cache, new key');

jwt_logged($t);
$t->write_file('stale.json', '{"keys":[');
my $file = 'key file "' . $t->testdir() . '/stale.json"';
is(jwt_status(get('/file-plain/', $token{a})), '500 keys_unavailable', 'half a file');
is(jwt_logged($t), "error $file: key set is not JSON at byte 9", 'half a file, log');
is(jwt_status(get('/file-stale/', $token{a})), '404 ok', 'half a file, stale');
is(jwt_logged($t), "warn $file: key set is not JSON at byte 9; using the last "
    . 'good keys', 'half a file, stale, log');
is(jwt_status(get('/file-stale/', $forged)), '401 bad_signature', 'half a file, stale, forged');

###############################################################################

sub gives {
    my ($t, $name, $key) = @_;
    respond_with($t, $name, keys_response(jwks(public($key{$key}))));
}
