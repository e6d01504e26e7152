#!/usr/bin/perl

# Row 16: auth_jwt_require with maps of $jwt_claim_iss and $jwt_claim_aud
# refuses a token with a wrong or missing iss or aud. Row 38: a token in the
# query string goes upstream unless the configuration removes it.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Jose;

my $iss = 'https://id.example.com';

# claims, the expected status, a name

my @cases = (
    ['{}', 401, 'neither'],
    [qq({"iss":"$iss"}), 401, 'no aud'],
    ['{"aud":"api"}', 401, 'no iss'],
    ['{"iss":null,"aud":"api"}', 401, 'iss null'],
    ['{"iss":"","aud":"api"}', 401, 'iss empty'],
    [qq({"iss":"$iss/","aud":"api"}), 401, 'iss with more behind'],
    [qq({"iss":"x$iss","aud":"api"}), 401, 'iss with more in front'],
    ['{"iss":"https://id.example","aud":"api"}', 401, 'half of iss'],
    [qq({"iss":["$iss","other"],"aud":"api"}), 401, 'several iss'],
    [qq({"iss":{"iss":"$iss"},"aud":"api"}), 401, 'iss an object'],
    [qq({"iss":true,"aud":"api"}), 401, 'iss true'],
    [qq({"iss":"$iss\\n","aud":"api"}), 401, 'iss with a line feed'],
    [qq({"iss":"$iss","aud":null}), 401, 'aud null'],
    [qq({"iss":"$iss","aud":[]}), 401, 'no element of aud'],
    [qq({"iss":"$iss","aud":"ap"}), 401, 'half of aud'],
    [qq({"iss":"$iss","aud":"api2"}), 401, 'aud with more behind'],
    [qq({"iss":"$iss","aud":"APi2,x"}), 401, 'another aud'],
    [qq({"iss":"$iss","aud":["web","apis"]}), 401, 'other elements of aud'],
    [qq({"iss":"$iss","aud":[1,true,null]}), 401, 'elements that are no strings'],
    [qq({"iss":"$iss","aud":"api"}), 200, 'right'],
    [qq({"iss":"$iss","aud":["api"]}), 200, 'right, one element'],
    [qq({"iss":"$iss","aud":["web","api",1]}), 200, 'right, several elements'],
);

my $t = Test::Nginx->new()->has(qw/ http map proxy rewrite /)
    ->plan(@cases + 3);

configure($t, <<'EOF');
    map $jwt_claim_iss $is_issuer {
        volatile;
        "https://id.example.com" 1;
    }

    map $jwt_claim_aud $is_audience {
        volatile;
        "~(^|,)api(,|$)" 1;
    }

    map $request_uri $path {
        "~^([^?]*)" $1;
    }

    server {
        listen       127.0.0.1:8080;
        server_name  localhost;

        auth_jwt_key_file  key.jwk;

        location / {
            auth_jwt          "site";
            auth_jwt_require  $is_issuer $is_audience;
            proxy_pass        http://127.0.0.1:8081;
        }

        location /query {
            auth_jwt    "site" token=$arg_token;
            proxy_pass  http://127.0.0.1:8081;
        }

        location /taken-out {
            auth_jwt    "site" token=$arg_token;
            proxy_pass  http://127.0.0.1:8081$path;
        }
    }

    server {
        listen       127.0.0.1:8081;
        server_name  localhost;
        return       200 "got $request_uri";
    }
EOF

my $key = jwk('HS256');
$t->write_file('key.jwk', $key);
$t->run();

###############################################################################

for my $case (@cases) {
    my ($claims, $status, $name) = @$case;
    like(get('/', sign($key, $claims)), qr/^HTTP\/1.1 $status /, "row 16, $name");
}

my $token = sign($key, '{}');
my $forged = sign(jwk('HS256'), '{}');
like(http_get("/query?token=$forged"), qr/^HTTP\/1.1 401 /,
    'row 38, forged token in the query is refused');
like(http_get("/query?token=$token"), qr/got \/query\?token=\Q$token\E$/,
    'row 38, token goes upstream');
like(http_get("/taken-out?token=$token"), qr/got \/taken-out$/,
    'row 38, the token is removed on the way upstream');
