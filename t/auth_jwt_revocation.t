#!/usr/bin/perl

# auth_jwt_revocation_list_sub, auth_jwt_revocation_list_kid, auth_jwt_revocation_list_jti:
# tokens that a list names are refused, in each place and by each way in which a token is judged.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Jose;

my $t = Test::Nginx->new()->has(qw/ http rewrite access /)->plan(62);

my ($key, $old) = (jwk('HS256', '--kid', 'a'), jwk('HS256', '--kid', 'old'));
my $aes = jwk('A128KW', '--kid', 'e');
$t->write_file('keys.json', jwks($key, $old, $aes));
$t->write_file('list.json', '{"mallory": {"reason": "left", "at": [1, {"mallory2": 2}]}, '
    . '"caf\u00e9 \"x\"\n": null, "old": 1, "e": 2, "mallory": 3}');
$t->write_file('none.json', '{}');
$t->write_file('bad.json', '["mallory"]');

configure($t, <<'EOF');
    server {
        listen       127.0.0.1:8080;
        server_name  localhost;

        auth_jwt          "r";
        auth_jwt_key_file keys.json;
        auth_jwt_key_cache 1h;
        add_header        X-V "<$jwt_status|$jwt_verified>" always;
        root              html;

        location /all  { }
        location /sub  { auth_jwt_revocation_list_sub list.json; }
        location /kid  { auth_jwt_revocation_list_kid list.json; }
        location /jti  { auth_jwt_revocation_list_jti list.json; }
        location /each {
            auth_jwt_revocation_list_sub list.json;
            auth_jwt_revocation_list_kid list.json;
            auth_jwt_revocation_list_jti list.json;
        }
        location /none { auth_jwt_revocation_list_sub none.json; }

        location /encrypted { auth_jwt_type encrypted; auth_jwt_revocation_list_sub list.json; }
        location /encrypted/kid { auth_jwt_type encrypted; auth_jwt_revocation_list_kid list.json; }
        location /nested    { auth_jwt_type nested; auth_jwt_revocation_list_kid list.json; }
        location /believed  { auth_jwt_verify_signature off; auth_jwt_revocation_list_sub list.json; }

        location /algorithms { auth_jwt_revocation_list_sub list.json; auth_jwt_algorithms HS384; }
        location /rules {
            auth_jwt_revocation_list_sub list.json;
            auth_jwt_require_claim       never exists error=403;
            auth_jwt_require_scope       never;
            auth_jwt_require             $jwt_claim_never error=403;
        }

        location /report   { auth_jwt_mode report; auth_jwt_revocation_list_sub list.json; }
        location /report/bad { auth_jwt_mode report; auth_jwt_revocation_list_sub bad.json; }
        location /optional { auth_jwt_mode optional; auth_jwt_revocation_list_sub list.json; }
        location /mode/off { auth_jwt_mode off; auth_jwt_revocation_list_sub list.json; }
        location /off      { auth_jwt off; auth_jwt_revocation_list_sub list.json; }
        location /preaccess { auth_jwt_phase preaccess; auth_jwt_revocation_list_sub list.json; }
        location /any { satisfy any; allow all; auth_jwt_revocation_list_sub list.json; }
        location /any/alone { satisfy any; deny all; auth_jwt_revocation_list_sub list.json; }
        location /page { auth_jwt_revocation_list_sub list.json; error_page 401 = @page; }
        location @page { add_header X-V "<$jwt_status|$jwt_verified|$jwt_claim_sub>" always; return 200; }

        location /arg    { auth_jwt "r" token=$arg_t; auth_jwt_revocation_list_sub list.json; }
        location /cookie { auth_jwt "r" token=$cookie_t; auth_jwt_revocation_list_sub list.json; }

        location /outer/ {
            auth_jwt_revocation_list_sub list.json;
            location /outer/same { }
            location /outer/other { auth_jwt_revocation_list_sub none.json; }
            location /outer/kid { auth_jwt_revocation_list_kid list.json; }
            location /outer/limited { limit_except GET { auth_jwt_revocation_list_sub none.json; } }
        }
    }
EOF

run_quietly($t);

my $unauthorized = '401 Bearer realm="r", error="invalid_token"';
my $of = sub { return sprintf 'alg "%s", kid "%s"', @_ };
my $hs256 = $of->('HS256', 'a');
my $ok = '404 <ok|1>';
my $judged = sub { return outcome($t, @_) };
my $revoked = sub {
    my ($what, $value, $token) = @_;
    return "$unauthorized <revoked|0> info revoked: $what is $value; " . ($token // $hs256);
};
my $mismatch = sub {
    return "$unauthorized <claim_mismatch|0> info $_[0]; " . ($_[1] // $hs256);
};

### refused: revoked

my $mallory = sign($key, '{"sub":"mallory"}');
my $revoked_sub = $revoked->('claim "sub"', '"mallory"');
is($judged->('/sub', $mallory), $revoked_sub, 'sub');
is($judged->('/jti', sign($key, '{"jti":"mallory"}')), $revoked->('claim "jti"', '"mallory"'), 'jti');
is($judged->('/kid', sign($old, '{}')),
    $revoked->('header parameter "kid"', '"old"', 'alg "HS256"'), 'kid, which the line names once');
is($judged->('/sub', sign($key, '{"sub":"\u006dallory"}')), $revoked_sub, 'escaped in the token');
is($judged->('/sub', sign($key, '{"sub":"caf\u00e9 \"x\"\n"}')),
    $revoked->('claim "sub"', '"caf\xc3\xa9 \"x\"\x0a"'), 'escaped in the list, and in the log');
is($judged->('/each', sign($old, '{"sub":"mallory","jti":"mallory"}')),
    $revoked->('claim "sub"', '"mallory"', $of->('HS256', 'old')), 'sub comes first');
is($judged->('/each', sign($old, '{"sub":"x","jti":"mallory"}')),
    $revoked->('header parameter "kid"', '"old"', 'alg "HS256"'), 'then kid');
is($judged->('/each', sign($key, '{"sub":"x","jti":"mallory"}')), $revoked->('claim "jti"', '"mallory"'),
    'then jti');

### refused: what the list is about is not there

is($judged->('/sub', sign($key, '{"jti":"x"}')),
    $mismatch->('claim "sub" is missing, which auth_jwt_revocation_list_sub requires'), 'no sub');
is($judged->('/jti', sign($key, '{"sub":"x"}')),
    $mismatch->('claim "jti" is missing, which auth_jwt_revocation_list_jti requires'), 'no jti');
is($judged->('/kid', sign($key, '{"kid":"x"}', '--no-kid')),
    $mismatch->('header parameter "kid" is missing, which auth_jwt_revocation_list_kid requires', 'alg "HS256"'),
    'no kid');
is($judged->('/sub', sign($key, "{\"sub\":$_}")),
    $mismatch->('claim "sub" is not a string, which auth_jwt_revocation_list_sub requires'), "sub $_")
    for 'null', 'true', '17', '["mallory"]', '{"mallory":1}';
is($judged->('/none', sign($key, '{}')),
    $mismatch->('claim "sub" is missing, which auth_jwt_revocation_list_sub requires'),
    'also where nothing is revoked');

### refused: other types of tokens, other sources

is($judged->('/encrypted', encrypt($aes, '{"sub":"mallory"}')),
    $revoked->('claim "sub"', '"mallory"', $of->('A128KW', 'e')), 'encrypted, sub');
is($judged->('/encrypted/kid', encrypt($aes, '{"sub":"x"}')),
    $revoked->('header parameter "kid"', '"e"', 'alg "A128KW"'), 'encrypted, kid');
is($judged->('/nested', encrypt($aes, sign($old, '{"sub":"x"}'))),
    $revoked->('header parameter "kid"', '"old"', $of->('A128KW', 'e')), 'nested, kid of the inner token');
is($judged->('/believed', signed_by('anybody', '{"alg":"HS256"}', '{"sub":"mallory"}')),
    $revoked->('claim "sub"', '"mallory"', 'alg "HS256"'), 'signature not verified');

# row 43: each way to write and to send the token
is(verdict(ask('/sub', "Authorization: $_ $mallory")) . ' ' . jwt_logged($t),
    "$unauthorized info revoked: claim \"sub\" is \"mallory\"; $hs256", "row 43: $_")
    for qw/ Bearer bearer BEARER bEaReR /, 'bearer  ';
is(verdict(ask('/cookie', "Cookie: t=$mallory")), $unauthorized, 'row 43: in a cookie');
is(verdict(ask("/arg?t=$mallory")), $unauthorized, 'row 43: in an argument');
jwt_logged($t);

### the order of checks

my $bad = with_part($mallory, 2, sub { s/./$& ^ "\1"/se });
is($judged->('/sub', $bad), "$unauthorized <bad_signature|0> info bad signature, algorithm \"HS256\", "
    . 'kid "a", keys tried: 1', 'the signature comes first');
is($judged->('/sub', sign($key, '{"sub":"mallory","exp":1}')),
    "$unauthorized <expired|0> info expired: exp 1, now N, leeway 0; $hs256", 'then exp');
is($judged->('/algorithms', $mallory), "$unauthorized <unsupported_algorithm|0> info algorithm \"HS256\" is "
    . 'not one of auth_jwt_algorithms; kid "a"', 'then algorithms');
is($judged->('/rules', $mallory), $revoked_sub, 'then lists, before rules, scopes and auth_jwt_require');
is($judged->('/rules', sign($key, '{"sub":"x"}')) =~ s/ info.*//sr, '403 <claim_mismatch|0>', 'then rules');

### modes, phases and satisfy

is($judged->('/report', $mallory), "404 <revoked|0> info would refuse: revoked: claim \"sub\" is "
    . "\"mallory\"; $hs256", 'report');
is($judged->('/report/bad', $mallory) =~ s/(?<=revocation list ").*?(?=bad)//r,
    '404 <keys_unavailable|0> error would refuse: revocation list "bad.json": it holds an array, and has to '
    . 'hold a JSON object whose names are revoked, such as {"alice":null}', 'report, bad list');
is($judged->('/optional', $mallory), $revoked_sub, 'optional');
is($judged->('/optional'), '404 <missing|0>', 'optional, no token');
is($judged->('/mode/off', $mallory), '404 <disabled|0>', 'mode off');
is($judged->('/off', $mallory), '404 <disabled|0>', 'off');
is($judged->('/preaccess', $mallory), $revoked_sub, 'preaccess');
is($judged->('/preaccess', sign($key, '{"sub":"x"}')), $ok, 'preaccess, accepted');
is($judged->('/any', $mallory), '404 <|0>', 'satisfy any, where another module allows first');
is($judged->('/any/alone', $mallory) =~ s/ info.*//sr, "$unauthorized <revoked|0>",
    'satisfy any, where none does');
is(variables(get('/page', $mallory)), '<revoked|0|>', 'an error page has no claim');

### accepted

is($judged->('/sub', sign($key, "{\"sub\":\"$_\"}")), $ok, "sub \"$_\"")
    for 'alice', 'Mallory', 'mallory ', 'mallory2', 'reason', '';
is($judged->('/kid', sign($key, '{"sub":"mallory","kid":"old"}')), $ok, 'kid');
is($judged->('/each', sign($key, '{"sub":"a","jti":"a"}')), $ok, 'all three');
is($judged->('/nested', encrypt($aes, sign($key, '{}'))), $ok, 'nested, the kid outside is another one');

### the token cache

is($judged->('/all', $mallory), $ok, 'cached by a location without a list');
is($judged->('/sub', $mallory), $revoked_sub, 'a hit is asked');
is($judged->('/all', $mallory), $ok, 'and the other location still takes it');

### inheritance, each of the three for itself

is($judged->('/outer/same', $mallory), $revoked_sub, 'inherited');
is($judged->('/outer/other', $mallory), $ok, 'an inner list replaces the outer one');
is($judged->('/outer/kid', $mallory), $revoked_sub, 'another directive does not, sub');
is($judged->('/outer/kid', sign($old, '{"sub":"x"}')),
    $revoked->('header parameter "kid"', '"old"', 'alg "HS256"'), 'another directive does not, kid');
is(verdict(get('/outer/limited', $mallory)), $unauthorized, 'limit_except, another method');
is(verdict(ask({ method => 'POST', body => '' }, '/outer/limited', bearer($mallory))), 404, 'limit_except');
