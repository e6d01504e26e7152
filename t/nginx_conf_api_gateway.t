#!/usr/bin/perl

# nginx-conf/api-gateway.conf: audience, scopes by method, revocation, a limit for
# each user, what the application gets, and what the log says.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use ForwardAuth;
use Jose;

use JSON::PP ();

my $t = Test::Nginx->new()->has(qw/ http http_ssl proxy rewrite map limit_req /)->plan(73);

my $d = $t->testdir();
use_conf($t, 'api-gateway.conf', 'listen 8080;' => 'listen 127.0.0.1:8080;', '127.0.0.1:9000' => '127.0.0.1:8090',
    'https://id.example.com/jwks' => 'http://127.0.0.1:8093/jwks', '/var/log/nginx/api.log' => "$d/api.log");
configure($t, <<'EOF');
    include api-gateway.conf;
    server {
        listen 127.0.0.1:8093;
        location = /jwks { alias %%TESTDIR%%/issuer-keys.json; }
    }
EOF
application($t, 8090);

my $key = jwk('RS256', '--kid', 'k1');
$t->write_file('issuer-keys.json', jwks('--public', $key));
run_quietly($t);

my $tokens = 0;

# A token with these claims besides those of a good one; undef leaves a claim out.
sub token {
    my ($claims, $typ, @options) = @_;
    $typ //= 'at+jwt';
    my %own = (iss => 'https://id.example.com', aud => 'https://api.example.com', sub => 'alice',
        exp => time + 300, jti => 't' . ++$tokens, scope => 'orders.read', client_id => 'app', %$claims);
    delete $own{$_} for grep { !defined $own{$_} } keys %own;
    return sign($key, JSON::PP::encode_json(\%own), '--header', qq({"typ":"$typ"}), @options);
}

sub ask_as {
    my ($method, $uri, $token, @lines) = @_;
    return ask({ method => $method }, $uri, @lines, bearer($token));
}

my $invalid = '401 Bearer realm="api", error="invalid_token"';
my $lacks = sub { return qq{403 Bearer realm="api", error="insufficient_scope", scope="$_[0]"} };
my $forger = jwk('RS256', '--kid', 'k1');

### without the lists nobody gets in

is(verdict(get('/orders/', token({}))), '500', 'no list of users');
$t->write_file('revoked-users.json', '{}');
is(verdict(get('/orders/', token({}))), '500', 'no list of tokens');
$t->write_file('revoked-tokens.json', '{}');

### tokens that are not for this API

is(verdict(get('/orders/')), '401 Bearer realm="api"', 'no token');
is(verdict(get('/orders/', sign($forger, '{"sub":"alice","exp":"now+300"}'))), $invalid, 'a foreign key');
is(verdict(get('/orders/', token({ aud => $_ }))), $invalid, 'audience ' . JSON::PP->new->allow_nonref->encode($_))
    for 'https://api.example.org', ['https://id.example.com/userinfo'], [], ['x,https://api.example.com'],
    'https://api.example.com,x', 'https://api.example.com/', { 'https://api.example.com' => 1 };
is(verdict(get('/orders/', token({ $_ => undef }))), $invalid, "no $_") for qw/ iss aud exp sub jti /;
is(verdict(get('/orders/', token({ iss => 'https://id.example.org' }))), $invalid, 'another issuer');
is(verdict(get('/orders/', token({ sub => $_ }))), $invalid, 'a user that the limit would not count')
    for '', "a\tb", 7;
is(verdict(get('/orders/', token({}, $_))), $invalid, "row 45: typ $_")
    for 'JWT', 'xat+jwt';
is(verdict(get('/orders/', token({}, 'at+jwt', '--alg', 'RS512'))), $invalid, 'another algorithm');
is(status(get('/jwks', token({}))), '404', 'the keys are internal');

### scopes by method

is(verdict(ask_as('GET', '/orders/1', token({ scope => $_ }))), $lacks->('orders.read'), "GET with \"$_\"")
    for '', 'orders.write', 'orders.reader', 'xorders.read', 'admin';
is(verdict(ask_as('HEAD', '/orders/1', token({ scope => 'orders.write' }))), $lacks->('orders.read'), 'HEAD');
is(verdict(ask_as($_, '/orders/1', token({}))), $lacks->('orders.write'), "$_ with orders.read")
    for qw/ POST PUT PATCH DELETE OPTIONS PROPFIND MKCOL BREW /;
is(verdict(get('/', token({ scope => 'orders.read orders.write' }))), $lacks->('admin'), 'another path');
is(verdict(ask_as('OPTIONS', '/', token({}))), $lacks->('admin'), 'another path, OPTIONS');
is(status(ask_as($_, '/orders/1', token({}))), 200, "$_ with orders.read") for qw/ GET HEAD /;
is(status(ask_as($_, '/orders/1', token({ scope => 'a orders.write' }))), 200, "$_ with orders.write")
    for qw/ POST PUT PATCH DELETE OPTIONS BREW /;
is(status(get('/', token({ scope => 'admin' }))), 200, 'another path with admin');
is(status(ask('/healthz')), 204, 'the health check is open');

### revoked, with tokens that were accepted before

my ($first, $second) = (token({ sub => 'bob' }), token({ sub => 'carol', jti => 'stolen' }));
is(status(get('/orders/', $_)), 200, 'not revoked') for $first, $second;
replace_file($t, 'revoked-users.json', '{"bob": "left the company"}');
is(verdict(get('/orders/', $first)), $invalid, 'a revoked user');
is(status(get('/orders/', $second)), 200, 'another user');
replace_file($t, 'revoked-tokens.json', '{"stolen": true}');
is(verdict(get('/orders/', $second)), $invalid, 'a revoked token');
is(status(get('/orders/', token({ sub => 'carol' }))), 200, 'another token of that user');
replace_file($t, 'revoked-users.json', '');
is(verdict(get('/orders/', $second)), '500', 'a broken list');
replace_file($t, 'revoked-users.json', '{}');
is(status(get('/orders/', $first)), 200, 'no longer revoked');

### one user's limit

my %statuses = (forged => {}, victim => {});
my $victim = token({ sub => 'victim' });
my $forged = with_part($first, 1, sub { s/bob/victim/ });
$statuses{forged}{status(get('/orders/', $forged))}++ for 1 .. 80;
is_deeply($statuses{forged}, { 401 => 80 }, "forged tokens with the victim's name");
is(status(get('/orders/', $victim)), 200, "forged tokens do not use up the victim's limit, $_") for 1 .. 3;
$statuses{victim}{status(get('/orders/', $victim))}++ for 1 .. 80;
is(join(' ', sort keys %{ $statuses{victim} }), '200 429', "the user's limit");
cmp_ok($statuses{victim}{200}, '>=', 17, 'up to the limit everything is served');
is(status(get('/orders/', token({ sub => 'dave' }))), 200, 'another user has a limit of his own');

### what the application gets

my @spoofed = map { ("$_: mallory", lc . ': mallory', s/-/_/gr . ': mallory') } qw/ X-User X-Client X-Roles /;
my $got = got(get('/orders/', token({ sub => 'erin', realm_access => { roles => ['a,admin', 'b'] } }), @spoofed));
is(header_values($got, 'x[-_]user'), 'erin', 'row 25: user');
is(header_values($got, 'x[-_]client'), 'app', 'row 25: client');
is(header_values($got, 'x[-_]roles'), '["a,admin","b"]', 'row 17: roles');
is(header_values($got, 'authorization'), '', 'the token stays here');
$got = got(get('/orders/', token({ sub => 'frank', client_id => undef }), @spoofed));
is(join('|', map { header_values($got, "x[-_]$_") } qw/ user client roles /), 'frank||', 'row 26: claims that are not there');

### the log

get('/orders/a%22b?x', token({ sub => 'grace' }));
get('/orders/', with_part($first, 1, sub { s/bob/root/ }));
wait_until(sub { slurp("$d/api.log") =~ /bad_signature[^\n]*\n\z/ });
my @log = map { JSON::PP::decode_json($_) } split /\n/, slurp("$d/api.log");
my $said = sub { my ($line) = @_; join ' ', map { $line->{$_} } qw/ method uri status token user limit / };
is($said->($log[-2]), 'GET /orders/a"b 200 ok grace PASSED', 'log, accepted');
is($said->($log[-1]), 'GET /orders/ 401 bad_signature  ', 'log, forged: no user');
is(() = $t->read_file('error.log') =~ / \[warn\] .* auth_jwt: revoked: claim "sub" is "bob";/g, 1, 'error.log, revoked');
