#!/usr/bin/perl

# Messages for wrong configurations of auth_jwt, auth_jwt_key_file,
# auth_jwt_type, auth_jwt_leeway, auth_jwt_require, auth_jwt_verify_signature,
# auth_jwt_claim_set and auth_jwt_header_set.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Jose;

my $t = Test::Nginx->new()->has(qw/ http rewrite map /)->plan(166);

$t->write_file('a.jwk', jwk('HS256', '--kid', 'a'));

# What nginx -t says with these directives in http {}.
my $http = sub { return config_test($t, $_[0]) };

# The same in a location, in line 4 of http.conf.
my $location = sub {
    my ($directives) = @_;
    return $http->("server {\nlisten 127.0.0.1:1;\nlocation / {\n$directives\n}}");
};

# The same outside of http {}.
my $main = sub { return config_test($t, '', $_[0]) };

my $line_4 = sub {
    my ($message, $more) = @_;
    my $line = 4 + ($more // 0);
    return "[emerg] $message in DIR/http.conf:$line | exit 1";
};

# Missing keys are found when nginx merges the levels, at the end of http {}; nginx adds
# that line to the message.
my $no_keys = sub {
    my ($line) = @_;
    my $end = () = $t->read_file('nginx.conf') =~ /^.*$/mg;
    $end -= 1;
    return '[warn] no auth_jwt_key_file or auth_jwt_key_request for "auth_jwt" in DIR/http.conf:'
        . "$line, every request is refused "
        . "in DIR/nginx.conf:$end | ";
};

my $ok = 'exit 0';
my $in_if = 'directive is not allowed here';
my $number = 'invalid number of arguments in';

### accepted

is($http->('auth_jwt a; auth_jwt_key_file a.jwk;'), $ok, 'http');
is($http->('server { auth_jwt a; auth_jwt_key_file a.jwk; }'), $ok, 'server');
is($location->('auth_jwt a; auth_jwt_key_file a.jwk;'), $ok, 'location');
is($location->('limit_except GET { auth_jwt a; auth_jwt_key_file a.jwk; }'), $ok,
    'limit_except');
is($location->('auth_jwt_key_file a.jwk; auth_jwt_key_file a.jwk;'), $ok,
    'the same key file twice');
is($location->('auth_jwt off;'), $ok, 'off');
is($location->('auth_jwt off token=$cookie_a;'), $ok, 'off with a token');
is($location->('auth_jwt_key_file a.jwk;'), $ok, 'keys without auth_jwt');

### auth_jwt refused

is($location->('auth_jwt;'), $line_4->("$number \"auth_jwt\" directive"),
    'no argument');
is($location->('auth_jwt a token=$arg_a b;'),
    $line_4->("$number \"auth_jwt\" directive"), 'three arguments');
is($location->('auth_jwt a; auth_jwt b;'),
    $line_4->('"auth_jwt" directive is duplicate'), 'twice');
is($location->('auth_jwt off; auth_jwt off;'),
    $line_4->('"auth_jwt" directive is duplicate'), 'twice off');
is($http->("\n\n\nauth_jwt a; auth_jwt off;"),
    $line_4->('"auth_jwt" directive is duplicate'), 'twice in http');

my $parameter = 'in "auth_jwt" directive, it must be token=$variable';
my $reference = 'directive, it must be "$" and a name';
is($location->('auth_jwt a leeway=1;'), $line_4->("invalid parameter \"leeway=1\" $parameter"),
    'unknown parameter');
is($location->('auth_jwt a $arg_a;'), $line_4->("invalid parameter \"\$arg_a\" $parameter"),
    'parameter without a name');
is($location->('auth_jwt a Token=$arg_a;'),
    $line_4->("invalid parameter \"Token=\$arg_a\" $parameter"), 'parameter in capitals');
is($location->("auth_jwt a 'b\n\x01';"), $line_4->("invalid parameter \"b\\x0a\\x01\" $parameter", 1),
    'parameter with control characters');
is($location->('auth_jwt a token=foo;'), $line_4->("invalid variable name \"foo\" in \"auth_jwt\" $reference"),
    'token without a dollar');
is($location->('auth_jwt a token=;'), $line_4->("invalid variable name \"\" in \"auth_jwt\" $reference"),
    'token without a value');
is($location->('auth_jwt a token=$;'), $line_4->("invalid variable name \"\$\" in \"auth_jwt\" $reference"),
    'token without a name');
is($location->('auth_jwt a token=$nobody; auth_jwt_key_file a.jwk;'),
    '[emerg] unknown "nobody" variable | exit 1', 'unknown token variable');
is($location->('auth_jwt off token=$nobody;'),
    '[emerg] unknown "nobody" variable | exit 1', 'unknown variable, off');

is($location->('auth_jwt "for $nobody"; auth_jwt_key_file a.jwk;'),
    '[emerg] unknown "nobody" variable | exit 1', 'unknown realm variable');
is($location->('auth_jwt "a ${b";'),
    $line_4->('the closing bracket in "b" variable is missing'),
    'realm with an open bracket');
is($location->('auth_jwt "$";'), $line_4->('invalid variable name'),
    'realm with a dollar alone');
is($location->("auth_jwt 'a\tb';"),
    $line_4->('control character in realm "a\x09b" of "auth_jwt"'),
    'realm with a tab');
is($location->('auth_jwt "a\r\nSet-Cookie: b";'),
    $line_4->('control character in realm "a\x0d\x0aSet-Cookie: b" of "auth_jwt"'),
    'realm with a line feed');
is($location->("auth_jwt '\x7f';"),
    $line_4->('control character in realm "\x7f" of "auth_jwt"'),
    'realm with a delete character');

is($location->('if ($arg_a) { auth_jwt a; }'), $line_4->("\"auth_jwt\" $in_if"),
    'in if');
is($http->("server {\n\n\nif (\$arg_a) { auth_jwt a; } }"),
    $line_4->("\"auth_jwt\" $in_if"), 'in if in server');
is($http->("\n\n\nupstream u { auth_jwt a; }"), $line_4->("\"auth_jwt\" $in_if"),
    'in upstream');
is($main->('auth_jwt a;'),
    "[emerg] \"auth_jwt\" $in_if in DIR/main.conf:1 | exit 1",
    'outside of http');
is($location->('auth_jwt_keyfile a;'),
    $line_4->('unknown directive "auth_jwt_keyfile"'), 'misspelt');

### auth_jwt_key_file refused

is($location->('auth_jwt_key_file;'),
    $line_4->("$number \"auth_jwt_key_file\" directive"), 'no file');
is($location->('auth_jwt_key_file a b;'),
    $line_4->("$number \"auth_jwt_key_file\" directive"), 'two files');
is($location->('auth_jwt_key_file keys/$nobody;'),
    '[emerg] unknown "nobody" variable | exit 1', 'unknown file variable');
is($location->('auth_jwt_key_file keys/$;'), $line_4->('invalid variable name'),
    'file with a dollar alone');
is($location->('if ($arg_a) { auth_jwt_key_file a.jwk; }'),
    $line_4->("\"auth_jwt_key_file\" $in_if"), 'file in if');
is($main->('auth_jwt_key_file a.jwk;'),
    "[emerg] \"auth_jwt_key_file\" $in_if in DIR/main.conf:1 | exit 1",
    'file outside of http');

### auth_jwt_type, auth_jwt_leeway, auth_jwt_verify_signature

for my $level (qw/ http server location limit_except /) {
    my $protect = 'auth_jwt a; auth_jwt_key_request /keys; location = /keys { internal; }';
    my $lines = 'auth_jwt_type nested; auth_jwt_require $arg_a error=403; '
        . 'auth_jwt_verify_signature on; auth_jwt_leeway 5s; auth_jwt_key_cache 1m;';
    my %around = (http => $lines, server => "server { $lines }",
        location => "server { $protect location / { $lines } }",
        limit_except => "server { $protect location / { limit_except GET { $lines } } }");
    is($http->($around{$level}), $ok, "all in $level");
}

for (qw/ type leeway require verify_signature claim_set header_set /) {
    is($http->("\n\n\nauth_jwt_$_;"), $line_4->("$number \"auth_jwt_$_\" directive"),
        "auth_jwt_$_ without arguments");
    is($main->("auth_jwt_$_ on" . (/set/ ? ' a;' : ';')),
        "[emerg] \"auth_jwt_$_\" $in_if in DIR/main.conf:1 | exit 1",
        "auth_jwt_$_ outside of http");
}
for ([ type => 'signed', 'nested' ], [ leeway => '1s', '0' ], [ verify_signature => 'on', 'on' ]) {
    my ($name, $first, $second) = @$_;
    is($location->("auth_jwt_$name $first; auth_jwt_$name $second;"),
        $line_4->("\"auth_jwt_$name\" directive is duplicate"), "auth_jwt_$name twice");
    is($location->("auth_jwt_$name $first $second;"),
        $line_4->("$number \"auth_jwt_$name\" directive"), "auth_jwt_$name, two arguments");
    is($location->("if (\$arg_a) { auth_jwt_$name $first; }"),
        $line_4->("\"auth_jwt_$name\" $in_if"), "auth_jwt_$name in if");
}

my $types = 'in "auth_jwt_type" directive, it must be "signed", "encrypted" or "nested"';
is($location->("auth_jwt_type '$_';"), $line_4->("invalid value \"$_\" $types"),
    "auth_jwt_type \"$_\"") for 'Signed', 'jwe', '$arg_a', '';
is($location->("auth_jwt_leeway '$_';"),
    $line_4->("invalid value \"$_\" in \"auth_jwt_leeway\" directive, it must be a time in whole seconds, "
    . 'as in 30s or 1h'), "auth_jwt_leeway \"$_\"")
    for '-1', '1.5', '1x', '$arg_a', '1500ms', '99999999999999999999', '';
is($location->("auth_jwt_leeway '$_';"), $ok, "auth_jwt_leeway $_")
    for 0, 5, '1h30m', '2000ms', '36500d', '10M', '1y', '1y 2M 1w';

my $flags = 'in "auth_jwt_verify_signature" directive, it must be "on" or "off"';
is($location->("auth_jwt_verify_signature '$_';"), $line_4->("invalid value \"$_\" $flags"),
    "auth_jwt_verify_signature \"$_\"") for 'yes', '0', '$arg_a', '';
my $believed = '[warn] signatures of tokens are not verified with "auth_jwt_verify_signature off" '
    . 'in DIR/http.conf:4 | ';
is($location->('auth_jwt a; auth_jwt_verify_signature off;'), $believed . $ok,
    'verify_signature off needs no keys');
is($location->('auth_jwt a; auth_jwt_verify_signature on;'), $no_keys->(4) . $ok,
    'verify_signature on needs keys');
is($location->("auth_jwt a; auth_jwt_verify_signature off; auth_jwt_type $_;"),
    $believed . $no_keys->(4) . $ok, "verify_signature off, $_ tokens need keys") for 'encrypted', 'nested';
is($http->("\n\n\nauth_jwt_verify_signature off;\nserver {\nauth_jwt a;\n"
    . 'location / { auth_jwt_verify_signature on; } }'), $believed . $no_keys->(6) . $ok,
    'verify_signature on in an inner level needs keys');

### auth_jwt_require

my $value = 'in "auth_jwt_require" directive, it must start with a variable';
is($location->("auth_jwt_require '$_';"), $line_4->("invalid value \"$_\" $value"),
    "auth_jwt_require \"$_\"") for 'a', 'a$arg_a', '', ' $arg_a', 'Error=403';
is($location->("auth_jwt_require error=401 $_;"),
    $line_4->("invalid value \"error=401\" $value"), "auth_jwt_require error=401 $_")
    for '$arg_a', 'error=403';
is($location->("auth_jwt_require \$arg_a '$_';"),
    $line_4->('invalid value "' . "$_\" $value"), "auth_jwt_require, second value \"$_\"")
    for 'a', '', 'error', 'error 403';
is($location->("auth_jwt_require \$arg_a 'error=$_';"),
    $line_4->("invalid value \"error=$_\" in \"auth_jwt_require\" directive, it must be error=401 or error=403"),
    "auth_jwt_require error=$_") for 402, 500, '0403', '403 ', '$arg_a', '';
is($location->('auth_jwt_require error=403;'),
    $line_4->('"auth_jwt_require" directive has no value to check'), 'error alone');
is($http->('auth_jwt_require $nobody;'), '[emerg] unknown "nobody" variable | exit 1',
    'auth_jwt_require, unknown variable');
is($location->('if ($arg_a) { auth_jwt_require $arg_a; }'),
    $line_4->("\"auth_jwt_require\" $in_if"), 'auth_jwt_require in if');
is($location->('auth_jwt_require $;'), $line_4->('invalid variable name'),
    'auth_jwt_require, no name');
is($location->('auth_jwt_require "${arg_a";'),
    $line_4->('the closing bracket in "arg_a" variable is missing'),
    'auth_jwt_require, open bracket');
is($http->('auth_jwt_require $arg_a; auth_jwt_require $arg_a "${arg_b}0" error=403;'), $ok,
    'auth_jwt_require twice');

### auth_jwt_claim_set, auth_jwt_header_set

for my $part (qw/ claim header /) {
    local $_ = $part;
    my $set = sub { $http->("\n\n\nauth_jwt_${part}_set $_[0]") };
    is($set->('$a;'), $line_4->("$number \"auth_jwt_${_}_set\" directive"), "$_ without a name");
    is($set->('a b;'), $line_4->("invalid variable name \"a\" in \"auth_jwt_${_}_set\" $reference"), "$_ without a dollar");
    is($set->('$ b;'), $line_4->("invalid variable name \"\$\" in \"auth_jwt_${_}_set\" $reference"), "$_, a dollar alone");
    is($set->('$a b; auth_jwt_claim_set $a c;'), $line_4->('the duplicate "a" variable'),
        "$_, then a claim");
    is($set->('$a b; auth_jwt_header_set $A c;'), $line_4->('the duplicate "A" variable'),
        "$_, then a header");
    is($set->('$a b; map $arg_a $a { }'), $line_4->('the duplicate "a" variable'),
        "$_, then a map");
    is($set->('$a b; server { set $a b; }'), $line_4->('the duplicate "a" variable'),
        "$_, then set");
    is($http->("map \$arg_a \$a { }\n\n\nauth_jwt_${_}_set \$a b;"),
        $line_4->('the duplicate "a" variable'), "a map, then $_");
    is($http->("server { set \$a b; }\n\n\nauth_jwt_${_}_set \$a b;"),
        $line_4->('the duplicate "a" variable'), "set, then $_");
    is($set->("\$$_ b;"), $line_4->("the duplicate \"$_\" variable"), "$part, \$$_")
        for qw/ uri args limit_rate jwt_payload /;
    is($set->('$jwt_status b;'), $ok, "$part, \$jwt_status gives way");
    is($location->("auth_jwt_${_}_set \$a b;"), $line_4->("\"auth_jwt_${_}_set\" $in_if"),
        "$_ in a location");
    is($http->("\n\n\nserver { auth_jwt_${_}_set \$a b; }"),
        $line_4->("\"auth_jwt_${_}_set\" $in_if"), "$_ in a server");
    is($set->('$a b "c d" e.f ""; server { auth_jwt_require $a; }'), $ok, "$_, several names");
    is($set->('$jwt_claim_a b;'), $ok, "$_, instead of a variable of ours");
    is($set->("\$a $$_[0];"), "[warn] \"$$_[0]\" in \"auth_jwt_${part}_set\" is one name; the names of a path stand apart, "
        . "as in: $$_[1] in DIR/http.conf:4 | $ok", "$part, a path $$_[0]")
        for ['.realm_access.roles', 'realm_access roles'], ['.a', 'a'];
}

### a key file that only root can read

SKIP: {
    skip 'only for root', 4 unless $> == 0;

    my $as = sub {
        my ($user) = @_;
        $location->('auth_jwt a; auth_jwt_key_file root.jwk; auth_jwt_key_file a.jwk;');
        my $conf = $t->read_file('nginx.conf');
        $conf =~ s/\buser root;/user $user root;/ or return 'not run as root';
        $t->write_file('nginx.conf', $conf);
        return config_test($t);
    };
    my $closed = '[warn] key file "DIR/root.jwk": it cannot be read when it changes, user "nobody" '
        . 'may not read it, its owner is "root" and its mode 0600; run: chown nobody '
        . '"DIR/root.jwk" && chmod u+r "DIR/root.jwk" in DIR/http.conf:4 | ';

    $t->write_file('root.jwk', jwk('HS256'));
    chmod 0600, $t->testdir() . '/root.jwk' or die;
    is($as->('nobody'), $closed . $ok, 'a warning if the workers cannot read it');
    is($as->('root'), $ok, 'no warning if the workers are root');
    chmod 0604, $t->testdir() . '/root.jwk' or die;
    is($as->('nobody'), $ok, 'no warning if all can read it');
    chmod 0640, $t->testdir() . '/root.jwk' or die;
    is($as->('nobody'), $ok, 'no warning if the group can read it');
}

### no key file

is($location->('auth_jwt a;'), $no_keys->(4) . $ok, 'no key file');
is($http->("auth_jwt a;\nserver { }\n"), $no_keys->(1) . $ok,
    'no key file, in http');
is($http->("auth_jwt a;\nserver {\nlocation / { }\n}\n"),
    $no_keys->(1) . $ok, 'no key file, one warning');
is($http->("auth_jwt a;\nserver { }\nserver { listen 81;\nauth_jwt b;\nlocation / { auth_jwt c; }\n}\n"),
    $no_keys->(1) . $no_keys->(4) . $no_keys->(5) . $ok, 'no key file, three times');
is($http->("auth_jwt a;\nserver { auth_jwt_key_file a.jwk; }"), $ok,
    'in http, keys in the only server');
is($http->("auth_jwt a;\nserver { auth_jwt off; location / { } }"), $ok,
    'off needs no keys');
is($http->("auth_jwt a;"), $ok, 'no server');
