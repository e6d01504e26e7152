#!/usr/bin/perl

# auth_jwt_key_request: the largest key set, and that a larger or endless
# response costs no more memory than that (row 36).

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Jose;
use KeyService;
use Test::Nginx::Raw;

my $limit = 8 * 1024 * 1024;
my @locations = qw/ static sendfile proxied unbuffered spooled stored cached /;
my @endless = qw/ proxied unbuffered spooled stored /;
my $t = Test::Nginx->new()->has(qw/ http proxy rewrite cache /)
    ->plan(9 * @locations + 3 * @endless + 3);

configure($t, <<'EOF');
    proxy_read_timeout    5s;
    proxy_http_version    1.1;
    subrequest_output_buffer_size 1k;
    proxy_cache_path      %%TESTDIR%%/cache keys_zone=keys:1m;

    server {
        listen       127.0.0.1:8080;
        server_name  localhost;

        auth_jwt     "r";
        root         html;
        add_header   X-Status "$jwt_status $pid" always;

        location /static/     { auth_jwt_key_request /keys-static; }
        location /sendfile/   { auth_jwt_key_request /keys-sendfile; }
        location /proxied/    { auth_jwt_key_request /keys-proxied?$arg_a; }
        location /unbuffered/ { auth_jwt_key_request /keys-unbuffered?$arg_a; }
        location /spooled/    { auth_jwt_key_request /keys-spooled?$arg_a; }
        location /stored/     { auth_jwt_key_request /keys-stored?$arg_a; }
        location /cached/ {
            auth_jwt_key_request /keys-proxied;
            auth_jwt_key_cache 1ms refresh=off;
        }
        location /cached-too-large/ {
            auth_jwt_key_request /keys-proxied?1;
            auth_jwt_key_cache 1ms refresh=off;
        }
        location /cached-larger/ {
            auth_jwt_key_request /keys-proxied?2;
            auth_jwt_key_cache 1ms refresh=off;
        }

        location = /keys-static { alias %%TESTDIR%%/keys.json; }
        location = /keys-sendfile {
            sendfile on;
            directio 1m;
            output_buffers 1 32k;
            alias %%TESTDIR%%/keys.json;
        }
        location = /keys-proxied { proxy_pass http://127.0.0.1:8081/large$args; }
        location = /keys-unbuffered {
            proxy_buffering off;
            proxy_pass http://127.0.0.1:8081/large$args;
        }
        location = /keys-spooled {
            proxy_buffer_size 4k;
            proxy_buffers 2 4k;
            proxy_busy_buffers_size 4k;
            proxy_temp_file_write_size 8k;
            proxy_pass http://127.0.0.1:8081/large$args;
        }
        location = /keys-stored {
            proxy_cache keys;
            proxy_cache_key $request_id$args;
            proxy_cache_valid 1m;
            proxy_pass http://127.0.0.1:8081/large$args;
        }
        location = /alive { auth_jwt off; return 204; }
    }

EOF

# The service sends the key set in keys.json, or an endless response until nginx closes
# the connection.

my $dir = $t->testdir();

service($t, 8081, sub {
    my ($client, $head) = @_;
    my $endless = $head =~ m!^GET /largeendless!;
    my $keys = slurp("$dir/keys.json");
    unless ($endless) {
        print $client "HTTP/1.1 200 X\r\nContent-Length: " . length($keys)
            . "\r\n\r\n$keys";
        return 0;
    }
    print $client "HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n";
    my $sent = 0;
    my $chunk = sprintf "%x\r\n%s\r\n", 65536, ' ' x 65536;
    while ($sent < 2_000 and $client->print($chunk)) { $sent++; }
    append("$dir/sent", $sent);
    return 0;
});
run_quietly($t);

my ($pid) = get('/alive') =~ /^X-Status: .* (\d+)\r/m;
my $key = jwk('ES256', '--kid', 'a');
my $token = sign($key, '{"exp":"now+300"}');
my $forged = sign(jwk('ES256', '--kid', 'a'), '{"exp":"now+300"}');
my $keys = jwks(public($key));

### too large, and the largest

for my $location (@locations) {
    my $is_cached = $location eq 'cached';
    my $source = $is_cached ? 'proxied?1' : $location;
    $source .= '?' unless $source =~ /static|sendfile/ or $is_cached;
    # a cached source that failed is left alone for a while
    my ($too_large, $larger) = $is_cached ? qw/ cached-too-large cached-larger / : ($location) x 2;

    padded($t, $limit + 1);
    is(jwt_status(get("/$too_large/", $token)), '500 keys_unavailable', "$location, too large");
    is(jwt_logged($t), "error key request \"/keys-$source\": larger than $limit bytes",
        "$location, too large, log");
    padded($t, $limit + 300_000);
    is(jwt_status(get("/$larger/", $token)), '500 keys_unavailable', "$location, larger");
    jwt_logged($t);

    padded($t, $limit);
    is(jwt_status(get("/$location/", $forged)), '401 bad_signature',
        "$location, largest, forged");
    is(jwt_status(get("/$location/", $token)), '404 ok', "$location, largest");

    # 3,000 keys of more than 1 MiB
    $t->write_file('keys.json', many(3_000));
    cmp_ok(-s "$dir/keys.json", '>', 1_048_576, "$location, many keys, size");
    is(jwt_status(get("/$location/", $forged)), '401 bad_signature',
        "$location, many keys, forged");
    is(jwt_status(get("/$location/", $token)), '404 ok', "$location, many keys");
    unlike(jwt_logged($t), qr/^error|^warn/m, "$location, log");
}

### endless

my $before = peak_memory($pid);

for my $location (@endless) {
    unlink "$dir/sent";
    is(jwt_status(get("/$location/?a=endless", $token)), '500 keys_unavailable',
        "$location, endless");
    is(jwt_logged($t), "error key request \"/keys-$location?endless\": larger than "
        . "$limit bytes", "$location, endless, log");
    wait_until(sub { -s "$dir/sent" });
    cmp_ok($t->read_file('sent'), '<', 2_000, "$location, nginx closed");
}

cmp_ok(peak_memory($pid) - $before, '<', memory_limit(3 * $limit / 1024), 'memory growth in KiB');
padded($t, 1000);
is(jwt_status(get('/proxied/', $token)), '404 ok', 'a good token at the end');
like(get('/alive'), qr/^X-Status: \S+ $pid\r/m, 'the worker did not end');

###############################################################################

sub padded {
    my ($t, $length) = @_;
    $t->write_file('keys.json', $keys . ' ' x ($length - length $keys));
}

# A set with so many other keys before the right one.
sub many {
    my ($count) = @_;
    my ($other) = public(jwk('RS256')) =~ /"n":"([^"]*)"/;
    my @others = map { qq({"kty":"RSA","kid":"$_","e":"AQAB","n":"$other"}) }
        1 .. $count;
    return '{"keys":[' . join(',', @others, public($key)) . ']}';
}
