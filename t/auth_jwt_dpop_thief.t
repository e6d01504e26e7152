#!/usr/bin/perl

# A thief has the token of another client, and proofs that the client has made for other requests
# (row 61): over HTTP/1.1 and HTTP/2, where auth_jwt alone decides, and where `satisfy any` asks others
# as well. Needs curl.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Dpop;
use Http2;
use Jose;

my $t = Test::Nginx->new()->has(qw/ http http_v2 rewrite access /)->plan(158);

my $key = jwk('ES256', '--kid', 'k');
$t->write_file('keys.json', jwks($key));
configure($t, <<"EOF", 'worker_processes 2;');
    server {
        listen       127.0.0.1:8080 reuseport;
        @{[listen_http2($t)]}
        server_name  localhost;

        auth_jwt          "r";
        auth_jwt_key_file keys.json;
        auth_jwt_binding  dpop required;
        add_header        X-V "<\$jwt_status|\$jwt_claim_sub>" always;
        add_header        X-Pid \$pid always;

        location /x { }
        location /any { satisfy any; deny all; }
        location /preaccess { auth_jwt_phase preaccess; }
        location /allowed { satisfy any; allow all; }
        location /service { satisfy any; auth_request /yes; }
        location = /yes { internal; auth_jwt off; return 204; }
    }
EOF
$t->run();

my %client = map { $_ => jwk('ES256', '--no-alg') } qw/ a b /;
my %token = map { $_ => sign($key, '{"sub":"alice","cnf":{"jkt":"' . thumbprint($client{$_}) . '"}}') } qw/ a b /;

# How a request is sent: with a method, a path and header lines.
my %send = (
    'HTTP/1.1' => sub {
        my ($method, $uri, @lines) = @_;
        return ask({ method => $method, version => '1.1' }, $uri, @lines);
    },
    'HTTP/2' => sub {
        my ($method, $uri, @lines) = @_;
        return http2_curl($uri, "-X $method", map { "-H '$_'" } 'Host: localhost', @lines);
    },
);
my $outcome = sub {
    my ($version, @request) = @_;
    jwt_logged($t);
    return dpop_outcome($t, $send{$version}->(@request));
};

### each theft

my $proof = sub {
    my ($uri, %change) = @_;
    return 'DPoP: ' . dpop_proof($client{a}, $token{a}, htu => "\"http://localhost$uri\"", %change);
};
my $dpop = "Authorization: DPoP $token{a}";
my $bearer = "Authorization: Bearer $token{a}";
my $with = sub {
    my ($why, @change) = @_;
    return [ 'DPoP proof: ' . $why, 'invalid_dpop_proof', sub { ($dpop, $proof->($_[0], @change)) } ];
};
my $other_key = 'the token is bound to another key than that of the DPoP proof';
my $as_bearer = 'the token is bound to a key, and sent with the scheme "Bearer" instead of "DPoP"';
my $thief = sub { 'DPoP: ' . dpop_proof($client{b}, $_[1] // $token{a}, htu => "\"http://localhost$_[0]\"") };

# name, the log line, error=, the header lines for a GET of a path
my @thefts = (
    [ 'no proof', 'the token is bound to a key, and there is no "DPoP" header line', 'invalid_dpop_proof', sub { $dpop } ],
    [ 'as a bearer token', $as_bearer, 'invalid_token', sub { $bearer } ],
    [ 'as a bearer token, with a good proof', $as_bearer, 'invalid_token', sub { ($bearer, $proof->($_[0])) } ],
    [ 'a proof of another key', $other_key, 'invalid_token', sub { ($dpop, $thief->($_[0])) } ],
    [ 'the proof and token of the thief, and the token of the client in it', $other_key, 'invalid_token',
        sub { ($dpop, $thief->($_[0], $token{b})) } ],
    [ 'the key of the client in a proof of the thief', @{ $with->('bad signature', signer => $client{b}) } ],
    [ 'a proof for another method', @{ $with->('htm is "POST", which is not the method of the request', htm => '"POST"') } ],
    [ 'a proof for another address', @{ $with->('htu is "http://localhost/", and the request is for "URL"',
        htu => '"http://localhost/"') } ],
    [ 'a proof for another server', @{ $with->('htu is "https://evil.example/x", and the request is for "URL"',
        htu => '"https://evil.example/x"') } ],
    [ 'a proof for another token', 'DPoP proof: ath is not the SHA-256 of the token', 'invalid_dpop_proof',
        sub { ($dpop, 'DPoP: ' . dpop_proof($client{a}, $token{b}, htu => "\"http://localhost$_[0]\"")) } ],
    [ 'a proof for the token endpoint, without a token', @{ $with->('claim "ath" is not a string that is not empty',
        ath => undef) } ],
    [ 'a proof of the past', @{ $with->('iat I, now N, more than 60 seconds apart', iat => '"now-70"') } ],
    [ 'a proof of the future', @{ $with->('iat I, now N, more than 60 seconds apart', iat => '"now+70"') } ],
    [ 'two proofs', 'more than one "DPoP" header line', 'invalid_dpop_proof', sub { ($dpop, map { $proof->($_[0]) } 1, 2) } ],
    [ 'two proofs, and the second is that of the thief', 'more than one "DPoP" header line', 'invalid_dpop_proof',
        sub { ($dpop, $thief->($_[0]), lc($proof->($_[0]) =~ s/:.*//r) . substr $proof->($_[0]), 4) } ],
);
for my $version (sort keys %send) {
    for my $uri (qw{ /x /any /preaccess }) {
        for my $theft (@thefts) {
            my ($name, $why, $error, $lines) = @$theft;
            is($outcome->($version, 'GET', $uri, $lines->($uri)), "401 DPoP realm=\"r\", algs=\"A\", error=\"$error\" <binding|> "
                . 'info ' . $why =~ s/URL/http:\/\/localhost$uri/r . '; alg "ES256", kid "k"', "$version, $uri: $name");
        }
        my $line = $proof->($uri);
        is($outcome->($version, 'GET', $uri, $dpop, $line), '404 <ok|alice>', "$version, $uri: the client itself");
        is($outcome->($version, 'GET', $uri, $dpop, $line), '401 DPoP realm="r", algs="A", error="invalid_dpop_proof" <binding|> '
            . 'info DPoP proof: it was used before; alg "ES256", kid "k"', "$version, $uri: the same proof");
    }

    # who gets in without auth_jwt has no name
    for my $theft (@thefts[0, 1, 3, 7]) {
        my ($name, $why, undef, $lines) = @$theft;
        is($outcome->($version, 'GET', '/allowed', $lines->('/allowed')), '404 <|>', "$version, allowed by another module: $name");
        is($outcome->($version, 'GET', '/service', $lines->('/service')), '404 <binding|> info '
            . $why =~ s/URL/http:\/\/localhost\/service/r . '; alg "ES256", kid "k"', "$version, allowed by a service: $name");
    }

    # the method, the other way round
    my $line = $proof->('/x');
    is($outcome->($version, 'DELETE', '/x', $dpop, $line), '401 DPoP realm="r", algs="A", error="invalid_dpop_proof" <binding|> '
        . 'info DPoP proof: htm is "GET", which is not the method of the request; alg "ES256", kid "k"',
        "$version: a DELETE with a proof for GET");
    is($outcome->($version, 'GET', '/x', $dpop, $line), '404 <ok|alice>', "$version: who is refused has not used the proof");
    is($outcome->($version, 'GET', '/any', $dpop, $line), '401 DPoP realm="r", algs="A", error="invalid_dpop_proof" <binding|> '
        . 'info DPoP proof: htu is "http://localhost/x", and the request is for "http://localhost/any"; alg "ES256", kid "k"',
        "$version: a used proof for another address");
}

### replay on the other worker

# with reuseport connections are spread over the workers
for my $version (sort keys %send) {
    my $line = $proof->('/x');
    my %pids = (header($send{$version}->('GET', '/x', $dpop, $line), 'X-Pid') => 1);
    my %statuses;
    wait_until(sub {
        my $response = $send{'HTTP/1.1'}->('GET', '/x', $dpop, $line);
        $pids{header($response, 'X-Pid')} = $statuses{status($response)} = 1;
        return keys %pids == 2;
    });
    is(join(' ', sort keys %pids), join(' ', sort(workers($t))), "$version: both workers were asked");
    is(join(' ', keys %statuses), '401', "$version: and each refuses a proof that another one has seen");
}

### in parallel, one of two passes, never both

my $counts = sub {
    my (@statuses) = @_;
    my %count;
    $count{$_}++ for @statuses;
    return join ' ', map { "$_: $count{$_}" } sort keys %count;
};
for my $uri (qw{ /x /any /preaccess }) {
    for my $round (1 .. 5) {
        my $line = $proof->($uri);
        my @sockets = map { ask({ start => 1 }, $uri, $dpop, $line) } 1, 2;
        is($counts->(map { my $s = $_; status(do { local $/; <$s> }) } @sockets), '401: 1 404: 1',
            "two connections at once, $uri, round $round");

        my $s = http2_connection();
        my @lines = (authorization => "DPoP $token{a}", dpop => $proof->($uri) =~ s/^DPoP: //r);
        $s->print(join '', map { http2_request($_, $uri, @lines) } 1, 3);
        my %status = http2_statuses($s, 2);
        is($counts->(values %status), '401: 1 404: 1', "two streams at once, $uri, round $round");
    }
}
