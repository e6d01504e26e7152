#!/usr/bin/perl

# Messages for wrong configurations of auth_jwt_require_claim,
# auth_jwt_require_header, auth_jwt_require_scope, auth_jwt_algorithms,
# auth_jwt_max_age and auth_jwt_revocation_list_*.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;

my $t = Test::Nginx->new()->has(qw/ http rewrite /)->plan(188);

$t->write_file('a.jwk', '{"kty":"oct","k":"c2VjcmV0IG9mIHRoaXJ0eS10d28gYnl0ZXMgb3IgbW9yZQ"}');

$t->write_file('list.json', '{}');

my $http = sub { return config_test($t, $_[0]) };
my $protect = 'auth_jwt a; auth_jwt_key_file a.jwk;';
my $location = sub { return $http->("server { $protect\nlisten 127.0.0.1:1;\nlocation / {\n$_[0]\n}}") };
my $line_4 = sub { return "[emerg] $_[0] in DIR/http.conf:4 | exit 1" };
my $ok = 'exit 0';
my $in_if = 'directive is not allowed here';
my $number = 'invalid number of arguments in';

my %example = (
    require_claim => 'v eq a', require_header => 'typ eq JWT', require_scope => 'read',
    algorithms => 'RS256', max_age => '1h',
    map { ("revocation_list_$_" => 'list.json') } qw/ sub kid jti /,
);

### contexts, numbers of arguments, repeats

for my $name (sort keys %example) {
    my $line = "auth_jwt_$name $example{$name};";
    my %around = (http => $line, server => "server { $line }", location => "server { $protect location / { $line } }",
        limit_except => "server { $protect location / { limit_except GET { $line } } }");
    is($http->($around{$_}), $ok, "$name in $_") for sort keys %around;
    is($location->("if (\$arg_a) { $line }"), $line_4->("\"auth_jwt_$name\" $in_if"), "$name in if");
    is(config_test($t, '', $line), "[emerg] \"auth_jwt_$name\" $in_if in DIR/main.conf:1 | exit 1",
        "$name outside of http");
    is($location->("auth_jwt_$name;"), $line_4->("$number \"auth_jwt_$name\" directive"), "$name alone");
    my $several = $name =~ /^require/;
    is($location->("$line $line"), $several ? $ok : $line_4->("\"auth_jwt_$name\" directive is duplicate"),
        "$name twice");
}
is($location->('auth_jwt_require_claim v;'), $line_4->("$number \"auth_jwt_require_claim\" directive"),
    'no operator');
is($location->('auth_jwt_max_age 1h 2h;'), $line_4->("$number \"auth_jwt_max_age\" directive"), 'two ages');

### rules

my $path = 'a name in a path must consist of letters, digits, "_" and "-", or be in double quotes, '
    . 'as in ."a.b"';
my $operator = 'it must be eq, gt, ge, lt, le, in, any, all, match or exists, each with "!" in front '
    . 'for its contrary';
my $position = 'a position in a path must be a number without a sign, as in .roles[0]';
my $no_variable = 'it must be a name, and no variable; ."$a" is for a name with the character "$"';
my $alone = 'a variable must stand alone; json="..." is for text with the character "$"';
for my $directive (qw/ auth_jwt_require_claim auth_jwt_require_header /) {
    for (
        [ '"" eq a', 'name ""', 'it must not be empty' ],
        [ '.a..b eq a', 'name ".a..b"', $path ],
        [ '.a.b: eq a', 'name ".a.b:"', $path ],
        [ '.a"b" eq a', 'name ".a\"b\""', $path ],
        [ '.roles[x] eq a', 'name ".roles[x]"', $position ],
        [ '.roles[-1] eq a', 'name ".roles[-1]"', $position ],
        [ '.roles[0 eq a', 'name ".roles[0"', 'a closing bracket is missing' ],
        [ '$jwt_claim_aud eq a', 'name "$jwt_claim_aud"', $no_variable ],
        [ '${arg_a} exists', 'name "${arg_a}"', $no_variable ],
        [ 'a error=403', 'name "a"', 'an operator must follow it' ],
        [ 'a = b', 'operator "="', $operator ],
        [ 'a Eq b', 'operator "Eq"', $operator ],
        [ 'a !!eq b', 'operator "!!eq"', $operator ],
        [ 'a eq', 'operator "eq"', 'a value must follow it' ],
        [ 'a any error=403', 'operator "any"', 'a value must follow it' ],
        [ 'a exists b', 'operator "exists"', 'no value must follow it' ],
        [ 'a eq b c', 'operator "eq"',
            'one value must follow it; "in", "any" and "all" take several' ],
        [ 'a eq b error=402', 'value "error=402"', 'it must be error=401 or error=403' ],
        [ 'a eq b error=$arg_a', 'value "error=$arg_a"', 'it must be error=401 or error=403' ],
        [ 'a eq json=[1', 'value "json=[1"', 'it must be JSON: value is not JSON at byte 2' ],
        [ 'a ge json=01', 'value "json=01"', 'it must be JSON: value is not JSON at byte 1' ],
        [ 'a ge json=true', 'value "json=true"', 'it must be a number or a string' ],
        [ 'a eq x$arg_a', 'value "x$arg_a"', $alone ],
        [ 'a any b $arg_a$arg_b', 'value "$arg_a$arg_b"', $alone ],
        [ "a match '(b'", 'value "(b"',
            'it must be a regular expression: pcre2_compile() failed: missing closing parenthesis' ],
        [ "a match '*'", 'value "*"', 'it must be a regular expression: pcre2_compile() failed: '
            . 'quantifier does not follow a repeatable item' ],
        [ 'a match ""', 'value ""',
            'it must be a regular expression; an empty one would match everything' ],
        [ 'a match ^$arg_a', 'value "^$arg_a"',
            'a variable must stand alone; \$ is for the character "$"' ],
    ) {
        my ($rule, $part, $must) = @$_;
        is($location->("$directive $rule;"), $line_4->("invalid $part in \"$directive\" directive, $must"),
            "$directive $rule");
    }
}
is($location->('auth_jwt_require_claim a eq $nobody;'), '[emerg] unknown "nobody" variable | exit 1',
    'unknown variable');
is($location->("auth_jwt_require_claim $_ eq a;"), "[warn] \"$_\" is one name; a path begins with a dot, as in "
    . ".$_, and .\"$_\" is for this name in DIR/http.conf:4 | $ok", "a warning for the name $_")
    for 'realm_access.roles', 'a-b.c_1', 'roles[0]', 'a[0].b', 'kubernetes.io';
is($location->("auth_jwt_require_claim '$_' eq a;"), $ok, "no warning for the name $_") for 'a', 'https://example.com/roles',
    'urn:a.b', '.realm_access.roles', '."kubernetes.io".namespace', 'a b.c', 'a.', 'a[', '."$a"', 'a$b';
is($location->("auth_jwt_require_claim a eq $_->[0];"), "[warn] \"$_->[1]\" is a text, and never the same "
    . "as the JSON value; write json=... for that in DIR/http.conf:4 | $ok", "a warning for $_->[0]")
    for [ 'true', 'true' ], [ '[1]', '[1]' ];
is($location->("auth_jwt_require_claim $_;"), $ok, "auth_jwt_require_claim $_") for
    'a ne b', 'a nin b c', 'a intersect b', '.a."b.c"[10] !exists error=403', 'a any $arg_a ${arg_b} json=1',
    'a le json=$arg_a', "'a b' gt -1.5e3", "a match '^a{1,2}\$|b\\\$c\$'";

### scopes

my $scope = 'in "auth_jwt_require_scope" directive, it must be one scope, without spaces, quotes, "\\" and "$"';
is($location->("auth_jwt_require_scope a $_->[0];"), $line_4->("invalid value \"$_->[1]\" $scope"),
    "scope $_->[0]") for [ '"a b"', 'a b' ], [ '$arg_a', '$arg_a' ], [ '""', '' ], [ "'a\"'", 'a\"' ];

is($location->("auth_jwt_require_scope a error=$_;"), $line_4->("invalid value \"error=$_\" in "
    . '"auth_jwt_require_scope" directive, it must be one scope; without it the status is always 403'), "scope error=$_")
    for 401, 403, '';
is($location->("auth_jwt_require_scope a,b c;"), '[warn] the scope "a,b" in "auth_jwt_require_scope" directive has a comma in it; '
    . "several scopes have spaces between them in DIR/http.conf:4 | $ok", 'a scope with a comma');

### algorithms

for my $name ('rs256', 'none', 'A128GCM', 'RSA1_5', '$arg_a') {
    is($location->("auth_jwt_algorithms RS256 $name;") =~ s/, HS512, .*(?= for encrypted)/, .../r,
        $line_4->("invalid value \"$name\" in \"auth_jwt_algorithms\" directive, it must be one of HS256, "
        . 'HS384, ... for encrypted tokens'), "algorithm $name");
}
my $useless = sub { "[warn] \"auth_jwt_algorithms\" in DIR/http.conf:4 allows no token of the type in "
    . '"auth_jwt_type", every request is refused in DIR/nginx.conf:N | ' };
my $auth = "auth_jwt a; auth_jwt_key_file a.jwk;";
is($location->("auth_jwt_algorithms $_->[1]; $auth auth_jwt_type $_->[0];") =~ s/(nginx\.conf:)\d+/$1N/r,
    ($_->[2] ? $useless->() : '') . $ok, "$_->[0] tokens with $_->[1]") for
    [ signed => 'dir', 1 ], [ encrypted => 'RS256', 1 ], [ nested => 'RS256', 1 ], [ nested => 'dir', 1 ],
    [ signed => 'RS256' ], [ encrypted => 'dir' ], [ nested => 'dir RS256' ];
is($http->('auth_jwt_algorithms dir;'), $ok, 'without auth_jwt');

### ages

is($location->('auth_jwt_max_age 0;'),
    $line_4->('invalid value "0" in "auth_jwt_max_age" directive, it must be more than 0'), 'age 0');
is($location->("auth_jwt_max_age '$_';"), $line_4->("invalid value \"$_\" in \"auth_jwt_max_age\" directive, "
    . 'it must be a time in whole seconds, as in 30s or 1h'), "age \"$_\"") for '-1', '1.5', '1x', '500ms', '$arg_a', '', '99999999999999999999';
is($location->("auth_jwt_max_age '$_';"), $ok, "age $_") for 1, '1h30m', '10M', '1y';

### lists of revoked names

for (qw/ sub kid jti /) {
    my $list = "auth_jwt_revocation_list_$_";
    is($location->("$list list.json list.json;"), $line_4->("$number \"$list\" directive"), "$list, two files");
    is($location->("$list \$arg_list;"), $line_4->("invalid value \"\$arg_list\" in \"$list\" directive, "
        . 'it must not have variables'), "$list, a variable");
}
is($location->('auth_jwt_revocation_list_sub list.json; auth_jwt_revocation_list_jti list.json;'), $ok,
    'one file, two lists');
