#!/usr/bin/perl

# auth_jwt_key_request: a source that fails, in any way, lets nobody in (rows 7,
# 36, 39, 39b). Each time the response is 500, one [error] line names the source
# and the reason, and the next request is served.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Jose;
use KeyService;

use IO::Compress::Gzip qw/ gzip /;

my $key = jwk('ES256', '--kid', 'a');
my $token = sign($key, '{"exp":"now+300"}');
my $keys = jwks(public($key));
my $long = length($keys) + 1;
gzip(\$keys => \my $zipped);
my $ok = "HTTP/1.1 200 X\r\n";
my $compressed = 'response is compressed with gzip, though the key request does not accept that';

sub chunked {
    my ($text) = @_;
    return sprintf "%x\r\n%s\r\n", length $text, $text;
}

my $cut = 'response was truncated';

# What the service sends, and the reason in the log. The keys in it are good.

my $instead = 'instead of a JWK Set';
my $look = 'see which location has this URI, and its proxy_pass';

my @refused = (
    ['nothing', '', 'HTTP status 502'],
    ['HTTP/0.9', $keys, 'HTTP status 0'],
    ['half a status', 'HTTP/1.1 20', 'HTTP status 502'],
    ['header only', "${ok}X: a\r\n", 'HTTP status 502'],
    ['201', keys_response($keys, 201), 'HTTP status 201'],
    ['206', keys_response($keys, 206, "Content-Range: bytes 0-9/10"),
        'HTTP status 206'],
    ['301', keys_response($keys, 301, 'Location: /good'), 'HTTP status 301'],
    ['302', keys_response($keys, 302, 'Location: http://127.0.0.1/'),
        'HTTP status 302'],
    ['307', keys_response($keys, 307, 'Location: /good'), 'HTTP status 307'],
    ['304', "HTTP/1.1 304 X\r\nETag: \"a\"\r\n\r\n", 'HTTP status 304'],
    ['401', keys_response($keys, 401, 'WWW-Authenticate: Basic realm="theirs"'),
        'HTTP status 401'],
    ['403', keys_response($keys, 403), 'HTTP status 403'],
    ['404', keys_response($keys, 404), 'HTTP status 404'],
    ['429', keys_response($keys, 429, 'Retry-After: 9'), 'HTTP status 429'],
    ['500', keys_response($keys, 500), 'HTTP status 500'],
    ['503', keys_response($keys, 503), 'HTTP status 503'],
    ['101', "HTTP/1.1 101 X\r\nUpgrade: x\r\n\r\n$keys", 'HTTP status 101'],
    ['204', "HTTP/1.1 204 X\r\n\r\n", 'HTTP status 204'],

    ['empty', keys_response(''), "HTTP status 200, but empty $instead; $look"],
    ['empty, until the end', "$ok\r\n", "HTTP status 200, but empty $instead; $look"],
    ['HTML', keys_response("<html>$keys</html>"),
        "HTTP status 200, but HTML or XML $instead; $look"],
    ['garbage after the keys', keys_response("$keys}"),
        'key set is not JSON at byte ' . length $keys],
    ['half the keys', keys_response(substr $keys, 0, 40),
        'key set is not JSON at byte 40'],
    ['NULs', keys_response("\0" x 99), 'key set is not JSON at byte 0'],
    ['not UTF-8', keys_response("{\"keys\":[{\"kty\":\"\xff\"}]}"),
        'key set is not UTF-8'],
    ['a string', keys_response('"keys"'), 'key set is not a JSON object'],
    ['an array', keys_response("[$keys]"), "array of keys $instead; put {\"keys\":...} around it"],
    ['another object', keys_response('{"issuer":"a"}'), 'HTTP status 200, but neither a JWK Set '
        . "nor a JWK: it has neither \"keys\" nor \"kty\"; $look"],
    ['OpenID configuration', keys_response('{"jwks_uri":"https://i/keys"}'),
        "OpenID configuration $instead; the keys are at its jwks_uri \"https://i/keys\""],
    ['keys of another type', keys_response('{"keys":{}}'),
        'neither a JWK Set nor a JWK: "keys" is no array'],
    ['keys twice', keys_response($keys =~ s/\}$/,"keys":[]}/r),
        'key set has the name "keys" twice'],
    ['gzip', keys_response($zipped, 'Content-Encoding: gzip'), $compressed],
    ['gzip, unnamed', keys_response($zipped), $compressed],

    # responses that are not complete

    ['length too large', "${ok}Content-Length: $long\r\n\r\n$keys", $cut],
    ['length too large, nothing', "${ok}Content-Length: 9\r\n\r\n", $cut],
    ['no last chunk', "${ok}Transfer-Encoding: chunked\r\n\r\n" . chunked($keys),
        $cut],
    ['half a chunk', "${ok}Transfer-Encoding: chunked\r\n\r\n$long\r\n$keys",
        $cut],
    ['no chunks', "${ok}Transfer-Encoding: chunked\r\n\r\n$keys", $cut],
    ['bad chunk after the keys',
        "${ok}Transfer-Encoding: chunked\r\n\r\n" . chunked($keys) . "x\r\n", $cut],
);

# Sets without a key that fits: no failure of the source.

my @unknown = (
    ['no keys', '{"keys":[]}'],
    ['a key of an unknown kind', '{"keys":[{"kty":"X","kid":"a"}]}'],
    ['a key for encryption', $keys =~ s/"kty"/"use":"enc","kty"/r],
    ['a bad key', $keys =~ s/"x":"/"x":"+/r],
);

my @locations = qw/ buffered unbuffered cached /;
my $t = Test::Nginx->new()->has(qw/ http proxy rewrite /)
    ->plan(2 * @locations * @refused + 2 * 2 * @unknown + 23);

# a source of its own for each case: one that failed is left alone for a while
my $cached = join "\n", map {
    "location /cached/$_/ { auth_jwt_key_request /keys/?$_; auth_jwt_key_cache 1h refresh=off; }"
} 0 .. @refused;

configure($t, <<"EOF" . <<'EOF');
    server {
        listen       127.0.0.1:8084;
        server_name  localhost;

        auth_jwt     "r";
        root         html;
        add_header   X-Status \$jwt_status always;

        $cached
        location /keys/ { proxy_pass http://127.0.0.1:8081/case; }
    }

EOF
    proxy_read_timeout    1s;
    proxy_http_version    1.1;

    server {
        listen       127.0.0.1:8080;
        server_name  localhost;

        auth_jwt     "r";
        root         html;
        add_header   X-Status "$jwt_status $pid" always;

        location /buffered/   { auth_jwt_key_request /keys/; }
        location /unbuffered/ { auth_jwt_key_request /keys-unbuffered/; }
        location /any/ {
            satisfy any;
            deny all;
            auth_jwt_key_request /keys/;
        }
        location /refused/  { auth_jwt_key_request /keys-refused; }
        location /hangs/    { auth_jwt_key_request /keys-hangs; }
        location /stops/    { auth_jwt_key_request /keys-stops; }
        location /closed/   { auth_jwt_key_request /keys-closed; }
        location /late/     { auth_jwt_key_request /keys-late; }
        location /gone/     { auth_jwt_key_request /keys-gone; }
        location /none/     { auth_jwt_key_request /keys-none; }
        location /error/ {
            error_page 500 /error.html;
            auth_jwt_key_request /keys-none;
        }

        location /keys/     { proxy_pass http://127.0.0.1:8081/case; }
        location /keys-unbuffered/ {
            proxy_buffering off;
            proxy_pass http://127.0.0.1:8081/case;
        }
        location = /keys-refused { proxy_pass http://127.0.0.1:8082; }
        location = /keys-hangs { proxy_pass http://127.0.0.1:8081/hangs; }
        location = /keys-stops { proxy_pass http://127.0.0.1:8083/; }
        location = /keys-closed { return 444; }
        location = /keys-late { return 408; }
        location = /keys-gone { return 499; }
        location = /keys-none { alias %%TESTDIR%%/none.json; }
        location = /error.html { auth_jwt off; return 200 "ERROR PAGE"; }
        location = /alive { auth_jwt off; return 204; }
    }

EOF

respond_with($t, 'hangs', '');
hold($t, 'hangs');
key_service($t, 8081);
Test::Nginx::Raw::service($t, 8083, sub {
    my ($client) = @_;
    print $client "HTTP/1.1 200 X\r\nContent-Length: 9999\r\n\r\n$keys";
    sleep 5;
    return 0;
});
run_quietly($t);

my ($pid) = get('/alive') =~ /^X-Status: .* (\d+)\r/m;

for my $location (@locations) {
    for my $number (0 .. $#refused) {
        my ($name, $response, $reason) = @{ $refused[$number] };
        my $source = { unbuffered => '/keys-unbuffered/', cached => "/keys/?$number" }->{$location}
            // '/keys/';
        respond_with($t, 'case', $response);
        is(jwt_status(get_keys($location, $number)), '500 keys_unavailable', "$location, $name");
        is(jwt_logged($t), "error key request \"$source\": " . with_advice($reason),
            "$location, $name, log");
    }

    # such a set may be cached
    next if $location eq 'cached';
    for my $case (@unknown) {
        my ($name, $body) = @$case;
        respond_with($t, 'case', keys_response($body));
        is(jwt_status(get("/$location/", $token)), '401 unknown_key', "$location, $name");
        like(jwt_logged($t), qr/^info no key with kid "a" for ES256: /m, "$location, $name, log");
    }
}

### a source that does not respond

for my $case (['refused', 502], ['hangs', 504], ['stops', 0], ['closed', 444],
    ['late', 408], ['gone', 499], ['none', 404])
{
    my ($name, $status) = @$case;
    is(jwt_status(get("/$name/", $token)), '500 keys_unavailable', $name);
    is(jwt_logged($t), "error key request \"/keys-$name\": "
        . ($status ? with_advice("HTTP status $status") : $cut), "$name, log");
}

respond_with($t, 'case', keys_response($keys, 404));
is(jwt_status(get('/any/', $token)), '500 keys_unavailable', 'satisfy any');
is(jwt_logged($t), 'error key request "/keys/": ' . with_advice('HTTP status 404'),
    'satisfy any, log');
is(body(get('/error/', $token)), 'ERROR PAGE', 'error page of the client');
is(jwt_logged($t), 'error key request "/keys-none": ' . with_advice('HTTP status 404'),
    'error page of the client, log');

### the next request

respond_with($t, 'case', keys_response($keys));
is(jwt_status(get_keys($_, scalar @refused)), '404 ok', "$_, good") for @locations;
is(jwt_logged($t), '', 'good, log');
like(get('/alive'), qr/^X-Status: \S+ $pid\r/m, 'the worker did not end');

###############################################################################

# The reason with what the log line adds to some statuses.
sub with_advice {
    my ($reason) = @_;
    my %advice = (
        map({ $_ => 'redirects are not followed, proxy_pass needs the final address' }
            301, 302, 307),
        map({ $_ => 'the provider or the location refuses the request' } 401, 403),
        404 => 'no location has this URI, or nothing is at the address in its proxy_pass',
        502 => 'the line of nginx above says why, see proxy_pass, proxy_ssl_* and resolver of the '
            . 'location',
        504 => 'see proxy_connect_timeout and proxy_read_timeout of the location',
    );
    my ($status) = $reason =~ /^HTTP status (\d+)\z/;
    return defined $status && $advice{$status} ? "$reason; $advice{$status}" : $reason;
}

###############################################################################
# The response at a location, which needs the keys of this case.
sub get_keys {
    my ($location, $number) = @_;
    return $location eq 'cached'
        ? ask({ port => 8084 }, "/cached/$number/", bearer($token))
        : get("/$location/", $token);
}
