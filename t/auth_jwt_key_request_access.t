#!/usr/bin/perl

# auth_jwt_key_request together with auth_request and the other access modules,
# with proxy_cache, and across internal redirects.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Jose;
use KeyService;
use Test::Nginx::Raw;

my $t = Test::Nginx->new()
    ->has(qw/ http access auth_basic auth_request cache proxy rewrite ssi /)
    ->plan(57);

configure($t, <<'EOF');
    proxy_cache_path  %%TESTDIR%%/cache keys_zone=keys:1m;

    server {
        listen       127.0.0.1:8080;
        server_name  localhost;

        auth_jwt     "r";
        auth_jwt_key_request /keys;
        root         %%TESTDIR%%;
        add_header   X-Status "$jwt_status $checked" always;
        auth_request_set $checked $upstream_http_x_checked;

        location /request/ { auth_request /check; try_files /page =404; }
        location /request-cached/ {
            auth_request /check;
            auth_jwt_key_request /keys?cached;
            auth_jwt_key_cache 1h;
            try_files /page =404;
        }
        location /same/ { auth_request /keys?same; try_files /page =404; }
        location /request-any/ {
            satisfy any;
            auth_request /check;
            try_files /page =404;
        }
        location /deny-any/ { satisfy any; deny all; try_files /page =404; }
        location /allow-any/ { satisfy any; allow all; deny all; try_files /page =404; }
        location /allow-all/ { allow all; try_files /page =404; }
        location /deny-all/ { deny all; try_files /page =404; }
        location /basic-any/ {
            satisfy any;
            auth_basic closed;
            auth_basic_user_file users;
            try_files /page =404;
        }
        location /broken-any/ {
            satisfy any;
            deny all;
            auth_jwt_key_request /none;
            try_files /page =404;
        }
        location /broken-request/ {
            auth_request /check;
            auth_jwt_key_request /none;
            try_files /page =404;
        }
        location /broken-request-any/ {
            satisfy any;
            auth_request /check;
            auth_jwt_key_request /none;
            try_files /page =404;
        }

        location /redirect/ { auth_jwt_key_request /keys?one; try_files /none /target/; }
        location /target/ { auth_jwt_key_request /keys?two; try_files /page =404; }
        location /open/ { auth_jwt off; try_files /none /target/; }
        location /named/ { auth_jwt off; error_page 404 = @named; return 404; }
        location @named { auth_jwt_key_request /keys?two; try_files /page =404; }
        location /accel/ { auth_jwt off; proxy_pass http://127.0.0.1:8081/accel; }
        location /error/ {
            error_page 401 /target/;
            auth_jwt_key_request /keys?one;
            try_files /page =404;
        }

        location /stored/ {
            auth_jwt_key_request /keys-stored;
            try_files /page =404;
        }
        location = /keys-stored {
            internal;
            proxy_cache keys;
            proxy_cache_valid 200 1h;
            proxy_cache_lock on;
            proxy_cache_methods GET HEAD;
            proxy_pass http://127.0.0.1:8081/stored;
        }

        location = /keys  { proxy_pass http://127.0.0.1:8081/keys$args; }
        location = /check { proxy_pass http://127.0.0.1:8081/check; }
        location = /none  { return 404; }
    }

EOF

my $key = jwk('ES256', '--kid', 'a');
my %token = (good => sign($key, '{"exp":"now+300"}'),
    forged => sign(jwk('ES256', '--kid', 'a'), '{"exp":"now+300"}'));
my $two = jwk('ES256', '--kid', 'two');
$token{two} = sign($two, '{"exp":"now+300"}');
my $keys = jwks(public($key));

$t->write_file('page', 'CONTENT');
$t->write_file('users', "user:{PLAIN}secret\n");
respond_with($t, $_, keys_response($keys, 'X-Checked: keys')) for qw/ keys keyscached
    keyssame keysone stored /;
respond_with($t, 'keystwo', keys_response(jwks(public($two))));
respond_with($t, 'check', keys_response('', 204, 'X-Checked: check'));
respond_with($t, 'accel', keys_response('', 'X-Accel-Redirect: /target/'));
key_service($t, 8081);
run_quietly($t);

### auth_request

for my $uri (qw/ request request-cached /) {
    is(result("/$uri/", 'forged'), '401 bad_signature', "$uri, forged");
    is(result("/$uri/"), '401 missing', "$uri, no token");
    is(asked($t, 'check'), $uri eq 'request' ? 0 : 2, "$uri, no check for refused tokens");
    is(result("/$uri/", 'good'), '200 ok check CONTENT', "$uri, good") for 1, 2;
}
is(asked($t, 'check'), 4, 'a check for each request');
is(asked($t, 'keyscached'), 1, 'one key request');
is(result('/same/', 'forged'), '401 bad_signature', 'one location for both, forged');
is(result('/same/', 'good'), '200 ok keys CONTENT', 'one location for both');

respond_with($t, 'check', keys_response('', 403));
is(result('/request/', 'good'), '403 ok', 'good token, the service refuses');
is(result('/request/', 'forged'), '401 bad_signature', 'both modules refuse');
my $checks = asked($t, 'check');
is(result('/request-any/', 'good'), '200 ok CONTENT', 'any, good');
is(asked($t, 'check'), $checks, 'any, no check after a good token');
is(result('/request-any/', 'forged'), '401 bad_signature', 'any, both modules refuse');
respond_with($t, 'check', keys_response('', 204, 'X-Checked: check'));
is(result('/request-any/', 'forged'), '200 bad_signature check CONTENT',
    'any, forged, but the service allows');
unlike(get('/request-any/', $token{forged}), qr/^WWW-Authenticate/mi,
    'any, no challenge');

### access and auth_basic

is(result('/deny-any/', 'good'), '200 ok CONTENT', 'any, denied address, good');
is(result('/deny-any/', 'forged'), '401 bad_signature',
    'any, denied address, forged');
is(result('/allow-any/', 'forged'), '200  CONTENT',
    'any, allowed address, the token is not checked');
is(result('/allow-all/', 'forged'), '401 bad_signature', 'all, allowed address');
is(result('/deny-all/', 'good'), '403 ', 'all, denied address');
is(result('/basic-any/', 'good'), '200 ok CONTENT', 'any, good, no password');
is(result('/basic-any/', 'forged'), '401 bad_signature', 'any, forged, no password');
is(result('/basic-any/', undef, 'Authorization: Basic dXNlcjpzZWNyZXQ='),
    '200  CONTENT', 'any, password');
is(result('/basic-any/', undef, 'Authorization: Basic dXNlcjpmYWxzZQ=='),
    '401 missing', 'any, false password');

jwt_logged($t);
for my $uri (qw/ broken-any broken-request broken-request-any /) {
    my $before = asked($t, 'check');
    is(result("/$uri/", 'good'), '500 keys_unavailable', $uri);
    is(jwt_logged($t), 'error key request "/none": HTTP status 404; no location has this '
        . 'URI, or nothing is at the address in its proxy_pass', "$uri, log");
    is(asked($t, 'check'), $before, "$uri, no check");
}

### redirects: each location with its own keys

is(result('/redirect/', 'forged'), '401 bad_signature', 'redirect, forged');
is(result('/redirect/', 'two'), '401 unknown_key', "the first location's keys");
is(result('/redirect/', 'good'), '401 unknown_key', "the second location's keys");
for my $uri (qw/ open named accel /) {
    is(result("/$uri/", 'forged'), '401 unknown_key', "$uri, forged");
    is(result("/$uri/"), '401 missing', "$uri, no token");
    is(result("/$uri/", 'two'), '200 ok CONTENT', "$uri, good");
}
is(result('/error/', 'two'), '401 ok CONTENT', 'error page with its own keys');

### proxy_cache

is(result('/stored/', 'forged'), '401 bad_signature', 'stored, forged');
is(result('/stored/', 'good'), '200 ok CONTENT', 'stored, good');
my @clients = map {
    my $s = connection();
    $s->print(request('/stored/', bearer($_)));
    $s
} ($token{good}, $token{forged}) x 20;
is(join(' ', map { read_response($_) =~ /^HTTP\S+ (\d+)/ } @clients),
    join(' ', (200, 401) x 20), 'stored, many at once');
is(asked($t, 'stored'), 1, 'stored, one request to the source');

is(join("\n", grep { !/^info/ } split /\n/, jwt_logged($t)), '', 'no errors or warnings');

###############################################################################

# Status, $jwt_status, the header line of the check, and the content, as far as they
# are there.
sub result {
    my ($uri, $name, @lines) = @_;
    my $response = get($uri, defined $name ? $token{$name} : undef, @lines);
    my $checked = header($response, 'X-Status') // '-';
    return join ' ', status($response), $checked =~ s/ \z//r, $response =~ /(CONTENT)/;
}
