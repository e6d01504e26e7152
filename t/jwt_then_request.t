#!/usr/bin/perl

# auth_jwt together with auth_request, auth_basic and access, with "satisfy all"
# and "satisfy any": who is asked, who decides, and which challenges the
# response has.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Http2;
use Jose;

my $t = Test::Nginx->new()
    ->has(qw/ http rewrite access auth_basic proxy http_v2 /)->plan(47);

my $key = jwk('HS256', '--kid', 'a');
$t->write_file('key.jwk', $key);
$t->write_file('passwords', 'user:{PLAIN}secret');

configure($t, <<EOF);
    log_format asked '\$request_uri';
    auth_request_cache_zone verdicts:128k;

    server {
        listen       127.0.0.1:8080;
        @{[listen_http2($t)]}
        server_name  localhost;
        root         html;

        auth_jwt_key_file key.jwk;

        location /all/ {
            auth_jwt     "jwt";
            auth_request /service?say=\$arg_say;

            location /all/basic/ {
                auth_jwt             "jwt" token=\$arg_jwt;
                auth_basic           "basic";
                auth_basic_user_file passwords;
                auth_request         off;
            }
            location /all/denied/ { deny all; }
            location /all/broken/ { auth_jwt_key_file nowhere.jwk; }
        }

        location /any/ {
            satisfy      any;
            auth_jwt     "jwt";
            auth_request /service?say=\$arg_say;

            location /any/basic/ {
                auth_basic           "basic";
                auth_basic_user_file passwords;
            }
            location /any/denied/  { deny all; auth_request off; }
            location /any/allowed/ {
                allow        127.0.0.1;
                deny         all;
                auth_request off;
            }
            location /any/broken/ { auth_jwt_key_file nowhere.jwk; }
            location /any/off/    { auth_jwt off; }
        }

        location /cached/ {
            auth_jwt                 "jwt";
            auth_request             /service;
            auth_request_cache       verdicts;
            auth_request_cache_key   \$http_authorization;
            auth_request_cache_valid 1h;
        }

        location /set/ {
            auth_jwt         "jwt";
            auth_request     /service;
            auth_request_set \$who \$upstream_http_x_who;
            add_header       X-Seen "\$jwt_claim_sub/\$who" always;
        }

        location = /service {
            internal;
            proxy_pass       http://127.0.0.1:8081/\$arg_say;
            proxy_set_header X-Sub \$jwt_claim_sub;
            proxy_set_header Authorization "";
        }
    }

    server {
        listen       127.0.0.1:8081;
        server_name  localhost;
        access_log   %%TESTDIR%%/asked.log asked;

        location / {
            add_header X-Who \$http_x_sub always;
            return 204;
        }
        location /401 {
            add_header WWW-Authenticate 'Service one' always;
            add_header WWW-Authenticate 'Service two' always;
            return 401;
        }
        location /403 { return 403; }
        location /500 { return 500; }
        location /count { return 200 "counted"; }
    }
EOF

run_quietly($t);

my $good = sign($key, '{"sub":"user"}');
my $forged = with_part($good, 1, sub { s/user/root/ });

my $none = 'Bearer realm="jwt"';
my $invalid = 'Bearer realm="jwt", error="invalid_token"';
my $service = 'Service one + Service two';
my $basic = 'Basic realm="basic"';
my $password = 'Authorization: Basic dXNlcjpzZWNyZXQ=';

my $asked = 0;      # how often the service was, when last looked
my $ask = sub {
    my ($uri, $token, @lines) = @_;
    my $verdict = verdict(get($uri, $token, @lines));
    my $now = asked($t);
    my $times = $now - $asked;
    $asked = $now;
    return $times ? "$verdict, asked $times" : $verdict;
};

### satisfy all: auth_jwt comes first, and its refusal is final

is($ask->('/all/', $good), '404, asked 1', 'all: good, yes');
is($ask->('/all/?say=401', $good), "401 $service, asked 1", 'all: good, 401');
is($ask->('/all/?say=403', $good), '403, asked 1', 'all: good, 403');
is($ask->('/all/?say=500', $good), '500, asked 1', 'all: good, 500');
is($ask->('/all/', $forged), "401 $invalid", 'all: bad, nobody asked');
is($ask->('/all/'), "401 $none", 'all: none, nobody asked');
is($ask->('/all/denied/', $good), '403', 'all: access comes first');
is($ask->('/all/denied/', $forged), '403', 'all: access comes first, bad');
is($ask->('/all/broken/', $good), '500', 'all: no keys, nobody asked');
is($ask->('/all/broken/'), "401 $none", 'all: no token, no keys needed');

is($ask->("/all/basic/?jwt=$good"), "401 $basic", 'basic: no password');
is($ask->("/all/basic/?jwt=$good", undef, $password), '404', 'basic: both');
is($ask->("/all/basic/?jwt=$forged", undef, $password), "401 $invalid",
    'basic: bad token');
is($ask->('/all/basic/', undef, $password), "401 $none", 'basic: no token');

### satisfy any: with a good token the service is not asked, otherwise it decides

is($ask->('/any/', $good), '404', 'any: good, nobody asked');
is($ask->('/any/?say=401', $good), '404', 'any: good, whatever it would say');
is($ask->('/any/', $forged), '404, asked 1', 'any: bad, yes');
is($ask->('/any/'), '404, asked 1', 'any: none, yes');
is($ask->('/any/?say=401', $forged), "401 $invalid + $service, asked 1",
    'any: bad, 401: challenges of both');
is($ask->('/any/?say=401'), "401 $none + $service, asked 1",
    'any: none, 401: challenges of both');
is($ask->('/any/?say=403', $forged), "401 $invalid, asked 1",
    'any: bad, 403: nginx responds with the 401');
is($ask->('/any/?say=500', $forged), "500 $invalid, asked 1",
    'any: bad, 500: nginx leaves the challenge, as of auth_basic');
is($ask->('/any/broken/', $good), '500', 'any: no keys');
is($ask->('/any/off/', $good), '404, asked 1', 'any: off');
is($ask->('/any/off/?say=401', $good), "401 $service, asked 1", 'any: off, 401');

is($ask->('/any/denied/', $good), '404', 'any: denied, good');
is($ask->('/any/denied/', $forged), "401 $invalid", 'any: denied, bad');
is($ask->('/any/denied/'), "401 $none", 'any: denied, none');
is($ask->('/any/allowed/', $good), '404', 'any: allowed, good');
is($ask->('/any/allowed/', $forged), '404', 'any: allowed, bad');
is($ask->('/any/allowed/'), '404', 'any: allowed, none');

is($ask->('/any/basic/?say=401', $good), '404',
    'any: good after a failed basic, no challenge');
is($ask->('/any/basic/', undef, $password), '404', 'any: basic');
is($ask->('/any/basic/', $forged), '404, asked 1',
    'any: yes after two failed, no challenge');
is($ask->('/any/basic/?say=401', $forged),
    "401 $basic + $invalid + $service, asked 1", 'any: challenges of all');
is($ask->('/any/basic/?say=401'), "401 $basic + $none + $service, asked 1",
    'any: none, challenges of all');

### row 30: a cached verdict does not outlive the token

my $short = sign($key, '{"sub":"user","exp":"now+3"}');
is($ask->('/cached/', $short), '404, asked 1', 'cached: the service allows');
is($ask->('/cached/', $short), '404', 'cached: the verdict is kept');
my $after = '';
wait_until(sub { ($after = verdict(get('/cached/', $short))) ne '404' });
is($after, "401 $invalid", 'row 30: cached, the token has expired');

### values that one module gets from the other

like(get('/set/', $good), qr/^X-Seen: user\/user\r$/m,
    'the service gets the claim');
like(get('/set/', $forged), qr/^X-Seen: \/\r$/m, 'a refused token, the service is not asked');

### HTTP/2

SKIP: {
    skip 'no curl with HTTP/2', 6 unless `curl -V 2>&1` =~ /HTTP2/;

    my $curl = sub {
        my ($uri, @lines) = @_;
        return verdict(http2_curl($uri, map { "-H '$_'" } @lines));
    };
    is($curl->('/all/', "Authorization: Bearer $good"), '404', 'HTTP/2, good');
    is($curl->('/all/', "Authorization: Bearer $forged"), "401 $invalid",
        'HTTP/2, bad');
    is($curl->('/all/'), "401 $none", 'HTTP/2, none');
    is($curl->('/all/?say=401', "Authorization: Bearer $good"), "401 $service",
        'HTTP/2, 401 of the service');
    is($curl->('/any/', "Authorization: Bearer $forged"), '404', 'HTTP/2, any');
    is($curl->('/all/', "Authorization: Bearer $good",
        "Authorization: Bearer $forged"), '400', 'HTTP/2, two lines');
}

###############################################################################

# How often the service was asked so far. A request of the test itself marks the end of
# the log, as it is logged after all requests before it.
sub asked {
    my ($t) = @_;
    our $counted;
    my $mark = '/count?' . ++$counted;
    ask({ port => 8081 }, $mark);

    my @asked;
    wait_until(sub { @asked = split /\n/, $t->read_file('asked.log'); $asked[-1] eq $mark })
        or die "no line $mark\n";
    return scalar grep { !m!^/count! } @asked;
}
