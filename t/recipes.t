#!/usr/bin/perl

# docs/recipes.md: each recipe runs as it stands there.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use Docs;
use ForwardAuth;
use Http2;
use Jose;

use JSON::PP ();

my $t = Test::Nginx->new()->has(qw/ http http_v2 proxy grpc rewrite map limit_req /)->plan(114);

# A recipe has a port of its own: its listen, and the ports of the application and of the
# service, are replaced.

my %port = (
    'Send users to a page to sign in, and back' => 8080,
    'A page of your own for 401' => 8081,
    'Answer CORS preflights' => 8082,
    'Tell gRPC clients that they are refused' => 8083,
    'Take the token from one of several places' => 8084,
    'Read a cookie whose name begins with __Host-' => 8085,
    'Make room for large tokens' => 8086,
    'Let the application answer CORS preflights' => 8095,
    'Require an audience, scopes and roles' => 8096,
    'Let requests in with and without a token' => 8089,
    'Limit the requests of each user' => 8094,
    'Tell the application who the user is, without the token' => 8087,
    'Revoke tokens before they expire' => 8088,
);

my %recipe = map { $_->{heading} => $_->{text} } nginx_blocks('docs/recipes.md');
is(join("\n", sort keys %recipe), join("\n", sort keys %port), 'the recipes');

my $d = $t->testdir();
for my $name (keys %port) {
    my $conf = $recipe{$name};
    $conf =~ s/listen +8080 http2;/listen_http2($t)/e;
    $conf =~ s/listen +8080;/listen 127.0.0.1:$port{$name};/;
    $conf =~ s/127\.0\.0\.1:9000/127.0.0.1:8090/g;
    $conf =~ s/127\.0\.0\.1:9001/127.0.0.1:8091/g;
    $conf =~ s/127\.0\.0\.1:9002/127.0.0.1:8092/g;
    $conf =~ s!/var/www/app!$d/html!;
    $t->write_file_expand("recipe$port{$name}.conf", $conf);
}
use_conf($t, 'auth-proxy.conf');
mkdir "$d/html";
$t->write_file("html/$_.html", "page $_") for 401, 403;
my $key = jwk('HS256');
$t->write_file('keys.json', jwks($key));
my ($make_lists, $revoke) = map { $_->{text} } grep { $_->{language} eq 'sh' } code_blocks('docs/recipes.md');
is(sh($make_lists), 0, 'revoke: the commands that make the lists');
$t->write_file_expand('grpc.conf', listen_http2($t, 8092));

configure($t, join '', map({ "    include recipe$_.conf;\n" } sort values %port), <<'EOF');
    server {
        include  grpc.conf;
        location / { default_type application/grpc; return 200 GRPC; }
    }
EOF

authority($t, 8091, sub {
    my ($head) = @_;
    my ($user) = $head =~ /^(?:Authorization: Bearer|Cookie: .*session=) ?(\w+)/mi;
    return 401, ['WWW-Authenticate: Bearer realm="r"'], 'no' unless $user;
    return 403, [], 'no' if $user eq 'forbidden';
    return 500, [], 'no' if $user eq 'broken';
    return 204, ['Set-Cookie: large=' . 'c' x 20_000] if $user eq 'large';
    return 204;
});
application($t, 8090);
run_quietly($t);

my $alice = 'Authorization: Bearer alice';

### sign in

my $login = 'https://login.example.com/?rd=https%3A%2F%2Fapp.example.com';
for my $case (
    ['/', '%2F'],
    ['/a/b?c=d&e=f', '%2Fa%2Fb%3Fc%3Dd%26e%3Df'],
    ['/a%2Fb?c=%26&rd=https://evil/', '%2Fa%252Fb%3Fc%3D%2526%26rd%3Dhttps%3A%2F%2Fevil%2F'],
    ['/?a=b#c', '%2F%3Fa%3Db%23c'],
    ["/\xc3\xbc'\"()*", '%2F%C3%BC%27%22%28%29%2A'],
    ['/a/../b', '%2Fa%2F..%2Fb'],
) {
    my ($uri, $escaped) = @$case;
    my $response = ask($uri);
    is(status($response) . ' ' . header($response, 'Location'), "302 $login$escaped", "sign in: $uri");
}
is(status(ask('/api/a')), 401, 'sign in: programs');
is(status(ask('/', $alice)), 200, 'sign in: let in');
is(status(ask('/', 'Authorization: Bearer forbidden')), 403, 'sign in: forbidden');
is(status(ask('/check')), 404, 'sign in: the check is internal');

### a page for 401

my $response = ask({ port => 8081 }, '/a');
is(status($response) . ' ' . body($response), '401 page 401', 'page: 401');
is(join('|', headers($response, 'WWW-Authenticate')), 'Bearer realm="r"', 'page: the challenge stays');
is(status($_) . ' ' . body($_), '403 page 403', 'page: 403')
    for ask({ port => 8081 }, '/a', 'Authorization: Bearer forbidden');
is(status(ask({ port => 8081 }, '/401.html')), 404, 'page: internal');
is(status(ask({ port => 8081 }, '/a', $alice)), 200, 'page: let in');

### CORS

my %cors = (port => 8082);
my @origin = ('Origin: https://app.example.com', 'Access-Control-Request-Method: PUT');
requests($t, 8091);
$response = ask({ %cors, method => 'OPTIONS' }, '/api/a', @origin);
is(status($response), 204, 'CORS: preflight');
is(header($response, 'Access-Control-Allow-Origin'), 'https://app.example.com', 'CORS: origin');
is(header($response, 'Access-Control-Allow-Headers'), 'Authorization, Content-Type', 'CORS: headers');
is(scalar(requests($t, 8091)), 0, 'CORS: no check');
is(header(ask({ %cors, method => 'OPTIONS' }, '/api/a', 'Origin: https://evil.example'), 'Access-Control-Allow-Origin'),
    undef, 'CORS: another origin');
$response = ask(\%cors, '/api/a', $origin[0]);
is(status($response) . ' ' . header($response, 'Access-Control-Allow-Origin'), '401 https://app.example.com',
    'CORS: a refusal that the page can read');
is(status(ask(\%cors, '/api/a', $origin[0], $alice)), 200, 'CORS: let in');
is(status(ask({ %cors, method => $_ }, '/api/a')), 401, "CORS: $_ is checked") for qw/ HEAD POST PUT DELETE /;

### CORS preflights for the application

my ($good, $bad) = map { sign($_, '{"sub":"a"}') } $key, jwk('HS256');
my %preflight = (port => 8095);
for my $case (
    [401, 'GET', @origin],
    [401, 'OPTIONS'],
    map { [401, 'OPTIONS', $_] } @origin, "$origin[1] X", "$origin[0] X"
) {
    my ($status, $method, @lines) = @$case;
    is(status(ask({ %preflight, method => $method }, '/a', @lines)), $status, join ', ', 'row 29: preflight', $method, @lines);
}
$response = ask({ %preflight, method => 'OPTIONS' }, '/a', @origin, 'X-User: mallory', "Authorization: Bearer $bad");
is(status($response), 200, 'preflight: let through');
is(header_values(got($response), 'x-user'), '', 'preflight: without a user');
is(header_values(got(ask(\%preflight, '/a', "Authorization: Bearer $good")), 'x-user'), 'a', 'preflight: with a token');

### gRPC

for my $case (
    ['none', '', 16, 'unauthenticated'],
    ['forbidden', "-H 'Authorization: Bearer forbidden'", 7, 'permission denied'],
    ['broken', "-H 'Authorization: Bearer broken'", 14, 'unavailable'],
) {
    my ($name, $options, $status, $message) = @$case;
    $response = http2_curl('/a', $options);
    is(join(' ', $response =~ m!^HTTP/2 (\d+)!, header($response, 'content-type'),
        header($response, 'grpc-status'), header($response, 'grpc-message')),
        "200 application/grpc $status $message", "gRPC: $name");
    is(body($response), '', "gRPC: $name, no body");
}
like(http2_curl('/a', "-H '$alice'"), qr{^HTTP/2 200 (?!.*grpc-status).*GRPC\z}s, 'gRPC: let in');

### several tokens

for my $case (
    [401, '/'],
    [200, '/', "Authorization: Bearer $good"],
    [200, '/', "authorization: bearer  $good"],
    [200, '/', "Cookie: access_token=$good"],
    [200, "/?access_token=$good"],
    [200, '/', "Authorization: Basic x", "Cookie: access_token=$good"],
    [401, '/', "Authorization: Bearer $bad", "Cookie: access_token=$good"],
    [401, "/?access_token=$good", "Cookie: access_token=$bad"],
    [200, "/?access_token=$bad", "Cookie: access_token=$good"],
    [401, '/', "Cookie: access_token=$bad"],
) {
    my ($status, $uri, @lines) = @$case;
    is(status(ask({ port => 8084 }, $uri, @lines)), $status,
        join ', ', 'tokens', map { s/\Q$good\E/GOOD/r =~ s/\Q$bad\E/BAD/r } $uri, @lines);
}

### who the user is

my $boss = sign($key, '{"sub":"bob","realm_access":{"roles":["boss","user"]}}');
for my $case (
    ['', '/', "Cookie: access_token=$bad", 'X-User: root'],
    ['cookie: a=1 x-roles: boss,user x-user: bob', '/', "Cookie: access_token=$boss; a=1", 'x-user: root', 'X.Roles: x'],
    ['x-user: a', '/', "Cookie: access_token=$good", 'X-Roles: boss'],
    ['cookie: access_token=GOOD', '/public/', "Cookie: access_token=$good", 'X-User: root', 'X-Roles: boss'],
) {
    my ($lines, @request) = @$case;
    my $got = body(ask({ port => 8087 }, @request)) =~ s/\Q$good\E/GOOD/r;
    my @got = $got =~ /^((?:x.user|x.roles|cookie): .*)$/mg;
    is("@got", $lines, "who the user is: $lines");
}

### __Host-

for my $case (
    # the cookies, and how many checks two requests make
    ['__Host-session=alice', 1],
    ['a=b; __Host-session=bob; c=d', 1],
    ['x__Host-session=carol', 2],
    ['__Host-session=', 2],
    ['__Host-session=; __Host-session=dave', 2],
    ['__Host-session=erin; a=b; __Host-session=', 2],
    ['__Secure-session=frank', 2],
) {
    my ($cookies, $checks) = @$case;
    requests($t, 8091);
    ask({ port => 8085 }, '/', "Cookie: $cookies") for 1, 2;
    is(scalar(requests($t, 8091)), $checks, "__Host-: $cookies");
}

### large tokens

my %large = (port => 8086);
is(status(ask(\%large, '/', "Authorization: Bearer alice" . 'x' x 30_000)), 200, 'large: a token of 30 KB');
$response = ask(\%large, '/', "Authorization: Bearer alice" . 'x' x 40_000);
is(status($response) . ' ' . body($response), "431 the request header is too large\n", 'large: one of 40 KB');
is(status(ask('/', "Authorization: Bearer alice" . 'x' x 9_000)), 400, "large: nginx's own limit");
$response = ask(\%large, '/', 'Authorization: Bearer large');
is(status($response) . ' ' . length header($response, 'Set-Cookie'), '200 20006', 'large: a cookie of the service');
is(status(ask('/', 'Authorization: Bearer large')), 500, "large: nginx's own limit for the service");

### audience, scopes and roles

my %api = (iss => 'https://id.example.com', aud => ['x', 'https://api.example.com'], sub => 'a', scope => 'documents.read');
my $judged = sub {
    my ($method, $uri, %claims) = @_;
    return status(ask({ port => 8096, method => $method }, $uri,
        'Authorization: Bearer ' . sign($key, JSON::PP::encode_json({ %api, %claims }))));
};
is(status(ask({ port => 8096 }, '/')), 401, 'API: no token');
for my $uri ('/', '/admin/') {
    is($judged->('GET', $uri, iss => 'https://id.example.org'), 401, "API: another issuer, $uri");
    is($judged->('GET', $uri, aud => $_), 401, "API: another audience, $uri") for 'x', ['x,https://api.example.com'], undef;
}
is($judged->('GET', '/', scope => $_), 403, "API: scope \"$_\"") for '', 'documents', 'documents.write';
is($judged->($_, '/'), 403, "API: $_ with the scope of GET") for qw/ POST PUT DELETE OPTIONS BREW /;
is($judged->($_, '/'), 200, "API: $_") for qw/ GET HEAD /;
is($judged->($_, '/', scope => 'x documents.write'), 200, "API: $_ with its scope") for qw/ POST DELETE /;
is($judged->('GET', '/admin/', realm_access => $_), 403, 'API: no role') for undef, { roles => ['user'] }, { roles => ['admin,user'] };
is($judged->('POST', '/admin/', realm_access => { roles => ['user', 'operator'] }), 200, 'API: a role');

### optional tokens

my %optional = (port => 8089);
is(status(ask(\%optional, '/', "Authorization: Bearer $bad")), 401, 'optional: a bad token');
$response = ask(\%optional, '/', 'X-User: mallory');
is(status($response) . header_values(got($response), 'x-user'), '200', 'optional: no token, no user');
is(header_values(got(ask(\%optional, '/', "Authorization: Bearer $good", 'X-User: mallory')), 'x-user'), 'a', 'optional: a token');

### limits

my %limits = (forged => {}, own => {});
my $limited = sub { status(ask({ port => 8094 }, '/', "Authorization: Bearer $_[0]")) };
is($limited->(sign($key, $_)), 401, "limits: $_") for '{}', '{"sub":""}', '{"sub":"a\\tb"}', '{"sub":7}';
$limits{forged}{$limited->($bad)}++ for 1 .. 80;
is_deeply($limits{forged}, { 401 => 80 }, 'limits: forged tokens');
is($limited->($good), 200, 'limits: they do not count');
$limits{own}{$limited->($good)}++ for 1 .. 80;
is(join(' ', sort keys %{ $limits{own} }), '200 429', 'limits: the own ones count');
is($limited->(sign($key, '{"sub":"b"}')), 200, 'limits: another user');

### lists of revoked names

my $token = sub { sign($key, '{"sub":"' . $_[0] . '","jti":"' . $_[1] . '"}') };
my $revoked = sub { status(ask({ port => 8088 }, '/', bearer($token->(@_)))) };
is($revoked->('alice', '1'), 200, 'revoke: nobody is revoked at first');
is(status(ask({ port => 8088 }, '/', bearer(sign($key, '{"sub":"alice"}')))), 401, 'revoke: no jti');
is(sh("jti=0 exp=1\n$revoke"), 0, 'revoke: the command, a token that has expired');
is($revoked->('alice', '0'), 401, 'revoke: that token');
is(sh("jti=1 exp=4102444800\n$revoke"), 0, 'revoke: the command, another token');
is($revoked->('alice', '1') . ' ' . $revoked->('alice', '2'), '401 200', 'revoke: that token, and no other');
is($t->read_file('revoked/tokens.json') =~ s/\s//gr, '{"1":4102444800}', 'revoke: what has expired is gone');
$t->write_file('revoked/users.json', '{"alice":null}');
is($revoked->('alice', '2') . ' ' . $revoked->('bob', '2'), '401 200', 'revoke: a user');

###############################################################################

# Runs these commands in the test directory, and returns their exit code.
sub sh {
    my ($commands) = @_;
    open my $shell, '|-', 'sh', '-e', '-c', "cd $d && sh -e" or die "Can't run sh: $!\n";
    print $shell $commands;
    close $shell;
    return $? >> 8;
}
