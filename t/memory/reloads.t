#!/usr/bin/perl

# 50 reloads, and 50 reloads that fail, of a configuration that uses everything, with requests in
# between: the master process keeps nothing of a configuration that is gone. LeakSanitizer, in an nginx
# that `scripts/build --nginx asan` makes, says so at the end of each process; in another nginx the
# memory of the master process says so.

use FindBin;
use lib "$FindBin::Bin/../lib";
use Auth;
use AuthJwt;
use Dpop;
use Jose;
use KeyService;

my $REPEATS = 50;
# the method of the last but one is one that a file does not have
my $RIGHT = '200 401 200 200 200 200 200 405 200';

my $t = Test::Nginx->new()->has(qw/ http proxy rewrite /)->plan(5);
my $dir = $t->testdir();

my $key = jwk('RS256', '--kid', 'k');
my $client = dpop_client();
my $claims = '"iss":"one","aud":"api","scope":"read","exp":"now+3000"';
my $token = sign($key, qq({$claims,"sub":"ann","jti":"1"}));
my $revoked = sign($key, qq({$claims,"sub":"mallory","jti":"2"}));
my $bound = sign($key, qq({$claims,"sub":"ann","jti":"3","cnf":{"jkt":") . thumbprint($client) . '"}}');
my $keys = jwks(public($key));

$t->write_file('keys.json', $keys);
$t->write_file('sub.json', '{"mallory":null}');
$t->write_file('none.json', '{}');
mkdir "$dir/html" or die;
$t->write_file("html/$_", 'CONTENT') for qw/ file trust cached asked dpop verdict answer /;

my $conf = sub {
    my ($http, $location) = @_;
    return <<"EOF";
    auth_jwt_issuer one { issuer one; audience api; jwks_uri http://127.0.0.1:8082/one; state_path $dir/state/; }
    auth_jwt_issuer file { issuer file; audience api; key_file keys.json; }
    auth_jwt_claim_set \$of sub;
    auth_jwt_dpop_zone 64k;
    auth_request_cache_zone verdicts:128k;
    @{[$http // '']}
    server {
        listen 127.0.0.1:8080;
        root   html;
        auth_status_zone site;
        auth_jwt_upstream_header X-User .sub;
        auth_jwt_strip on;
        @{[$location // '']}
        location = /status { auth_status; }
        location /file {
            auth_jwt r;
            auth_jwt_key_file keys.json;
            auth_jwt_revocation_list_sub sub.json;
            auth_jwt_revocation_list_kid none.json;
            auth_jwt_revocation_list_jti none.json;
            auth_jwt_require_scope read;
            auth_jwt_require \$jwt_claim_sub;
        }
        location /trust { auth_jwt r; auth_jwt_trust one file; }
        location /cached { auth_jwt r; auth_jwt_key_request /keys/cached; auth_jwt_key_cache 1h; }
        location /asked { auth_jwt r; auth_jwt_key_request /keys/asked; }
        location /dpop {
            auth_jwt r;
            auth_jwt_key_file keys.json;
            auth_jwt_binding dpop required;
            auth_jwt_dpop_nonce on;
        }
        location /verdict {
            auth_request /service;
            auth_request_cache verdicts;
            auth_request_cache_key \$http_authorization;
            auth_request_cache_valid any 1h;
            auth_request_set \$said \$upstream_http_x_said;
        }
        location /answer { auth_request /service; auth_request_body 1k; }
        location = /service { internal; rewrite ^ /one break; proxy_pass http://127.0.0.1:8082; }
        location /keys { internal; rewrite ^/keys(.*) \$1 break; proxy_pass http://127.0.0.1:8082; }
    }
EOF
};

# Each is refused at another time: by a directive's setter, in a block, at its end, when levels are
# merged, by nginx after all of our directives were read, and because of a file.
my @bad = (
    $conf->('auth_jwt_leeway many;'),
    $conf->('auth_jwt_issuer two { issuer two; nonsense; }'),
    $conf->('auth_jwt_issuer two { audience api; }'),
    $conf->(undef, 'location /none { auth_jwt r; auth_jwt_trust nobody; }'),
    $conf->(undef, 'location /none { auth_request /service; auth_request_cache verdicts; }'),
    $conf->() . '    nonsense;',
    $conf->('auth_jwt_issuer two { issuer two; audience api; jwks_uri https://localhost/; ssl_trusted_certificate none.crt; }'),
    $conf->('auth_request_cache_zone verdicts:1k;'),
    $conf->('auth_jwt_require $no_such_variable;'),
);
my $main = 'worker_processes 2;';

configure($t, $conf->(), $main);
respond_with($t, $_, keys_response($keys)) for qw/ one cached asked /;
key_service($t, 8082);
run_quietly($t);

is(answers(), $RIGHT, 'before the first reload');
my ($reloaded, $refused, $right) = (0, 0, 0);
my @memory;
for my $n (0 .. $REPEATS - 1) {
    # half of the time there is a key file that cannot be read, with which nginx starts
    $t->write_file('keys.json', $n % 4 == 1 ? '{' : $keys);
    $reloaded += reload_with($t, $conf->(), $main);
    $t->write_file('keys.json', $keys);
    $refused += refuses($bad[$n % @bad]);
    my $answers = answers();
    $right += $answers eq $RIGHT;
    diag("after reload $n: $answers") if $answers ne $RIGHT;
    push @memory, memory($t->read_file('nginx.pid') =~ /(\d+)/);
}
is($reloaded, $REPEATS, 'reloads');
is($refused, $REPEATS, 'reloads that fail');
is($right, $REPEATS, 'answers after each');
note("the master process has (KiB): @memory");

my $growth = $memory[-1] - $memory[$REPEATS / 2 - 1];
cmp_ok($growth, '<', memory_limit(300), 'growth of the master process in the last 25 reloads of each kind, KiB');

###############################################################################

sub answers {
    my $nonce = header(get('/dpop'), 'DPoP-Nonce') // '';
    my $proof = dpop_proof($client, $bound, htu => '"http://localhost/dpop"', nonce => "\"$nonce\"");
    return join ' ', map { status($_) } get('/file', $token), get('/file', $revoked), get('/trust', $token),
        get('/cached', $token), get('/asked', $token), ask('/dpop', "Authorization: DPoP $bound", "DPoP: $proof"),
        get('/verdict', $token), ask({ method => 'POST', body => 'x=1' }, '/answer'), get('/status');
}

# Whether nginx refuses the configuration, and goes on with the one it has.
sub refuses {
    my ($bad) = @_;
    my @before = workers($t);
    my $emerg = () = $t->read_file('error.log') =~ /\[emerg\]/g;
    configure($t, $bad, $main);
    $t->reload();
    my $is_refused = wait_until(sub { (() = $t->read_file('error.log') =~ /\[emerg\]/g) > $emerg });
    my %now = map { $_ => 1 } workers($t);
    return $is_refused && @before && !grep { !$now{$_} } @before;
}
