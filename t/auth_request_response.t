#!/usr/bin/perl

# auth_request: the service's response counts with its header. Its body, from
# wherever it comes and however slowly, costs the client nothing.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use Http2;
use Service;
use Test::Nginx::Raw;

my $t = Test::Nginx->new()
    ->has(qw/ http proxy rewrite cache upstream_keepalive stub_status http_v2 sub /)->plan(104);

$t->write_file_expand('http2.conf', listen_http2($t));
$t->write_file('aio.conf',
    `$Test::Nginx::NGINX -V 2>&1` =~ /--with-threads/ ? 'aio threads; aio_write on;' : '');

configure($t, <<'EOF');
    include aio.conf;
    proxy_cache_path %%TESTDIR%%/cache keys_zone=cache:1m;
    upstream kept {
        server 127.0.0.1:8081;
        keepalive 4;
    }
    server {
        listen       127.0.0.1:8080;
        include      http2.conf;
        server_name  localhost;
        root         %%TESTDIR%%;
        sendfile     on;
        proxy_http_version 1.1;
        proxy_set_header Connection "";

        location /plain      { auth_request /auth; try_files /page =404; }
        location /unbuffered { auth_request /auth-unbuffered; try_files /page =404; }
        location /cached     { auth_request /auth-cached?$arg_id; try_files /page =404; }
        location /stored     { auth_request /auth-stored?$arg_id; try_files /page =404; }
        location /file       { auth_request /auth-file; try_files /page =404; }
        location /big        { auth_request /auth-big; try_files /page =404; }
        location /direct     { auth_request /auth-direct; try_files /page =404; }
        location /accel      { auth_request /auth-accel; try_files /page =404; }
        location /page-ok    { auth_request /auth-page-ok; try_files /page =404; }
        location /aside      { auth_request /auth-accel-denied; try_files /page =404; }
        location /aside-named { auth_request /auth-accel-named; try_files /page =404; }
        location /aside-proxied { auth_request /auth-accel-proxied; try_files /page =404; }
        location /aside-return { auth_request /auth-accel-return; try_files /page =404; }
        location /page-cached {
            auth_request /auth-cached?$arg_id;
            auth_request_deny_body 100;
        }
        location /page-file {
            auth_request /auth-page-file;
            auth_request_deny_body 100;
        }
        location /app {
            auth_request /auth;
            proxy_pass http://127.0.0.1:8084;
        }
        location /app-unbuffered {
            auth_request /auth-unbuffered;
            proxy_pass http://127.0.0.1:8084;
        }
        location /app-cached {
            auth_request /auth-cached?$arg_id;
            proxy_pass http://127.0.0.1:8084;
        }
        location = /status   { stub_status; }

        location = /auth { proxy_pass http://kept; }
        location = /auth-unbuffered { proxy_buffering off; proxy_pass http://kept; }
        location = /auth-cached {
            proxy_cache cache;
            proxy_cache_key $args;
            proxy_cache_valid any 1h;
            proxy_pass http://kept;
        }
        location = /auth-stored {
            proxy_store %%TESTDIR%%/stored$args;
            proxy_pass http://kept;
        }
        location = /auth-file { alias %%TESTDIR%%/ok.txt; }
        location = /auth-page-file { error_page 404 =403 /ok.txt; return 404; }
        location /page-unknown {
            auth_request /auth-page-unknown;
            auth_request_deny_body 100;
        }
        location = /auth-page-unknown { error_page 404 =403 /big-unknown; return 404; }
        # without a length
        location = /big-unknown {
            sub_filter y z;
            sub_filter_types *;
            alias %%TESTDIR%%/big;
        }
        location = /auth-big { alias %%TESTDIR%%/big; }
        location = /auth-direct { directio 1; alias %%TESTDIR%%/big; }
        location = /auth-accel {
            proxy_set_header X-Accel /ok.txt;
            proxy_pass http://kept;
        }
        location = /auth-page-ok {
            proxy_pass http://127.0.0.1:8089;
            error_page 502 = /ok.txt;
        }
        location = /auth-accel-denied {
            proxy_set_header X-Accel /ok.txt;
            proxy_set_header X-Code 401;
            proxy_pass http://kept;
        }
        location = /auth-accel-named {
            proxy_set_header X-Accel @named;
            proxy_set_header X-Code 403;
            proxy_pass http://kept;
        }
        location @named { try_files /ok.txt =404; }
        location = /auth-accel-proxied {
            proxy_set_header X-Accel /proxied;
            proxy_set_header X-Code 404;
            proxy_pass http://kept;
        }
        location = /proxied { proxy_pass http://127.0.0.1:8082; }
        location = /auth-accel-return {
            proxy_set_header X-Accel /return;
            proxy_set_header X-Code 401;
            proxy_pass http://kept;
        }
        location = /return { return 204; }
        location = /ok.txt { root %%TESTDIR%%; }
    }
    server {
        listen       127.0.0.1:8082;
        server_name  localhost;
        location / { return 204; }
    }
EOF

my $d = $t->testdir();
mkdir "$d/cache";
$t->write_file('page', 'CONTENT');
$t->write_file('ok.txt', 'ok');
$t->write_file('big', 'x' x 5_000_000);

# X-Code is the status, X-Accel the target of a redirect. With X-Body the rest of
# that many bytes, with X-Chunked the end of the body waits for go_on().
service($t, 8081, sub {
    my ($client, $head) = @_;
    my ($code) = $head =~ /^X-Code: (\d+)/mi;
    my ($accel) = $head =~ /^X-Accel: (\S+)/m;
    my ($length) = $head =~ /^X-Body: (\d+)/mi;
    append("$d/connections", "$$\n");
    $code //= 200;
    print $client "HTTP/1.1 $code X\r\n", $accel ? "X-Accel-Redirect: $accel\r\n" : '';
    if ($code == 204) {
        print $client "\r\n";
        return 1;
    }
    if ($head =~ /^X-Endless:/m) {
        print $client "Transfer-Encoding: chunked\r\n\r\n";
        while (print $client "400\r\n" . 'x' x 1024 . "\r\n") { }
        return 0;
    }
    if ($head =~ /^X-Chunked:/m) {
        print $client "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n";
        take_request($d, 'rest');
        print $client "0\r\n\r\n";
        return 1;
    }
    $length //= 0;
    print $client 'Content-Length: ', $length + 2, "\r\n\r\nok";
    return 1 unless $length;
    take_request($d, 'rest');
    print $client 'x' x $length;
    return 1;
});

service($t, 8084, sub {
    my ($client) = @_;
    take_request($d, 'app');
    print $client "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nAPP";
    return 0;
});
$t->run();

### a body that has not come

for my $uri (qw{ /plain /unbuffered /cached?id=a /stored?id=a }) {
    for my $code (200, 401, 403) {
        hold($t, 'rest');
        is(status(ask($uri . ($uri =~ /id=/ ? $code : ''), "X-Code: $code", 'X-Body: 10')), $code,
            "$uri, $code before the body has come");
        is(wait_asked($t, 'rest', 1), 1, "$uri, $code, the service still sends it");
        go_on($t, 'rest');
        connections_left();
        forget($t, 'rest');
    }
}

for my $uri (qw{ /plain /unbuffered /cached?id=long /stored?id=long }) {
    hold($t, 'rest');
    is(status(ask($uri, 'X-Code: 200', 'X-Body: 70000')), 200, "$uri, a long body");
    is(wait_asked($t, 'rest', 1), 1, "$uri, a long body, the service still sends it");
    go_on($t, 'rest');
    connections_left();
    forget($t, 'rest');
}

# the next request on the client's connection

hold($t, 'rest');
my $s = connection();
is(status(exchange($s, request('/plain', 'X-Code: 403', 'X-Body: 10'))), 403,
    'a client that keeps its connection');
is(status(exchange($s, request('/plain', 'X-Code: 204'))), 200, 'its next request');
go_on($t, 'rest');
forget($t, 'rest');
undef $s;
connections_left();

### what comes soon is read to its end, so that the connection is used again

for my $uri (qw{ /plain /unbuffered /cached?id=b /stored?id=b }) {
    for my $framing ('X-Body: 60000', 'X-Chunked: 1') {
        my $name = "$uri, " . $framing =~ s/:.*//r;
        my $url = $uri . ($uri =~ /id=/ ? $framing =~ s/:.*//r : '');
        connections();
        hold($t, 'rest');
        is(status(ask($url, 'X-Code: 200', $framing)), 200, $name);
        go_on($t, 'rest');
        is(connections_left(), 1, "$name, the request has ended");
        is(status(ask("/plain", 'X-Code: 403')), 403, "$name, the next check");
        is(connections(), 1, "$name, connections to the service");
        forget($t, 'rest');
    }
}
ok(!-e "$d/storedlong", 'proxy_store has no long body');
is(-s "$d/storedbX-Body", 60002, 'proxy_store has the whole body');
is(status(ask('/cached?id=bX-Body')), 200, 'proxy_cache has the response');
is(connections(), 0, 'and the service was not asked');

### bodies from files

is(status(ask("/$_")), 200, "$_, from a file") for qw/ file big accel page-ok direct /;
for my $code (200, 204, 401) {
    is(join(' ', map { status(ask("/cached?id=$code", "X-Code: $code")) } 1 .. 3),
        join(' ', ($code == 401 ? 401 : 200) x 3), "$code, out of a cache");
}

for my $uri (qw{ /page-cached?id=x /page-cached?id=x /page-file }) {
    my $code = $uri eq '/page-file' ? 403 : 401;
    like(ask($uri, 'X-Code: 401'), qr/^HTTP\S+ $code .*\r\n\r\nok\z/s,
        "$uri, a body for the client");
}

like(ask('/page-unknown'), qr/^HTTP\S+ 403 .*403 Forbidden/s, 'a file that is too large a body');
is(connections_left(), 1, 'a file that is too large a body, all is over');

### a denial stays one whatever X-Accel-Redirect makes of it

is(status(ask('/aside')), 401, 'a file in place of a 401');
is(status(ask('/aside-named')), 403, 'a named location in place of a 403');
is(status(ask('/aside-proxied')), 500, 'another service in place of a 404');
is(status(ask('/aside-return')), 401, 'return in place of a 401');

### HTTP/2, clients that leave, and a reload, while the rest has not come

hold($t, 'rest');
for my $code (401, 200) {
    is(status(http2_curl('/plain', "-H 'X-Code: $code'", "-H 'X-Body: 10'")), $code,
        "HTTP/2, $code");
}
is(connections_left(), 1, 'HTTP/2, all is over');

hold($t, 'app');
my @clients = map { ask({ start => 1 }, '/app', 'X-Body: 10') } 1 .. 5;
is(wait_asked($t, 'app', 5), 5, 'the application is asked before the rest has come');
@clients = ();
is(connections_left(), 1, 'clients that leave before their response');
go_on($t, 'app');
is(body(ask('/app', 'X-Body: 10')), 'APP', 'a response of the application');

### a body without end costs the response of the application nothing

for my $uri (qw{ /app /app-unbuffered /app-cached?id=y /app-cached?id=y }) {
    is(body(ask($uri, 'X-Endless: 1')), 'APP', "$uri, a body without end");
    is(connections_left(), 1, "$uri, a body without end, all is over");
}

my ($old) = workers($t);
my $client = connection();
$client->print(request('/plain', 'X-Code: 401', 'X-Body: 10'));
is(status(read_response($client)), 401, 'a denial before a reload');
reload_workers($t);
ok(wait_until(sub { !-e "/proc/$old" }), 'the old worker ends');
is(status(ask('/plain', 'X-Code: 204')), 200, 'the new worker');
go_on($t, 'rest');

### helpers

# How many connections to the service there were since the last call.
sub connections {
    open my $file, '<', "$d/connections" or return 0;
    my %seen = map { $_ => 1 } <$file>;
    unlink "$d/connections";
    return scalar keys %seen;
}
