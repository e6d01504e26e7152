#!/usr/bin/perl

# auth_jwt_key_request with auth_jwt_key_cache: the fetch belongs to no client.
# None can break it, hold it back or see it, whatever it sends and whenever it
# leaves (rows 48, 49).

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Jose;
use KeyService;
use Test::Nginx::Raw;

use IO::Compress::Gzip qw/ gzip /;
use Time::HiRes qw/ sleep /;

my $t = Test::Nginx->new()->has(qw/ http proxy rewrite cache stub_status ssi /)->plan(66);

configure($t, <<'EOF');
    proxy_cache_path  %%TESTDIR%%/cache keys_zone=keys:1m;
    limit_req_zone    $server_name zone=slow:1m rate=5r/s;
    log_format        uri "$uri $request_uri $remote_addr";
    access_log        %%TESTDIR%%/access.log uri;

    upstream provider { server 127.0.0.1:8081; keepalive 2; }

    server {
        listen       127.0.0.1:8080;
        server_name  example.com;

        auth_jwt     "r";
        root         html;
        add_header   X-Status "$jwt_status" always;
        auth_jwt_key_cache 1h refresh=off;

        location /lines/       { auth_jwt_key_request /keys/lines; post_action /posted; }
        location /conditions/  { auth_jwt_key_request /keys/conditions; }
        location /range/       { auth_jwt_key_request /stored-keys/range; }
        location /gzip/        { auth_jwt_key_request /keys/gzip; }
        location /gzip-stored/ { auth_jwt_key_request /stored-keys/gzip_stored; }
        location /new/         { auth_jwt_key_request /keys/new; auth_jwt_key_cache 1h refresh=1ms; }
        location /two/         {
            auth_jwt_key_request /keys/one;
            auth_jwt_key_request /keys/two;
        }
        location /local/       {
            auth_jwt_key_request /keys/local;
            auth_jwt_key_file    %%TESTDIR%%/local.json;
            auth_jwt_key_cache   1h refresh=1ms;
        }
        location /removed/     { auth_jwt_key_request /keys/removed; auth_jwt_key_cache 1ms stale=1h; }
        location /counted/     { auth_jwt_key_request /keys/counted; }
        location /told/        { auth_jwt_key_request /keys-told?a=b; }

        location /internal/    { auth_jwt_key_request /keys-internal; }
        location /return/      { auth_jwt_key_request /keys-return; }
        location /alias/       { auth_jwt_key_request /keys-alias; }
        location /page/        { auth_jwt_key_request /keys-page; }
        location /rewrite/     { auth_jwt_key_request /keys-rewrite; }
        location /if/          { auth_jwt_key_request /keys-if; }
        location /named/       { auth_jwt_key_request /keys-named; }
        location /unbuffered/  { auth_jwt_key_request /keys-unbuffered; }
        location /limited/     { auth_jwt_key_request /keys-limited?1; auth_jwt_key_request /keys-limited?2; }
        location /satisfy/     { auth_jwt_key_request /keys-satisfy; }
        location /ssi/         { auth_jwt_key_request /keys-ssi; }
        location /updated/     { auth_jwt_key_request /keys-updated; auth_jwt_key_cache 1ms stale=1h; }

        location /keys/        { internal; proxy_pass http://provider/; }
        location /stored-keys/ {
            proxy_cache         keys;
            proxy_cache_valid   1h;
            proxy_cache_max_range_offset 0;
            proxy_pass          http://provider/;
        }
        location = /keys-told  {
            proxy_set_header X-Told
                "$request_method $request_uri $uri $args $host $remote_addr $scheme $http_x_tenant.";
            proxy_pass http://provider/told;
        }
        location = /keys-internal { internal; proxy_pass http://provider/any; }
        location = /keys-return  { return 200 '%%KEYS%%'; }
        location = /keys-alias   { alias %%TESTDIR%%/keys.json; }
        location = /keys-page    { error_page 404 =200 /keys-alias; return 404; }
        location = /keys-rewrite { rewrite ^ /keys-alias last; }
        location = /keys-if      { if ($request_method = GET) { rewrite ^ /keys-alias last; } return 500; }
        location = /keys-named   { try_files /none @provider; }
        location @provider       { rewrite ^ /any break; proxy_pass http://provider; }
        location = /keys-unbuffered { proxy_buffering off; proxy_pass http://provider/any; }
        location = /keys-limited { limit_req zone=slow burst=9; proxy_pass http://provider/any; }
        location = /keys-satisfy { satisfy any; deny all; auth_jwt "inner"; proxy_pass http://provider/any; }
        location = /keys-ssi     { ssi on; ssi_types *; alias %%TESTDIR%%/ssi.json; }
        location = /keys-updated {
            log_subrequest      on;
            proxy_cache         keys;
            proxy_cache_valid   1s;
            proxy_cache_use_stale updating;
            proxy_cache_background_update on;
            proxy_pass          http://provider/updated;
        }
        location = /posted       { auth_jwt off; proxy_pass http://provider/posted; }
        location = /status       { auth_jwt off; access_log off; stub_status; }
    }

EOF

my %key = map { $_ => jwk('ES256', '--kid', $_) } qw/ a b /;
my %token = map { $_ => sign($key{$_}, '{"exp":"now+300"}') } keys %key;
my $keys = jwks(public($key{a}));
my $both = jwks(public($key{a}), public($key{b}));
gzip(\$keys => \my $zipped);

$t->write_file('keys.json', $keys);
$t->write_file('local.json', public(jwk('ES256')));
$t->write_file('ssi.json', $keys);
$t->write_file('nginx.conf', $t->read_file('nginx.conf') =~ s/%%KEYS%%/$keys/r);
gives($_, $keys) for qw/ new local removed updated /;

# A provider that does what the client's header lines ask for.
service($t, 8081, sub {
    my ($client, $head) = @_;
    my ($name) = $head =~ m!^\S+ /(\w+)!;
    replace_file($t, "request.$name", $head);
    take_request($t->testdir(), $name);
    my $response = $head =~ /^If-None-Match:/mi ? "HTTP/1.1 304 X\r\n\r\n"
        : $head =~ /^Range:/mi ? keys_response('{', 206, 'Content-Range: bytes 0-0/9')
        : $head =~ /^Cookie:.{2000}/mi ? keys_response('', 400)
        : $head =~ /^Accept-Encoding:.*gzip/mi ? keys_response($zipped, 'Content-Encoding: gzip')
        : eval { slurp($t->testdir() . "/response.$name") } || keys_response($keys);
    syswrite $client, $response;
    return 0;
});
run_quietly($t);

### what a client sends does not reach the source

is(jwt_status(get('/lines/', $token{a}, 'X-Tenant: t', 'Cookie: a=b', 'User-Agent: u',
    'Accept: */*', 'Accept-Encoding: gzip', 'X-Forwarded-For: 1.2.3.4', 'Range: bytes=0-3')),
    '404 ok', 'many header lines');
is(join(' ', sort map { /^((?!Connection:)[^:]+):/ ? $1 : () } split /\r\n/, last_request($t, 'lines')),
    'Host', 'the source gets none of them');

hold($t, 'conditions');
my @first = start('/conditions/', 'a', 'If-None-Match: *');
wait_asked($t, 'conditions', 1);
my @others = map { start('/conditions/', 'a') } 1 .. 20;
wait_until(sub { active() == 22 });
go_on($t, 'conditions');
is(statuses(@first, @others), join(' ', ('404') x 21), 'If-None-Match: * of the first client');

is(jwt_status(get('/range/', $token{a}, 'Range: bytes=0-0')), '404 ok', 'Range, and a cache');
is(jwt_status(get('/gzip/', $token{a}, 'Accept-Encoding: gzip')), '404 ok', 'Accept-Encoding');
is(jwt_status(get('/gzip-stored/', $token{a}, 'Accept-Encoding: gzip')), '404 ok',
    'Accept-Encoding, and a cache');

is(jwt_status(get('/told/', $token{a}, 'X-Tenant: t')), '404 ok', 'variables');
is((last_request($t, 'told') =~ /^X-Told: (.*)\r/m)[0],
    'GET /keys-told?a=b /keys-told a=b example.com unix: http .',
    'variables in the asked location are those of a request of no client');

# a removed key, whose holder sends a Range line all the time
is(jwt_status(get('/removed/', $token{a})), '404 ok', 'before a key is removed');
gives('removed', jwks(public($key{b})));
is(wait_until(sub {
    jwt_status(get('/removed/', $token{a}, 'Range: bytes=0-0')) eq '401 unknown_key'
}), 1, 'a Range line does not keep a removed key alive');

### clients that come and leave

# no keys yet: they neither end the fetch nor begin another one
hold($t, 'one');
for (1 .. 5) {
    my @client = start('/two/', 'a');
    wait_asked($t, 'one', 1);
    wait_asked($t, 'two', 1);
}
is(wait_until(sub { active() == 1 }), 1, 'five clients have left');
my @honest = start('/two/', 'a');
wait_until(sub { active() == 2 });
go_on($t, 'one');
is(statuses(@honest), '404', 'the next client');
is(asked($t, 'one') . asked($t, 'two'), '11', 'one fetch of each source');

# a new key: those who send unknown kids and leave do not hold it back
is(jwt_status(get('/new/', $token{a})), '404 ok', 'the old key');
gives('new', $both);
hold($t, 'new');
for (1 .. 5) {
    my @client = start('/new/', 'b');
    wait_asked($t, 'new', 2);
}
@honest = start('/new/', 'b');
is(jwt_status(get('/new/', $token{a})), '404 ok', 'a token with a known key does not wait');
go_on($t, 'new');
is(statuses(@honest), '404', 'the new key is learned');
is(asked($t, 'new'), 2, 'with one fetch');

# beside a key without a kid, which is tried for every token of its algorithm
is(jwt_status(get('/local/', $token{a})), '404 ok', 'local, a key of the provider');
sleep 0.01;
is(jwt_status(get('/local/', $token{b})), '401 bad_signature', 'local, a kid that nobody has');
is(asked($t, 'local'), 2, 'local, a fetch for the unknown kid');
gives('local', $both);
sleep 0.01;
is(jwt_status(get('/local/', $token{b})), '404 ok', 'local, the new key is learned');
is(asked($t, 'local'), 3, 'local, with one fetch');
sleep 0.01;
is(jwt_status(get('/local/', sign(jwk('ES256', '--kid', 'b'), '{}'))), '401 bad_signature',
    'local, a bad signature under a known kid');
is(asked($t, 'local'), 3, 'local, causes no fetch');
sleep 0.01;
is(jwt_status(get('/local/', sign(jwk('ES256'), '{}'))), '401 bad_signature',
    'local, a bad signature without a kid');
is(asked($t, 'local'), 4, 'local, causes a fetch, since its key may be a new one');

### what answers in the asked location

for my $location (qw/ internal return alias page rewrite if named unbuffered satisfy ssi /) {
    is(jwt_status(get("/$location/", $token{a})), '404 ok', "$location, good");
    is(jwt_status(get("/$location/", $token{b})), '401 unknown_key', "$location, unknown key");
}

# nginx delays the second of two fetches
is(jwt_status(get('/limited/', $token{a})), '404 ok', 'limited');
like($t->read_file('error.log'), qr{delaying request.* subrequest: "/keys-limited"}, 'limited, log');

### what others see of a fetch

my $log = $t->read_file('access.log');
unlike($log, qr/keys|unix:/, 'no fetch is in the access log');
is(asked($t, 'posted'), 1, 'the post_action of the client, and none of the fetch');

my ($accepted, $handled, $requests) = counts();
hold($t, 'counted');
@first = start('/counted/', 'a');
wait_asked($t, 'counted', 1);
is(active(), 2, 'a fetch does not count as a connection');
my ($accepted_now, $handled_now, $requests_now) = counts();
go_on($t, 'counted');
is(statuses(@first), '404', 'counted');
is(join(' ', $accepted_now - $accepted, $requests_now - $requests), '3 3', 'nor as a request');
is(connections_left(), 1, 'no connection is left');

# with log_subrequest, and with an update of nginx's cache in the background, which
# goes on when the fetch has ended
is(jwt_status(get('/updated/', $token{a})), '404 ok', 'updated, good');
is(jwt_status(get('/updated/', $token{b})), '401 unknown_key', 'updated, unknown key');
gives('updated', $both);
is(wait_until(sub { sleep 0.1; jwt_status(get('/updated/', $token{b})) eq '404 ok' }), 1,
    'updated, new key');
like($t->read_file('access.log'), qr{^/keys-updated /keys-updated unix:$}m,
    'with log_subrequest, the log has the fetch');
is(connections_left(), 1, 'no connection is left');

### a reload, and the end

# A worker that shuts down waits for a fetch as long as somebody else does.
reload_workers($t);
hold($t, 'lines');
my $worker = worker($t);
my $asked = asked($t, 'lines');
@first = start('/lines/', 'a');
wait_asked($t, 'lines', $asked + 1);
reload_workers($t);
go_on($t, 'lines');
is(statuses(@first), '404', 'a client that waits in a worker that shuts down');
is(wait_until(sub { !kill 0, $worker }), 1, 'the worker has ended');

# A fetch that nobody waits for does not keep the worker.
hold($t, 'lines');
$worker = worker($t);
$asked = asked($t, 'lines');
@first = start('/lines/', 'a');
wait_asked($t, 'lines', $asked + 1);
@first = ();
wait_until(sub { active() == 1 });
reload_workers($t);
is(wait_until(sub { !kill 0, $worker }), 1, 'a worker with a fetch that hangs has ended');

# Nor does one whose last client leaves later.
$worker = worker($t);
$asked = asked($t, 'lines');
@first = start('/lines/', 'a');
wait_asked($t, 'lines', $asked + 1);
reload_workers($t);
is(kill(0, $worker), 1, 'a worker with a client that waits goes on');
@first = ();
is(wait_until(sub { !kill 0, $worker }), 1, 'until the client leaves');

# With stale keys nobody waits.
is(jwt_status(get('/removed/', $token{b})), '404 ok', 'stale keys');
hold($t, 'removed');
sleep 0.01;
$worker = worker($t);
$asked = asked($t, 'removed');
get('/removed/', $token{b});
wait_asked($t, 'removed', $asked + 1);
reload_workers($t);
is(wait_until(sub { !kill 0, $worker }), 1, 'a worker with a fetch for stale keys has ended');

###############################################################################

sub gives {
    my ($name, $body) = @_;
    respond_with($t, $name, keys_response($body));
}

# A client with the token of this key.
sub start {
    my ($uri, $key, @lines) = @_;
    my $s = connection();
    $s->print(request($uri, 'Connection: close', bearer($token{$key}), @lines));
    return $s;
}

sub statuses { return join ' ', map { status(read_response($_)) } @_ }

sub active { return http_get('/status') =~ /Active connections: (\d+)/ ? $1 : 0 }

# Accepted connections, handled ones, and requests.
sub counts { return http_get('/status') =~ /^ (\d+) (\d+) (\d+) /m }
