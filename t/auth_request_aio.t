#!/usr/bin/perl

# auth_request and key requests with "aio threads" and "aio_write on" where the
# response comes from: a thread still reads or writes a file when the response counts,
# when nobody needs it any more, or when the client leaves. No request may end before
# its thread, or stay because of it.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use Jose;
use Service;
use Test::Nginx qw/ http_end /;
use Test::Nginx::Raw;
use Time::HiRes qw/ sleep time /;

my $key = jwk('ES256', '--kid', 'a');
my $token = sign($key, '{"sub":"x","exp":"now+300"}');

my $t = Test::Nginx->new()
    ->has(qw/ http proxy cache rewrite stub_status --with-threads /);

configure($t, <<'EOF');
    proxy_cache_path %%TESTDIR%%/cache keys_zone=c:1m;
    aio threads;
    server {
        listen       127.0.0.1:8080;
        server_name  localhost;
        root         %%TESTDIR%%;
        auth_request /auth?$arg_id;

        location /plain       { try_files /page =404; }
        location /delayed     { auth_delay 600ms; try_files /page =404; }
        location /limited     { limit_rate 100k; try_files /page =404; }
        location /body        { auth_request_deny_body 1m; try_files /page =404; }
        location /cut         { auth_request_deny_body 100; try_files /page =404; }
        location /answer {
            auth_request_answer 1m;
            auth_request_set $sub $auth_answer_sub;
            add_header X-V $sub;
            try_files /page =404;
        }
        location /short       { auth_request_answer 100; try_files /page =404; }
        location /slow {
            auth_request_answer 1m;
            aio off;
            proxy_pass http://127.0.0.1:8082;
        }
        location /read        { auth_request /auth-read?$arg_id; try_files /page =404; }
        location /read-delayed {
            auth_request /auth-read?$arg_id;
            auth_delay 600ms;
            try_files /page =404;
        }
        location /file        { auth_request /auth-file; try_files /page =404; }
        location /file-body   { auth_request /auth-file; auth_request_deny_body 1m; }
        location /file-cut    { auth_request /auth-file; auth_request_deny_body 100k; }
        location /file-answer {
            auth_request /auth-json;
            auth_request_answer 1m;
            try_files /page =404;
        }
        location /file-short  { auth_request /auth-json; auth_request_answer 100k; }
        location /accel       { auth_request /auth-accel; try_files /page =404; }
        location /accel-body  { auth_request /auth-accel; auth_request_deny_body 1m; }
        location /accel-answer {
            auth_request /auth-accel-ok;
            auth_request_answer 1m;
            try_files /page =404;
        }

        location = /auth {
            internal;
            auth_request      off;
            aio_write         on;
            send_timeout      1s;
            proxy_cache       c;
            proxy_cache_key   $args;
            proxy_cache_valid any 1h;
            proxy_pass        http://127.0.0.1:8081;
        }
        location = /auth-read {
            internal;
            auth_request      off;
            proxy_cache       c;
            proxy_cache_key   $args;
            proxy_cache_valid any 1h;
            proxy_pass        http://127.0.0.1:8081;
        }
        location = /auth-file {
            internal;
            auth_request off;
            error_page   404 =403 /big;
            return       404;
        }
        location = /auth-json {
            internal;
            auth_request off;
            default_type application/json;
            alias        %%TESTDIR%%/json;
        }
        location = /auth-accel {
            internal;
            auth_request off;
            proxy_pass   http://127.0.0.1:8083;
        }
        location = /auth-accel-ok {
            internal;
            auth_request off;
            proxy_pass   http://127.0.0.1:8083/ok;
        }
        location = /big    { internal; auth_request off; }
        location = /status { auth_request off; stub_status; }

        location /keys/ {
            auth_request off;
            auth_jwt     "r";
            location /keys/file   { auth_jwt_key_request /keys-file; try_files /page =404; }
            location /keys/direct { auth_jwt_key_request /keys-direct; try_files /page =404; }
            location /keys/cached { auth_jwt_key_request /keys-cached; try_files /page =404; }
            location /keys/big    { auth_jwt_key_request /keys-big; try_files /page =404; }
        }
        location = /keys-file {
            internal;
            auth_request off;
            alias        %%TESTDIR%%/keys.json;
        }
        location = /keys-direct {
            internal;
            auth_request off;
            directio     1;
            alias        %%TESTDIR%%/keys.json;
        }
        location = /keys-cached {
            internal;
            auth_request      off;
            aio_write         on;
            proxy_cache       c;
            proxy_cache_key   keys;
            proxy_cache_valid any 1h;
            proxy_pass        http://127.0.0.1:8084/keys.json;
        }
        location = /keys-big {
            internal;
            auth_request off;
            error_page   404 =200 /huge;
            return       404;
        }
        location = /huge { internal; auth_request off; }
    }
    server {
        listen 127.0.0.1:8083;
        default_type application/json;
        location / {
            add_header X-Accel-Redirect /big always;
            return     403;
        }
        location = /ok {
            add_header X-Accel-Redirect /auth-json;
            return     200;
        }
    }
    server {
        listen 127.0.0.1:8084;
        root   %%TESTDIR%%;
    }
EOF

$t->write_file('page', 'x' x 150_000);
$t->write_file('big', 'y' x 200_000);
$t->write_file('huge', 'y' x 9_000_000);
$t->write_file('json', '{"sub":"s"}' . ' ' x 200_000);
$t->write_file('keys.json', jwks(public($key)) . ' ' x 100_000);

# The arguments are ID-STATUS-LENGTH-PIECES-FRAMING.

my $d = $t->testdir();
service($t, 8081, sub {
    my ($client, $head) = @_;
    my ($id, $code, $length, $pieces, $framing) = $head =~ /\?(\w+)-(\d+)-(\d+)-(\d+)-(\w+)/
        or return 0;
    append("$d/asked.$id", '.');
    my $body = '{"sub":"s"}' . ' ' x ($length - 11);
    print $client "HTTP/1.1 $code X\r\nContent-Type: application/json\r\n",
        $framing eq 'length' ? "Content-Length: $length\r\n\r\n" : "\r\n" or return 0;
    my $piece = $length / $pieces;
    for (0 .. $pieces - 1) {
        print $client substr $body, $_ * $piece, $piece or return 0;
        sleep 0.1 if $_ < $pieces - 1 or $framing eq 'late';
    }
    return 0;
});
service($t, 8082, sub {
    my ($client) = @_;
    sleep 2.5;
    print $client "HTTP/1.1 200 X\r\nContent-Length: 8000000\r\n\r\n", 'a' x 8_000_000;
    return 0;
});

my @requests;
my $id = 'a';
for my $location (qw/ plain delayed limited body cut answer short read read-delayed /) {
    for my $code (200, 401) {
        for my $length (400, 60_000) {
            for my $how (qw/ 1-length 1-late 2-length 4-close /) {
                push @requests, [$location, $code, $length, $id++ . "-$code-$length-$how"];
            }
        }
    }
}
push @requests, ['slow', 200, 400, "slow$_-200-400-$_-close"] for 2, 4;
my @files = qw/ file file-body file-cut file-answer file-short accel accel-body accel-answer /;
my @keys = qw/ file direct cached big /;
$t->plan(2 * @requests + 4 + @files + 1 + 1 + 3 + 2 * @keys + 1);

# What nginx's threads do takes them a while.

my $library = "$d/slow_threads.so";
my @cc = (qw/ cc -shared -fPIC -O1 -o /, $library, "$FindBin::Bin/data/slow_threads.c", '-ldl');
system(@cc) == 0 or BAIL_OUT('no C compiler: scripts/setup build');
{
    local $ENV{LD_PRELOAD} = join ' ', $library, $ENV{LD_PRELOAD} // ();
    run_quietly($t);
}

### a cache

for my $turn (qw/ first again /) {
    my %socket = map { $_->[3] => ask({ start => 1 }, "/$_->[0]?id=$_->[3]") } @requests;
    for (@requests) {
        my ($location, $code, $length, $args) = @$_;
        my $response = http_end($socket{$args}) // '';
        my $body = $code == 401 ? $location eq 'body' ? $length : undef
            : $location eq 'slow' ? 8_000_000 : 150_000;
        my $expected = $location eq 'short' && $code == 200 ? '500' : join ' ', $code, $body // ();
        my $got = status($response);
        $got .= ' ' . length body($response) if $expected =~ / /;
        $got .= ' ' . (header($response, 'X-V') // '') if $location eq 'answer' && $code == 200;
        $expected .= ' s' if $location eq 'answer' && $code == 200;
        is($got, $expected, "$location, $args, $turn");
    }
    is(connections_left(), 1, "no connection is left, $turn");
    my @asked = map { "$_->[0]:$_->[3]" }
        grep { my ($id) = $_->[3] =~ /^(\w+)/; asked($t, $id) != 1 } @requests;
    is(join(' ', @asked), '', "the cache was filled, $turn");
}

### files

my %socket = map { $_ => ask({ start => 1 }, "/$_") } @files;
my %expected = ('file-answer' => '200 150000', 'file-short' => 500,
    'file-body' => '403 200000', 'accel-answer' => '200 150000');
for (@files) {
    my $response = http_end($socket{$_}) // '';
    my $expected = $expected{$_} // 403;
    my $got = status($response) . ($expected =~ / / ? ' ' . length body($response) : '');
    is($got, $expected, $_);
}
is(connections_left(), 1, 'no connection is left, files');

### clients that leave

my @leaving;
for my $wait (map { $_ * 0.05 } 0 .. 8) {
    my @uris = map { "/$_" } @files;
    for my $location (qw/ plain body answer delayed /) {
        push @uris, map { "/$location?id=" . $id++ . "-$_-40000-2-close" } 200, 401;
    }
    push @leaving, map { [time + $wait, ask({ start => 1 }, $_)] } @uris;
}
for (sort { $a->[0] <=> $b->[0] } @leaving) {
    my $left = $_->[0] - time;
    sleep $left if $left > 0;
    close $_->[1];
}
is(connections_left(), 1, 'no connection is left, clients left');

### the next request on the connection

my $socket = connection();
for my $code (401, 200, 401) {
    my $response = exchange($socket, request('/plain?id=' . $id++ . "-$code-4000-2-close"));
    is(status($response), $code, "kept connection, $code");
}
close $socket;

### keys

for my $turn (qw/ first again /) {
    %socket = map { $_ => ask({ start => 1 }, "/keys/$_", bearer($token)) } @keys;
    is(status(http_end($socket{$_})), $_ eq 'big' ? 500 : 200, "keys, $_, $turn") for @keys;
}
is(connections_left(), 1, 'no connection is left, keys');
