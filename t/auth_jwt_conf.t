#!/usr/bin/perl

# auth_jwt and auth_jwt_key_file: what nginx says about a configuration.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use AuthJwt;
use Jose;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/ http rewrite /)->plan(45);

$t->write_file('a.jwk', jwk('HS256', '--kid', 'a'));

# What nginx -t says with http.conf inside of http {}.
my $http = sub {
    my ($content) = @_;
    configure($t, 'include http.conf;');
    $t->write_file('http.conf', "$content\n");
    return check($t);
};

# What it says with these directives in line 4 of http.conf.
my $location = sub {
    my ($directives) = @_;
    return $http->("server {\nlisten 127.0.0.1:1;\nlocation / {\n$directives\n}}");
};

# What it says with main.conf outside of http {}.
my $main = sub {
    my ($content) = @_;
    configure($t, '', 'include main.conf;');
    $t->write_file('main.conf', "$content\n");
    return check($t);
};

my $line_4 = sub {
    my ($message, $more) = @_;
    my $line = 4 + ($more // 0);
    return "[emerg] $message in DIR/http.conf:$line | exit 1";
};

# The levels are put together at the end of http {}, and nginx adds that line.
my $no_keys = sub {
    my ($line) = @_;
    my $end = () = $t->read_file('nginx.conf') =~ /^.*$/mg;
    $end -= 1;
    return '[warn] no auth_jwt_key_file or auth_jwt_key_request for the "auth_jwt" of DIR/http.conf:'
        . "$line: every request is answered with 500; "
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

is($location->('auth_jwt a leeway=1;'), $line_4->('invalid parameter "leeway=1"'),
    'unknown parameter');
is($location->('auth_jwt a $arg_a;'), $line_4->('invalid parameter "$arg_a"'),
    'parameter without a name');
is($location->('auth_jwt a Token=$arg_a;'),
    $line_4->('invalid parameter "Token=$arg_a"'), 'parameter in capitals');
is($location->("auth_jwt a 'b\n\x01';"), $line_4->('invalid parameter "b\n\x01"', 1),
    'parameter with control characters');
is($location->('auth_jwt a token=foo;'), $line_4->('invalid variable name "foo"'),
    'token without a dollar');
is($location->('auth_jwt a token=;'), $line_4->('invalid variable name ""'),
    'token without a value');
is($location->('auth_jwt a token=$;'), $line_4->('invalid variable name "$"'),
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
    $line_4->('control character in realm "a\tb" of "auth_jwt"'),
    'realm with a tab');
is($location->('auth_jwt "a\r\nSet-Cookie: b";'),
    $line_4->('control character in realm "a\r\nSet-Cookie: b" of "auth_jwt"'),
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

### no key file

is($location->('auth_jwt a;'), $no_keys->(4) . $ok, 'no key file');
is($http->("auth_jwt a;\nserver { }\n"), $no_keys->(1) . $ok,
    'no key file, in http');
is($http->("auth_jwt a;\nserver {\nlocation / { }\n}\n"),
    $no_keys->(1) x 2 . $ok, 'no key file, each level');
is($http->("auth_jwt a;\nserver { auth_jwt_key_file a.jwk; }"), $ok,
    'in http, keys in the only server');
is($http->("auth_jwt a;\nserver { auth_jwt off; location / { } }"), $ok,
    'off needs no keys');
is($http->("auth_jwt a;"), $ok, 'no server');

###############################################################################
