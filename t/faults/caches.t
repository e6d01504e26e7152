#!/usr/bin/perl

# After a panic a worker believes nothing that it has cached: the panic may have
# left it half written. Runs on a module with the feature fault-injection.

use FindBin;
use lib "$FindBin::Bin/../lib";
use Auth;
use AuthJwt;
use Jose;
use VerdictService;

my $t = Test::Nginx->new()->has(qw/ http proxy map debug /)->plan(27);
$t->expect_panics(3) if $t->can('expect_panics');

my ($key, $other) = map { jwk('HS256', '--kid', $_) } qw/ a b /;
my $token = sign($key, '{"sub":"alice","exp":"now+300"}');

my $keys = jwks($key);
configure($t, <<'EOF' =~ s/KEYS/$keys/r, 'worker_processes 1;');
    auth_request_cache_zone  verdicts:1m;
    map $jwt_claim_sub $condition { default 1; }
    server {
        listen       127.0.0.1:8080;
        server_name  localhost;
        root         html;

        location /request/ {
            auth_jwt             "r";
            auth_jwt_key_request /keys;
            auth_jwt_key_cache   1h;
        }
        location /file/ {
            auth_jwt             "r";
            auth_jwt_key_file    %%TESTDIR%%/keys.json;
            auth_jwt_key_cache   1h;
        }
        location /condition/ {
            auth_jwt             "r";
            auth_jwt_key_file    %%TESTDIR%%/always.json;
            auth_jwt_require     $condition;
        }
        location /list/ {
            auth_jwt             "r";
            auth_jwt_key_file    %%TESTDIR%%/always.json;
            auth_jwt_revocation_list_sub %%TESTDIR%%/list.json;
        }
        location /verdict/ {
            auth_request             /auth;
            auth_request_cache       verdicts;
            auth_request_cache_key   $uri;
            auth_request_cache_valid any 1h;
        }
        location = /auth { internal; proxy_pass http://127.0.0.1:8081; }
        location = /keys {
            internal;
            proxy_set_header Answer-Body 'KEYS';
            proxy_pass       http://127.0.0.1:8081;
        }
    }

EOF

$t->write_file($_, $keys) for qw/ keys.json always.json /;
$t->write_file('list.json', '{}');
verdict_service($t, 8081);
$t->run();

### filled

my $asked = 0;
is(status(ask('/verdict/')), 404, 'a verdict for the zone');
fills($t, 'first');
is(status(get('/file/', $token)), 404, 'keys of a file');
uses_caches($t, 'before a panic');

### a panic in the access phase

$t->write_file('keys.json', jwks($other));
is(status(get('/file/', $token)), 404, 'cached keys of a file that has changed');
is(status(ask('/verdict/x', 'X-Fault: access')), 500, 'a panic in the access phase');
is(verdict(get('/file/', $token)), '401 Bearer realm="r", error="invalid_token"',
    'the file is read after the panic');
fills($t, 'after the panic');
uses_caches($t, 'filled again');

### a panic in a variable

is(status(get('/condition/', $token)), 404, 'a condition that is always true');
is(status(get('/condition/', $token, 'X-Fault: variable')), 500,
    'a panic in a variable of a condition that is always true');
fills($t, 'after a panic in a variable');

### a list of revoked names

# a file that was written a moment ago is read for each request
sleep 1 while time - (stat $t->testdir() . '/list.json')[10] <= 3;
is(status(get('/list/', $token)), 404, 'a list');
is(is_read($t, '/list/'), '404, not read', 'the list is cached');
is(status(get('/condition/', $token, 'X-Fault: variable')), 500, 'a panic');
is(status(get('/condition/', $token)), 404, 'the keys are read after the panic');
is(is_read($t, '/list/'), '404, read', 'and so is the list');

###############################################################################

# Whether the worker reads a file for a request. It has no other use for read(): of connections it
# reads by recv().
sub is_read {
    my ($t, $uri) = @_;
    my $reads = sub { slurp('/proc/' . worker($t) . '/io') =~ /^syscr: (\d+)/m ? $1 : die };
    my $before = $reads->();
    my $status = status(get($uri, $token));
    return $status . ($reads->() > $before ? ', read' : ', not read');
}

# The worker has cached no keys and no verdict: the keys are asked for, and the
# verdict comes from the zone.
sub fills {
    my ($t, $name) = @_;
    is(status(get('/request/', $token)), 404, "$name, keys");
    is(asked($t, 'keys'), ++$asked, "$name, keys are asked for");
    is(traces($t, '/verdict/'), 'locked', "$name, the verdict is read from the zone");
}

# It has.
sub uses_caches {
    my ($t, $name) = @_;
    is(traces($t, '/request/', bearer($token)), 'token', "$name, the token is cached");
    is(asked($t, 'keys'), $asked, "$name, the keys are cached");
    is(traces($t, '/verdict/'), '', "$name, the worker has the verdict");
}

# What the debug log tells of a request: whether the token was cached, and whether a
# mutex was locked, as the zone of verdicts requires.
sub traces {
    my ($t, $uri, @lines) = @_;
    my $from = length $t->read_file('error.log');
    ask($uri, @lines);
    my $log = substr $t->read_file('error.log'), $from;
    return join ' ', $log =~ /auth_jwt: token cache hit/ ? 'token' : (),
        $log =~ /shmtx unlock/ ? 'locked' : ();
}
