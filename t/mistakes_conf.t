#!/usr/bin/perl

# Mistakes in nginx.conf that people make: nginx -t says what is wrong and what was meant. What does
# not check what it seems to check is in config_checks.t; wrong values of each directive are in
# auth_jwt_conf.t, auth_request_conf.t and their like; key requests in auth_jwt_key_request_conf.t.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use Jose;

my $t = Test::Nginx->new()->has(qw/ http map /)->plan(31);

$t->write_file('keys.json', jwks(jwk('HS256', '--kid', 'a')));

# What nginx -t says of a location with these directives, without the position.
my $said = sub {
    my ($directives, $http) = @_;
    my $conf = ($http // '') . "server { location / { auth_jwt_key_file keys.json; $directives } "
        . 'location = /check { internal; } }';
    return config_test($t, $conf) =~ s/ in DIR\/\w+\.conf:\d+(?= \||$)//gr;
};
my $warned = sub { "[warn] $_[0] | exit 0" };
my $refused = sub { "[emerg] $_[0] | exit 1" };

### what is taken for the realm

my $realm = sub { $warned->("\"auth_jwt\" has the realm \"$_[0]\": $_[1]") };
is($said->("auth_jwt $_;"), $realm->($_, 'the argument is the realm; there is no "auth_jwt on"'), "auth_jwt $_")
    for 'on', 'On';
is($said->("auth_jwt $_;"), $realm->($_, 'a variable alone is the realm; token= says where the token is'), "auth_jwt $_")
    for '$cookie_jwt', '$http_authorization', '$arg_token', '$jwt_claim_sub';
is($said->("auth_jwt $_;"), 'exit 0', "auth_jwt $_")
    for '$host', '"for $cookie_jwt"', '$cookie_jwt token=$arg_jwt', 'off', 'online';
is($said->('auth_jwt r $cookie_jwt;'), $refused->('invalid parameter "$cookie_jwt" in "auth_jwt" directive, it must be '
    . 'token=$variable'), 'a second argument');
is($said->('auth_jwt r token=cookie_jwt;'), $refused->('invalid variable name "cookie_jwt" in "auth_jwt" directive, it '
    . 'must be "$" and a name'), 'token= without a dollar');

### conditions

my $start = 'it must start with a variable';
for (['=', '='], ['==', '=='], ['!=', '!='], ['~', '~'], ['eq', 'eq']) {
    my ($operator) = @$_;
    is($said->("auth_jwt r; auth_jwt_require \$jwt_claim_sub $operator bob;"), $refused->("invalid value \"$operator\" in "
        . "\"auth_jwt_require\" directive, $start; nothing is compared here, use auth_jwt_require_claim"),
        "auth_jwt_require, $operator");
}
is($said->('auth_jwt r; auth_jwt_require bob;'), $refused->("invalid value \"bob\" in \"auth_jwt_require\" directive, $start"),
    'auth_jwt_require, text');
is($said->('auth_request /check; auth_request_require $arg_a = b;'), $refused->('invalid value "=" in '
    . "\"auth_request_require\" directive, $start; nothing is compared here, use a \"map\""), 'auth_request_require, =');
my $operators = 'it must be eq, gt, ge, lt, le, in, any, all, match or exists, each with "!" in front for its contrary';
is($said->("auth_jwt r; auth_jwt_require_claim sub $_ bob;"), $refused->("invalid operator \"$_\" in "
    . "\"auth_jwt_require_claim\" directive, $operators"), "auth_jwt_require_claim, $_") for '=', 'equals';
is($said->('auth_jwt r; auth_jwt_require_claim aud api;'), $refused->('invalid operator "api" in '
    . "\"auth_jwt_require_claim\" directive, $operators"), 'auth_jwt_require_claim without an operator');
is($said->('auth_jwt r; auth_jwt_require_scope "read,write";'), $warned->('the scope "read,write" in '
    . '"auth_jwt_require_scope" directive has a comma in it; several scopes have spaces between them'), 'scopes with a comma');
is($said->('auth_jwt r; auth_jwt_upstream_header X-User $jwt_claim_sub;'), $refused->('invalid name "$jwt_claim_sub" in '
    . '"auth_jwt_upstream_header" directive, it must be a name, and no variable; ."$a" is for a name with the character "$"'),
    'auth_jwt_upstream_header with a variable');

### names of others

# nginx itself refuses what no module knows; docs/from-kjdev.md has the counterparts.
is($said->("$_ x;"), $refused->("unknown directive \"$_\""), $_)
    for qw/ auth_jwt_validate_exp auth_jwt_enabled auth_jwt_algorithm /;
is($said->('auth_jwt r;', 'map $jwt_claim_sub $jwt_status { default x; } '), 'exit 0',
    'a map of $jwt_status, as in examples for NGINX Plus');
is($said->('auth_jwt r; auth_jwt_trust corp;'), $refused->('"auth_jwt_trust" in DIR/http.conf:1 names the issuer "corp", '
    . 'and there is no such auth_jwt_issuer'), 'auth_jwt_trust without a block');
is($said->('auth_request on;'), $warned->('the URI "on" in "auth_request" directive does not begin with "/", every '
    . 'request is refused: name a location that has proxy_pass'), 'auth_request on');

configure($t, 'server { listen 127.0.0.1:8080; }');
