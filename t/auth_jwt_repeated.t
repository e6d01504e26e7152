#!/usr/bin/perl

# Tokens that come again and again: what the worker remembers of them - rules that
# they have met, and values of header lines - is what it would find out anew.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Jose;
use Test::Nginx::Raw;

my $t = Test::Nginx->new()->has(qw/ http proxy rewrite map /)->plan(68);

my $key = jwk('HS256', '--kid', 'a');
my $aes = jwk('A128KW', '--kid', 'b');
$t->write_file('keys.json', jwks($key, $aes));

my $rules = join '', map { "location /rule$_ { auth_jwt_require_claim n in json=[$_,9]; }\n" } 1 .. 6;

configure($t, <<"EOF");
    auth_jwt_key_file keys.json;
    auth_jwt_key_cache 1h;
    auth_jwt_require_claim iss eq https://id.example;
    server {
        listen       127.0.0.1:8080;
        server_name  localhost;
        root         %%TESTDIR%%;
        auth_jwt     "r";
        error_page 404 =204 \@ok;
        location \@ok { return 204; }
        location /inherits { }
        location /alice    { auth_jwt_require_claim sub eq alice; auth_jwt_require_scope read; }
        location /bob      { auth_jwt_require_claim sub eq bob; auth_jwt_require_scope read; }
        location /write    { auth_jwt_require_scope write; }
        location /rs       { auth_jwt_algorithms RS256; }
        location /hs       { auth_jwt_algorithms HS256; }
        location /header   { auth_jwt_require_header kid eq a; }
        location /other    { auth_jwt_require_header kid eq b; }
        location /variable { auth_jwt_require_claim sub eq \$arg_u; }
        location /mixed    { auth_jwt_require_claim sub eq alice; auth_jwt_require_claim sub eq \$arg_u; }
        location /pattern  { auth_jwt_require_claim sub match \$arg_u; }
        location /revoked  { auth_jwt_revocation_list_sub revoked.json; auth_jwt_require_claim iss exists; }
        location /age      { auth_jwt_max_age 1h; }
        location /age/both { auth_jwt_max_age 1h; auth_jwt_require_claim sub eq alice; }
        $rules

        location /one  { auth_jwt_upstream_header X-User sub; proxy_pass http://127.0.0.1:8081; }
        location /two  { auth_jwt_upstream_header X-Name sub; auth_jwt_upstream_header X-User name;
                         proxy_pass http://127.0.0.1:8081;
            location /two/off { auth_jwt_upstream_header off; proxy_pass http://127.0.0.1:8081; }
            location /two/inherits { proxy_pass http://127.0.0.1:8081; }
        }
        location /made { auth_jwt_upstream_header X-User sub; auth_jwt_upstream_header X-Roles roles;
                         auth_jwt_upstream_header X-All roles as=json; auth_jwt_upstream_header X-Line roles as=lines;
                         proxy_pass http://127.0.0.1:8081; }
        location /encrypted { auth_jwt_type encrypted; auth_jwt_upstream_header X-User sub;
                              proxy_pass http://127.0.0.1:8081; }
    }
    server {
        listen       127.0.0.1:8082;
        server_name  localhost;
        location / { auth_jwt "r"; auth_jwt_require_claim n exists; }
        error_page 404 =204 \@ok;
        location \@ok { return 204; }
    }
EOF

service($t, 8081, sub {
    my ($client, $head) = @_;
    print $client "HTTP/1.1 200 OK\r\nContent-Length: " . length($head) . "\r\n\r\n$head";
    return 0;
});
$t->write_file('revoked.json', '{"nobody":1}');
$t->run();

my $common = '"iss":"https://id.example","scope":"read"';
my $alice = sign($key, "{$common,\"sub\":\"alice\",\"name\":\"Alice\",\"n\":9}");
my $bob = sign($key, "{$common,\"sub\":\"bob\",\"name\":\"Bob\",\"n\":2}");
my $foreign = sign($key, '{"iss":"https://other.example","sub":"alice","scope":"read"}');
my $forged = sign(jwk('HS256', '--kid', 'a'), "{$common,\"sub\":\"alice\",\"name\":\"Alice\",\"n\":9}");

### rules

is(statuses($_, $alice, 3), '204 204 204', "$_, met") for qw{ /inherits /alice /hs /header };
is(statuses($_, $alice, 3), '401 401 401', "$_, not met") for qw{ /bob /rs /other };
is(statuses('/write', $alice, 3), '403 403 403', 'a scope that is missing');
is(statuses('/alice', $bob, 3), '401 401 401', 'another token');
is(statuses('/bob', $bob, 3), '204 204 204', 'another token, its rules');
is(statuses('/alice', $alice, 2), '204 204', 'the first one again');
is(statuses('/inherits', $foreign, 3), '401 401 401', 'rules of the outer level');
is(statuses('/alice', $foreign, 3), '204 204 204', 'an inner level replaces them');
is(statuses('/alice', $forged, 3), '401 401 401', 'the same claims with another signature');

for my $round (1, 2) {
    is(join(' ', map { status(get("/rule$_", $alice)) } 1 .. 6), '204 204 204 204 204 204', "many sets of rules, $round");
    is(join(' ', map { status(get("/rule$_", $bob)) } 1 .. 6), '401 204 401 401 401 401', "another token, $round");
}
is(status(ask({ port => 8082 }, '/x', bearer($_->[0]))), $_->[1], "another server, $_->[1]")
    for [$alice, 204], [$alice, 204], [$foreign, 401], [$foreign, 401];

### what depends on the request or on the time

for my $uri (qw{ /variable /mixed /pattern }) {
    is(join(' ', map { status(get("$uri?u=$_", $alice)) } qw/ alice bob alice alice bob /), '204 401 204 204 401',
        "a variable, $uri");
}
is(statuses('/revoked', $alice, 3), '204 204 204', 'a list of revoked names');
replace_file($t, 'revoked.json', '{"nobody":1,"alice":1}');
is(statuses('/revoked', $alice, 3), '401 401 401', 'a name that was revoked meanwhile');
is(statuses('/revoked', $bob, 3), '204 204 204', 'another name');
replace_file($t, 'revoked.json', '{"bob":1}');
is(statuses('/revoked', $alice, 3), '204 204 204', 'a name that is not revoked any more');
is(statuses('/revoked', $bob, 3), '401 401 401', 'another one that is');
is(statuses($_, $alice, 2), '401 401', "no iat, $_") for qw{ /age /age/both };
my $old = sign($key, "{$common,\"sub\":\"alice\",\"iat\":1}");
is(statuses('/alice', $old, 3), '204 204 204', 'an old token');
is(statuses('/age/both', $old, 3), '401 401 401', 'an old token where its age counts');
my $new = sign($key, "{$common,\"sub\":\"alice\",\"iat\":\"now-10\"}");
is(statuses('/age/both', $new, 3), '204 204 204', 'a new one');

### header lines

for my $round (1, 2, 3) {
    is(lines(get('/one', $alice)), 'X-User: alice', "one header, $round");
    is(lines(get('/two', $alice)), 'X-Name: alice X-User: Alice', "two headers, $round");
    is(lines(get('/two', $bob)), 'X-Name: bob X-User: Bob', "two headers, another token, $round");
    is(lines(get('/two/off', $alice, 'X-User: root')), '', "off, $round");
    is(lines(get('/two/inherits', $alice)), 'X-Name: alice X-User: Alice', "inherited, $round");
    is(lines(get('/one', $old)), 'X-User: alice', "one claim, $round");
    is(lines(get('/two', $old)), 'X-Name: alice', "one claim of two, $round");
}
my $made = sign($key, "{$common,\"sub\":\"\\u0061lice\",\"roles\":[\"a\",\"b\"]}");
my $unfit = sign($key, "{$common,\"sub\":\"alice\",\"roles\":[\"a,b\"]}");
my $encrypted = encrypt($aes, "{$common,\"sub\":\"alice\"}");
for my $round (1, 2, 3) {
    is(lines(get('/made', $made)), 'X-User: alice X-Roles: a,b X-All: ["a","b"] X-Line: a X-Line: b',
        "values that are made, $round");
    jwt_logged($t);
    is(lines(get('/made', $unfit)), 'X-User: alice X-All: ["a,b"] X-Line: a,b', "a claim that is left out, $round");
    is(jwt_logged($t), 'warn header "X-Roles" is left out for the upstream: an element of the claim has a comma: '
        . 'write "as=lines" or "as=json"', "its line in the log, $round");
    is(lines(get('/encrypted', $encrypted)), 'X-User: alice', "an encrypted token, $round");
}

### helpers

sub statuses {
    my ($uri, $token, $times) = @_;
    return join ' ', map { status(get($uri, $token)) } 1 .. $times;
}

# The lines that the upstream got.
sub lines {
    my ($response) = @_;
    return 'status ' . status($response) if status($response) != 200;
    return join ' ', body($response) =~ /^(X-\w+: .*)\r$/mg;
}
