#!/usr/bin/perl

# Messages for wrong configurations of auth_jwt_upstream_header and auth_jwt_strip.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;

my $t = Test::Nginx->new()->has(qw/ http rewrite /)->plan(60);

my $http = sub { return config_test($t, $_[0]) };
my $location = sub { return $http->("server {\nlisten 127.0.0.1:1;\nlocation / {\n$_[0]\n}}") };
my $line_4 = sub { return "[emerg] $_[0] in DIR/http.conf:4 | exit 1" };
my $ok = 'exit 0';
my $not_here = 'directive is not allowed here';

my %example = (upstream_header => 'X-User sub', strip => 'on');

### contexts, numbers of arguments, repeats

for my $name (sort keys %example) {
    my $line = "auth_jwt_$name $example{$name};";
    my %around = (http => $line, server => "server { $line }", location => "server { location / { $line } }");
    is($http->($around{$_}), $ok, "$name in $_") for sort keys %around;
    is($location->("if (\$arg_a) { $line }"), $line_4->("\"auth_jwt_$name\" $not_here"), "$name in if");
    is($location->("limit_except GET { $line }"), $line_4->("\"auth_jwt_$name\" $not_here"), "$name in limit_except");
    is(config_test($t, '', $line), "[emerg] \"auth_jwt_$name\" $not_here in DIR/main.conf:1 | exit 1",
        "$name outside of http");
    is($location->("auth_jwt_$name;"),
        $line_4->("invalid number of arguments in \"auth_jwt_$name\" directive"), "$name alone");
}
is($location->('auth_jwt_strip on on;'), $line_4->('invalid number of arguments in "auth_jwt_strip" directive'),
    'strip with two arguments');
is($location->('auth_jwt_strip on; auth_jwt_strip off;'), $line_4->('"auth_jwt_strip" directive is duplicate'),
    'strip twice');
is($location->('auth_jwt_strip yes;'),
    $line_4->('invalid value "yes" in "auth_jwt_strip" directive, it must be "on" or "off"'), 'strip yes');

for my $args ('X-User', 'X-User sub as=text more') {
    is($location->("auth_jwt_upstream_header $args;"),
        $line_4->('invalid number of arguments in "auth_jwt_upstream_header" directive'), $args);
}

### upstream_header

is($location->("auth_jwt_upstream_header $_;"), $ok, $_) for 'off', 'X-User sub as=text', 'X-User .a.b[0] as=json',
    'X-User "a b" as=lines', 'X_User sub', 'Authorization pass', 'off sub';
is($location->('auth_jwt_upstream_header X-User sub; auth_jwt_upstream_header X-Role sub;'), $ok, 'two headers');

my $duplicate = $line_4->('"auth_jwt_upstream_header" directive is duplicate');
is($location->("auth_jwt_upstream_header $_->[0]; auth_jwt_upstream_header $_->[1];"), $duplicate, join ', ', @$_)
    for ['off', 'off'], ['off', 'X-User sub'], ['X-User sub', 'off'];
for my $other (qw/ X-User x-user X_USER /) {
    is($location->("auth_jwt_upstream_header X-User sub; auth_jwt_upstream_header $other name;"),
        $line_4->("invalid header name \"$other\" in \"auth_jwt_upstream_header\" directive, the level has it twice"),
        "X-User, $other");
}

my $name = 'it must be the name of a header';
my $framing = 'that header belongs to a single message and cannot be copied to another';
for my $case (
    ['X-*', $name], ['*', $name],
    ['$user', $name], ['X:User', $name], ['"X User"', $name], ['""', $name], ['X-Ü', $name],
    ['Host', $framing], ['content-length', $framing], ['Transfer-Encoding', $framing], ['Connection', $framing],
    ['Content-Type', $framing], ['TE', $framing], ['Upgrade', $framing],
) {
    my ($header, $must) = @$case;
    like($location->("auth_jwt_upstream_header $header sub;"),
        qr/^\[emerg\] invalid header name ".*" in "auth_jwt_upstream_header" directive, \Q$must\E in DIR\/http.conf:4 \| exit 1$/,
        "header name $header");
}

my $path = 'a name in a path must consist of letters, digits, "_" and "-", or be in double quotes, as in ."a.b"';
for my $case (['""', '', 'it must not be empty'], ['.a..b', '.a..b', $path],
    ['$jwt_claim_sub', '$jwt_claim_sub', 'it must be a name, and no variable; ."$a" is for a name with the character "$"'],
    ['.a[x]', '.a[x]', 'a position in a path must be a number without a sign, as in .roles[0]']) {
    my ($text, $shown, $must) = @$case;
    is($location->("auth_jwt_upstream_header X-User $text;"),
        $line_4->("invalid name \"$shown\" in \"auth_jwt_upstream_header\" directive, $must"), "path $text");
}
is($location->("auth_jwt_upstream_header X-User $_;"), "[warn] \"$_\" is one name; a path begins with a dot, as in .$_, "
    . "and .\"$_\" is for this name in DIR/http.conf:4 | $ok", "a warning for the path $_") for 'realm_access.roles', 'roles[0]';
is($location->("auth_jwt_upstream_header X-User '$_';"), $ok, "no warning for the path $_")
    for '.realm_access.roles', '."kubernetes.io"', 'https://example.com/roles';
is($location->("auth_jwt_upstream_header X-User sub as=$_;"),
    $line_4->("invalid value \"as=$_\" in \"auth_jwt_upstream_header\" directive, "
        . 'it must be as=text, as=json or as=lines'), "as=$_") for '', 'xml', 'Text';
is($location->('auth_jwt_upstream_header X-User sub text;'), $line_4->('invalid parameter "text" in "auth_jwt_upstream_header" '
    . 'directive, it must be as=text, as=json or as=lines'), 'no as=');
