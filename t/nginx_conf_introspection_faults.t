#!/usr/bin/perl

# nginx-conf/introspection.conf and introspection-mixed.conf with an authorization server that fails in
# every way: what the client gets, and what the log says about it. A failure never lets a request in, and
# never looks like the client's own fault.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthRequest;
use ForwardAuth;
use Jose;
use Test::Nginx::Raw;

my $t = Test::Nginx->new()->has(qw/ http proxy map rewrite /)->plan(165);

my $good = '"sub":"bob","client_id":"app","scope":"orders.read","aud":"https://api.example.com"';
my $json = "{\"active\":true,$good}";
my $ok = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
my $with = sub { return $ok . 'Content-Length: ' . length($_[0]) . "\r\n\r\n$_[0]" };
my $long = length($json) + 100;
my $status = sub { return "HTTP/1.1 $_[0] X\r\nWWW-Authenticate: Basic realm=\"as\"\r\nContent-Type: application/json\r\n"
    . 'Content-Length: ' . length($json) . "\r\n\r\n$json" };

# a token, what the authorization server sends in response before it closes the connection, and what
# the log says behind "auth request unexpected status: "; the client gets 503
my $truncated = '200 from URI: the body was truncated';
my $not_announced = '200 from URI: the body is not announced as plain JSON (Content-Type, charset, Content-Encoding)';
my $no_body = 'from URI: the response has no body, and auth_request_answer requires one';
my $invalid = '502 from URI: invalid response from the service';
my $neither = 'from URI: neither allows nor denies';
my @FAULTS = (
    ['closes', '', '502 from URI: no response from the service'],
    ['half a header', "HTTP/1.1 200 OK\r\nContent-Type: appl", $invalid],
    ['a huge header', "${ok}X: " . 'x' x 100_000 . "\r\n\r\n", $invalid],
    ['no HTTP', "\x15\x03\x01\x00\x02\x02\x28", "0 $neither"],
    ['half a body', "${ok}Content-Length: $long\r\n\r\n$json", $truncated],
    ['half a chunk', sprintf("${ok}Transfer-Encoding: chunked\r\n\r\n%x\r\n$json", $long), $truncated],
    ['no last chunk', sprintf("${ok}Transfer-Encoding: chunked\r\n\r\n%x\r\n$json\r\n", length $json), $truncated],
    ['no body', "${ok}Content-Length: 0\r\n\r\n", "200 $no_body"],
    ['204', "HTTP/1.1 204 No Content\r\n\r\n", "204 $no_body"],
    ['gzip', "${ok}Content-Encoding: gzip\r\nContent-Length: " . length($json) . "\r\n\r\n$json", $not_announced],
    ['HTML', "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>", $not_announced],
    ['garbage', $with->('active'), '200 from URI: the body is not JSON at byte 0'],
    ['no object', $with->("[$json]"), '200 from URI: the body is no JSON object'],
    ['cut JSON', $with->(substr $json, 0, -1), '200 from URI: the body is not JSON at byte ' . (length($json) - 1)],
    ['active twice', $with->("{\"active\":false,\"active\":true,$good}"), '200 from URI: the body has a name twice in one object'],
    ['aud twice', $with->("{\"active\":true,$good,\"aud\":\"x\"}"), '200 from URI: the body has a name twice in one object'],
    ['a huge body', $with->("{\"active\":true,\"x\":\"" . 'x' x 100_000 . "\",$good}"),
        '200 from URI: the body is larger than auth_request_answer'],
    map({ [ "status $_", $status->($_), "$_ from URI: " . undecided($_) ] } 302, 400, 404, 429, 500, 503),
    # it refuses this API, and not the client
    map({ [ "status $_", $status->($_), "500 $neither, in place of status $_ of the service" ] } 401, 403),
);

# what the authorization server says of a token, the status, what the application learns of the user, and how
# often the server is asked by two requests
my $past = time - 3600;
my @ANSWERS = (
    ['active', '', '200 bob', 1],
    ['exp in the past', ",\"exp\":$past", '200 bob', 2],
    ['exp 0', ',"exp":0', '200 bob', 2],
    ['exp -1', ',"exp":-1', '200 bob', 2],
    ['exp far away', ',"exp":99999999999999999999', '200 bob', 1],
    ['exp 1e400', ',"exp":1e400', '200 bob', 2],
    ['exp with a fraction', ',"exp":' . (time + 3600) . '.5', '200 bob', 1],
    ['exp in the past with a fraction', ",\"exp\":$past.5", '200 bob', 2],
    ['exp text', ',"exp":"' . (time + 3600) . '"', '200 bob', 1],
    ['exp words', ',"exp":"tomorrow"', '200 bob', 2],
    ['exp null', ',"exp":null', '200 bob', 1],
    ['exp true', ',"exp":true', '200 bob', 2],
    ['exp object', ',"exp":{}', '200 bob', 2],
);

# it sends this, and nothing more, until nginx has waited for three seconds
my @SILENT = (
    ['silent from the beginning', '', '504 from URI: the service did not respond in time'],
    ['silent behind half a header', "HTTP/1.1 200 OK\r\nContent-Type: appl", '504 from URI: the service did not respond in time'],
    ['silent behind the header', "${ok}Content-Length: $long\r\n\r\n", $truncated],
    ['silent behind half a body', "${ok}Content-Length: $long\r\n\r\n$json", $truncated],
);
my %said = map { $_->[0] =~ s/ /-/gr => $_->[1] } @FAULTS, @SILENT;
$said{$_->[0] =~ s/ /-/gr} = $with->("{\"active\":true,$good$_->[1]}") for @ANSWERS;

my @pairs = ('127.0.0.1:9000' => '127.0.0.1:8090', 'https://id.example.com/introspect' => 'http://127.0.0.1:8091/introspect');
use_conf($t, 'introspection.conf', 'listen 8080' => 'listen 127.0.0.1:8080', @pairs);
use_conf($t, 'introspection-mixed.conf', 'listen 8080' => 'listen 127.0.0.1:8081', @pairs);
# both in one nginx, whose names must then differ
my $mixed = $t->read_file('introspection-mixed.conf');
$mixed =~ s/\$(introspection|token_is_good|token_may_read|keep_until|challenge|is_good|may_read|bearer_token)\b/\$mixed_$1/g;
$mixed =~ s/<bearer_token>/<mixed_bearer_token>/;
$mixed =~ s/introspection:10m/mixed:10m/;
$mixed =~ s/(auth_request_cache +)introspection/$1mixed/;
$t->write_file('introspection-mixed.conf', $mixed);
$t->write_file('keys.json', public(jwk('ES256')));
$t->write_file('introspection-client.conf', "proxy_set_header Authorization \"Basic YXBpOnNlY3JldA==\";\n");
configure($t, "    include introspection.conf;\n    include introspection-mixed.conf;\n");
service($t, 8091, sub {
    my ($client, $head, $body) = @_;
    my ($token) = $body =~ /^token=([^&]*)&/ or return 0;
    $token =~ s/%([0-9A-F]{2})/chr hex $1/ge;
    append($t->testdir() . '/asked', "$token\n");
    print $client $said{$token};
    sleep 20 if $token =~ /^silent/;
    return 0;
});
application($t, 8090);
run_quietly($t);

for my $port (8080, 8081) {
    my $name = $port == 8080 ? 'introspection' : 'mixed';
    for my $fault (@FAULTS) {
        my ($token, undef, $why) = @$fault;
        logged($t);
        my $r = ask({ port => $port }, '/a', bearer($token =~ s/ /-/gr));
        is(join(' ', status($r), headers($r, 'WWW-Authenticate')), '503', "$name: $token");
        my $uri = $port == 8080 ? '"$introspection"' : '"$mixed_introspection"';
        is(logged($t, qr/auth request/), "error auth request unexpected status: $why" =~ s/URI/$uri/r, "$name: $token, log");
    }
    for my $answer (@ANSWERS) {
        my ($token, undef, $outcome, $asked) = @$answer;
        $t->write_file('asked', '');
        my @got = map {
            my $r = ask({ port => $port }, '/a', bearer($token =~ s/ /-/gr));
            join ' ', status($r), header_values(got($r), 'x-user');
        } 1, 2;
        is("@got", "$outcome $outcome", "$name: $token");
        is(scalar(split /\n/, $t->read_file('asked')), $asked, "$name: $token, the authorization server was asked");
    }
}

### an authorization server that is silent: all requests wait at once

logged($t);
for my $silent (@SILENT) {
    my ($token) = @$silent;
    push @$silent, map { [ $_, ask({ port => $_, start => 1 }, '/a', bearer($token =~ s/ /-/gr)) ] } 8080, 8081;
}
my @expected;
for my $silent (@SILENT) {
    my ($token, undef, $why, @waiting) = @$silent;
    for (@waiting) {
        my ($port, $socket) = @$_;
        my $name = $port == 8080 ? 'introspection' : 'mixed';
        my $response = do { local $/; <$socket> };
        is(join(' ', status($response), headers($response, 'WWW-Authenticate')), '503', "$name: $token");
        my $uri = $port == 8080 ? '"$introspection"' : '"$mixed_introspection"';
        push @expected, "error auth request unexpected status: $why" =~ s/URI/$uri/r;
    }
}
is_deeply([ sort split /\n/, logged($t, qr/auth request/) ], [ sort @expected ], 'a silent authorization server, log');

### an authorization server that is not there

$t->stop_daemons();
for my $port (8080, 8081) {
    my $uri = $port == 8080 ? '"$introspection"' : '"$mixed_introspection"';
    is(status(ask({ port => $port }, '/a', bearer('nobody'))), '503', "no authorization server, $uri");
    is(logged($t, qr/auth request/), "error auth request unexpected status: 502 from $uri: no connection to the service",
        "no authorization server, $uri, log");
}
