#!/usr/bin/perl

# auth_jwt_challenge: more attributes in WWW-Authenticate, or no challenge.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Jose;

my $t = Test::Nginx->new()->has(qw/ http rewrite /)->plan(35);

my $key = jwk('HS256');
$t->write_file('keys.json', jwks($key));

configure($t, <<'EOF');
    auth_jwt_challenge resource_metadata=https://localhost/meta;

    server {
        listen       127.0.0.1:8080;
        server_name  localhost;

        auth_jwt          "r";
        auth_jwt_key_file keys.json;

        location / { }
        location /two    { auth_jwt_challenge "scope=a \"b\"\\c" Authorization_URI=https://localhost/login?a=b; }
        location /value  { auth_jwt_challenge scope=$http_x_scope error_description=x; }
        location /empty  { auth_jwt_challenge scope=; }
        location /off/ {
            auth_jwt_challenge off;
            location /off/inherited { }
            location /off/on        { auth_jwt_challenge on; }
        }
        location /require { auth_jwt_require $jwt_claim_none error=403; }
        location /limited { limit_except GET { auth_jwt "l"; auth_jwt_challenge scope=limited; } }
        location /any {
            satisfy any;
            deny all;
            auth_jwt_challenge scope=any;
        }
        location /page {
            error_page 401 = /denied;
        }
        location = /denied {
            auth_jwt off;
            return 401 page;
        }
    }
EOF

$t->run();

my $good = sign($key, '{"sub":"a"}');
my $meta = 'resource_metadata="https://localhost/meta"';

### levels

for my $uri ('/', '/off/on', '/limited') {
    my $more = $uri eq '/off/on' ? '' : ", $meta";
    is(verdict(get($uri)), "401 Bearer realm=\"r\"$more", "$uri, no token");
    is(verdict(get($uri, 'x')), "401 Bearer realm=\"r\", error=\"invalid_token\"$more",
        "$uri, bad token");
}
for my $uri ('/off/', '/off/inherited') {
    is(verdict(get($uri)), '401', "$uri, no token");
    is(verdict(get($uri, 'x')), '401', "$uri, bad token");
}
is(verdict(ask({ method => 'POST' }, '/limited')),
    '401 Bearer realm="l", scope="limited"', 'limit_except');
is(verdict(get('/require', $good)), '403', 'a status without a challenge has none');
is(verdict(get('/any')), '401 Bearer realm="r", scope="any"', 'satisfy any');
is(verdict(get('/page')), "401 Bearer realm=\"r\", $meta", 'error_page');
is(verdict(get('/x', $good)), '404', 'accepted');
is(verdict(get('/any', $good)), '404', 'accepted, satisfy any');

### values

is(verdict(get('/two')), '401 Bearer realm="r", scope="a \"b\"\\\\c", '
    . 'authorization_uri="https://localhost/login?a=b"', 'quotes, backslash, capitals');
is(verdict(ask('/value', 'X-Scope: a b')),
    '401 Bearer realm="r", scope="a b", error_description="x"', 'variable');
is(verdict(get('/value')), '401 Bearer realm="r", error_description="x"', 'empty variable');
is(verdict(get('/empty')), '401 Bearer realm="r"', 'empty value');

jwt_logged($t);
is(verdict(ask('/value', "X-Scope: a\tb")), '401 Bearer realm="r", error_description="x"',
    'control character');
is((split /\n/, jwt_logged($t))[-1],
    'warn control character in the value "a\x09b" of "scope" of the challenge; leaving it out',
    'control character, log');

### configuration

my $conf = sub { return config_test($t, "auth_jwt_challenge $_[0];") };
my $error = sub { return "[emerg] $_[0] in DIR/http.conf:1 | exit 1" };
my $invalid = sub {
    return $error->("invalid value \"$_[0]\" in \"auth_jwt_challenge\" directive, $_[1]");
};
my $must = 'it must be name=value, "on" or "off"';
my $own = 'the module itself sends this attribute';

is($conf->('a=b c=$arg_d'), 'exit 0', 'two attributes');
is($conf->(''), $error->('invalid number of arguments in "auth_jwt_challenge" directive'), 'none');
is($conf->('scope'), $invalid->('scope', $must), 'no value');
is($conf->('=a'), $invalid->('=a', $must), 'no name');
is($conf->('"a b=c"'), $invalid->('a b=c', $must), 'space in a name');
is($conf->('a=b off'), $invalid->('off', $must), 'off with an attribute');
is($conf->('off a=b'), $invalid->('off', $must), 'attribute behind off');
is($conf->('realm=a'), $invalid->('realm=a', $own), 'realm');
is($conf->('Error=a'), $invalid->('Error=a', $own), 'error in capitals');
is($conf->('scope=a Scope=b'),
    $error->('duplicate attribute "scope" in "auth_jwt_challenge"'), 'twice in one directive');
is($conf->("'a=b\tc'"), $invalid->('a=b\x09c', 'the value has a control character'), 'tab');
is($conf->('a=b; auth_jwt_challenge off'),
    $error->('"auth_jwt_challenge" directive is duplicate'), 'twice on a level');
is(config_test($t, 'server { location / { auth_jwt_challenge a=$nobody; } }'),
    '[emerg] unknown "nobody" variable | exit 1', 'unknown variable');

###############################################################################
