#!/usr/bin/perl

# auth_jwt_key_request: the locations that keys can come from, several sources,
# and inheritance.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Jose;
use KeyService;

my %key = map { $_ => jwk('ES256', '--kid', $_) } qw/ a b c d /;
my %token = map { $_ => sign($key{$_}, '{"sub":"x","exp":"now+300"}') } keys %key;
my %set = map { $_ => jwks(public($key{$_})) } keys %key;
my $other = sign(jwk('ES256', '--kid', 'a'), '{"sub":"x"}');

my @sources = qw/ return static try proxied http11 chunked unbuffered small
    args variable rewritten named spooled /;
my $t = Test::Nginx->new()->has(qw/ http proxy rewrite /)
    ->plan(4 * @sources + 37);

configure($t, <<"EOF" . <<'EOF');
    server {
        listen       127.0.0.1:8083;
        location = /return { return 200 '$set{a}'; }
        location = /b { return 200 '$set{b}'; }
        location = /c { return 200 '$set{c}'; }
        location = /d { return 200 '$set{d}'; }
    }
EOF
    auth_jwt_claim_set $sub sub;
    auth_jwt_header_set $kid kid;

    server {
        listen       127.0.0.1:8080;
        server_name  localhost;

        auth_jwt     "r";
        root         html;
        add_header   X-Status $jwt_status always;

        location /return/     { auth_jwt_key_request /return; }
        location /static/     { auth_jwt_key_request /keys-static; }
        location /try/        { auth_jwt_key_request /keys-try; }
        location /proxied/    { auth_jwt_key_request /keys-proxied; }
        location /http11/     { auth_jwt_key_request /keys-http11; }
        location /chunked/    { auth_jwt_key_request /keys-chunked; }
        location /unbuffered/ { auth_jwt_key_request /keys-unbuffered; }
        location /small/      { auth_jwt_key_request /keys-small; }
        location /spooled/    { auth_jwt_key_request /keys-spooled; }
        location /args/       { auth_jwt_key_request "/keys-args?name=args&x=%20y"; }
        location /variable/   { auth_jwt_key_request /keys-variable/$sub?$kid; }
        location /rewritten/  { auth_jwt_key_request /keys-rewritten; }
        location /named/      { auth_jwt_key_request /keys-named; }

        include return.conf;
        location = /keys-static { internal; alias %%TESTDIR%%/static.json; }
        location = /keys-try { root %%TESTDIR%%; try_files /none /static.json =404; }
        location = /keys-proxied { proxy_pass http://127.0.0.1:8081/a; }
        location = /keys-http11 {
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_pass http://127.0.0.1:8081/kept;
        }
        location = /keys-chunked {
            proxy_http_version 1.1;
            proxy_pass http://127.0.0.1:8081/chunked;
        }
        location = /keys-unbuffered {
            proxy_buffering off;
            proxy_http_version 1.1;
            proxy_pass http://127.0.0.1:8081/chunked;
        }
        location = /keys-small {
            proxy_buffer_size 256;
            proxy_buffers 2 256;
            proxy_busy_buffers_size 256;
            proxy_max_temp_file_size 0;
            proxy_pass http://127.0.0.1:8081/large;
        }
        location = /keys-spooled {
            proxy_buffer_size 256;
            proxy_buffers 2 256;
            proxy_busy_buffers_size 256;
            proxy_temp_file_write_size 512;
            sendfile on;
            proxy_pass http://127.0.0.1:8081/large;
        }
        location = /keys-args { proxy_pass http://127.0.0.1:8081/$arg_name?$args; }
        location /keys-variable/ {
            proxy_pass http://127.0.0.1:8081/variable-;
        }
        location = /keys-rewritten { rewrite ^ /keys-proxied last; }
        location = /keys-named {
            error_page 404 = @keys;
            return 404;
        }
        location @keys { proxy_pass http://127.0.0.1:8081; }

        location = /b { proxy_pass http://127.0.0.1:8083; }
        location = /c { proxy_pass http://127.0.0.1:8083; }
        location = /d { proxy_pass http://127.0.0.1:8083; }

        location /several/ {
            auth_jwt_key_request /keys-proxied;
            auth_jwt_key_request /b;
            auth_jwt_key_file    c.json;
            auth_jwt_key_request /d;
        }
        location /broken-last/ {
            auth_jwt_key_request /keys-proxied;
            auth_jwt_key_request /none;
        }
        location /broken-first/ {
            auth_jwt_key_request /none;
            auth_jwt_key_request /counted;
        }
        location /broken-file/ {
            auth_jwt_key_file    none.json;
            auth_jwt_key_request /counted;
        }
        location = /counted { proxy_pass http://127.0.0.1:8081; }
        location = /none { return 404; }

        location /post/ {
            auth_jwt off;
            limit_except GET {
                auth_jwt "r";
                auth_jwt_key_request /b;
            }
        }
        location /reader/ {
            auth_jwt_key_request /b;
            limit_except GET { auth_jwt_key_request /c; }
        }
    }

    server {
        listen       127.0.0.1:8082;
        auth_jwt     "r";
        root         html;
        add_header   X-Status $jwt_status always;
        auth_jwt_key_file    c.json;
        auth_jwt_key_request /b;

        location /inherited/ { }
        location /request/  { auth_jwt_key_request /d; }
        location /file/     { auth_jwt_key_file d.json; }
        location = /b { proxy_pass http://127.0.0.1:8083; }
        location = /d { proxy_pass http://127.0.0.1:8083; }
    }

EOF

$t->write_file('return.conf', "location = /return { return 200 '$set{a}'; }\n");
$t->write_file("$_.json", $set{$_}) for keys %set;
$t->write_file('static.json', $set{a});
respond_with($t, $_, keys_response($set{a})) for qw/ a args variable counted keys /;
respond_with($t, 'kept', keys_response($set{a}, 'Connection: keep-alive'));
respond_with($t, 'large', keys_response($set{a} . ' ' x 100_000));
respond_with($t, 'chunked', "HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n"
    . join '', map { sprintf "%x\r\n%s\r\n", length, $_ } $set{a} =~ /(.{1,9})/g,
    '');
key_service($t, 8081);
run_quietly($t);

### sources

for my $source (@sources) {
    is(jwt_status(get("/$source/", $other)), '401 bad_signature', "$source, forged");
    is(jwt_status(get("/$source/", $token{b})), '401 unknown_key', "$source, unknown key");
    is(jwt_status(get("/$source/", $token{a})), '404 ok', "$source, good");
    is(jwt_logged($t), join("\n",
        'info bad signature, algorithm "ES256", kid "a", keys tried: 1',
        'info no key with kid "b" for ES256: the set has no such kid'),
        "$source, log");
}

is(asked($t, 'kept'), 3, 'without a cache each request fetches');
like(last_request($t, 'args'), qr!^GET /args\?name=args&x=%20y HTTP!, 'arguments');
like(last_request($t, 'variable'), qr!^GET /variable-x\?a HTTP!, 'variables');

### several sources

is(jwt_status(get('/several/', $token{$_})), '404 ok', "several, $_") for sort keys %key;
is(jwt_status(get('/several/', $other)), '401 bad_signature', 'several, forged');
is(jwt_status(get('/several/', sign(jwk('ES256'), '{}'))), '401 bad_signature',
    'several, no kid');
jwt_logged($t);

for my $uri (qw/ last first file /) {
    is(jwt_status(get("/broken-$uri/", $token{a})), '500 keys_unavailable',
        "one of several broken, $uri");
    my $source = $uri eq 'file' ? 'key file "' . $t->testdir() . '/none.json":'
        . ' No such file or directory (os error 2)'
        : 'key request "/none": HTTP status 404; no location has this URI, or nothing is at the '
            . 'address in its proxy_pass';
    is(jwt_logged($t), "error $source", "one of several broken, $uri, log");
}
is(asked($t, 'counted'), 0, 'no key request after a source that is broken');

### tokens that are refused without keys

my $asked = asked($t, 'a');
is(jwt_status(get('/proxied/')), '401 missing', 'no token');
is(jwt_status(get('/proxied/', 'a.b')), '401 malformed', 'malformed token');
is(asked($t, 'a'), $asked, 'no key request');
is(jwt_status(get('/proxied/', signed_by('x', '{"alg":"none"}', '{}'))),
    '401 unsupported_algorithm', 'row 1: alg none');
is(jwt_status(get('/proxied/', sign($key{a}, '{"exp":"now-9"}'))), '401 expired', 'expired');

### inheritance

is(jwt_status(ask({ port => 8082 }, '/inherited/', bearer($token{c}))), '404 ok',
    'inherited, file');
is(jwt_status(ask({ port => 8082 }, '/inherited/', bearer($token{b}))), '404 ok',
    'inherited, request');
is(jwt_status(ask({ port => 8082 }, '/request/', bearer($token{d}))), '404 ok',
    'key request of the inner location');
is(jwt_status(ask({ port => 8082 }, '/request/', bearer($token{b}))), '401 unknown_key',
    "key request of the inner location, no key of the outer request");
is(jwt_status(ask({ port => 8082 }, '/request/', bearer($token{c}))), '401 unknown_key',
    "key request of the inner location, no key of the outer file");
is(jwt_status(ask({ port => 8082 }, '/file/', bearer($token{d}))), '404 ok',
    'key file of the inner location');
is(jwt_status(ask({ port => 8082 }, '/file/', bearer($token{c}))), '401 unknown_key',
    "key file of the inner location, no key of the outer file");
is(jwt_status(ask({ port => 8082 }, '/file/', bearer($token{b}))), '401 unknown_key',
    "key file of the inner location, no key of the outer request");
is(jwt_status(ask({ port => 8082 }, '/b', bearer($token{b}))), '200 ok',
    'a client can read the key location unless it is internal');
is(jwt_status(ask({ port => 8082 }, '/b')), '401 missing', 'the key location, too, needs a token');

is(verdict(ask({ method => 'GET' }, '/post/')), '404', 'limit_except, the method excepted');
is(verdict(ask({ method => 'PUT' }, '/post/')), '401 Bearer realm="r"', 'limit_except, no token');
is(verdict(ask({ method => 'PUT' }, '/post/', bearer($token{b}))), '405', 'limit_except, token');
is(verdict(ask({ method => 'GET' }, '/reader/', bearer($token{b}))), '404',
    'keys of the location for the excepted method');
is(verdict(ask({ method => 'PUT' }, '/reader/', bearer($token{b}))),
    '401 Bearer realm="r", error="invalid_token"', 'keys of the location are not used inside limit_except');
is(verdict(ask({ method => 'PUT' }, '/reader/', bearer($token{c}))), '405', 'keys of limit_except');
