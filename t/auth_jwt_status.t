#!/usr/bin/perl

# $jwt_status and $jwt_verified: each value, in access_log, and the one line of
# each refusal in error.log.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Jose;

my $key = jwk('HS256', '--kid', 'a');
my $aes = jwk('A128KW', '--kid', 'b');
my $good = sign($key, '{"sub":"user"}');
my $forged = with_part($good, 1, sub { s/user/root/ });
my $encrypted = encrypt($aes, '{"sub":"user"}');
my $about = '; alg "HS256", kid "a"';

# name, URI, token, expected line of access_log and of error.log, more header lines
my @cases = (
    [ 'good', '/', $good, '404 ok 1 user', '' ],
    [ 'none', '/', undef, '401 missing 0 -', 'info no token: no "Authorization" header line' ],
    [ 'basic', '/', undef, '401 missing 0 -', 'info no token: the "Authorization" header line '
        . 'has the scheme "Basic" instead of "Bearer"', 'Authorization: Basic YTpi' ],
    [ 'empty', '/', '', '401 missing 0 -', 'info no token: the "Authorization" header line '
        . 'has nothing behind "Bearer"' ],
    [ 'text', '/', 'text', '401 malformed 0 -',
        'info token has 1 part instead of 3: no JWT; only its issuer can judge an opaque token, '
        . 'see docs/introspection.md' ],
    [ 'kind', '/', $encrypted, '401 malformed 0 -', 'info an encrypted token (5 parts) where a '
        . 'signed one is expected, see auth_jwt_type; '
        . 'alg "A128KW", kid "b"' ],
    [ 'exp', '/', sign($key, '{"sub":"user","exp":"1"}'), '401 malformed 0 user',
        "info claim \"exp\" is not a number$about" ],
    [ 'alg', '/', sign($key, '{"sub":"user"}', '--header', '{"alg":"none"}'),
        '401 unsupported_algorithm 0 user',
        'info algorithm "none" is not supported; kid "a"' ],
    [ 'crit', '/', sign($key, '{}', '--header', '{"crit":["x"],"x":1}'),
        '401 unsupported_algorithm 0 -',
        "info critical JOSE header parameter \"x\" is not supported$about" ],
    [ 'kid', '/', sign($key, '{}', '--header', '{"kid":"x"}'), '401 unknown_key 0 -',
        'info no key with kid "x" for HS256: the set has no such kid' ],
    [ 'forged', '/', $forged, '401 bad_signature 0 root',
        "info bad signature, algorithm \"HS256\", kid \"a\", keys tried: 1" ],
    [ 'decrypt', '/encrypted', with_part($encrypted, 4, sub { $_ = 'x' x 16 }),
        '401 decryption_failed 0 -', 'info decryption failed, algorithm "A128KW", kid "b", '
        . 'keys tried: 1' ],
    [ 'decrypted', '/encrypted', $encrypted, '404 ok 1 user', '' ],
    [ 'late', '/', sign($key, '{"exp":1}'), '401 expired 0 -',
        "info expired: exp 1, now N, leeway 0$about" ],
    [ 'early', '/', sign($key, '{"nbf":4102444800}'), '401 not_yet_valid 0 -',
        "info not yet valid: nbf 4102444800, now N, leeway 0$about" ],
    [ 'unmet', '/require', $good, '401 requirement 0 user',
        "info required \$jwt_claim_x is empty or 0$about" ],
    [ 'unmet403', '/require/403', $good, '403 requirement 0 user',
        "info required \$jwt_claim_x is empty or 0$about" ],
    [ 'unmet_jwe', '/require/encrypted', $encrypted, '403 requirement 0 user',
        'info required $jwt_claim_x is empty or 0; alg "A128KW", kid "b"' ],
    [ 'no_keys', '/no_keys', $good, '500 keys_unavailable 0 user',
        'error no auth_jwt_key_file or auth_jwt_key_request for this location' ],
    [ 'no_file', '/no_file', $good, '500 keys_unavailable 0 user',
        'error key file "DIR/none.json": No such file or directory (os error 2)' ],
    [ 'bad_file', '/bad_file', $good, '500 keys_unavailable 0 user',
        'error key file "DIR/bad.json": key set is not JSON at byte 8' ],
    [ 'off', '/off', $forged, '404 disabled 0 root', '' ],
    [ 'never', '/never', $forged, '404 disabled 0 root', '' ],
    [ 'returned', '/return', $good, '204 - 0 user', '' ],
    [ 'any', '/any', $forged, '401 bad_signature 0 root',
        "info bad signature, algorithm \"HS256\", kid \"a\", keys tried: 1" ],
    [ 'page', '/page', $forged, '200 bad_signature 0 root',
        "info bad signature, algorithm \"HS256\", kid \"a\", keys tried: 1" ],
    [ 'again', '/', $good, '404 ok 1 user', '' ],
);

my $t = Test::Nginx->new()->has(qw/ http rewrite /)->plan(2 * @cases + 3);
my $dir = $t->testdir();

$t->write_file('keys.json', jwks($key, $aes));
$t->write_file('bad.json', '{"keys":');

configure($t, <<'EOF');
    log_format jwt '$arg_n $status $jwt_status $jwt_verified $jwt_claim_sub';
    access_log %%TESTDIR%%/jwt.log jwt;

    server {
        listen       127.0.0.1:8080;
        server_name  localhost;

        location / {
            auth_jwt          "r";
            auth_jwt_key_file keys.json;
            root              html;

            location /encrypted { auth_jwt_type encrypted; }
            location /require {
                auth_jwt_require $jwt_claim_x;
                location /require/403 { auth_jwt_require $jwt_claim_x error=403; }
                location /require/encrypted {
                    auth_jwt_type encrypted;
                    auth_jwt_require $jwt_claim_x error=403;
                }
            }
            location /no_file  { auth_jwt_key_file none.json; }
            location /bad_file { auth_jwt_key_file bad.json; }
            location /off      { auth_jwt off; }
            location /return   { return 204; }
            location /any      { satisfy any; deny all; }
            location /page     { error_page 401 =200 @page; }
        }
        location @page    { return 200 $jwt_status; }
        location /no_keys { auth_jwt "r"; }
        location /never   { root html; }
    }
EOF

run_quietly($t);

for (@cases) {
    my ($n, $uri, $token, $access, $error, @line) = @$_;
    my $response = get("$uri?n=$n", $token, @line);
    is(status($response), substr($access, 0, 3), $n) or next;
    my $log = jwt_logged($t) =~ s/now \d+/now N/r =~ s/\Q$dir\E/DIR/r;
    is($log, $error, "$n, error.log");
}

is(body(get('/page', $forged)), 'bad_signature', 'in the page that error_page shows');

my $log = '';
wait_until(sub { ($log = -e "$dir/jwt.log" ? $t->read_file('jwt.log') : '') =~ /^- 200/m });
is($log =~ s/^- 200.*\n//mr, join('', map { "$_->[0] $_->[3]\n" } @cases), 'access_log');

my %seen = map { (split / /)[1] => 1 } map { $_->[3] } @cases;
is(join(' ', sort keys %seen), '- bad_signature decryption_failed disabled expired '
    . 'keys_unavailable malformed missing not_yet_valid ok requirement unknown_key '
    . 'unsupported_algorithm', 'each value was seen');
