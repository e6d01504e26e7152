#!/usr/bin/perl

# The slice module fetches the rest of a response by subrequests to the same
# location. They belong to a request that was checked (row 34).

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use Jose;

my $t = Test::Nginx->new()->has(qw/ http proxy slice rewrite /)->plan(10);

configure($t, <<'EOF');
    server {
        listen       127.0.0.1:8080;
        server_name  localhost;

        slice             4;
        proxy_set_header  Range $slice_range;

        location /jwt/ {
            auth_jwt           "site";
            auth_jwt_key_file  key.jwk;
            proxy_pass         http://127.0.0.1:8081/;
        }

        location /request/ {
            auth_request  /check;
            proxy_pass    http://127.0.0.1:8081/;
        }

        location = /check {
            if ($http_cookie) {
                return 204;
            }
            return 403;
        }
    }

    server {
        listen       127.0.0.1:8081;
        server_name  localhost;
        access_log   %%TESTDIR%%/slices.log;
        root         %%TESTDIR%%;
    }
EOF

my $key = jwk('HS256');
$t->write_file('key.jwk', $key);
$t->write_file('content', 'SEE-THAT');
$t->run();

###############################################################################

my $bad = sign(jwk('HS256'), '{"exp":"now+300"}');
my $good = sign($key, '{"exp":"now+300"}');

like(ask('/jwt/content'), qr/^HTTP\/1.1 401 /, 'no token');
like(ask('/jwt/content', "Authorization: Bearer $bad"), qr/^HTTP\/1.1 401 /, 'bad token');
like(ask('/jwt/content', "Authorization: Bearer $bad", 'Range: bytes=4-'),
    qr/^HTTP\/1.1 401 /, 'bad token, second slice');
like(ask('/request/content'), qr/^HTTP\/1.1 403 /, 'the service refuses');
is(slices(), 0, 'no slice was fetched');

my $r = ask('/jwt/content', "Authorization: Bearer $good");
like($r, qr/^HTTP\/1.1 200 .*\r\n\r\nSEE-THAT$/s, 'good token, all slices');
is(slices(), 2, 'two slices');
like(ask('/jwt/content', "Authorization: Bearer $good", 'Range: bytes=4-'),
    qr/^HTTP\/1.1 206 .*\r\n\r\nTHAT$/s, 'good token, second slice');

$r = ask('/request/content', 'Cookie: a=b');
like($r, qr/^HTTP\/1.1 200 .*\r\n\r\nSEE-THAT$/s, 'the service allows, all slices');
is(slices(), 5, 'two more slices, after one check');

###############################################################################

sub slices {
    return scalar(() = $t->read_file('slices.log') =~ /\n/g);
}
