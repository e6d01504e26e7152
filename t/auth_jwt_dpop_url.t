#!/usr/bin/perl

# The address that a DPoP proof is for: spellings of the same one, other ones, and requests that
# nginx and the check could take for requests to different addresses (row 61).

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Dpop;
use Http2;
use Jose;

my $t = Test::Nginx->new()->has(qw/ http http_v2 rewrite /)->plan(100);

my $key = jwk('ES256', '--kid', 'k');
$t->write_file('keys.json', jwks($key));

my $protected = <<'EOF';
        auth_jwt          "r";
        auth_jwt_key_file keys.json;
        auth_jwt_binding  dpop required;
        add_header        X-V "<$jwt_status|$uri>" always;
        location / { }
        location /fixed/ { auth_jwt_dpop_url https://api.example$request_uri; }
        location /host/ { auth_jwt_dpop_url http://$host$request_uri; }
EOF
configure($t, <<"EOF");
    server {
        listen 127.0.0.1:8080;
        @{[listen_http2($t)]}
$protected
    }
    server {
        listen 127.0.0.1:8081 default_server;
        return 421;
    }
    server {
        listen      127.0.0.1:8081;
        server_name api.example;
$protected
    }
EOF
$t->run();

my $client = jwk('ES256', '--no-alg');
my $token = sign($key, '{"sub":"alice","cnf":{"jkt":"' . thumbprint($client) . '"}}');

# What comes of a request with this target and Host line, and a proof for this address.
my $sent = sub {
    my ($target, $host, $htu, $port) = @_;
    my $proof = dpop_proof($client, $token, htu => "\"$htu\"");
    jwt_logged($t);
    my $response = ask({ version => '1.1', port => $port // 8080 }, $target, "Host: $host", "Authorization: DPoP $token",
        "DPoP: $proof");
    return dpop_outcome($t, $response);
};
my $refused = sub {
    my ($why, $uri) = @_;
    return "401 DPoP realm=\"r\", algs=\"A\", error=\"invalid_dpop_proof\" <binding|$uri> info DPoP proof: $why; "
        . 'alg "ES256", kid "k"';
};
my $other = sub { $refused->("htu is \"$_[0]\", and the request is for \"$_[1]\"", $_[2] // '/x') };

### spellings of the same address

my $allowed = '404 <ok|/x>';
is($sent->('/x', 'localhost', $_), $allowed, "the same: $_") for
    'http://localhost/x', 'HTTP://localhost/x', 'http://LocalHost/x', 'http://localhost:80/x', 'http://localhost:/x',
    'http://localhost:080/x', 'http://localhost/x?a=b', 'http://localhost/x#a', 'http://localhost/%78',
    'http://localhost/y/../x', 'http://localhost/./x', 'http://localhost/y/%2e%2E/x', 'http://localhost/../x';
is($sent->($_->[0], $_->[1], $_->[2]), "404 <ok|$_->[3]>", "the same: $_->[0] of $_->[1] and $_->[2]") for
    [ '/x?http://evil/', 'localhost', 'http://localhost/x', '/x' ],
    [ '/%78', 'LOCALHOST', 'http://localhost/x', '/x' ],
    [ '/a%2fb', 'localhost', 'http://localhost/a%2Fb', '/a/b' ],
    [ '/a%2Fb', 'localhost', 'http://localhost/a%2fb', '/a/b' ],
    [ '/%c3%a9', 'localhost', 'http://localhost/%C3%A9', "/\xc3\xa9" ],
    [ '/%7e', 'localhost', 'http://localhost/~', '/~' ],
    [ '/y/../x', 'localhost', 'http://localhost/x', '/x' ],
    [ '/x', 'localhost:8443', 'http://localhost:8443/x', '/x' ],
    [ '/x', 'localhost:80', 'http://localhost/x', '/x' ],
    [ '/x', '[::1]', 'http://[0:0:0:0:0:0:0:1]/x', '/x' ],
    [ '/x', '[2001:DB8::A]:80', 'http://[2001:db8:0::a]/x', '/x' ],
    [ '/x', '127.0.0.1', 'http://127.0.0.1/x', '/x' ],
    [ '/x', 'xn--bcher-kva.example', 'http://XN--bcher-kva.example/x', '/x' ],
    [ '/x', 'localhost.', 'http://localhost./x', '/x' ],
    [ 'http://localhost/x', 'localhost', 'http://localhost/x', '/x' ];

### other addresses

is($sent->('/x', 'localhost', $_), $other->($_, 'http://localhost/x'), "another: $_") for
    'https://localhost/x', 'https://localhost:80/x', 'http://localhost:443/x', 'http://localhost:8080/x', 'http://localhost./x',
    'http://localhost.evil/x', 'http://evil/x', 'http://evil/?http://localhost/x', 'http://evil#http://localhost/x',
    'http://localhost@evil/x', 'http://a@localhost/x', 'http://a:b@localhost/x', 'http://@localhost/x',
    'http://localhost/', 'http://localhost/x/', 'http://localhost//x', 'http://localhost/X', 'http://localhost/x/y',
    'http://localhost/x%2F', 'http://localhost/%58', 'http://localhost/%2578', 'http://localhost/x%00', 'http://localhost/x%3Fa',
    'http://localhost/%', 'http://localhost/%7', 'http://localhost/x;a', 'http://localhost/x%20', 'http://localhost/y//../x',
    'http://%6cocalhost/x', 'http://localhost:0/x', 'http://localhost:65616/x', 'http:/localhost/x', 'http:localhost/x',
    '//localhost/x', '/x', 'localhost/x', 'ftp://localhost/x', 'http://unix:/localhost:/x', ' http://localhost/x',
    'http://localhost/x ', 'http://localhost /x', 'http://127.0.0.1/x';
is($sent->('/x', $_->[0], $_->[1]), $other->($_->[2] // $_->[1], "http://$_->[0]/x"), "another: $_->[0] and $_->[1]") for
    [ 'localhost.', 'http://localhost/x' ],
    [ '127.0.0.1', 'http://127.1/x' ],
    [ '127.0.0.1', 'http://2130706433/x' ],
    [ '127.0.0.1', 'http://[::ffff:127.0.0.1]/x' ],
    [ '[::1]', 'http://[::2]/x' ],
    [ 'xn--bcher-kva.example', 'http://b\\u00fccher.example/x', 'http://b\\xc3\\xbccher.example/x' ];
is($sent->('/a%2Fb', 'localhost', 'http://localhost/a/b'), $other->('http://localhost/a/b', 'http://localhost/a%2Fb', '/a/b'),
    'another: an encoded slash is none');

### row 61: requests whose address is not what it seems

# nginx before 1.29.4 takes what is behind the host in a Host line, and an absolute request line outweighs it
my $is_strict = $t->has_version('1.29.4');
my $no_url = sub { $refused->("the address \"$_[0]\" of the request is no URL, see auth_jwt_dpop_url", '/x') };
my $bad_host = sub { $is_strict ? '400 <|/x>' : $no_url->(@_) };
my $two_hosts = sub { $refused->("the \"Host\" header line is \"$_[0]\", and the request is for the host \"$_[1]\"", '/x') };
is($sent->('/x', 'localhost?', 'http://localhost/'), $bad_host->('http://localhost?/x'), 'a query in Host');
is($sent->('/x', 'localhost#', 'http://localhost/'), $bad_host->('http://localhost#/x'), 'a fragment in Host');
is($sent->('/x', "a\@localhost", 'http://localhost/x'), $bad_host->('http://a@localhost/x'), 'a user in Host');
for my $host ('api.example:80?', 'api.example:80#', 'api.example:80?@', 'api.example:x') {
    is($sent->('/x', $host, 'http://api.example/', 8081), $is_strict ? '400 no variables' : $two_hosts->($host, 'api.example'),
        "Host: $host");
}
for my $host ('evil.example', 'api.example.evil', 'evil.example:80') {
    is($sent->('http://api.example/x', $host, "http://$host/x", 8081), $two_hosts->($host, 'api.example'),
        "an absolute request line, and Host: $host");
}
is($sent->('http://api.example/x', 'API.example.:80', 'http://api.example./x', 8081), $allowed,
    'an absolute request line with the same host');
is($sent->('/host/x', 'localhost?', 'http://localhost/') =~ s{/host}{}gr, $bad_host->('http://localhost?/x'),
    'a query in $host');

# nginx and the standard disagree about these paths
for my $case ([ '/a//../x', '/a/x', '/x' ], [ '/a%2Fy/../x', '/x', '/a/x' ], [ '/a%2fy/%2e%2e/x', '/x', '/a/x' ]) {
    my ($target, $standard, $nginx) = @$case;
    for my $path ($standard, $nginx, $target) {
        is($sent->($target, 'localhost', "http://localhost$path"), $no_url->("http://localhost$target") =~ s/\|\/x>/|$nginx>/r,
            "$target, and a proof for $path");
    }
}

### an address that is written in the configuration

is($sent->('/fixed/x', 'other.example', 'https://api.example/fixed/x'), '404 <ok|/fixed/x>', 'whatever Host says');
is($sent->('/fixed/x', 'other.example', 'http://other.example/fixed/x'),
    $other->('http://other.example/fixed/x', 'https://api.example/fixed/x', '/fixed/x'), 'not the address in Host');
