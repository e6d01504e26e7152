#!/usr/bin/perl

# auth_jwt_mode: what becomes of requests without a token or with a bad one.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Jose;

my $t = Test::Nginx->new()->has(qw/ http proxy rewrite map /)->plan(86);

my $key = jwk('HS256');
$t->write_file('keys.json', jwks($key));

configure($t, <<'EOF');
    map $request_method $mode_of_method {
        OPTIONS  off;
        default  required;
    }

    server {
        listen       127.0.0.1:8080;
        server_name  localhost;

        auth_jwt          "r";
        auth_jwt_key_file keys.json;
        auth_jwt_mode     optional;

        add_header X-Status $jwt_status always;
        add_header X-V      "<$jwt_claim_sub|$jwt_verified>" always;

        location /optional { }
        location /required { auth_jwt_mode required; }
        location /off      { auth_jwt_mode off; }
        location /report/  {
            auth_jwt_mode report;
            location /report/inherited { }
            location /report/403       { auth_jwt_require $jwt_claim_none error=403; }
            location /report/no_keys   { auth_jwt_key_file none.json; }
            location /report/request   { auth_jwt_key_request /none; }
            location /report/off       { auth_jwt off; }
        }
        location /variable  { auth_jwt_mode $arg_mode; }
        location /preflight { auth_jwt_mode $mode_of_method; }
        location /limited   { limit_except GET { auth_jwt_mode required; } }

        location /optional/403     { auth_jwt_require $jwt_claim_none error=403; }
        location /optional/no_keys { auth_jwt_key_file none.json; }

        location /any/ {
            satisfy any;
            deny    all;
            location /any/optional { }
            location /any/report   { auth_jwt_mode report; }
            location /any/off      { auth_jwt_mode off; }
        }
        # no other module has a say
        location /alone/ {
            satisfy any;
            location /alone/optional { }
            location /alone/report   { auth_jwt_mode report; }
            location /alone/off      { auth_jwt_mode off; }
        }
        location /all/ {
            location /all/denied/ { deny all; }
        }

        location /proxied {
            auth_jwt_mode    $arg_mode;
            proxy_set_header X-User $jwt_claim_sub;
            proxy_pass       http://127.0.0.1:8081/;
        }
        location = /none { internal; return 404; }
    }

    server {
        listen       127.0.0.1:8081;
        server_name  localhost;
        location / { return 200 "user <$http_x_user>"; }
    }
EOF

run_quietly($t);

my $good = sign($key, '{"sub":"good"}');
my $bad = with_part($good, 1, sub { s/good/root/ });
my $stranger = sign(jwk('HS256', '--kid', 'stranger'), '{"iss":"https://stranger.example"}');
my $late = sign($key, '{"sub":"late","exp":1}');

### what must be refused

for my $uri ('/optional', '/required', '/preflight', '/any/optional', '/limited',
    '/variable?mode=optional', '/variable?mode=required') {
    my $invalid = '401 Bearer realm="r", error="invalid_token"';
    is(verdict(get($uri, $bad)), $invalid, "$uri, forged");
    is(verdict(get($uri, $late)), $invalid, "$uri, expired");
    is(verdict(get($uri, $stranger)), $invalid, "$uri, another issuer's");
}
is(verdict(get('/required')), '401 Bearer realm="r"', 'required, no token');
is(verdict(get('/preflight')), '401 Bearer realm="r"', 'preflight, GET without a token');
is(verdict(ask({ method => 'POST' }, '/limited')), '401 Bearer realm="r"', 'limit_except');
is(status(get('/optional/403', $good)), 403, 'optional, a requirement that is not met');
is(status(get('/optional/no_keys', $good)), 500, 'optional, keys that cannot be had');

# a request without a valid token never satisfies "satisfy any"
is(status(get('/any/optional')), 403, 'satisfy any, optional, no token');
for my $token (undef, $bad, $good) {
    my $which = !$token ? 'no token' : $token eq $bad ? 'forged' : 'good';
    is(status(get('/any/report', $token)), 403, "satisfy any, report, $which");
    is(status(get('/any/off', $token)), 403, "satisfy any, off, $which");
}
# which is served if nobody refuses it
is(verdict(get('/alone/optional', $bad)), '401 Bearer realm="r", error="invalid_token"',
    'satisfy any alone, optional, forged');
is(status(get('/alone/optional')), 404, 'satisfy any alone, optional, no token');
is(status(get("/alone/$_", $bad)), 404, "satisfy any alone, $_, forged") for qw/ report off /;
is(status(get('/all/denied/')), 403, 'satisfy all, optional, deny');

# a value that is no mode
jwt_logged($t);
for my $value ('', 'on', 'Off', 'off%20') {
    is(verdict(get("/variable?mode=$value", $good)), '500', "mode \"$value\"");
    is(jwt_logged($t), "error auth_jwt_mode is \"$value\", it must be \"required\", "
        . '"optional", "report" or "off"', "mode \"$value\", log");
}

### what is let in

for (
    [ '/optional', undef, 'missing <|0>' ],
    [ '/optional', $good, 'ok <good|1>' ],
    [ '/optional/403', undef, 'missing <|0>' ],
    [ '/optional/no_keys', undef, 'missing <|0>' ],
    [ '/any/optional', $good, 'ok <good|1>' ],
    [ '/off', $good, 'disabled <|0>' ],
    [ '/off', $bad, 'disabled <|0>' ],
    [ '/off', undef, 'disabled <|0>' ],
    [ '/report/', $good, 'ok <good|1>' ],
    [ '/report/', undef, 'missing <|0>' ],
    [ '/report/inherited', $bad, 'bad_signature <|0>' ],
    [ '/report/', $late, 'expired <|0>' ],
    [ '/report/403', $good, 'requirement <|0>' ],
    [ '/report/no_keys', $good, 'keys_unavailable <|0>' ],
    [ '/report/request', $good, 'keys_unavailable <|0>' ],
    [ '/report/off', $bad, 'disabled <|0>' ],
    [ '/variable?mode=optional', undef, 'missing <|0>' ],
    [ '/variable?mode=report', $bad, 'bad_signature <|0>' ],
    [ '/variable?mode=off', $bad, 'disabled <|0>' ],
    [ '/variable?mode=required', $good, 'ok <good|1>' ],
    [ '/limited', undef, 'missing <|0>' ],
) {
    my ($uri, $token, $variables) = @$_;
    my $response = get($uri, $token);
    is(join(' ', verdict($response), header($response, 'X-Status'), variables($response)),
        "404 $variables", "$uri lets in with $variables");
}
is(header(ask({ method => 'OPTIONS' }, '/preflight'), 'X-Status'), 'disabled', 'preflight');

# no upstream is told of a token that nobody has accepted
for (
    [ 'off', $good, '' ], [ 'off', $bad, '' ], [ 'report', $bad, '' ], [ 'report', $late, '' ],
    [ 'report', $good, 'good' ], [ 'optional', undef, '' ], [ 'optional', $good, 'good' ],
) {
    my ($mode, $token, $user) = @$_;
    is(body(get("/proxied?mode=$mode", $token)), "user <$user>", "upstream, $mode, \"$user\"");
}

### log

jwt_logged($t);
get('/optional');
get('/off', $bad);
is(jwt_logged($t), '', 'no line for what is not refused');
get('/report/');
is(jwt_logged($t), 'info would refuse: no token: no "Authorization" header line', 'report, no token');
get('/report/', $late);
is(jwt_logged($t) =~ s/now \d+/now N/r,
    'info would refuse: expired: exp 1, now N, leeway 0; alg "HS256"', 'report, expired');
get('/report/no_keys', $good);
like(jwt_logged($t), qr/^error would refuse: key file /, 'report, no keys');

### configuration

my $conf = sub { return config_test($t, "auth_jwt_mode $_[0];") };
my $error = sub { return "[emerg] $_[0] in DIR/http.conf:1 | exit 1" };
my $must = 'it must be "required", "optional", "report", "off" or a variable';
for my $value (qw/ on Optional none /) {
    is($conf->($value),
        $error->("invalid value \"$value\" in \"auth_jwt_mode\" directive, $must"), $value);
}
is($conf->('off; auth_jwt_mode off'), $error->('"auth_jwt_mode" directive is duplicate'), 'twice');
is($conf->('off on'), $error->('invalid number of arguments in "auth_jwt_mode" directive'),
    'two modes');
is(config_test($t, 'server { location / { auth_jwt_mode $nobody; } }'),
    '[emerg] unknown "nobody" variable | exit 1', 'unknown variable');
is(config_test($t, 'server { auth_jwt r; auth_jwt_mode off; }'), 'exit 0',
    'no warning of missing keys where no token is looked at');

###############################################################################
