#!/usr/bin/perl

# auth_jwt_key_cache, stale= and refresh=: what happens when a source fails after
# it was good, and when a token names a key that is not there (row 39b).

use warnings;
use strict;

use Test::More;
use Time::HiRes qw/ sleep /;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use AuthJwt;
use Jose;
use KeyService;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/ http proxy rewrite /)->plan(80);

configure($t, <<'EOF');
    server {
        listen       127.0.0.1:8080;
        server_name  localhost;

        auth_jwt     "r";
        root         html;
        add_header   X-Status $jwt_status always;

        location /plain/   { auth_jwt_key_request /plain-keys; auth_jwt_key_cache 1ms refresh=off; }
        location /stale/   { auth_jwt_key_request /stale-keys; auth_jwt_key_cache 1ms stale=1h refresh=0; }
        location /paused/  { auth_jwt_key_request /paused-keys; auth_jwt_key_cache 1ms stale=1h; }
        location /ending/  { auth_jwt_key_request /ending-keys; auth_jwt_key_cache 1ms stale=1s refresh=0; }
        location /none/    { auth_jwt_key_request /none-keys; auth_jwt_key_cache 0 stale=1h; }
        location /off/     { auth_jwt_key_request /off-keys; auth_jwt_key_cache 1h refresh=off; }
        location /default/ { auth_jwt_key_request /default-keys; auth_jwt_key_cache 1h; }
        location /always/  { auth_jwt_key_request /always-keys; auth_jwt_key_cache 1h refresh=0s; }
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
    for qw/ plain stale paused ending none off default always often /;
$t->write_file("$_.json", jwks(public($key{a}))) for qw/ file refresh stale /;
key_service($t, 8081);
run_quietly($t);

### a source that fails

for my $name (qw/ plain stale paused ending none /) {
    is(ask("/$name/", $forged), '401 bad_signature', "$name, forged");
    is(ask("/$name/", $token{a}), '404 ok', "$name, good");
}
reasons($t);
sleep 0.01;
answer($t, $_, keys_answer('', 503)) for qw/ plain stale paused ending /;
answer($t, 'none', "HTTP/1.1 200 X\r\nContent-Length: 99\r\n\r\n{");

my $stand_in = '; keys from before stand in';
is(ask('/plain/', $token{a}), '500 keys_unavailable', 'without stale');
is(reasons($t), 'error key request "/plain-keys": answered with 503',
    'without stale, log');

for my $round (1, 2) {
    my $asked = asked($t, 'stale');
    is(ask('/stale/', $token{a}), '404 ok', "stale $round");
    is(reasons($t), "warn key request \"/stale-keys\": answered with 503$stand_in",
        "stale $round, log");
    is(ask('/stale/', $forged), '401 bad_signature', "stale $round, forged");
    is(asked($t, 'stale') - $asked, 2, "stale $round, asked again each time");
    reasons($t);
}
my $asked = asked($t, 'stale');
is(ask('/stale/', $token{b}), '401 unknown_key', 'stale, unknown kid');
is((() = reasons($t) =~ /^warn/mg), asked($t, 'stale') - $asked,
    'stale, a line for each failure');

is(ask('/paused/', $token{a}), '404 ok', 'left alone, first');
is(reasons($t), "warn key request \"/paused-keys\": answered with 503$stand_in",
    'left alone, first, log');
$asked = asked($t, 'paused');
is(ask('/paused/', $token{a}), '404 ok', 'left alone');
is(ask('/paused/', $forged), '401 bad_signature', 'left alone, forged');
is(asked($t, 'paused') . (reasons($t) =~ /^warn/m ? 'warned' : ''), $asked,
    'left alone, not asked');

is(ask('/none/', $token{a}), '500 keys_unavailable', 'time 0, nothing is kept');
is(reasons($t), 'error key request "/none-keys": broken off', 'time 0, log');

is(wait_until(sub { ask('/ending/', $token{a}) eq '500 keys_unavailable' }), 1,
    'stale ends');
like(reasons($t), qr/^error key request "\/ending-keys": answered with 503\z/m,
    'stale ends, log');

# no keys is an answer, not a failure
answer($t, 'stale', keys_answer('{"keys":[]}'));
is(ask('/stale/', $token{a}), '401 unknown_key', 'emptied');
gives($t, 'stale', 'b');
is(ask('/stale/', $token{b}), '404 ok', 'back again, new key');
is(ask('/stale/', $token{a}), '401 unknown_key', 'back again, old key');
gives($t, 'plain', 'b');
is(ask('/plain/', $token{b}), '404 ok', 'without stale, back again');
reasons($t);

### an unknown kid

for my $name (qw/ off default always often /) {
    is(ask("/$name/", $token{a}), '404 ok', "refresh $name, good");
    gives($t, $name, 'b');
    is(ask("/$name/", $forged), '401 bad_signature', "refresh $name, forged");
    is(ask("/$name/", $no_kid), '401 bad_signature', "refresh $name, no kid");
    is(asked($t, $name), 1, "refresh $name, no reason to ask");
}

is(ask('/off/', $token{b}), '401 unknown_key', 'refresh=off');
is(ask('/default/', $token{b}), '401 unknown_key', 'not within ten seconds');
is(asked($t, 'off') . asked($t, 'default'), 11, 'not asked');

is(ask('/always/', $token{b}), '404 ok', 'refresh=0');
is(ask('/always/', $token{b}), '404 ok', 'refresh=0, kept');
is(asked($t, 'always'), 2, 'refresh=0, asked once');
is(ask('/always/', $token{c}), '401 unknown_key', 'refresh=0, a key of nobody');
is(asked($t, 'always'), 3, 'refresh=0, one question for a request');
answer($t, 'always', keys_answer('', 500));
is(ask('/always/', $token{c}), '401 unknown_key', 'refresh=0, fails');
is(reasons($t) =~ /^(warn .*)/m && $1,
    "warn key request \"/always-keys\": answered with 500$stand_in",
    'refresh=0, fails, log');
is(ask('/always/', $token{b}), '404 ok', 'refresh=0, what was there counts on');

my $start = asked($t, 'often');
is(wait_until(sub { ask('/often/', $token{b}) eq '404 ok' }), 1,
    'refresh=500ms, new key');
ask('/often/', $token{c}) for 1 .. 50;
cmp_ok(asked($t, 'often') - $start, '<=', 3, 'refresh=500ms, not for each');
reasons($t);

### files

is(ask("/$_/", $token{a}), '404 ok', "$_, good")
    for qw/ file file-none file-refresh file-stale file-plain /;
$t->write_file("$_.json", jwks(public($key{b}))) for qw/ file refresh /;
is(ask('/file/', $token{a}), '404 ok', 'file, replaced key');
is(ask('/file/', $token{b}), '401 unknown_key', 'file, new key');
is(ask('/file-refresh/', $token{a}), '404 ok', 'file, refresh, replaced key');
is(ask('/file-refresh/', $token{b}), '404 ok', 'file, refresh, new key');
is(ask('/file-refresh/', $token{a}), '401 unknown_key', 'file, refresh, old key');
is(ask('/file-none/', $token{b}), '404 ok', 'file, no cache, new key');

reasons($t);
$t->write_file('stale.json', '{"keys":[');
my $file = 'key file "' . $t->testdir() . '/stale.json"';
is(ask('/file-plain/', $token{a}), '500 keys_unavailable', 'half a file');
is(reasons($t), "error $file: key set is not JSON at byte 9", 'half a file, log');
is(ask('/file-stale/', $token{a}), '404 ok', 'half a file, stale');
is(reasons($t), "warn $file: key set is not JSON at byte 9; what was in it before "
    . 'stands in', 'half a file, stale, log');
is(ask('/file-stale/', $forged), '401 bad_signature', 'half a file, stale, forged');

###############################################################################

sub gives {
    my ($t, $name, $key) = @_;
    answer($t, $name, keys_answer(jwks(public($key{$key}))));
}

sub ask {
    my ($uri, $with) = @_;
    my $answer = get($uri, $with);
    my ($status) = verdict($answer) =~ /^(\S+|no answer)/;
    return "$status " . (($answer // '') =~ /^X-Status: (\w+)/m ? $1 : '-');
}

###############################################################################
