#!/usr/bin/perl

# auth_jwt_token_cache: a cached token is judged as if it came for the first
# time. A log line at level debug tells that it was in the cache.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Jose;
use KeyService;

use Time::HiRes;

my $t = Test::Nginx->new()->has(qw/ http proxy rewrite --with-debug /)->plan(188);
my $dir = $t->testdir();

### values of the directive

my $said = sub {
    my ($http) = @_;
    configure($t, $http);
    return config_test($t) =~ s/nginx\.conf:\d+/nginx.conf:N/gr;
};
my $emerg = sub { "[emerg] $_[0] in DIR/nginx.conf:N | exit 1" };
my $name = 'auth_jwt_token_cache';

is($said->("$name $_;"), $emerg->("invalid value \"" . s/"//gr . "\" in \"$name\" directive, it must be a size or \"off\""), "size $_")
    for qw/ 0 on OFF -1 1x 1g 4m4 0x10 9999999999999999999 /, '""', '"4 m"';
is($said->("$name;"), $emerg->("invalid number of arguments in \"$name\" directive"), 'no size');
is($said->("$name 1m 2m;"), $emerg->("invalid number of arguments in \"$name\" directive"),
    'two sizes');
is($said->("$name 1m; $name $_;"), $emerg->("\"$name\" directive is duplicate"), "1m and $_")
    for qw/ 1m off /;
is($said->("$name off; $name 1m;"), $emerg->("\"$name\" directive is duplicate"), 'off and 1m');
is($said->("server { $name 1m; }"), $emerg->("\"$name\" directive is not allowed here"),
    'in a server');
is($said->("server { location / { $name 1m; } }"),
    $emerg->("\"$name\" directive is not allowed here"), 'in a location');
is($said->("$name $_;"), 'exit 0', "size $_") for qw/ off 1 4096 64k 64K 4m 16M /;

### keys and tokens

my %key = map { $_ => jwk('HS256', '--kid', $_) } qw/ a b c /;
my $aes = jwk('A128KW', '--kid', 'aes');
my $rsa = jwk('RSA-OAEP', '--kid', 'rsa');
my $foreign = jwk('HS256', '--kid', 'a');
my %file = (
    a => $key{a}, a2 => jwks($key{a}), ab => jwks(@key{qw/ a b /}), b => $key{b},
    rotated => $key{a}, shrunk => jwks(@key{qw/ a b /}), second => $key{b},
    removed => $key{a}, aes => $aes, rsa => $rsa, all => jwks($aes, $key{a}),
);
$t->write_file("$_.json", $file{$_}) for keys %file;

my $locations = <<'EOF';
        auth_jwt          "r";
        auth_jwt_key_file a.json;
        root              html;
        add_header        X-Status "$jwt_status $jwt_verified" always;
        add_header        X-Claims "<$jwt_claim_sub|$jwt_claim_list|$jwt_claim_object|$jwt_header_kid>" always;

        location /a/        { }
        location /rsa/      { auth_jwt_type encrypted; auth_jwt_key_file rsa.json; }
        location /a2/       { auth_jwt_key_file a2.json; }
        location /ab/       { auth_jwt_key_file ab.json; }
        location /b/        { auth_jwt_key_file b.json; }
        location /two/      { auth_jwt_key_file a.json; auth_jwt_key_file second.json; }
        location /wrong/    { auth_jwt_key_file b.json; auth_jwt_key_file aes.json; }
        location /arg/      { auth_jwt_key_file $arg_n.json; }
        location /rotated/  { auth_jwt_key_file rotated.json; }
        location /shrunk/   { auth_jwt_key_file shrunk.json; }
        location /removed/  { auth_jwt_key_file removed.json; }
        location /kept/     { auth_jwt_key_file rotated.json; auth_jwt_key_cache 1h refresh=off; }
        location /leeway/   { auth_jwt_leeway 1h; }
        location /require/  { auth_jwt_require $arg_ok; }
        location /require3/ { auth_jwt_require $arg_ok error=403; }
        location /believe/  { auth_jwt_verify_signature off; }
        location /jwe/      { auth_jwt_key_file all.json; auth_jwt_type encrypted; }
        location /jwe2/     { auth_jwt_key_file aes.json; auth_jwt_type encrypted; }
        location /jwe_b/    { auth_jwt_key_file b.json; auth_jwt_type encrypted; }
        location /nested/   { auth_jwt_key_file all.json; auth_jwt_type nested; }
        location /outside/  { auth_jwt_key_file aes.json; auth_jwt_type nested; }
        location /nested_believe/ {
            auth_jwt_key_file all.json;
            auth_jwt_type nested;
            auth_jwt_verify_signature off;
        }
        location /asked/    { auth_jwt_key_request /keys?asked; }
        location /asked2/   { auth_jwt_key_request /keys?asked; auth_jwt_key_file second.json; }
        location /cached/   { auth_jwt_key_request /keys?cached; auth_jwt_key_cache 1h refresh=off; }
        location /variable/ { auth_jwt_key_request /keys?$arg_n; }
        location = /keys    { proxy_pass http://127.0.0.1:8081/$args; }
EOF

serve('');
respond_with($t, $_, keys_response($key{a})) for qw/ asked cached variable /;
key_service($t, 8081);
run_quietly($t);

my $good = sign($key{a}, '{"sub":"user","list":["x","y"],"object":{"n":1.0},"exp":"now+3000"}');
my $values = '<user|x,y|{"n":1.0}|a>';
my $forged = with_part($good, 1, sub { s/user/root/ });

### refused tokens are not cached, and a cached token does not help another

is(ask_cached('/a/', $forged), 'miss 401 bad_signature 0', 'forged') for 1 .. 2;
is(ask_cached('/a/', $good), 'miss 404 ok 1', 'good');
is(ask_cached('/a/', $good), 'hit 404 ok 1', 'good, again');
is(header(get('/a/', $good), 'X-Claims'), $values, 'good, variables');
is(ask_cached('/a/', $forged), 'miss 401 bad_signature 0', 'forged, after it');
for my $at (0, 1, 20, int(length($good) / 2), length($good) - 30, length($good) - 1) {
    my $changed = $good;
    substr($changed, $at, 1) =~ tr/A-Za-z0-9_.-/B-ZAb-za1-90\-_A/;
    like(ask_cached('/a/', $changed), qr/^miss 401 (?!ok)\w+ 0$/, "changed at $at");
}
like(ask_cached('/a/', $_), qr/^miss 401 (?!ok)\w+ 0$/, 'longer or shorter')
    for "${good}A", "$good.", substr($good, 0, -1), $good =~ s/[^.]*\z//r;
is(ask_cached('/a/', $good), 'hit 404 ok 1', 'good token is still cached');

### other locations, other keys

is(ask_cached('/a2/', $good), 'miss 404 ok 1', 'the same key in another file');
is(ask_cached('/ab/', $good), 'miss 404 ok 1', 'one more key');
is(ask_cached('/two/', $good), 'miss 404 ok 1', 'one more file');
is(ask_cached('/b/', $good), 'miss 401 unknown_key 0', 'another key');
is(ask_cached('/wrong/', $good), 'miss 401 unknown_key 0', 'other files');
is(ask_cached($_, $good), 'hit 404 ok 1', "$_, again") for qw! /a/ /a2/ /ab/ /two/ !;
is(ask_cached('/arg/?n=a', $good), 'hit 404 ok 1', 'a file that the request names');
is(ask_cached('/arg/?n=b', $good), 'miss 401 unknown_key 0', 'another one');

### types

my $jwe = encrypt($aes, '{"sub":"user"}');
my $nested = encrypt($aes, $good);
is(ask_cached('/nested/', $jwe), 'miss 401 malformed 0', 'encrypted where nested');
is(ask_cached('/jwe/', $jwe), 'miss 404 ok 1', 'encrypted');
is(ask_cached('/jwe/', $jwe), 'hit 404 ok 1', 'encrypted, again');
is(header(get('/jwe/', $jwe), 'X-Claims'), '<user|||aes>', 'encrypted, variables');
is(ask_cached('/nested/', $jwe), 'miss 401 malformed 0', 'encrypted where nested, known');
is(ask_cached('/a/', $jwe), 'miss 401 malformed 0', 'encrypted where signed, known');
is(ask_cached('/jwe/', $good), 'miss 401 malformed 0', 'signed where encrypted, known');
is(ask_cached('/jwe_b/', $jwe), 'miss 401 unknown_key 0', 'encrypted, other keys');
is(header(get('/jwe_b/', $jwe), 'X-Claims'), '<|||>', 'encrypted, other keys, no claims');
is(ask_cached('/jwe2/', $jwe), 'miss 404 ok 1', 'encrypted, the key from another file');
is(ask_cached('/jwe/', with_part($jwe, 3, sub { $_ ^= "\1" . "\0" x (length($_) - 1) })),
    'miss 401 decryption_failed 0', 'encrypted, changed');
is(ask_cached('/jwe/', $nested), 'miss 401 malformed 0', 'nested where encrypted');
is(ask_cached('/nested/', $nested), 'miss 404 ok 1', 'nested');
is(ask_cached('/nested/', $nested), 'hit 404 ok 1', 'nested, again');
is(header(get('/nested/', $nested), 'X-Claims'), $values, 'nested, variables');
is(ask_cached('/jwe/', $nested), 'miss 401 malformed 0', 'nested where encrypted, known');
is(ask_cached('/outside/', $nested), 'miss 401 unknown_key 0', 'nested, no key for the inside');

### auth_jwt_verify_signature off, and then on

is(ask_cached('/believe/', $forged), 'miss 404 ok 1', 'verify_signature off, forged');
is(ask_cached('/believe/', $forged), 'hit 404 ok 1', 'verify_signature off, forged, again');
is(ask_cached('/a/', $forged), 'miss 401 bad_signature 0', 'refused where signatures are verified');
is(ask_cached('/believe/', $good), 'miss 404 ok 1',
    'verified elsewhere, accepted without verification');
is(ask_cached('/believe/', encrypt($aes, '{}')), 'miss 401 malformed 0',
    'verify_signature off, another type');
my $nested_forged = encrypt($aes, $forged);
is(ask_cached('/nested_believe/', $nested_forged), 'miss 404 ok 1',
    'nested, verify_signature off, forged');
is(ask_cached('/nested_believe/', $nested_forged), 'hit 404 ok 1',
    'nested, verify_signature off, forged, again');
is(ask_cached('/nested/', $nested_forged), 'miss 401 bad_signature 0',
    'nested, refused where signatures are verified');

### auth_jwt_require is checked for each request

is(ask_cached('/require/?ok=1', $good), 'hit 404 ok 1', 'required, met');
is(ask_cached('/require/?ok=0', $good), 'hit 401 requirement 0', 'required, not met');
is(ask_cached('/require3/?ok=0', $good), 'hit 403 requirement 0', 'required elsewhere, not met');
is(ask_cached('/require3/?ok=1', $good), 'hit 404 ok 1', 'required elsewhere, met');
is(ask_cached('/a/', $good), 'hit 404 ok 1', 'required nowhere');

### times

my $exp = time + 2;
my $late = sign($key{a}, "{\"sub\":\"late\",\"exp\":$exp}");
my $late_jwe = encrypt($aes, "{\"sub\":\"late\",\"exp\":$exp}");
is(ask_cached('/leeway/', $late), 'miss 404 ok 1', 'before exp, leeway');
is(ask_cached('/jwe/', $late_jwe), 'miss 404 ok 1', 'before exp, encrypted');
is(ask_cached('/asked/', $late), 'miss 404 ok 1', 'before exp, keys by request');
wait_until(sub { ask_cached('/a/', $late) !~ / 404 / });
# time() may be behind the clock that nginx reads, by some milliseconds

cmp_ok(Time::HiRes::time(), '>=', $exp, 'expires not before exp');
is(ask_cached('/a/', $late), 'miss 401 expired 0', 'expired');
is(ask_cached('/leeway/', $late), 'hit 404 ok 1', 'expired, leeway');
is(ask_cached('/jwe/', $late_jwe), 'hit 401 expired 0', 'expired, encrypted');
is(header(get('/jwe/', $late_jwe), 'X-Claims'), '<|||>', 'expired, encrypted, no claims');
my $asked = asked($t, 'asked');
is(ask_cached('/asked/', $late), 'miss 401 expired 0', 'expired, keys by request');
is(asked($t, 'asked'), $asked, 'expired, no key request');

my $early = sign($key{a}, '{"sub":"early","nbf":"now+300"}');
is(ask_cached('/a/', $early), 'miss 401 not_yet_valid 0', 'early');
is(ask_cached('/leeway/', $early), 'miss 404 ok 1', 'early, leeway');
is(ask_cached('/leeway/', $early), 'hit 404 ok 1', 'early, leeway, again');
is(ask_cached('/a/', $early), 'hit 401 not_yet_valid 0', 'early, cached elsewhere');

### key files that change

my ($other, $both) = map { sign($key{$_}, '{"sub":"user"}') } qw/ b a /;
is(ask_cached('/rotated/', $both), 'miss 404 ok 1', 'before the rotation');
is(ask_cached('/kept/', $both), 'hit 404 ok 1', 'before the rotation, kept keys');
is(ask_cached('/rotated/', $both), 'hit 404 ok 1', 'before the rotation, again');
replace_file($t, 'rotated.json', $key{b});
is(ask_cached('/rotated/', $both), 'miss 401 unknown_key 0', 'rotated, the old key');
is(ask_cached('/rotated/', $other), 'miss 404 ok 1', 'rotated, the new key');
is(ask_cached('/rotated/', $other), 'hit 404 ok 1', 'rotated, the new key, again');
replace_file($t, 'rotated.json', jwks($key{a}, $key{c}));
is(ask_cached('/rotated/', $other), 'miss 401 unknown_key 0', 'rotated back, the new key');
is(ask_cached('/rotated/', $both), 'miss 404 ok 1', 'rotated back, the old key');
replace_file($t, 'rotated.json', $foreign);
is(ask_cached('/rotated/', $both), 'miss 401 bad_signature 0', 'another key with the same kid');

is(ask_cached('/shrunk/', $_), 'miss 404 ok 1', 'two keys') for $both, $other;
replace_file($t, 'shrunk.json', jwks($key{b}));
is(ask_cached('/shrunk/', $both), 'miss 401 unknown_key 0', 'a key that was removed');
is(ask_cached('/shrunk/', $other), 'miss 404 ok 1', 'the key that stays');

is(ask_cached('/two/', $both), 'miss 404 ok 1', 'two files');
is(ask_cached('/two/', $other), 'miss 404 ok 1', 'two files, the other key');
replace_file($t, 'second.json', $key{c});
is(ask_cached('/two/', $other), 'miss 401 unknown_key 0', 'two files, one rotated');
is(ask_cached('/two/', $both), 'miss 404 ok 1', 'two files, one rotated, the other key');
is(ask_cached('/two/', $both), 'hit 404 ok 1', 'two files, again');

is(ask_cached('/removed/', $both), 'miss 404 ok 1', 'a file');
unlink "$dir/removed.json" or die;
is(ask_cached('/removed/', $both), 'miss 500 keys_unavailable 0', 'a file that is gone');
$t->write_file('removed.json', 'text');
is(ask_cached('/removed/', $both), 'miss 500 keys_unavailable 0', 'a file that is broken');
$t->write_file('removed.json', '{"keys":[]}');
is(ask_cached('/removed/', $both), 'miss 401 unknown_key 0', 'a file without keys');

### keys by request

$asked = asked($t, 'asked');
is(ask_cached('/asked/', $forged), 'miss 401 bad_signature 0', 'request, forged');
is(ask_cached('/asked/', $good), 'miss 404 ok 1', 'request');
is(ask_cached('/asked/', $good), 'hit 404 ok 1', 'request, again');
is(ask_cached('/asked2/', $good), 'miss 404 ok 1', 'request and file');
is(ask_cached('/asked2/', $good), 'hit 404 ok 1', 'request and file, again');
is(asked($t, 'asked') - $asked, 5, 'request, each time');
respond_with($t, 'asked', keys_response($key{b}));
is(ask_cached('/asked/', $good), 'miss 401 unknown_key 0', 'request, rotated');
is(ask_cached('/asked2/', $good), 'miss 401 unknown_key 0', 'request and file, rotated');
is(ask_cached('/asked/', $other), 'miss 404 ok 1', 'request, rotated, the new key');
respond_with($t, 'asked', keys_response('', 503));
is(ask_cached('/asked/', $other), 'miss 500 keys_unavailable 0', 'request, failed');
respond_with($t, 'asked', keys_response($key{a}));
is(ask_cached('/asked/', $other), 'miss 401 unknown_key 0', 'request, rotated back');
is(ask_cached('/asked/', $good), 'miss 404 ok 1', 'request, rotated back, the old key');

is(ask_cached('/cached/', $good), 'miss 404 ok 1', 'cached request');
is(ask_cached('/cached/', $good), 'hit 404 ok 1', 'cached request, again');
is(asked($t, 'cached'), 1, 'cached request, once');
is(ask_cached('/variable/?n=variable', $good), 'miss 404 ok 1', 'request with a variable')
    for 1 .. 2;

# tokens that are refused without keys cause no key request
$asked = asked($t, 'asked');
for (
    [ 'no token' => undef, 'missing' ],
    [ 'no token at all' => 'x.y', 'malformed' ],
    [ 'claims twice' => sign($key{a}, '{"a":1,"a":1}'), 'malformed' ],
    [ 'a time that is none' => sign($key{a}, '{"exp":"1"}'), 'malformed' ],
    [ 'none' => sign($key{a}, '{}', '--header', '{"alg":"none"}'), 'unsupported_algorithm' ],
    [ 'HS1' => sign($key{a}, '{}', '--header', '{"alg":"HS1"}'), 'unsupported_algorithm' ],
    [ 'crit' => sign($key{a}, '{}', '--header', '{"crit":["x"],"x":1}'), 'unsupported_algorithm' ],
    [ 'expired' => sign($key{a}, '{"exp":"now-9"}'), 'expired' ],
    [ 'expired and forged' => sign($foreign, '{"exp":"now-9"}'), 'expired' ],
    [ 'early' => sign($key{a}, '{"nbf":"now+99"}'), 'not_yet_valid' ],
) {
    my ($what, $token, $status) = @$_;
    is(ask_cached('/asked/', $token), "miss 401 $status 0", "request, $what");
}
is(asked($t, 'asked'), $asked, 'no key request');
is(jwt_logged($t) =~ /error key request "\/keys\?asked": HTTP status 503/ ? 1 : 0, 1, 'one key request failed');

### many workers and a reload: each worker starts with an empty cache

serve('', 2);
$t->reload();
wait_until(sub { (ask_cached('/a/', $good))[1] != (started_workers($t))[0] });
my (%first, %again);
for (1 .. 300) {
    my ($result, $pid) = ask_cached('/a/', $good);
    $first{$pid}++ ? $again{$pid} = $result : ($first{$pid} = 1);
    last if keys %again == 2;
}
is(join(' ', values %again), join(' ', ('hit 404 ok 1') x 2), 'two workers, each knows it');
is(ask_cached('/a/', $forged), 'miss 401 bad_signature 0', 'two workers, forged') for 1 .. 4;
$t->stop();

serve('auth_jwt_token_cache 1m;');
run_quietly($t);
is(ask_cached('/a/', $good), 'miss 404 ok 1', 'another start');
is(ask_cached('/a/', $good), 'hit 404 ok 1', 'another start, again');
my @before = started_workers($t);
$t->reload();
wait_until(sub { !kill 0, $before[-1] });
is(ask_cached('/a/', $good), 'miss 404 ok 1', 'reload');
is(ask_cached('/a/', $good), 'hit 404 ok 1', 'reload, again');
$t->stop();

### off, and small sizes

serve('auth_jwt_token_cache off;');
run_quietly($t);
is(ask_cached('/a/', $good), 'miss 404 ok 1', 'cache off') for 1 .. 2;
is(ask_cached('/believe/', $forged), 'miss 404 ok 1', 'cache off, verify_signature off') for 1 .. 2;
is(ask_cached('/a/', $forged), 'miss 401 bad_signature 0', 'cache off, forged');
$t->stop();

serve('auth_jwt_token_cache 100;');
run_quietly($t);
is(ask_cached('/a/', $good), 'miss 404 ok 1', 'too small') for 1 .. 2;
is(ask_cached('/a/', $forged), 'miss 401 bad_signature 0', 'too small, forged');
$t->stop();

serve('auth_jwt_token_cache 16k;');
run_quietly($t);
my @many = map { sign($key{a}, "{\"sub\":\"$_\"}") } 1 .. 40;
is(join(' ', map { ask_cached('/a/', $_) =~ s/ .*//r } @many), join(' ', ('miss') x 40),
    'many tokens, each is new');
is(ask_cached('/a/', $many[$_]), 'hit 404 ok 1', "token $_ is cached") for reverse -3 .. -1;
is(ask_cached('/a/', $many[0]), 'miss 404 ok 1', 'the first token has left the cache');
is(ask_cached('/a/', $many[0]), 'hit 404 ok 1', 'the first token is cached again');
is(header(get('/a/', $many[-1]), 'X-Claims'), '<40|||a>', 'each token has its own claims');
is(header(get('/a/', $many[0]), 'X-Claims'), '<1|||a>', 'each token has its own claims');
# used tokens stay in the cache
for my $token (@many[1 .. 30]) {
    ask_cached('/a/', $token);
    ask_cached('/a/', $many[0]);
}
is(ask_cached('/a/', $many[0]), 'hit 404 ok 1', 'a token that is used stays in the cache');
is(ask_cached('/a/', $many[1]), 'miss 404 ok 1', 'a token that is not used leaves the cache');
my $large = sign($key{a}, '{"sub":"' . 'x' x 6000 . '"}');
is(ask_cached('/a/', $large), 'miss 404 ok 1', 'a token that is larger than the cache') for 1 .. 2;
$t->stop();

# row 51: a large token that is compressed, and so comes in a short header line

serve('auth_jwt_token_cache 256k;');
run_quietly($t);
my @known = map { sign($key{a}, "{\"sub\":\"known $_\"}") } 1 .. 60;
ask_cached('/a/', $_) for @known;
my $huge = encrypt($aes, '{"x":"' . 'x' x 100_000 . '"}', '--header', '{"zip":"DEF"}');
is(ask_cached('/jwe/', $huge), 'miss 404 ok 1', 'a token larger than an eighth of the cache is not kept')
    for 1 .. 2;
is(join(' ', map { ask_cached('/a/', $_) =~ s/ .*//r } @known), join(' ', ('hit') x 60),
    'row 51: and it evicts no other');
$t->stop();

# the same with the default size, and with what anybody can make who has the public key

serve('');
run_quietly($t);
@known = map { sign($key{a}, "{\"sub\":\"known $_\"}") } 1 .. 300;
get('/a/', $_) for @known;
for my $claims ('{"x":"' . 'x' x 250_000 . '"}', '{"x":[' . join(',', (1) x 125_000) . ']}') {
    my $token = encrypt(public($rsa), $claims, '--header', '{"zip":"DEF"}');
    is(status(get('/rsa/', $token)), '404', 'RSA-OAEP with 250 KB of claims') for 1 .. 3;
    my $hits = hits();
    get('/a/', $_) for @known;
    is(hits() - $hits, 300, 'row 51: 300 tokens stay known');
}

# the object outlives the file: functions refer to it
$t->stop()->stop_daemons();

###############################################################################

# Writes a configuration with these directives in http {}.
sub serve {
    my ($http, $workers) = @_;
    $workers //= 1;
    configure($t, <<"EOF", "worker_processes $workers;");
    $http
    large_client_header_buffers 4 32k;

    server {
        listen       127.0.0.1:8080;
        server_name  localhost;
        add_header   X-Worker \$pid always;
$locations
    }
EOF
}

# How many cache hits there were so far.
sub hits {
    return scalar(() = $t->read_file('error.log') =~ /auth_jwt: token cache hit/g);
}

###############################################################################

# Whether the token was in the cache, the status, $jwt_status and $jwt_verified; in
# a list, the worker's process id, too.
sub ask_cached {
    my ($uri, $token) = @_;
    my $hits = hits();
    my $response = get($uri, $token);
    my $result = join ' ', hits() > $hits ? 'hit' : 'miss', status($response),
        header($response, 'X-Status') // '-';
    return wantarray ? ($result, header($response, 'X-Worker')) : $result;
}
