#!/usr/bin/perl

# Messages for wrong configurations of auth_jwt_binding, auth_jwt_dpop_url,
# auth_jwt_dpop_algorithms, auth_jwt_dpop_nonce and auth_jwt_dpop_zone.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;

my $t = Test::Nginx->new()->has(qw/ http http_ssl rewrite /)->plan(105);

$t->write_file('a.jwk', '{"kty":"oct","k":"c2VjcmV0IG9mIHRoaXJ0eS10d28gYnl0ZXMgb3IgbW9yZQ"}');

my $http = sub { return config_test($t, $_[0]) };
my $protect = 'auth_jwt a; auth_jwt_key_file a.jwk;';
# a server that every binding is for: TLS, certificates, and no other host
my $tls = 'ssl_reject_handshake on; ssl_verify_client optional_no_ca; server { listen 127.0.0.1:1 ssl default_server; } '
    . "server { $protect";
my $location = sub { return $http->("$tls\nlisten 127.0.0.1:1 ssl; server_name a;\nlocation / {\n$_[0]\n}}") };
my $line_4 = sub { return "[emerg] $_[0] in DIR/http.conf:4 | exit 1" };
my $ok = 'exit 0';
my $name = 'auth_jwt_binding';

### contexts, numbers of arguments, repeats

my %around = (http => "$name tls;", server => "server { $name tls; }",
    location => "$tls listen 127.0.0.1:1 ssl; server_name a; location / { $name tls; } }",
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
    'tls cert=$http_client_cert required', 'tls required cert=$ssl_client_escaped_cert', 'dpop', 'dpop required', 'any',
    'any required cert=$http_client_cert';
is($location->("$name $_;"), $line_4->("invalid value \"" . s/"//gr . "\" in \"$name\" directive, "
    . 'it must be "tls", "dpop", "any" or "off"'), "value $_") for qw/ on TLS required /, '""', '$arg_a';
is($location->("$name off $_;"), $line_4->("invalid parameter \"$_\" in \"$name\" directive, "
    . '"off" has no parameters'), "off $_") for qw/ required cert=$http_a /;
is($location->("$name dpop cert=\$http_a;"), $line_4->("invalid parameter \"cert=\$http_a\" in \"$name\" directive, "
    . '"dpop" asks for no certificate'), 'dpop cert=');
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

### auth_jwt_dpop_url

$name = 'auth_jwt_dpop_url';
my $url = 'https://api.example$request_uri';
%around = (http => "$name $url;", server => "server { $name $url; }",
    location => "server { $protect location / { $name $url; } }",
    limit_except => "server { $protect location / { limit_except GET { $name $url; } } }");
is($http->($around{$_}), $ok, "$name in $_") for sort keys %around;
is($location->("$name$_;"), $line_4->("invalid number of arguments in \"$name\" directive"), "$name, arguments: $_")
    for '', ' https://a https://b';
is($location->("$name $url; $name $url;"), $line_4->("\"$name\" directive is duplicate"), "$name twice");
is($location->("$name $_;"), $ok, "$name $_") for qw{ $scheme://$host$request_uri http://a/b };
is($location->("$name $_;"), $line_4->("invalid value \"" . s/"//gr . "\" in \"$name\" directive, it must be a URL, as in "
    . 'https://$host$request_uri'), "$name $_") for qw{ api.example /a off ftp://a/ "" };

### auth_jwt_dpop_algorithms

$name = 'auth_jwt_dpop_algorithms';
my $algorithms = join ', ', qw/ RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 ES256K EdDSA Ed25519 Ed448 /,
    has_ml_dsa() ? qw/ ML-DSA-44 ML-DSA-65 ML-DSA-87 / : ();
%around = (http => "$name ES256;", server => "server { $name ES256; }",
    location => "server { $protect location / { $name ES256; } }",
    limit_except => "server { $protect location / { limit_except GET { $name ES256; } } }");
is($http->($around{$_}), $ok, "$name in $_") for sort keys %around;
is($location->("if (\$arg_a) { $name ES256; }"), $line_4->("\"$name\" directive is not allowed here"), "$name in if");
is($location->("$name;"), $line_4->("invalid number of arguments in \"$name\" directive"), "$name without arguments");
is($location->("$name ES256; $name ES256;"), $line_4->("\"$name\" directive is duplicate"), "$name twice");
is($location->("$name $_;"), $ok, "$name $_") for 'PS256 ES256 EdDSA Ed25519', 'ES256 ES256';
is($location->("$name ES256 $_;"), $line_4->("invalid value \"" . s/"//gr . "\" in \"$name\" directive, it must be one of "
    . $algorithms), "$name $_") for qw/ HS256 none es256 RSA-OAEP $arg_a "" /;

### auth_jwt_dpop_nonce

$name = 'auth_jwt_dpop_nonce';
%around = (http => "$name on;", server => "server { $name on; }", location => "server { $protect location / { $name on; } }",
    limit_except => "server { $protect location / { limit_except GET { $name on; } } }");
is($http->($around{$_}), $ok, "$name in $_") for sort keys %around;
is($location->("if (\$arg_a) { $name on; }"), $line_4->("\"$name\" directive is not allowed here"), "$name in if");
is($location->("$name$_;"), $line_4->("invalid number of arguments in \"$name\" directive"), "$name, arguments: $_")
    for '', ' on on';
is($location->("$name on; $name off;"), $line_4->("\"$name\" directive is duplicate"), "$name twice");
is($location->("$name $_;"), $ok, "$name $_") for qw/ on off ON /;
is($location->("auth_jwt_binding dpop; $name on;"), $ok, "$name on, and it is used");
is($location->("$name $_;"), $line_4->("invalid value \"" . s/"//gr . "\" in \"$name\" directive, it must be \"on\" or "
    . '"off"'), "$name $_") for qw/ required 1 $arg_a "" /;

### auth_jwt_dpop_zone

$name = 'auth_jwt_dpop_zone';
is($http->("$name $_;"), $ok, "$name $_") for qw/ 64k 1m 16M 65536 /;
is($http->("auth_jwt_binding dpop; $name 64k;"), $ok, "$name 64k, and it is used");
is($http->("\n$name $_;"), "[emerg] invalid value \"" . s/"//gr . "\" in \"$name\" directive, it must be a size of at least "
    . '64k, as in 1m in DIR/http.conf:2 | exit 1', "$name $_") for qw/ 0 63k off -1 1x name:1m "" /;
is($http->("$name$_;"), "[emerg] invalid number of arguments in \"$name\" directive in DIR/http.conf:1 | exit 1",
    "$name, arguments: $_") for '', ' 1m 2m';
is($http->("$name 1m; $name 1m;"), "[emerg] \"$name\" directive is duplicate in DIR/http.conf:1 | exit 1", "$name twice");
is($http->("server { $name 1m; }"), "[emerg] \"$name\" directive is not allowed here in DIR/http.conf:1 | exit 1",
    "$name in a server");
