#!/usr/bin/perl

# No request sees the token or the verdict of another: on one connection,
# pipelined, and in parallel over HTTP/2.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Http2;
use Jose;
use Test::Nginx::Raw;

my $t = Test::Nginx->new()->has(qw/ http http_v2 rewrite proxy /)->plan(12);

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
        @{[listen_http2($t)]}
        server_name  localhost;

        location /           { proxy_pass http://127.0.0.1:8081; }
        location /encrypted  { auth_jwt_type encrypted; proxy_pass http://127.0.0.1:8081; }
        location \@refused   { return 200 "\$jwt_claim_sub|\$jwt_status|\$jwt_payload"; }
        error_page       401 = \@refused;
        proxy_set_header X-Said "\$jwt_claim_sub|\$jwt_status|\$jwt_payload";
    }
EOF

# a slow application
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

### keepalive, after accepted and refused tokens

my $s = connection(8080);
my @steps = (
    [ '/file', $good, '200 <user|ok|1|>' ],
    [ '/file', undef, '401 <|missing|0|>' ],
    [ '/file', $forged, '401 <|bad_signature|0|>' ],
    [ '/file', $other, '200 <other|ok|1|>' ],
    [ '/encrypted', $encrypted, "404 <secret|ok|1|$claims>" ],
    [ '/encrypted', undef, '401 <|missing|0|>' ],
    [ '/encrypted', $good, '401 <|malformed|0|>' ],
    [ '/off', undef, '404 <|disabled|0|>' ],
    [ '/file', $good, '200 <user|ok|1|>' ],
    [ '/off', $forged, '404 <|disabled|0|>' ],
);
is(join("\n", map { seen(exchange($s, request($_->[0], bearer($_->[1])))) } @steps),
    join("\n", map { $_->[2] } @steps), 'keepalive, each request has its own verdict');

### pipelining

$s = connection(8080);
$s->print(join '', map { request($_->[0], bearer($_->[1])) } @steps);
is(join("\n", map { seen(read_response($s)) } @steps), join("\n", map { $_->[2] } @steps),
    'pipelined, each request has its own verdict');

### methods and bodies

$s = connection(8080);
is(seen(exchange($s, request({ method => 'HEAD' }, '/file', bearer($forged)))), '401 <|bad_signature|0|>',
    'HEAD, forged');
is(seen(exchange($s, request({ method => 'HEAD' }, '/file', bearer($good)))), '200 <user|ok|1|>',
    'HEAD');
my $smuggled = substr 'GET /file HTTP/1.1 ' x 9999, 0, 100_000;
is(seen(exchange($s, request({ method => 'POST', body => $smuggled }, '/file', bearer($forged)))),
    '401 <|bad_signature|0|>', 'POST, the body is read and dropped');
is(seen(exchange($s, request('/file', bearer($good)))), '200 <user|ok|1|>',
    'the next request after the POST');

$s = connection(8080);
my @expect = ('Content-Length: 10', 'Expect: 100-continue');
is(seen(exchange($s, request({ method => 'POST' }, '/file', bearer($forged), @expect))),
    '401 <|bad_signature|0|>', 'Expect: 100-continue, forged');

$s = connection(8080);
like(exchange($s, request({ method => 'POST' }, '/slow', bearer($good), @expect) . '0123456789'),
    qr/^HTTP\/1.1 100 .*^HTTP\/1.1 200 .*^X-V: <user\|ok\|1\|>/ms, 'Expect: 100-continue');

### many connections at once

my @tokens = map { sign($key, "{\"sub\":\"user$_\"}") } 0 .. 19;
$tokens[$_] = with_part($tokens[$_], 1, sub { s/user/root/ }) for 3, 7, 13;
my @sockets = map { my $open = connection(8080); $open->print(request('/slow', bearer($_))); $open } @tokens;
is(join("\n", map { seen(read_response($_)) } @sockets), join("\n", map {
    /^(?:3|7|13)$/ ? "401 <|bad_signature|0|>" : "200 <user$_|ok|1|>"
} 0 .. 19), 'twenty connections');

### HTTP/2: many on one connection

my (@streams, @expected);
for my $n (0 .. 39) {
    my $kind = (qw/ good forged encrypted none /)[$n % 4];
    my $token = $kind eq 'good' ? sign($key, "{\"sub\":\"user$n\"}")
        : $kind eq 'forged' ? with_part($good, 1, sub { s/user/root$n/ })
        : $kind eq 'encrypted' ? encrypt($aes, "{\"sub\":\"secret$n\"}") : undef;
    push @streams, http2_request(2 * $n + 1, $kind eq 'encrypted' ? '/encrypted' : '/x',
        defined $token ? (authorization => "Bearer $token") : ());
    push @expected, $kind eq 'good' ? "user$n|ok|" : $kind eq 'forged' ? "|bad_signature|"
        : $kind eq 'encrypted' ? "secret$n|ok|{\"sub\":\"secret$n\"}" : '|missing|';
}
$s = http2_connection();
my $start = time;
$s->print(@streams);
my %bodies = http2_bodies($s, 40);
is(join("\n", map { $bodies{2 * $_ + 1} // 'no body' } 0 .. 39), join("\n", @expected),
    'HTTP/2, forty streams on one connection');
cmp_ok(time - $start, '<', 4, 'HTTP/2, the streams are served in parallel');

is(scalar(started_workers($t)), 1, 'the worker did not end');

###############################################################################

# The status and what the variables held.
sub seen {
    my ($response) = @_;
    return join ' ', status($response), variables($response);
}
