#!/usr/bin/perl

# $jwt_status, $jwt_verified and $jwt_claims, which NGINX Plus does not have, give
# way to what a configuration defines under the same name. Published
# configurations for NGINX Plus do so.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Jose;

my $t = Test::Nginx->new()->has(qw/ http rewrite map geo split_clients proxy /)->plan(25);

my $key = jwk('HS256', '--kid', 'a');
$t->write_file('key.jwk', $key);
my $good = sign($key, '{"sub":"user"}');
my $forged = sign(jwk('HS256', '--kid', 'a'), '{"sub":"admin"}');

# before and behind what uses them
my $server = <<'EOF';
    log_format own '$jwt_status|$jwt_verified|$jwt_claims';
    access_log %%TESTDIR%%/own.log own;
    server {
        listen            127.0.0.1:8080;
        server_name       localhost;
        auth_jwt          "r";
        auth_jwt_key_file key.jwk;
        add_header        X-V "<$jwt_status|$jwt_verified|$jwt_claims>" always;
        proxy_set_header  X-User "$jwt_status|$jwt_verified|$jwt_claims";

        location /        { }
        location /set     { set $jwt_status mine; set $jwt_claims "c"; }
        location /proxy   { set $jwt_status mine; proxy_pass http://127.0.0.1:8081; }
        location /require { auth_jwt_require $jwt_status error=403; }
        location /asked   { auth_jwt off; auth_request /ask; auth_request_set $jwt_verified $upstream_http_x_told; }
        location = /ask   { internal; auth_jwt off; auth_request off; proxy_pass http://127.0.0.1:8081; }
    }
    server {
        listen 127.0.0.1:8081;
        location / { add_header X-Told told; return 200 "$http_x_user"; }
    }
EOF
my $map = 'map $jwt_claim_sub $jwt_status { volatile; default 0; user known; }';
my $maps = "$map map \$arg_v \$jwt_verified { default \$arg_v; } map \$arg_c \$jwt_claims { default no; 1 yes; }";

### set and auth_request_set

configure($t, $server);
$t->run();
is(variables(get('/', $good)), '<ok|1|{"sub":"user"}>', 'none of them');
is(variables(get('/set', $good)), '<mine|1|c>', 'set');
is(variables(get('/set', $forged)), '<mine|0|c>', 'set, refused');
is(body(get('/proxy', $good)), 'mine|1|{"sub":"user"}', 'set, for an upstream');
is(variables(get('/asked', $good)), '<disabled|told|>', 'auth_request_set');
my $log = '';
wait_until(sub { ($log = $t->read_file('own.log')) =~ /told/ });
is((split /\n/, $log)[2], 'mine|0|c', 'set, in the log');

### map, in front and behind; geo, split_clients, auth_jwt_claim_set

for my $case ([ front => "$maps\n$server" ], [ behind => "$server\n$maps" ]) {
    my ($name, $http) = @$case;
    ok(reload_with($t, $http), "map, $name");
    is(variables(get('/?v=5&c=1', $good)), '<known|5|yes>', "map, $name, good");
    is(variables(get('/', $forged)), '<0||no>', "map, $name, refused");
    is(status(get('/require', $good)), '404', "map, $name, as a requirement");
    is(status(get('/require', sign($key, '{"sub":"other"}'))), '403', "map, $name, as a requirement, not met");
}
my $without_set = $server =~ s/ set \S+ \S+;//gr =~ s/auth_request_set \S+ \S+;//r;
ok(reload_with($t, 'geo $jwt_status { default far; 127.0.0.0/8 near; } split_clients x $jwt_verified { * all; }'
    . " auth_jwt_claim_set \$jwt_claims sub;\n$without_set"), 'geo, split_clients, auth_jwt_claim_set');
is(variables(get('/', $good)), '<near|all|user>', 'geo, split_clients, auth_jwt_claim_set, good');
is(variables(get('/', $forged)), '<near|all|>', 'geo, split_clients, auth_jwt_claim_set, refused');
ok(reload_with($t, "$server auth_jwt_header_set \$jwt_status kid;"), 'auth_jwt_header_set, behind');
is(variables(get('/', $good)), '<a|1|{"sub":"user"}>', 'auth_jwt_header_set, behind, good');

### what is defined twice by the configuration stays an error

configure($t, "$map auth_jwt_claim_set \$jwt_status sub;");
like(config_test($t), qr/^\[emerg\] the duplicate "jwt_status" variable .*exit 1$/, 'map, then auth_jwt_claim_set');
configure($t, "auth_jwt_claim_set \$jwt_status sub; $map");
like(config_test($t), qr/^\[emerg\] the duplicate "jwt_status" variable .*exit 1$/, 'auth_jwt_claim_set, then map');
configure($t, 'auth_jwt_claim_set $jwt_status sub; auth_jwt_claim_set $jwt_status a;');
like(config_test($t), qr/^\[emerg\] the duplicate "jwt_status" variable .*exit 1$/, 'auth_jwt_claim_set twice');

# those of NGINX Plus are nobody else's
configure($t, 'map $host $jwt_payload { default 1; }');
like(config_test($t), qr/^\[emerg\] the duplicate "jwt_payload" variable .*exit 1$/, 'map of $jwt_payload');
configure($t, $server);
