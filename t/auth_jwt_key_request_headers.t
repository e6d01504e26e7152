#!/usr/bin/perl

# auth_jwt_key_request without a cache, with variables in the URI or with
# pass_header=: the subrequest is the client's own. Which of the client's header
# lines it has, what variables show, and when names with variables are evaluated
# (row 48).

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Jose;
use KeyService;
use Test::Nginx::Raw;

use IO::Compress::Gzip qw/ gzip /;

my $t = Test::Nginx->new()->has(qw/ http proxy rewrite /)->plan(42);

configure($t, <<'EOF');
    server {
        listen       127.0.0.1:8080;
        server_name  localhost;

        auth_jwt     "r";
        root         html;
        add_header   X-Status $jwt_status always;
        add_header   X-Seen "$http_x_tenant $cookie_c $http_range" always;

        set $source /keys/server;
        set $file    server;

        location /constant/ { auth_jwt_key_request /keys/constant; }
        location /variable/ { auth_jwt_key_request /keys/$arg_a; auth_jwt_key_cache 1h; }
        location /passed/   {
            auth_jwt_key_request /keys/tenant pass_header=X-Tenant pass_header=x-second;
            auth_jwt_key_cache 1h;
        }
        location /both/     {
            auth_jwt_key_request /keys/tenant pass_header=X-Tenant;
            auth_jwt_key_request /keys/cached;
            auth_jwt_key_cache 1h;
        }
        location /weak/     { auth_jwt_key_request /keys/$arg_a; }
        location /weak-constant/ { auth_jwt_key_request /keys/weak; }
        location /told/     { auth_jwt_key_request /keys-told/$arg_a; }
        location /set/      {
            set $source /keys/location;
            set $file    location;
            auth_jwt_key_request /keys/first?$arg_a;
            auth_jwt_key_request $source;
            auth_jwt_key_file    %%TESTDIR%%/$file.json;
        }

        location /keys/     { internal; proxy_pass http://127.0.0.1:8081/; }
        location /keys-told/ {
            proxy_set_header X-Told "$http_x_tenant $http_user_agent $cookie_c $http_range";
            proxy_pass http://127.0.0.1:8081/;
        }
    }

EOF

my %key = map { $_ => jwk('ES256', '--kid', $_) } qw/ a b c /;
my %token = map { $_ => sign($key{$_}, '{"exp":"now+300"}') } keys %key;
my %keys = map { $_ => jwks(public($key{$_})) } keys %key;
gzip(\$keys{a} => \my $zipped);

$keys{weak} = '{"kty":"oct","kid":"w","k":"AAAA"}';

$t->write_file('server.json', $keys{c});
$t->write_file('location.json', $keys{a});
service($t, 8081, sub {
    my ($client, $head) = @_;
    my ($name) = $head =~ m!^\S+ /(\w+)!;
    my ($tenant) = $head =~ /^X-Tenant: (.)/mi;
    replace_file($t, "request.$name", $head);
    take_request($t->testdir(), $name);
    syswrite $client, $head =~ /^Accept-Encoding:.*gzip/mi
        ? keys_response($zipped, 'Content-Encoding: gzip')
        : $head =~ /^(?:Range|If-)/mi ? keys_response('', 304)
        : keys_response($keys{ $tenant // { server => 'c', first => 'b', weak => 'weak' }->{$name} // 'a' });
    return 0;
});
run_quietly($t);

my @lines = ('X-Tenant: a', 'Cookie: c=d', 'User-Agent: u', 'Range: bytes=0-3',
    'If-None-Match: *', 'Accept-Encoding: gzip', 'X-Forwarded-For: 1.2.3.4', 'Via: v');

### without pass_header, nothing is passed

for my $case (['/constant/', 'constant'], ['/variable/?a=name', 'name']) {
    my ($uri, $name) = @$case;
    for my $round (1, 2) {
        my $response = get($uri, $token{a}, @lines);
        is(jwt_status($response), '404 ok', "$uri, $round");
        is(header($response, 'X-Seen'), 'a d bytes=0-3', "$uri, $round, variables afterwards");
        is(passed($name), 'Host', "$uri, $round, what the source gets");
        is(asked($t, $name), $round, "$uri, $round, a key request for each");
    }
}

# variables in the asked location show the client's header lines all the same, and
# having been used there changes nothing for the client's request
my $response = get('/told/?a=told', $token{a}, @lines);
is(jwt_status($response), '404 ok', 'told');
is((last_request($t, 'told') =~ /^X-Told: (.*)\r/m)[0], 'a u d bytes=0-3', 'told, variables');
is(passed('told'), 'Host X-Told', 'told, what the source gets');
is(header($response, 'X-Seen'), 'a d bytes=0-3', 'told, variables afterwards');
is(header(get('/told/?a=told', $token{a}), 'X-Seen'), '  ', 'another client has none');

### pass_header

for my $round (1, 2) {
    is(jwt_status(get('/passed/', $token{a}, @lines, 'X-Second: s')), '404 ok',
        "passed, $round, tenant a");
    is(passed('tenant'), 'Host X-Second X-Tenant', "passed, $round, what the source gets");
    is(jwt_status(get('/passed/', $token{a}, 'x-tenant: b')), '401 unknown_key',
        "passed, $round, a token of tenant a for tenant b");
    is(jwt_status(get('/passed/', $token{b}, 'X-Tenant: b')), '404 ok',
        "passed, $round, tenant b");
    is(asked($t, 'tenant'), 3 * $round, "passed, $round, never cached");
}

# at the same time
hold($t, 'tenant');
my @clients = map { start('/passed/', @$_) } ([qw/ a a /], [qw/ b b /], [qw/ a b /], [qw/ b a /]);
is(wait_asked($t, 'tenant', 10), 10, 'each client has a key request of its own');
go_on($t, 'tenant');
is(join(' ', map { status(read_response($_)) } @clients), '404 404 401 401',
    'each client has the keys of its tenant');

# beside a source that is cached
is(jwt_status(get('/both/', $token{b}, 'X-Tenant: b')), '404 ok', 'both, tenant b');
is(jwt_status(get('/both/', $token{b}, 'X-Tenant: c')), '401 unknown_key', 'both, tenant c');
is(jwt_status(get('/both/', $token{a}, 'X-Tenant: c')), '404 ok', 'both, the shared key');
is(asked($t, 'tenant') . asked($t, 'cached'), '131', 'both, one is cached');

### names are evaluated before the first subrequest runs the server's "set" again

is(jwt_status(get('/set/', $token{a})), '404 ok', 'set, the key of the location');
is(jwt_status(get('/set/', $token{b})), '404 ok', 'set, the key of the first source');
is(jwt_status(get('/set/', $token{c})), '401 unknown_key', 'set, the key of the server');

### warnings about keys: once for each text, not for each request

for my $uri ('/weak/?a=weak', '/weak-constant/') {
    jwt_logged($t);
    get($uri, $token{a}) for 1 .. 3;
    is(scalar(grep { /^warn/ } split /\n/, jwt_logged($t)), 1, "$uri, one warning");
}

###############################################################################

# The names of the header lines that the source got last for this name.
sub passed {
    my ($name) = @_;
    # nginx's own line Connection goes since 1.29.7
    return join ' ', sort map { /^((?!Connection:)[^:]+):/ ? $1 : () } split /\r\n/, last_request($t, $name);
}

# A client with a token that this key signed, and of this tenant.
sub start {
    my ($uri, $key, $tenant) = @_;
    my $s = connection();
    $s->print(request($uri, bearer($token{$key}), "X-Tenant: $tenant"));
    return $s;
}
