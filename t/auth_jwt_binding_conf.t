#!/usr/bin/perl

# Messages for wrong configurations of auth_jwt_binding.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;

my $t = Test::Nginx->new()->has(qw/ http http_ssl rewrite /)->plan(41);

$t->write_file('a.jwk', '{"kty":"oct","k":"c2VjcmV0IG9mIHRoaXJ0eS10d28gYnl0ZXMgb3IgbW9yZQ"}');

my $http = sub { return config_test($t, $_[0]) };
my $protect = 'auth_jwt a; auth_jwt_key_file a.jwk;';
my $location = sub { return $http->("server { $protect\nlisten 127.0.0.1:1;\nlocation / {\n$_[0]\n}}") };
my $line_4 = sub { return "[emerg] $_[0] in DIR/http.conf:4 | exit 1" };
my $ok = 'exit 0';
my $name = 'auth_jwt_binding';

### contexts, numbers of arguments, repeats

my %around = (http => "$name tls;", server => "server { $name tls; }",
    location => "server { $protect location / { $name tls; } }",
    limit_except => "server { $protect location / { limit_except GET { $name tls; } } }");
is($http->($around{$_}), $ok, "in $_") for sort keys %around;
is($location->("if (\$arg_a) { $name tls; }"), $line_4->("\"$name\" directive is not allowed here"), 'in if');
is(config_test($t, '', "$name tls;"), "[emerg] \"$name\" directive is not allowed here in DIR/main.conf:1 | exit 1",
    'outside of http');
is($location->("$name$_;"), $line_4->("invalid number of arguments in \"$name\" directive"), "arguments: $_")
    for '', ' tls required cert=$http_a more';
is($location->("$name $_->[0]; $name $_->[1];"), $line_4->("\"$name\" directive is duplicate"), "@$_")
    for [qw/ tls tls /], [qw/ tls off /], [qw/ off tls /];

### arguments

is($location->("$name $_;"), $ok, $_) for 'off', 'tls', 'tls required', 'tls cert=$http_client_cert',
    'tls cert=$http_client_cert required', 'tls required cert=$ssl_client_escaped_cert';
is($location->("$name $_;"), $line_4->("invalid value \"" . s/"//gr . "\" in \"$name\" directive, "
    . 'it must be "tls" or "off"'), "value $_") for qw/ on dpop any TLS required /, '""', '$arg_a';
is($location->("$name off $_;"), $line_4->("invalid parameter \"$_\" in \"$name\" directive, "
    . '"off" has no parameters'), "off $_") for qw/ required cert=$http_a /;
is($location->("$name tls $_;"), $line_4->("invalid parameter \"$_\" in \"$name\" directive, "
    . 'it must be cert=$variable or required'), "tls $_") for qw/ REQUIRED certificate=$http_a $http_a /;
is($location->("$name tls cert=$_;"), $line_4->("invalid variable name \"$_\" in \"$name\" directive, "
    . 'it must be "$" and a name'), "cert=$_") for '', 'http_a', '$';
is($location->("$name tls required required;"), $line_4->("duplicate parameter \"required\" in \"$name\" directive"),
    'required twice');
is($location->("$name tls cert=\$http_a cert=\$http_b;"),
    $line_4->("duplicate parameter \"cert=\$http_b\" in \"$name\" directive"), 'cert= twice');
is($http->("server { $protect location / { $name tls cert=\$nobody; } }"),
    '[emerg] unknown "nobody" variable | exit 1', 'an unknown variable');

### what a client can choose

my $choice = sub { "[warn] any client can choose \"$_[0]\" in \"$name\" directive, so that a stolen token is accepted; "
    . 'it must be a variable that a proxy in front or nginx itself sets in DIR/http.conf:4 | exit 0' };
is($location->("$name tls cert=$_;"), $choice->($_), $_) for qw/ $arg_cert $cookie_cert $Arg_cert /;
is($http->("map \$http_a \$cookie_cert { default \$http_a; }\n$name tls cert=\$cookie_cert;"), $ok,
    'a variable of the configuration');

### a binding without auth_jwt

is($http->("server {\nlocation /a {\n$name tls;\n}}") =~ s/nginx\.conf:\d+/nginx.conf:N/r, "[warn] \"$name\" in location "
    . '"/a" requires nothing without "auth_jwt", every request is served in DIR/nginx.conf:N | exit 0', 'tls without auth_jwt');
is($http->("server {\nlocation /a {\n$name off;\n}}"), $ok, 'off without auth_jwt');
