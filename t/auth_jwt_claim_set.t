#!/usr/bin/perl

# auth_jwt_claim_set and auth_jwt_header_set: variables for a value that a path
# of names leads to.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Jose;

my $t = Test::Nginx->new()->has(qw/ http rewrite map /)->plan(40);

my $key = jwk('HS256', '--kid', 'a');
my $aes = jwk('A128KW', '--kid', 'b');
$t->write_file('keys.json', jwks($key, $aes));

configure($t, <<'EOF');
    auth_jwt_claim_set  $v v;
    auth_jwt_claim_set  $email info e-mail;
    auth_jwt_claim_set  $job info "job title";
    auth_jwt_claim_set  $url "https://example.com/claims" "a.b";
    auth_jwt_claim_set  $deep a b c d e f;
    auth_jwt_claim_set  $first v 0;
    auth_jwt_claim_set  $named v name;
    auth_jwt_claim_set  $none "";
    auth_jwt_claim_set  $dollar "$v" "a\"b";
    auth_jwt_claim_set  $utf8 "größe";
    auth_jwt_claim_set  $Mixed Mixed;
    auth_jwt_claim_set  $jwt_claim_taken other;
    auth_jwt_header_set $nested_header x "y z";
    auth_jwt_header_set $sub_of_header sub;

    map $email $known {
        "~@example\.com$" 1;
        default           0;
    }
    map $v $one_of_two {
        "~(^|,)admin(,|$)" 1;
    }

    server {
        listen       127.0.0.1:8080;
        server_name  localhost;

        auth_jwt          "r";
        auth_jwt_key_file keys.json;

        location /v      { add_header X-V "<$v>" always; add_header X-Only $v always; }
        location /path   { add_header X-V "<$email|$job|$url|$deep|$none|$dollar|$utf8|$mixed|$jwt_claim_taken>" always; }
        location /array  { add_header X-V "<$first|$named>" always; }
        location /header { add_header X-V "<$nested_header|$sub_of_header>" always; }
        location /header/encrypted {
            auth_jwt_type encrypted;
            add_header X-V "<$nested_header|$sub_of_header|$v>" always;
        }
        location /map    { auth_jwt_require $known error=403; }
        location /roles  { add_header X-V "<$v|$one_of_two|$jwt_claims>" always; }
        location /encrypted { auth_jwt_type encrypted; add_header X-V "<$v|$email>" always; }
        location /early  { set $copy $email; add_header X-V "<$copy>" always; }
        location /early/encrypted {
            auth_jwt_type encrypted;
            set $copy "$email";
            add_header X-V "<$copy|$email>" always;
        }
        location /return { return 200 "<$email>"; }
    }
EOF

$t->run();

my $value = sub {
    my ($uri, $claims, @options) = @_;
    return variables(get($uri, sign($key, $claims, @options)));
};

### paths

is($value->('/path', '{"info":{"e-mail":"a@b","job title":"x y"},"https://example.com/claims":'
    . '{"a.b":"dots"},"a":{"b":{"c":{"d":{"e":{"f":"deep"}}}}},"":"empty","$v":{"a\"b":"dollar"},'
    . '"größe":"utf8","Mixed":"M","taken":"wrong","other":"right"}'),
    '<a@b|x y|dots|deep|empty|dollar|utf8|M|right>', 'values at the end of paths');
is($value->('/path', '{"info":"text","a":{"b":{"c":null}},"a.b":1,"info.e-mail":"dot",'
    . '"mixed":"m","gro\u0308ße":"decomposed"}'), '<||||||||>', 'paths that lead to no value');
is($value->('/path', "{\"info\":$_}"), '<||||||||>', "info is $_") for
    'null', '1', 'true', '"e-mail"', '[]', '["e-mail","a"]', '[{"e-mail":"a"}]', '{}',
    '{"info":{"e-mail":"a"}}', '{"E-Mail":"a"}';
is($value->('/path', '{"info":{"e-mail":["a","b"],"job title":{"a": [1, 2]}}}'),
    '<a,b|{"a":[1,2]}|||||||>', 'values that are not text');
is($value->('/array', "{\"v\":$_}"), '<|>', "an element of $_") for
    '["a","b"]', '[{"name":"n"}]', '"text"';
is($value->('/array', '{"v":{"0":"zero","name":"n"}}'), '<zero|n>',
    'names like indices in an object');

### values: the same form as in $jwt_claim_*

is($value->('/v', "{\"v\":$_->[0]}"), "<$_->[1]>", "value $_->[0]") for
    ['"text"', 'text'], ['0', 0], ['1.50', '1.50'], ['false', 'false'], ['null', ''],
    ['["a", 1, ["b"]]', 'a,1,b'], ['[{"a": 1}]', '[{"a":1}]'], ['{ }', '{}'], ['"a\nb"', ''];
unlike(get('/v', sign($key, '{"v":null}')), qr/^X-Only/m, 'null is like a missing value');

### header

is($value->('/header', '{"x":{"y z":"claim"},"sub":"claim"}', '--header', '{"x":{"y z":["a","b"]}}'),
    '<a,b|>', 'the header, not the claims, is read');
is($value->('/header', '{}', '--header', '{"x":{"y z":1},"sub":"header"}'), '<1|header>',
    'number in the header');
is($value->('/header/encrypted', '{}', '--header', '{"x":{"y z":1}}'), '<||>',
    'header of a token of another kind');
my @content = ('{"sub":"claim","v":"claim"}', '--header', '{"x":{"y z":1},"sub":"header"}');
is(variables(get('/header/encrypted', encrypt($aes, @content))), '<1|header|claim>',
    'header of a JWE');
is(variables(get('/header/encrypted', encrypt(jwk('A128KW', '--kid', 'b'), @content))), '<||>',
    'header of a JWE that does not decrypt');

### phases and directives

is(verdict(get('/map', sign($key, '{"info":{"e-mail":"a@example.org"}}'))), '403', 'map, not met');
is(verdict(get('/map', sign($key, '{"info":{"e-mail":"a@example.com"}}'))), '404', 'map');
is($value->('/early', '{"info":{"e-mail":"a"}}'), '<a>', 'set');
is(body(get('/return', sign(jwk('HS256'), '{"info":{"e-mail":"a"}}'))), '<a>',
    'return, not verified');
is(variables(get('/encrypted', encrypt($aes, '{"v":"x","info":{"e-mail":"a"}}'))), '<x|a>',
    'encrypted');
is(variables(get('/early/encrypted', encrypt($aes, '{"info":{"e-mail":"a"}}'))), '<|a>',
    'encrypted, before and after it is decrypted');

### row 17: one element with a comma looks like two elements

my ($one, $two) = map { $value->('/roles', "{\"v\":$_}") } '["a,admin"]', '["a","admin"]';
is($one, '<a,admin|1|{"v":["a,admin"]}>', 'row 17: one element');
is($two, '<a,admin|1|{"v":["a","admin"]}>', 'row 17: two elements');
