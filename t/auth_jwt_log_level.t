#!/usr/bin/perl

# auth_jwt_log_level: at which level refused tokens are logged.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Jose;

my $t = Test::Nginx->new()->has(qw/ http rewrite /)->plan(19);

my $key = jwk('HS256');
$t->write_file('keys.json', jwks($key));

configure($t, <<'EOF');
    auth_jwt_log_level warn;

    server {
        listen       127.0.0.1:8080;
        server_name  localhost;

        auth_jwt          "r";
        auth_jwt_key_file keys.json;

        location / { }
        location /error  { auth_jwt_log_level error; auth_jwt_require $jwt_claim_none; }
        location /notice { auth_jwt_log_level notice; }
        location /info/  {
            auth_jwt_log_level info;
            location /info/inherited { }
        }
        location /no_keys { auth_jwt_log_level info; auth_jwt_key_file none.json; }
    }

    server {
        listen       127.0.0.1:8081;
        server_name  localhost;

        error_log         %%TESTDIR%%/error.only.log error;
        auth_jwt          "r";
        auth_jwt_key_file keys.json;

        location / { }
        location /error { auth_jwt_log_level error; }
    }
EOF

run_quietly($t);

my $good = sign($key, '{"sub":"a"}');

for my $case ([ '/', 'warn' ], [ '/notice', 'notice' ], [ '/info/', 'info' ],
    [ '/info/inherited', 'info' ], [ '/error', 'error' ]) {
    my ($uri, $level) = @$case;
    jwt_logged($t);
    get($uri);
    is(jwt_logged($t), "$level no token: no \"Authorization\" header line", "$uri, no token");
    get($uri, with_part($good, 2, sub { $_ ^= 'x' }));
    is(jwt_logged($t), "$level bad signature, algorithm \"HS256\", keys tried: 1",
        "$uri, bad signature");
}
get('/error', $good);
is(jwt_logged($t), 'error required $jwt_claim_none is empty or 0; alg "HS256"',
    'a requirement that is not met');

# what is not the token's fault stays an error
get('/no_keys', $good);
like(jwt_logged($t), qr/^error key file /, 'no keys');

# the level that nginx logs from decides what is written
ask({ port => 8081 }, $_) for '/', '/error';
my @lines = $t->read_file('error.only.log') =~ /(\[\w+\]) .*auth_jwt: (\w+ \w+)/g;
is("@lines", '[error] no token', 'error_log with the level error');

### configuration

my $conf = sub { return config_test($t, "auth_jwt_log_level $_[0];") };
my $must = 'it must be "error", "warn", "notice" or "info"';
my $error = sub { return "[emerg] $_[0] in DIR/http.conf:1 | exit 1" };
for my $value (qw/ crit Info debug off /) {
    is($conf->($value),
        $error->("invalid value \"$value\" in \"auth_jwt_log_level\" directive, $must"), $value);
}
is($conf->('info; auth_jwt_log_level warn'),
    $error->('"auth_jwt_log_level" directive is duplicate'), 'twice');
is($conf->('info warn'), $error->('invalid number of arguments in "auth_jwt_log_level" directive'),
    'two levels');

###############################################################################
