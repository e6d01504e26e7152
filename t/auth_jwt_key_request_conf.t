#!/usr/bin/perl

# Messages for wrong configurations of auth_jwt_key_request and
# auth_jwt_key_cache.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Jose;

my $t = Test::Nginx->new()->has(qw/ http rewrite /)->plan(69);

$t->write_file('a.jwk', jwk('HS256', '--kid', 'a'));

# What nginx -t says with these directives in http {}.
my $http = sub { return config_test($t, $_[0]) };

# The same in a location, in line 4 of http.conf.
my $location = sub {
    my ($directives) = @_;
    return $http->("server {\nlisten 127.0.0.1:1;\nlocation / {\n$directives\n} location = /a { internal; }}");
};

# The same outside of http {}.
my $main = sub { return config_test($t, '', $_[0]) };

my $line_4 = sub {
    my ($message) = @_;
    return "[emerg] $message in DIR/http.conf:4 | exit 1";
};

my $ok = 'exit 0';
my $not_here = 'directive is not allowed here';
my $number = 'invalid number of arguments in';

### auth_jwt_key_request

my $request = 'auth_jwt_key_request';

is($http->("auth_jwt a; $request /a;"), $ok, 'http');
is($http->("server { auth_jwt a; $request /a; }"), $ok, 'server');
is($location->("auth_jwt a; $request /a;"), $ok, 'location');
is($location->("limit_except GET { auth_jwt a; $request /a; }"), $ok,
    'limit_except');
is($location->("$request /a; $request /a;"), $ok, 'twice');
is($location->("$request /a; auth_jwt_key_file a.jwk;"), $ok, 'with a file');
is($location->("auth_jwt a; $request \$arg_a;"), $ok, 'variables');
is($location->("$request /a;"), $ok, 'without auth_jwt');
is($http->("$request /a; server { auth_jwt a; location / { auth_jwt b; } location = /a { internal; } }"), $ok,
    'keys of an outer level');

for my $uri ('a', '@named', 'http://127.0.0.1/', '""', '?a') {
    my $shown = $uri eq '""' ? '' : $uri;
    is($location->("$request $uri;"), "[warn] the URI \"$shown\" in \"$request\" directive does not "
        . 'begin with "/", every request is refused: name a location that has proxy_pass, or fetch the keys '
        . 'by auth_jwt_issuer with jwks_uri in '
        . "DIR/http.conf:4 | $ok", "URI $uri");
}

is($location->("$request;"), $line_4->("$number \"$request\" directive"), 'no URI');
is($location->("$request /a /b;"), $line_4->("invalid parameter \"/b\" in \"$request\" directive, "
    . 'it must be pass_header=name'), 'two URIs');
is($location->("$request /a pass_header=X-A pass_header=authorization;"), $ok,
    'header lines that are passed');
for my $name ('', 'X A', 'X-*', 'X:') {
    is($location->("$request /a \"pass_header=$name\";"), $line_4->("invalid value "
        . "\"pass_header=$name\" in \"$request\" directive, it must be the name of a header"),
        "no header '$name'");
}
for my $name (qw/ Accept-Encoding range If-None-Match Content-Length Host /) {
    is($location->("$request /a pass_header=$name;"), $line_4->("invalid value "
        . "\"pass_header=$name\" in \"$request\" directive, that header would change what "
        . 'the response is, or belongs to a single message'), "$name is not passed");
}
is($location->("$request /\$nobody;"), '[emerg] unknown "nobody" variable | exit 1',
    'unknown variable');
is($location->("$request /\$;"), $line_4->('invalid variable name'),
    'dollar alone');
is($location->("if (\$arg_a) { $request /a; }"), $line_4->("\"$request\" $not_here"),
    'in if');
is($http->("\n\n\nupstream u { $request /a; }"), $line_4->("\"$request\" $not_here"),
    'in upstream');
is($main->("$request /a;"),
    "[emerg] \"$request\" $not_here in DIR/main.conf:1 | exit 1", 'outside of http');

### auth_jwt_key_cache

my $cache = 'auth_jwt_key_cache';

is($http->("$cache 1m;"), $ok, 'cache in http');
is($http->("server { $cache 1m; }"), $ok, 'cache in server');
for my $value (qw/ 0 1 1s 500ms 10m 1h30m 1d /, '10m stale=1h', '10m refresh=off',
    '10m refresh=10s stale=1h', '0 stale=1h', '1m refresh=0')
{
    is($location->("$cache $value;"), $ok, "cache $value");
}

is($location->("$cache;"), $line_4->("$number \"$cache\" directive"), 'no time');
my $time = "in \"$cache\" directive, it must be a time, as in 10m or 500ms";
is($location->("$cache '$_';"), $line_4->("invalid value \"$_\" $time"), "cache $_") for 'x', '-1', '1x', '', 'off', '$arg_a';
is($location->("$cache 1m stale=$_;"), $line_4->("invalid value \"stale=$_\" $time"), "cache stale=$_") for '', 'x', 'off';
is($location->("$cache 1m refresh=$_;"), $line_4->("invalid value \"refresh=$_\" $time, or \"off\""), "cache refresh=$_")
    for '', 'on', '-1';
for my $value ('5m', 'Stale=1m', 'stale', 'max=1') {
    is($location->("$cache 1m $value;"), $line_4->("invalid parameter \"$value\" in \"$cache\" directive, "
        . 'it must be stale=time or refresh=time'), "cache, $value");
}
for my $value ('stale=1m stale=2m', 'refresh=off refresh=1s',
    'refresh=1s stale=1h refresh=1s')
{
    my ($again) = $value =~ /(\S+)$/;
    is($location->("$cache 1m $value;"),
        $line_4->("duplicate parameter \"$again\""), "cache, $value");
}
is($location->("$cache 1m; $cache 1m;"),
    $line_4->("\"$cache\" directive is duplicate"), 'cache twice');
is($location->("limit_except GET { $cache 1m; }"),
    $ok, 'cache in limit_except');
is($location->("if (\$arg_a) { $cache 1m; }"), $line_4->("\"$cache\" $not_here"),
    'cache in if');
is($main->("$cache 1m;"), "[emerg] \"$cache\" $not_here in DIR/main.conf:1 | exit 1",
    'cache outside of http');
