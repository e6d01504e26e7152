#!/usr/bin/perl

# No request sees another one's token or judgement: on one connection, in one
# packet, and side by side over HTTP/2.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Nginx::Raw;
use AuthJwt;
use Jose;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/ http http_v2 rewrite proxy /)->plan(12);

my $v2 = $t->has_version('1.25.1') ? '; http2 on' : ' http2';

my $key = jwk('HS256', '--kid', 'a');
my $aes = jwk('A128KW', '--kid', 'b');
$t->write_file('keys.json', jwks($key, $aes));
$t->write_file('file', 'content');

configure($t, <<"EOF");
    auth_jwt          "r";
    auth_jwt_key_file keys.json;
    add_header        X-V "<\$jwt_claim_sub|\$jwt_status|\$jwt_verified|\$jwt_payload>" always;

    server {
        listen       127.0.0.1:8080;
        server_name  localhost;

        location /           { }
        location /encrypted  { auth_jwt_type encrypted; }
        location /off        { auth_jwt off; }
        location /slow       { proxy_pass http://127.0.0.1:8081; }
    }
    server {
        listen       127.0.0.1:8082$v2;
        server_name  localhost;

        location /           { proxy_pass http://127.0.0.1:8081; }
        location /encrypted  { auth_jwt_type encrypted; proxy_pass http://127.0.0.1:8081; }
        location \@refused   { return 200 "\$jwt_claim_sub|\$jwt_status|\$jwt_payload"; }
        error_page       401 = \@refused;
        proxy_set_header X-Said "\$jwt_claim_sub|\$jwt_status|\$jwt_payload";
    }
EOF

# an application that takes its time
service($t, 8081, sub {
    my ($client, $head) = @_;
    my ($body) = $head =~ /^X-Said: ([^\r\n]*)/m;
    $body //= '';
    select undef, undef, undef, 0.2;
    print $client "HTTP/1.0 200 OK\r\nContent-Length: " . length($body) . "\r\n\r\n$body";
    return 0;
});

$t->run();

my $good = sign($key, '{"sub":"user"}');
my $forged = with_part($good, 1, sub { s/user/root/ });
my $other = sign($key, '{"sub":"other"}');
my $claims = '{"sub":"secret"}';
my $encrypted = encrypt($aes, $claims);

### keepalive, refused or not

my $s = connection(8080);
my @steps = (
    [ '/file', $good, '200 <user|ok|1|>' ],
    [ '/file', undef, '401 <|missing|0|>' ],
    [ '/file', $forged, '401 <root|bad_signature|0|>' ],
    [ '/file', $other, '200 <other|ok|1|>' ],
    [ '/encrypted', $encrypted, "404 <secret|ok|1|$claims>" ],
    [ '/encrypted', undef, '401 <|missing|0|>' ],
    [ '/encrypted', $good, '401 <|malformed|0|>' ],
    [ '/off', undef, '404 <|disabled|0|>' ],
    [ '/file', $good, '200 <user|ok|1|>' ],
    [ '/off', $forged, '404 <root|disabled|0|>' ],
);
is(join("\n", map { seen(exchange($s, request($_->[0], $_->[1]))) } @steps),
    join("\n", map { $_->[2] } @steps), 'one after the other');

### pipelining

$s = connection(8080);
$s->print(join '', map { request($_->[0], $_->[1]) } @steps);
is(join("\n", map { seen(read_response($s)) } @steps), join("\n", map { $_->[2] } @steps),
    'all at once');

### the rest of issue 4, point 5

$s = connection(8080);
is(seen(exchange($s, request('/file', $forged) =~ s/^GET/HEAD/r)), '401 <root|bad_signature|0|>',
    'HEAD, forged');
is(seen(exchange($s, request('/file', $good) =~ s/^GET/HEAD/r)), '200 <user|ok|1|>', 'HEAD');
my $post = "Content-Length: 100000\r\n";
is(seen(exchange($s, request('/file', $forged, $post) =~ s/^GET/POST/r
    . substr 'GET /file HTTP/1.1 ' x 9999, 0, 100_000)), '401 <root|bad_signature|0|>', 'POST, the body is read and dropped');
is(seen(exchange($s, request('/file', $good))), '200 <user|ok|1|>', 'after it');

$s = connection(8080);
my $expecting = request('/file', $forged, "Content-Length: 10\r\nExpect: 100-continue\r\n");
is(seen(exchange($s, $expecting =~ s/^GET/POST/r)), '401 <root|bad_signature|0|>',
    'Expect: 100-continue, forged');

$s = connection(8080);
$expecting = request('/slow', $good, "Content-Length: 10\r\nExpect: 100-continue\r\n");
like(exchange($s, $expecting =~ s/^GET/POST/r . '0123456789'),
    qr/^HTTP\/1.1 100 .*^HTTP\/1.1 200 .*^X-V: <user\|ok\|1\|>/ms, 'Expect: 100-continue');

### many at a time

my @tokens = map { sign($key, "{\"sub\":\"user$_\"}") } 0 .. 19;
$tokens[$_] = with_part($tokens[$_], 1, sub { s/user/root/ }) for 3, 7, 13;
my @sockets = map { my $open = connection(8080); $open->print(request('/slow', $_)); $open } @tokens;
is(join("\n", map { seen(read_response($_)) } @sockets), join("\n", map {
    /^(?:3|7|13)$/ ? "401 <root$_|bad_signature|0|>" : "200 <user$_|ok|1|>"
} 0 .. 19), 'twenty connections');

### HTTP/2: many on one connection

my (@streams, @expected);
for my $n (0 .. 39) {
    my $kind = (qw/ good forged encrypted none /)[$n % 4];
    my $token = $kind eq 'good' ? sign($key, "{\"sub\":\"user$n\"}")
        : $kind eq 'forged' ? with_part($good, 1, sub { s/user/root$n/ })
        : $kind eq 'encrypted' ? encrypt($aes, "{\"sub\":\"secret$n\"}") : undef;
    push @streams, stream(2 * $n + 1, $kind eq 'encrypted' ? '/encrypted' : '/x', $token);
    push @expected, $kind eq 'good' ? "user$n|ok|" : $kind eq 'forged' ? "root$n|bad_signature|"
        : $kind eq 'encrypted' ? "secret$n|ok|{\"sub\":\"secret$n\"}" : '|missing|';
}
$s = connection(8082);
my $start = time;
$s->print("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", frame(4, 0, 0, ''), @streams);
my @bodies = bodies($s, 40);
is(join("\n", @bodies), join("\n", @expected), 'HTTP/2, forty streams on one connection');
cmp_ok(time - $start, '<', 4, 'side by side');

is(scalar(workers($t)), 1, 'one worker to the end');

###############################################################################

sub request {
    my ($uri, $token, $lines) = @_;
    my $authorization = defined $token ? "Authorization: Bearer $token\r\n" : '';
    return "GET $uri HTTP/1.1\r\nHost: localhost\r\n$authorization" . ($lines // '') . "\r\n";
}

sub frame {
    my ($type, $flags, $stream, $payload) = @_;
    return pack('CnCCN', length($payload) >> 16, length($payload) & 0xffff, $type, $flags,
        $stream) . $payload;
}

# GET: each header field as a literal that is not indexed (RFC 7541).
sub stream {
    my ($id, $uri, $token) = @_;
    my @fields = (':method', 'GET', ':scheme', 'http', ':path', $uri, ':authority', 'localhost',
        defined $token ? (authorization => "Bearer $token") : ());
    my $block = '';
    while (my ($name, $value) = splice @fields, 0, 2) {
        $block .= join '', "\0", map { text($_) } $name, $value;
    }
    return frame(1, 5, $id, $block);
}

sub text {
    my ($text) = @_;
    my $length = length $text;
    return chr($length) . $text if $length < 127;
    my $prefix = chr 127;
    for ($length -= 127; $length > 127; $length >>= 7) {
        $prefix .= chr($length & 127 | 128);
    }
    return $prefix . chr($length) . $text;
}

# The bodies of that many responses in the order of their streams.
sub bodies {
    my ($s, $count) = @_;
    my (%body, %ended);
    while (keys %ended < $count) {
        last if ($s->read(my $head, 9) // 0) < 9;
        my ($high, $low, $type, $flags, $stream) = unpack 'CnCCN', $head;
        my $length = $high << 16 | $low;
        my $payload = '';
        $s->read($payload, $length) if $length;
        $body{$stream} .= $payload if $type == 0;
        $ended{$stream} = 1 if $type < 2 and $flags & 1;
    }
    return map { $body{2 * $_ + 1} // 'no body' } 0 .. $count - 1;
}

# The status and what the variables held.
sub seen {
    my ($response) = @_;
    my ($status) = $response =~ m!^HTTP/1.1 (\d+)!;
    my ($values) = $response =~ /^X-V: ([^\r\n]*)\r$/m;
    return join ' ', $status // 'no answer', $values // 'no variables';
}

###############################################################################
