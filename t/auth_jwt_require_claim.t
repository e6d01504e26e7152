#!/usr/bin/perl

# auth_jwt_require_claim and auth_jwt_require_header: which tokens meet a rule,
# the response and the log line when one does not, variables in rules, regular
# expressions, the order of checks, and the token cache.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Jose;

my $t = Test::Nginx->new()->has(qw/ http rewrite map /)->plan(168);

my $key = jwk('HS256', '--kid', 'a');
my $aes = jwk('A128KW', '--kid', 'b');
$t->write_file('keys.json', jwks($key, $aes));
$t->write_file('none.json', '{"keys":[]}');

# A pattern that nginx.conf cannot have in a line: one that backtracks exponentially.
my $slow = '^(a+)+$';

configure($t, <<EOF);
    map \$http_x_v \$from_map {
        default        "";
        list           '["a","b"]';
        broken         '["a",';
        object         '{"a":1}';
        text           a;
        number         9007199254740993;
    }

    server {
        listen       127.0.0.1:8080;
        server_name  localhost;

        auth_jwt          "r";
        auth_jwt_key_file keys.json;
        add_header        X-V "<\$jwt_claim_v|\$jwt_status|\$jwt_verified>" always;

        location /eq      { auth_jwt_require_claim v eq a; }
        location /ne      { auth_jwt_require_claim v !eq a; }
        location /number  { auth_jwt_require_claim v eq 9007199254740993; }
        location /json    { auth_jwt_require_claim v eq 'json={"a":[1,null],"b":"é"}'; }
        location /true    { auth_jwt_require_claim v eq json=true; }
        location /ge      { auth_jwt_require_claim v ge 1.5; }
        location /exp     { auth_jwt_require_claim exp gt 1e0; }
        location /in      { auth_jwt_require_claim v in a b; }
        location /nin     { auth_jwt_require_claim v nin a b; }
        location /any     { auth_jwt_require_claim v any a b error=403; }
        location /all     { auth_jwt_require_claim v all json=["a","b"]; }
        location /exists  { auth_jwt_require_claim v exists; }
        location /absent  { auth_jwt_require_claim v !exists error=403; }
        location /401     { auth_jwt_require_claim v eq a error=401; }
        location /403     { auth_jwt_require_claim v eq a error=403; }
        location /path    { auth_jwt_require_claim .a.b[1]."c.d" eq 1; }
        location /dotted  { auth_jwt_require_claim a.b eq 1; }
        location /aud     { auth_jwt_require_claim aud any api; }
        location /iss     { auth_jwt_require_claim iss eq https://id.example; }
        location /url     { auth_jwt_require_claim https://x.example/roles any admin; }

        location /var     { auth_jwt_require_claim v eq \$http_x_v; }
        location /varany  { auth_jwt_require_claim v any \$from_map; }
        location /varnot  { auth_jwt_require_claim v !any \${from_map}; }
        location /varjson { auth_jwt_require_claim v eq json=\$http_x_v; }
        location /varge   { auth_jwt_require_claim v ge \$from_map; }
        location /own     { auth_jwt_require_claim v eq \$jwt_claim_sub; }

        location /match   { auth_jwt_require_claim v match '^(a|é)\\d{2}\$'; }
        location /nomatch { auth_jwt_require_claim v !match ^a; }
        location /end     { auth_jwt_require_claim v match '^a\\z'; }
        location /caseless { auth_jwt_require_claim v match (?i)^a\$; }
        location /dot     { auth_jwt_require_claim v match ^.\$; }
        location /utf     { auth_jwt_require_claim v match (*UTF)^.\$; }
        location /slow    { auth_jwt_require_claim v match '$slow'; }
        location /notslow { auth_jwt_require_claim v !match '$slow'; }
        location /deep    { auth_jwt_require_claim v !match '^(?:(a)(b)?(c)?(d)?(e)?(f)?|b)*\$'; }
        location /pattern { auth_jwt_require_claim v match \$http_x_v; }
        location /nopattern { auth_jwt_require_claim v !match \$http_x_v; }

        location /header  { auth_jwt_require_header typ in at+jwt application/at+jwt error=403; }
        location /hdrpath { auth_jwt_require_header .x.y eq 1; }
        location /nested  { auth_jwt_type nested; auth_jwt_require_header typ eq JWT;
            auth_jwt_require_claim v eq a; }
        location /encrypted { auth_jwt_type encrypted; auth_jwt_require_header enc eq A128GCM;
            auth_jwt_require_claim v eq a; }

        location /order {
            auth_jwt_require_header typ eq at+jwt error=403;
            auth_jwt_require_claim v eq a error=403;
            auth_jwt_require_claim w eq b;
            auth_jwt_require \$arg_a error=403;
        }
        location /report  { auth_jwt_mode report; auth_jwt_require_claim v eq a error=403; }
        location /optional { auth_jwt_mode optional; auth_jwt_require_claim v eq a error=403; }
        location /preaccess { auth_jwt_phase preaccess; auth_jwt_require_claim v eq a error=403; }
        location /off     { auth_jwt off; auth_jwt_require_claim v eq never; }
        location /nokeys  { auth_jwt_key_file none.json; auth_jwt_require_claim v eq a error=403; }
        location /outer/ {
            auth_jwt_require_claim v eq a error=403;
            auth_jwt_require_header kid eq a;
            location /outer/same  { }
            location /outer/claim { auth_jwt_require_claim w eq b; }
            location /outer/header { auth_jwt_require_header kid eq other error=403; }
            location /outer/limited { limit_except GET { auth_jwt_require_claim w eq b error=403; } }
            if (\$arg_if) { set \$nothing ""; }
        }
        location /any-of {
            satisfy any;
            deny all;
            auth_jwt_require_claim v eq a error=403;
        }
    }
EOF

run_quietly($t);

my $refused = '401 Bearer realm="r", error="invalid_token"';
my $hs256 = 'alg "HS256", kid "a"';
my $failed = sub {
    my ($text, $v, $token) = @_;
    $token //= $hs256;
    return "<$v|claim_mismatch|0> info required $text; $token";
};
my $ok = sub { "404 <$_[0]|ok|1>" };
my $with = sub {
    my ($uri, $claims, @lines) = @_;
    jwt_logged($t);
    my $response = get($uri, sign($key, $claims), @lines);
    return join ' ', verdict($response), variables($response) =~ s/^<[^|]*/</r, jwt_logged($t) || ();
};

### bad tokens are refused before any rule is asked

for (
    [ 'no token' => undef, '401 Bearer realm="r" <|missing|0> info no token: no "Authorization" header line' ],
    [ 'bad signature' => with_part(sign($key, '{"v":"b"}'), 1, sub { s/"b"/"a"/ }),
        "$refused <|bad_signature|0> info bad signature, algorithm \"HS256\", kid \"a\", "
        . 'keys tried: 1' ],
    [ 'expired' => sign($key, '{"v":"a","exp":1}'),
        "$refused <|expired|0> info expired: exp 1, now N, leeway 0; $hs256" ],
) {
    my ($what, $token, $expected) = @$_;
    is(outcome($t, '/403', $token) =~ s/<[^|]*/</r, $expected, $what);
}

### claims that do not meet a rule: missing ones, and those that only look alike

my $is = sub { "it is $_[0]" };
for (
    [ '/eq', '', 'it is missing' ],
    [ '/eq', '"V":"a"', 'it is missing' ],
    [ '/eq', '"v":"A"', 'it is "A"' ],
    [ '/eq', '"v":["a"]', 'it is the array "[\"a\"]"; "any" compares its elements' ],
    [ '/eq', '"v":null', 'it is the JSON value "null"' ],
    [ '/ne', '', 'it is missing', '"v" !eq "a"' ],
    [ '/ne', '"v":"\u0061"', 'it is "a"', '"v" !eq "a"' ],
    [ '/number', '"v":9007199254740992', 'it is the number "9007199254740992"', '"v" eq "9007199254740993"' ],
    [ '/json', '"v":{"a":[1],"b":"é"}', 'it is the object "{\"a\":[1],\"b\":\"\xc3\xa9\"}"',
        '"v" eq "json={\"a\":[1,null],\"b\":\"\xc3\xa9\"}"' ],
    [ '/true', '"v":"true"', 'it is "true"', '"v" eq "json=true"' ],
    [ '/true', '"v":1', 'it is the number "1"', '"v" eq "json=true"' ],
    [ '/ge', '"v":1.49999999999999999999', 'it is the number "1.49999999999999999999"', '"v" ge "1.5"' ],
    [ '/ge', '"v":true', 'it is a boolean, not a number or a string', '"v" ge "1.5"' ],
    [ '/ge', '"v":[2]', 'it is an array, not a number or a string', '"v" ge "1.5"' ],
    [ '/exp', '', 'it is missing', '"exp" gt "1e0"' ],
    [ '/in', '"v":"c"', 'it is "c"', '"v" in "a b"' ],
    [ '/in', '"v":"a b"', 'it is "a b"', '"v" in "a b"' ],
    [ '/nin', '"v":"b"', 'it is "b"', '"v" nin "a b"' ],
    [ '/all', '"v":["a","c"]', 'it is the array "[\"a\",\"c\"]"', '"v" all "json=[\"a\",\"b\"]"' ],
    [ '/exists', '"w":1', 'it is missing', '"v" exists' ],
    [ '/path', '"a":{"b":[0,{"c.d":2}]}', 'it is the number "2"', '".a.b[1].\"c.d\"" eq "1"' ],
    [ '/path', '"a":{"b":[{"c.d":1}]}', 'it is missing', '".a.b[1].\"c.d\"" eq "1"' ],
    [ '/dotted', '"a":{"b":1}', 'it is missing', '"a.b" eq "1"' ],
    [ '/url', '"https://x.example/roles":["a,admin"]', 'it is the array "[\"a,admin\"]"',
        '"https://x.example/roles" any "admin"' ],
) {
    my ($uri, $claims, $why, $rule) = @$_;
    $rule //= '"v" eq "a"';
    is($with->($uri, "{$claims}"), "$refused <|claim_mismatch|0> info required claim $rule: $why; $hs256",
        "$uri is not met by {$claims}");
}
is($with->('/eq', '{"v":"' . 'x' x 200 . '"}'), "$refused <|claim_mismatch|0> info required claim "
    . '"v" eq "a": it is "' . 'x' x 128 . "\"...; $hs256", 'a long claim is cut');
is($with->('/eq', '{"v":"a\r\nb: c","iss":"x"}'), "$refused <|claim_mismatch|0> info required claim "
    . "\"v\" eq \"a\": it is \"a\\x0d\\x0ab: c\"; $hs256, iss \"x\"", 'row 35: a line feed');

### row 16: audiences and issuers that are nearly right

for (
    [ aud => '' ], [ aud => 'null' ], [ aud => '""' ], [ aud => '[]' ], [ aud => '"ap"' ],
    [ aud => '"api2"' ], [ aud => '"API"' ], [ aud => '"api "' ], [ aud => '"web,api"' ],
    [ aud => '"web api"' ], [ aud => '["web"]' ], [ aud => '["web,api"]' ], [ aud => '[["api"]]' ],
    [ aud => '[{"api":1},1,null]' ], [ aud => '{"api":"api"}' ], [ iss => '' ], [ iss => 'null' ],
    [ iss => '["https://id.example"]' ], [ iss => '"https://id.example/"' ],
    [ iss => '"https://id.example.evil"' ], [ iss => '"HTTPS://id.example"' ],
    [ iss => '"https://id.exampl"' ], [ iss => '"https://id.example\u0000"' ],
) {
    my ($name, $value) = @$_;
    like($with->("/$name", $value eq '' ? '{}' : "{\"$name\":$value}"),
        qr/^\Q$refused\E <\|claim_mismatch\|0> info required claim "$name" /, "row 16: $name $value");
}
is($with->("/$_->[0]", "{\"$_->[0]\":$_->[1]}"), '404 <|ok|1>', "row 16: $_->[0] $_->[1] is right") for
    [ aud => '"api"' ], [ aud => '["api"]' ], [ aud => '["web","api"]' ], [ aud => '[1,null,"api"]' ],
    [ iss => '"https://id.example"' ], [ iss => '"https:\/\/id.example"' ];

### claims that do

is($with->($_->[0], "{$_->[1]}"), '404 <|ok|1>', "$_->[0] is met by {$_->[1]}") for
    [ '/eq', '"v":"a"' ], [ '/eq', '"v":"\u0061"' ], [ '/ne', '"v":"b"' ], [ '/ne', '"v":null' ],
    [ '/number', '"v":9007199254740993.0' ], [ '/json', '"v":{ "b":"\u00e9", "a":[1e0,null] }' ],
    [ '/true', '"v":true' ], [ '/ge', '"v":1.50' ], [ '/ge', '"v":"2"' ],
    [ '/exp', '"exp":"now+60"' ], [ '/in', '"v":"b"' ], [ '/nin', '"v":"c"' ],
    [ '/nin', '"v":["a"]' ], [ '/any', '"v":["c","b"]' ], [ '/any', '"v":"a"' ],
    [ '/all', '"v":["b","c","a"]' ], [ '/exists', '"v":null' ], [ '/absent', '"w":1' ],
    [ '/path', '"a":{"b":[0,{"c.d":1}]}' ], [ '/dotted', '"a.b":1' ],
    [ '/url', '"https://x.example/roles":["user","admin"]' ];

### the response

is(outcome($t, '/401', sign($key, '{"v":1}')),
    "$refused " . $failed->('claim "v" eq "a": it is the number "1"', ''), 'error=401');
is(outcome($t, '/403', sign($key, '{"v":1}')),
    '403 ' . $failed->('claim "v" eq "a": it is the number "1"', ''), 'error=403, no challenge');
is($with->('/any', '{"v":["a,b"]}'),
    '403 ' . $failed->('claim "v" any "a b": it is the array "[\"a,b\"]"', ''), 'row 17: a list, error=403');
is($with->('/absent', '{"v":null}'),
    '403 ' . $failed->('claim "v" !exists: it is the JSON value "null"', ''), 'exists, error=403');

### variables

my $v = sub { "X-V: $_[0]" };
is($with->('/var', '{"v":"b"}', $v->('a')),
    "$refused " . $failed->('claim "v" eq "$http_x_v": it is "b"', ''), 'variable');
is($with->('/var', '{"v":"1"}', $v->('1')),
    "$refused " . $failed->('claim "v" eq "$http_x_v": it is "1"', ''), 'variable, a number is no string');
is($with->('/var', '{"v":"a"}', $v->('["a"')), "$refused " . $failed->(
    'claim "v" eq "$http_x_v": $http_x_v: value is not JSON at byte 4', ''), 'variable, broken JSON');
is($with->('/var', '{"v":"a"}'), "$refused " . $failed->('claim "v" eq "$http_x_v": it is "a"', ''),
    'variable without a value');
is($with->('/var', $_->[0], $v->($_->[1])), '404 <|ok|1>', "variable $_->[1], $_->[0]") for
    [ '{"v":"a"}', 'a' ], [ '{"v":1}', '1.0' ], [ '{"v":"1"}', '"1"' ], [ '{"v":["a"]}', ' [ "a" ] ' ],
    [ '{"v":"é"}', 'é' ];
is($with->('/varany', '{"v":"c"}', $v->('list')),
    "$refused " . $failed->('claim "v" any "$from_map": it is "c"', ''), 'map, a list');
is($with->($_, '{"v":"c"}', $v->('broken')), "$refused " . $failed->('claim "v" '
    . ($_ eq '/varany' ? 'any "$from_map": $from_map' : '!any "${from_map}": ${from_map}')
    . ': value is not JSON at byte 5', ''), "map, broken JSON, $_") for '/varany', '/varnot';
is($with->('/varany', '{"v":["x","b"]}', $v->('list')), '404 <|ok|1>', 'map, met');
is($with->('/varnot', '{"v":"c"}', $v->('list')), '404 <|ok|1>', 'map, the contrary is met');
is($with->('/varjson', '{"v":"a"}', $v->('a')), "$refused " . $failed->(
    'claim "v" eq "json=$http_x_v": json=$http_x_v: value is not JSON at byte 0', ''),
    'json=$variable must be JSON');
is($with->('/varjson', '{"v":"a"}', $v->('"a"')), '404 <|ok|1>', 'json=$variable');
is($with->('/varge', '{"v":1}', $v->('object')), "$refused " . $failed->(
    'claim "v" ge "$from_map": $from_map: neither a number nor a string', ''), 'an object has no order');
is($with->('/varge', '{"v":9007199254740992}', $v->('number')), "$refused " . $failed->(
    'claim "v" ge "$from_map": it is the number "9007199254740992"', ''), 'a number from a map, exactly');
is($with->('/varge', '{"v":9007199254740993}', $v->('number')), '404 <|ok|1>', 'a number from a map');
is($with->('/own', '{"v":"a","sub":"b"}'),
    "$refused " . $failed->('claim "v" eq "$jwt_claim_sub": it is "a"', ''), 'another claim');
is($with->('/own', '{"v":"a","sub":"a"}'), '404 <|ok|1>', 'another claim, the same');

### regular expressions

my $re = '"v" match "^(a|\xc3\xa9)\\\\d{2}$"';
is($with->('/match', '{"v":"xa12"}'), "$refused " . $failed->("claim $re: it is \"xa12\"", ''), 'no match');
is($with->('/match', '{"v":12}'), "$refused " . $failed->("claim $re: it is a number, not a string", ''),
    'a number is not searched');
is($with->('/nomatch', '{"v":["b"]}'), "$refused " . $failed->(
    'claim "v" !match "^a": it is an array, not a string', ''), 'nor an array, for the contrary');
is($with->('/nomatch', '{"v":"ab"}'), "$refused " . $failed->('claim "v" !match "^a": it is "ab"', ''),
    'match, the contrary is not met');
is($with->('/match', '{"v":"é12"}'), '404 <|ok|1>', 'match');
is($with->('/nomatch', '{"v":"ba"}'), '404 <|ok|1>', 'match, the contrary');
is($with->('/end', '{"v":"a\n"}'), "$refused " . $failed->(
    'claim "v" match "^a\\\\z": it is "a\x0a"', ''), 'a line feed behind the end');
is($with->('/end', '{"v":"a"}'), '404 <|ok|1>', 'the end');
is($with->('/caseless', '{"v":"A"}'), '404 <|ok|1>', 'match in any case');
is($with->('/dot', '{"v":"é"}'), "$refused " . $failed->(
    'claim "v" match "^.$": it is "\xc3\xa9"', ''), 'a dot is a byte');
is($with->('/utf', '{"v":"é"}'), '404 <|ok|1>', 'with (*UTF) a dot is a character');

my $gave_up = 'the search took too many steps or too much memory';
my $many = '"v":"' . 'a' x 50 . 'b"';
is($with->('/slow', "{$many}"), "$refused " . $failed->(
    "claim \"v\" match \"$slow\": $gave_up", ''), 'a slow search is given up');
is($with->('/notslow', "{$many}"), "$refused " . $failed->(
    "claim \"v\" !match \"$slow\": $gave_up", ''), 'also for the contrary');
is($with->('/deep', '{"v":"' . 'ab' x 500 . 'x"}'), "$refused " . $failed->(
    "claim \"v\" !match \"^(?:(a)(b)?(c)?(d)?(e)?(f)?|b)*\$\": $gave_up", ''), 'a deep search is given up');
is($with->('/notslow', '{"v":"' . 'a' x 1025 . '"}'), "$refused " . $failed->(
    "claim \"v\" !match \"$slow\": it has 1025 bytes, more than 1024", ''), 'a long claim is not searched');

is($with->('/pattern', '{"v":"ab"}', $v->('^b')),
    "$refused " . $failed->('claim "v" match "$http_x_v": it is "ab"', ''), 'pattern of a variable');
for (
    [ '(a', 'pcre2_compile() failed: missing closing parenthesis' ],
    [ '', 'empty regular expression' ],
    [ 'a' x 1025, 'regular expression of 1025 bytes is longer than 1024 bytes' ],
    [ '(*LIMIT_MATCH=1)a+b', $gave_up, 1 ],
) {
    my ($pattern, $why, $is_search) = @$_;
    for my $operator ('match', '!match') {
        my $uri = $operator eq 'match' ? '/pattern' : '/nopattern';
        my $name = $is_search ? '' : '$http_x_v: ';
        is($with->($uri, '{"v":"aab"}', $v->($pattern)), "$refused " . $failed->(
            "claim \"v\" $operator \"\$http_x_v\": $name$why", ''),
            "$operator, pattern " . substr $pattern, 0, 20);
    }
}
is($with->($_, '{"v":"' . 'a' x 257 . '"}', $v->('a')), "$refused " . $failed->('claim "v" '
    . ($_ eq '/pattern' ? 'match' : '!match') . ' "$http_x_v": it has 257 bytes, more than 256', ''),
    "a long claim is not searched for a variable, $_") for '/pattern', '/nopattern';
is($with->('/pattern', '{"v":"ab"}', $v->('(*LIMIT_MATCH=999999999)^a')), '404 <|ok|1>',
    'pattern of a variable, met');
is($with->('/pattern', "{$many}", $v->("(*LIMIT_MATCH=999999999)$slow")), "$refused " . $failed->(
    "claim \"v\" match \"\$http_x_v\": $gave_up", ''), 'a pattern cannot raise the limits');

### the header, and other kinds of tokens: row 45

my $typ = 'header parameter "typ" in "at+jwt application/at+jwt"';
my $header = sub {
    my ($uri, $parameters) = @_;
    return outcome($t, $uri, sign($key, '{}', '--header', $parameters));
};
is($header->('/header', '{"typ":"JWT"}'), '403 ' . $failed->("$typ: it is \"JWT\"", ''), 'row 45: typ');
is($header->('/header', '{"typ":"at+jwt"}'), $ok->(''), 'row 45: typ, met');
is($header->('/hdrpath', '{"x":{"y":2}}'),
    "$refused " . $failed->('header parameter ".x.y" eq "1": it is the number "2"', ''), 'a path in the header');
is($header->('/hdrpath', '{"x":{"y":1}}'), $ok->(''), 'a path in the header, met');

my $outer = 'alg "A128KW", kid "b"';
my $inner = sign($key, '{"v":"a"}', '--header', '{"typ":"JWT"}');
is(outcome($t, '/nested', encrypt($aes, sign($key, '{"v":"a"}', '--header', '{"typ":"X"}'),
    '--header', '{"typ":"JWT"}')), "$refused " . $failed->(
    'header parameter "typ" eq "JWT": it is "X"', '', $outer), 'nested: the inner header counts');
is(outcome($t, '/nested', encrypt($aes, $inner)), $ok->('a'), 'nested, met');
is(outcome($t, '/encrypted', encrypt($aes, '{"v":"b"}', '--enc', 'A128GCM')), "$refused " . $failed->(
    'claim "v" eq "a": it is "b"', '', $outer), 'encrypted');
is(outcome($t, '/encrypted', encrypt($aes, '{"v":"a"}', '--enc', 'A128GCM')), $ok->('a'), 'encrypted, met');

### several rules, in order; and no keys

is($with->('/order', '{}'), '403 ' . $failed->('claim "v" eq "a": it is missing', ''), 'order, first');
is($with->('/order', '{"v":"a"}'), "$refused " . $failed->('claim "w" eq "b": it is missing', ''),
    'order, second');
is($with->('/order', '{"v":"a","w":"b"}'), '403 ' . $failed->(
    'header parameter "typ" eq "at+jwt": it is "JWT"', ''), 'order, the header after claims');
my $typed = sub { sign($key, '{"v":"a","w":"b"}', '--header', '{"typ":"at+jwt"}') };
is(outcome($t, '/order', $typed->()), "403 <|requirement|0> info required \$arg_a is empty or 0; $hs256",
    'order, auth_jwt_require after rules');
is(outcome($t, '/order?a=1', $typed->()), $ok->('a'), 'order, all met');
like($with->('/nokeys', '{"v":"b"}'), qr/^401 .*<\|unknown_key\|0>/, 'a token without a key, before rules');

### the token cache: each location and each request is judged anew

my $token = sign($key, '{"v":"a"}');
is(outcome($t, '/eq', $token), $ok->('a'), 'cached for a rule that is met');
is(outcome($t, '/ne', $token), "$refused " . $failed->('claim "v" !eq "a": it is "a"', ''),
    'the same token, another rule');
is(outcome($t, '/eq', $token), $ok->('a'), 'the same token again');
is(verdict(get('/var', $token, $v->('a'))), 404, 'the same token, the variable is met');
is(verdict(get('/var', $token, $v->('b'))), $refused, 'the same token, the variable is not met');

### modes and phases

my $not_a = '<|claim_mismatch|0> info required claim "v" eq "a": it is "b"; ' . $hs256;
is($with->('/optional', '{"v":"b"}'), "403 $not_a", 'optional, not met');
is(verdict(get('/optional')), 404, 'optional, no token');
is($with->('/preaccess', '{"v":"b"}'), "403 $not_a", 'preaccess, not met');
is($with->('/preaccess', '{"v":"a"}'), '404 <|ok|1>', 'preaccess, met');
is($with->('/report', '{"v":"b"}'), "404 $not_a" =~ s/info/info would refuse:/r, 'report, not met');

### inheritance

is(verdict(get('/off', undef)), 404, 'auth_jwt off');
is(verdict(get('/outer/same', sign($key, '{}'))), 403, 'inherited');
is(verdict(get('/outer/same', sign($key, '{"v":"a"}'))), 404, 'inherited, met');
is(verdict(get('/outer/if?if=1', sign($key, '{}'))), 403, 'in an if');
is(verdict(get('/outer/claim', sign($key, '{"v":"a"}'))), $refused, 'an inner rule replaces outer ones');
is(verdict(get('/outer/claim', sign($key, '{"w":"b"}'))), 404, 'an inner rule replaces outer ones, met');
is(verdict(get('/outer/claim', sign($key, '{"w":"b"}', '--no-kid'))), $refused,
    'rules on the header are inherited on their own');
is(verdict(get('/outer/header', sign($key, '{}'))), 403, 'rules on claims are inherited on their own');
is(verdict(ask({ method => 'POST', body => '' }, '/outer/limited', bearer(sign($key, '{"v":"a"}')))), 403,
    'limit_except');
is(verdict(ask({ method => 'POST', body => '' }, '/outer/limited', bearer(sign($key, '{"w":"b"}')))), 404,
    'limit_except, met');
is(verdict(get('/any-of', sign($key, '{}'))), 403, 'satisfy any');
is(verdict(get('/any-of', sign($key, '{"v":"a"}'))), 404, 'satisfy any, met');
