#!/usr/bin/perl

# auth_request over HTTP/2: bodies, challenges, many streams at once, and those
# that the client resets during a check. Needs curl.

use warnings;
use strict;

use Test::More;

use Digest::MD5 qw/ md5_hex /;
use Time::HiRes qw/ sleep /;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Nginx::Raw;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/ http http_v2 proxy rewrite stub_status /)
    ->plan(39);

my $v2 = $t->has_version('1.25.1') ? '; http2 on' : ' http2';

$t->write_file_expand('nginx.conf', <<"EOF");
%%TEST_GLOBALS%%
daemon off;
events {
}
http {
    %%TEST_GLOBALS_HTTP%%
    client_body_buffer_size 1k;
    server {
        listen       127.0.0.1:8080;
        location / { stub_status; }
    }
    server {
        listen       127.0.0.1:8083$v2;
        server_name  localhost;
        auth_request_set \$saw \$upstream_http_x_saw;
        add_header   X-Saw \$saw always;
        location / {
            auth_request /auth;
            proxy_pass http://127.0.0.1:8082;
        }
        location /unbuffered {
            auth_request /auth;
            proxy_request_buffering off;
            proxy_http_version 1.1;
            proxy_pass http://127.0.0.1:8082;
        }
        location /variables {
            set \$before "[\$content_length]";
            auth_request /auth-variables;
            proxy_set_header X-Told "\$before [\$content_length]";
            proxy_pass http://127.0.0.1:8082;
        }
        location = /auth {
            proxy_pass http://127.0.0.1:8081/\$http_x_code;
        }
        location = /auth-variables {
            proxy_set_header X-Told "[\$content_length] [\$request_body]";
            proxy_pass http://127.0.0.1:8081/204;
        }
        location /slow {
            auth_request /auth-slow;
            proxy_pass http://127.0.0.1:8082;
        }
        location = /auth-slow {
            proxy_pass http://127.0.0.1:8081/slow\$http_x_code;
        }
    }
}
EOF

my $large = join '', map { "$_\n" } 1 .. 30_000;
$t->write_file('small', '0123456789');
$t->write_file('large', $large);
$t->write_file('empty', '');

my $d = $t->testdir();

service($t, 8081, sub {
    my ($client, $head, $body) = @_;
    my ($slow, $code) = $head =~ m{^GET /(slow)?(\d+)};
    my @told = ($head =~ /^(Content-Length|Transfer-Encoding):/mgi,
        $head =~ /^X-Told: (.*)\r/m, "[$body]");
    if ($slow) {
        open my $file, '>>', "$d/asked" or die "Can't open asked: $!\n";
        syswrite $file, '.';
        sleep 0.01 until -e "$d/go";
    }
    print $client "HTTP/1.1 $code X\r\nX-Saw: @told\r\n"
        . "WWW-Authenticate: One\r\nWWW-Authenticate: Two\r\n\r\nINVISIBLE";
    return 0;
});

service($t, 8082, sub {
    my ($client, $head, $body) = @_;
    my ($told) = $head =~ /^X-Told: (.*)\r/m;
    print $client "HTTP/1.1 200 X\r\n\r\n" . ($head =~ /^(\w+)/)[0] . ' '
        . ($told // '') . ' ' . length($body) . ' ' . md5_hex($body);
    return 0;
});

$t->run();

### statuses

like(curl('/', 204), qr/^HTTP\/2 200 \r\n.*GET  0 /s, 'allowed');
unlike(curl('/', 204), qr/INVISIBLE|www-authenticate/, 'allowed, no challenge');
like(curl('/', 403), qr/^HTTP\/2 403 /, 'refused with 403');
like(curl('/', 500), qr/^HTTP\/2 500 /, 'refused with 500');

my $answer = curl('/', 401);
like($answer, qr/^HTTP\/2 401 /, 'refused with 401');
is(join(' ', $answer =~ /^www-authenticate: (.*)\r/mgi), 'One Two',
    '401, challenges');
unlike($answer, qr/INVISIBLE/, '401, body');

### bodies

for my $uri ('/', '/unbuffered') {
    for my $name (qw/ small large empty /) {
        my $body = $t->read_file($name);
        my $expected = 'POST  ' . length($body) . ' ' . md5_hex($body);
        $answer = curl($uri, 204, '--data-binary', "\@$d/$name");
        is(body($answer), $expected, "$uri, $name");
        is(saw($answer), '[]', "$uri, $name, service");
        $answer = curl($uri, 204, '-X', 'POST', '-T', "- < $d/$name");
        is(body($answer), $expected, "$uri, $name, no length");
    }
}

# curl may lose an answer that comes while it still has something to send.

my $s = start();
$s->print(stream(1, '/', 401, 'open') . frame(0, 1, 1, '0123456789'));
is({ statuses($s, 1) }->{1}, 401, 'denied with a body');
$s->print(stream(3, '/', 401, 'open'));
is({ statuses($s, 1) }->{3}, 401, 'denied before the body is there');
$s->print(stream(5, '/', 204));
is({ statuses($s, 1) }->{5}, 200, 'next stream of the connection');

$answer = curl('/variables', 204, '--data-binary', "\@$d/small");
is(saw($answer), '[] [] []', 'variables, service');
is(body($answer), 'POST [10] [10] 10 ' . md5_hex('0123456789'), 'variables');

### streams

$s = start();
$s->print(join '', map { stream($_, '/slow', (204, 401, 403, 500)[$_ / 2 % 4]) }
    map { 2 * $_ + 1 } 0 .. 19);
is(wait_for($t, 20), 20, 'all streams are asked for');
$t->write_file('go', '');
my %status = statuses($s, 20);
is(join(' ', map { $status{2 * $_ + 1} // '-' } 0 .. 19),
    join(' ', (200, 401, 403, 500) x 5), 'each has its own answer');

unlink map { "$d/$_" } 'asked', 'go';
$s->print(join '', map { stream(2 * $_ + 1, '/slow', 204) } 20 .. 39);
is(wait_for($t, 20), 20, 'all streams are asked for again');
$s->print(join '', map { frame(3, 0, 4 * $_ + 1, pack 'N', 8) } 10 .. 19);
$s->print(stream(101, '/', 401));
is({ statuses($s, 1) }->{101}, 401, 'a stream after those that were reset');
$t->write_file('go', '');
%status = statuses($s, 10);
is(join(' ', map { $status{4 * $_ + 3} // '-' } 10 .. 19),
    join(' ', (200) x 10), 'those that were not reset');
is(join(' ', grep { $_ % 4 == 1 } keys %status), '', 'those that were');

unlink map { "$d/$_" } 'asked', 'go';
$s->print(join '', map { stream(2 * $_ + 1, '/slow', 204) } 60 .. 79);
is(wait_for($t, 20), 20, 'all streams are asked for once more');
undef $s;
is(idle(), 1, 'no connection stays');
$t->write_file('go', '');
like(curl('/', 204), qr/^HTTP\/2 200 /, 'the next one is served');

### helpers

sub curl {
    my ($uri, $code, @options) = @_;
    my $url = 'http://127.0.0.1:' . port(8083) . $uri;
    my $answer = `curl -s -S -i -m 8 --http2-prior-knowledge \\
        -H 'X-Code: $code' @options $url 2>&1`;
    Test::Nginx::log_in($answer);
    return $answer;
}

sub saw { $_[0] =~ /^x-saw: (.*)\r/mi ? $1 : undef }

sub body { $_[0] =~ /\r\n\r\n(.*)/s ? $1 : undef }

# A connection with its preface: no settings of our own.
sub start {
    my $s = connection(8083);
    $s->print("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" . frame(4, 0, 0, ''));
    return $s;
}

sub frame {
    my ($type, $flags, $stream, $payload) = @_;
    return pack('CnCCN', length($payload) >> 16, length($payload) & 0xffff,
        $type, $flags, $stream) . $payload;
}

# GET, of which there may be more to come: each header field as a literal that
# is not indexed.
sub stream {
    my ($id, $uri, $code, $open) = @_;
    my @fields = (':method', 'GET', ':scheme', 'http', ':path', $uri,
        ':authority', 'localhost', 'x-code', $code);
    return frame(1, $open ? 4 : 5, $id, join '', map {
        my ($name, $value) = splice @fields, 0, 2;
        pack 'CC/aC/a', 0, $name, $value;
    } 1 .. @fields / 2);
}

# The statuses of the next responses by stream; nginx does not compress them.
sub statuses {
    my ($s, $count) = @_;
    my %status;
    my %indexed = (0x88 => 200, 0x89 => 204, 0x8e => 500);

    local $SIG{ALRM} = sub { die "timeout\n" };
    eval {
        alarm(8);
        while (keys %status < $count and $s->read(my $head, 9)) {
            my ($high, $low, $type, undef, $id) = unpack 'CnCCN', $head;
            my $length = $high << 16 | $low;
            $s->read(my $payload, $length) if $length;
            next if $type != 1;

            # a change of the table's size may come first
            $payload =~ s/^\x20//;
            $status{$id} = $indexed{ord $payload}
                // ($payload =~ /^\x48\x03(\d+)/ ? $1 : unpack 'H8', $payload);
        }
    };
    alarm(0);
    return %status;
}

sub wait_for {
    my ($t, $count) = @_;
    my $asked = $t->testdir() . '/asked';
    for (1 .. 500) { last if (-s $asked || 0) >= $count; sleep 0.01; }
    return -s $asked || 0;
}

sub idle {
    my $active;
    for (1 .. 500) {
        ($active) = http_get('/') =~ /Active connections: (\d+)/;
        last if $active == 1;
        sleep 0.01;
    }
    return $active;
}
