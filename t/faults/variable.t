#!/usr/bin/perl

# A variable that fails cannot refuse the request, and is empty. The request is refused all the same
# where the variable was for its verdict: in a subrequest, or in a directive of the other half. Runs
# on a module with the feature fault-injection, which panics in variables where the header line
# X-Fault of the request, or the URI of a fetch, says so.

use FindBin;
use lib "$FindBin::Bin/../lib";
use Auth;
use Jose;

my $t = Test::Nginx->new()->has(qw/ http rewrite proxy map access /)->plan(33);

my $key = jwk('HS256', '--kid', 'a');
my $token = sign($key, '{"exp":"now+300","sub":"alice"}');
my $keys = jwks($key);

configure($t, <<'EOF' =~ s/KEYS/$keys/r, 'worker_processes 1;');
    auth_request_cache_zone verdicts:1m;
    map "$jwt_claim_sub" $is_met { default 1; }
    error_page 500 /500;

    server {
        listen       127.0.0.1:8080;
        server_name  localhost;
        root         %%TESTDIR%%;
        add_header   X-Cache "$auth_request_cache_status" always;

        location = /500 { return 500 "our page"; }

        location /sent     { auth_request /auth; }
        location /body     { auth_request_body 1k; auth_request /auth-body; }
        location /any      { satisfy any; allow 1.1.1.1; deny all; auth_request /auth; }
        location /redirect { auth_request /auth-redirect; }
        location /required { auth_request /open; auth_request_require $is_met; }
        location /set      { auth_request /open; auth_request_set $user $jwt_claim_sub; }
        location /cached {
            auth_request             /open;
            auth_request_set         $user $jwt_claim_sub;
            auth_request_cache       verdicts;
            auth_request_cache_key   $uri;
            auth_request_cache_valid any 1h;
        }
        location /keys {
            auth_jwt             "r";
            auth_jwt_key_request /key-set pass_header=X-Fault;
        }
        location /keys-cached {
            auth_jwt             "r";
            auth_jwt_key_request /key-set?fault-in-variable;
            auth_jwt_key_cache   1h;
        }

        location = /auth {
            internal;
            proxy_set_header X-User $jwt_claim_sub;
            proxy_pass       http://127.0.0.1:8081;
        }
        location = /auth-body {
            internal;
            proxy_set_header X-User $post_arg_user;
            proxy_pass       http://127.0.0.1:8081;
        }
        location = /auth-redirect {
            internal;
            error_page       418 = /open;
            set $user        $jwt_claim_sub;
            return           418;
        }
        location = /open { internal; proxy_pass http://127.0.0.1:8081; }
        location = /key-set {
            internal;
            proxy_set_header X-User $jwt_claim_sub;
            proxy_pass       http://127.0.0.1:8082;
        }
    }
    server {
        listen      127.0.0.1:8081;
        server_name localhost;
        location /  { return 204; }
    }
    server {
        listen      127.0.0.1:8082;
        server_name localhost;
        location /  { return 200 'KEYS'; }
    }
EOF

my @names = qw/ sent body any redirect required set cached keys /;
$t->write_file($_, 'CONTENT') for @names, 'keys-cached';
run_quietly($t);

my $panics = 0;
for my $name (@names) {
    my $bad = ask("/$name", bearer($token), 'X-Fault: variable');
    is(status($bad), 500, "$name, with the fault");
    is(body($bad), 'our page', "$name, with the fault, the error page");
    my $seen = panics();
    cmp_ok($seen, '>', $panics, "$name, the variable has failed");
    $panics = $seen;

    # nothing of it is kept for others
    my $good = ask("/$name", bearer($token));
    is(join(' ', grep { $_ } header($good, 'X-Cache'), status($good)),
        $name eq 'cached' ? 'MISS 200' : '200', "$name, without the fault");
}

is(status(ask('/keys-cached', bearer($token))), 500, 'a fetch for the cache');

$t->expect_panics(scalar(panics())) if $t->can('expect_panics');

sub panics {
    my $log = $t->read_file('error.log');
    return () = $log =~ /\[crit\] .*nginx-auth: panic at \S+fence\.rs:\d+:\d+: injected fault/g;
}
