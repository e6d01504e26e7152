#!/usr/bin/perl

# $jwt_payload and $jwt_claims: their values, and when they have one.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Jose;

my $t = Test::Nginx->new()->has(qw/ http rewrite proxy /)->plan(23);

my $key = jwk('HS256', '--kid', 'a');
my $aes = jwk('A128KW', '--kid', 'b');
$t->write_file('keys.json', jwks($key, $aes));

configure($t, <<'EOF');
    server {
        listen       127.0.0.1:8080;
        server_name  localhost;

        auth_jwt          "r";
        auth_jwt_key_file keys.json;
        set               $early "$jwt_payload|$jwt_claims";

        location /signed    { proxy_pass http://127.0.0.1:8081; }
        location /encrypted { auth_jwt_type encrypted; proxy_pass http://127.0.0.1:8081; }
        location /nested    { auth_jwt_type nested; proxy_pass http://127.0.0.1:8081; }
        location /unmet {
            auth_jwt_type    encrypted;
            auth_jwt_require $jwt_claim_x;
            error_page       401 = @page;
        }
        location /forged { auth_jwt_type encrypted; error_page 401 = @page; }
        location /off    { auth_jwt off; return 200 "$jwt_payload|$jwt_claims"; }
        location @page   { return 200 "$jwt_payload|$jwt_claims"; }

        # a nested token goes upstream as the signed token that was inside
        location /unwrapped {
            auth_jwt_type    nested;
            proxy_set_header Authorization "Bearer $jwt_payload";
            proxy_pass       http://127.0.0.1:8080/behind;
        }
        location /behind { return 200 "behind <$jwt_claim_sub>"; }

        proxy_set_header X-Payload $jwt_payload;
        proxy_set_header X-Claims  $jwt_claims;
        proxy_set_header X-Early   $early;
    }

    server {
        listen       127.0.0.1:8081;
        server_name  localhost;
        location / {
            return 200 "payload <$http_x_payload> claims <$http_x_claims> early <$http_x_early>";
        }
    }
EOF

$t->run();

my $claims = "{ \"sub\" : \"us er\",\t\"n\":1.50, \"list\":[ 1, \"a b\" ],\n \"o\":{ } }";
my $compact = '{"sub":"us er","n":1.50,"list":[1,"a b"],"o":{}}';
my $signed = sign($key, $claims);

### refused

is(body(get('/forged', encrypt(jwk('A128KW', '--kid', 'b'), $claims))), '|', 'not decrypted');
is(body(get('/forged', encrypt($aes, '{"sub":"user","exp":1}'))), '|', 'expired');
is(body(get('/forged', encrypt($aes, 'text'))), '|', 'no claims');
is(body(get('/forged', undef)), '|', 'no token');
is(body(get('/unmet', encrypt($aes, '{"sub": "user"}'))), '|',
    'decrypted, then refused by auth_jwt_require');
is(body(get('/off', $signed)), "|$compact", 'off, signed');
is(body(get('/off', encrypt($aes, $claims))), '|', 'off, encrypted');

### values that go upstream

is(body(get('/signed', $signed)), "payload <> claims <$compact> early <|$compact>", 'signed');
is(body(get('/nested', encrypt($aes, $signed))),
    "payload <$signed> claims <$compact> early <|>", 'nested');
is(body(get('/encrypted', encrypt($aes, '{"sub": "user", "é":"\u00e9"}'))),
    'payload <{"sub": "user", "é":"\u00e9"}> claims <{"sub":"user","é":"\u00e9"}> early <|>',
    'encrypted');
is(body(get('/encrypted', encrypt($aes, '{}', '--header', '{"zip":"DEF"}'))),
    'payload <{}> claims <{}> early <|>', 'encrypted, compressed');
is(body(get('/signed', sign($key, '{"a":"\" \\\\ \" ","b" : "\\\\" , "c":" "}'))),
    'payload <> claims <{"a":"\" \\\\ \" ","b":"\\\\","c":" "}> '
    . 'early <|{"a":"\" \\\\ \" ","b":"\\\\","c":" "}>', 'only white space outside of texts goes');
is(body(get('/signed', sign($key, '{"a":"\r\nX-Injected: 1\u0000"}'))),
    'payload <> claims <{"a":"\r\nX-Injected: 1\u0000"}> early <|{"a":"\r\nX-Injected: 1\u0000"}>',
    'row 35: a line feed in a text stays escaped');

is(body(get('/unwrapped', $signed)) =~ /behind/, '', 'a signed token instead of a nested one');
is(body(get('/unwrapped', encrypt($aes, $signed))), 'behind <us er>',
    'the signed token that was inside');

### row 35: the payload of a JWE may hold any bytes

for my $white ("\n", "\r", "\r\n", "\r\n\r\n", " \n\t") {
    my $shown = $white =~ s/\r/\\r/gr =~ s/\n/\\n/gr =~ s/\t/\\t/gr;
    is(body(get('/encrypted', encrypt($aes, "{$white\"sub\"$white:\"user\"$white}"))),
        'payload <{"sub":"user"}> claims <{"sub":"user"}> early <|>',
        "row 35: white space $shown");
}
is(body(get('/encrypted', encrypt($aes, "{ \"sub\" :\t\"user\"}"))),
    'payload <{"sub":"user"}> claims <{"sub":"user"}> early <|>', 'row 35: a tab');
is(body(get('/encrypted', encrypt($aes, '{ "sub" : "user"}'))),
    'payload <{ "sub" : "user"}> claims <{"sub":"user"}> early <|>', 'spaces stay');
is(scalar(started_workers($t)), 1, 'the worker did not end');

###############################################################################
