#!/usr/bin/perl

# Warnings of nginx -t about auth_jwt_binding where nothing that a token is bound to can ever come, or
# where whoever asks chooses it (row 61).

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use Certificates;

my $t = Test::Nginx->new()->has(qw/ http http_ssl rewrite map access /)->plan(104);

$t->write_file('a.jwk', '{"kty":"oct","k":"c2VjcmV0IG9mIHRoaXJ0eS10d28gYnl0ZXMgb3IgbW9yZQ"}');

my $ok = 'exit 0';
my $jwt = 'auth_jwt a; auth_jwt_key_file a.jwk;';
my $url = 'auth_jwt_dpop_url https://api.example.com$request_uri;';

# What nginx -t says of servers, without the file's last line. No certificate of a server is needed,
# because every handshake is refused.
my $said = sub {
    # No interface has the addresses that are not local.
    return config_test($t, "ssl_reject_handshake on;\n$_[0]") =~ s/ in DIR\/nginx\.conf:\d+(?= \||$)//gr
        =~ s/\[emerg\] (?:bind\(\) to|socket\(\)) \S*(?:192\.0\.2\.|128\.0\.0\.|2001:db8:)\S* failed [^|]* \| exit 1/exit 0/r;
};

# The same of a server whose third line is the argument, in a location.
my $at = sub {
    my ($server, $location) = @_;
    return $said->("server { $server $jwt\nlocation /a { $location }\n}");
};
my $warning = sub { return join(' | ', map { "[warn] $_" } @_) . " | $ok" };
my $own = sub {
    my ($line, $place, $directive) = @_;
    return '"' . ($directive // 'auth_jwt_binding') . '" in DIR/http.conf:' . ($line // 3) . ', for '
        . ($place // 'location "/a"') . ',';
};
my $no_tls = sub { $own->(@_) . ' asks for the client\'s certificate, and no "listen" of its server has "ssl": every token that is '
    . 'bound to one is refused; if a proxy in front ends TLS, name the variable with the certificate by "cert="' };
my $not_asked = sub { $own->(@_) . ' asks for the client\'s certificate, and "ssl_verify_client" of its server is off: every token '
    . 'that is bound to one is refused; write "optional", or "optional_no_ca" for certificates that clients have signed themselves' };
my $of_client = sub { 'any client can send "' . shift() . '" of ' . $own->(@_) . ' so that a stolen token is accepted; let in only '
    . 'the proxy that sets the header line, by "allow" and "deny" or by "ssl_verify_client on"' };
my $plain = sub { $own->(@_) . ' expects DPoP proofs for addresses with http, because no "listen" of its server has "ssl"; if a '
    . 'proxy in front ends TLS, write the address that clients use, as in "auth_jwt_dpop_url https://api.example.com$request_uri"' };
my $any_host = sub { $own->(@_) . ' expects DPoP proofs for the host that the client names, and the server takes every host: a proof '
    . 'for another service is good here; write the host, as in "auth_jwt_dpop_url https://api.example.com$request_uri", or have '
    . 'another default server refuse other hosts' };

my $tls = 'listen 127.0.0.1:8080 ssl;';
my $local = 'listen 127.0.0.1:8080;';
my $public = 'listen 192.0.2.1:8080;';
my $ask = 'ssl_verify_client optional_no_ca;';
my $demand = 'ssl_client_certificate ca.crt; ssl_verify_client';
certificate_authority($t, 'ca');

### a certificate that cannot come

for my $binding ('tls', 'tls required', 'tls cert=$ssl_client_cert', 'tls cert=$ssl_client_escaped_cert', 'tls cert=$SSL_Client_Raw_Cert') {
    is($at->($local, "auth_jwt_binding $binding;"), $warning->($no_tls->()), "$binding, no TLS");
    is($at->("$local $ask", "auth_jwt_binding $binding;"), $warning->($no_tls->()), "$binding, no TLS, but ssl_verify_client");
    is($at->($tls, "auth_jwt_binding $binding;"), $warning->($not_asked->()), "$binding, no ssl_verify_client");
    is($at->("$tls ssl_verify_client off;", "auth_jwt_binding $binding;"), $warning->($not_asked->()), "$binding, ssl_verify_client off");
    is($at->("$tls $ask", "auth_jwt_binding $binding;"), $ok, "$binding, ssl_verify_client optional_no_ca");
    is($at->("$tls $demand $_;", "auth_jwt_binding $binding;"), $ok, "$binding, ssl_verify_client $_") for qw/ on optional /;
}
is($at->("$local $tls $ask" =~ s/8080;/8081;/r, 'auth_jwt_binding tls;'), $ok, 'one of two addresses is TLS');
is($at->($tls, "auth_jwt_binding any; $url"), $warning->($not_asked->()), 'any, no ssl_verify_client');
is($said->("$ask\nserver { $tls $jwt auth_jwt_binding tls; location /a { } }"), $ok, 'ssl_verify_client of http');
is($said->("server { $local $jwt\nauth_jwt_binding tls; location /a { } location /b { } }"), $warning->($no_tls->(3, 'the server')),
    'a directive of the server: one warning');
is($said->("auth_jwt_binding tls;\n$jwt server { $local location /a { } }\nserver { listen 127.0.0.1:8081; }\n"
    . "server { listen 127.0.0.1:8082 ssl; }"), $warning->($no_tls->(2, 'the server'), $not_asked->(2, 'the server')),
    'a directive of http: one warning for each fault');
is($said->("server { $local location /a { auth_jwt_binding tls; } }") =~ s/"auth_jwt_binding" in location.*served/.../r,
    "[warn] ... | $ok", 'no auth_jwt');
is($at->($local, 'auth_jwt off; auth_jwt_binding tls;') =~ s/"auth_jwt_binding" in location.*served/.../r, "[warn] ... | $ok",
    'auth_jwt off');
is($at->($local, 'auth_jwt_binding off;'), $ok, 'off');

### a certificate that the client sends

for my $variable (qw/ $http_client_cert $HTTP_X_Cert /) {
    my $cert = "auth_jwt_binding tls cert=$variable;";
    is($at->("listen $_;", $cert), $warning->($of_client->($variable)), "$variable, listen $_")
        for '192.0.2.1:8080', '192.0.2.1:8080 ssl', '[2001:db8::127]:8080', '128.0.0.1:8080';
    is($at->("listen $_;", $cert), $ok, "$variable, listen $_") for '127.0.0.1:8080', '127.1.2.3:8080', 'unix:%%TESTDIR%%/s';
    is($at->("$local $public", $cert), $warning->($of_client->($variable)), "$variable, one of two addresses is public");
    is($at->("$public allow 10.0.0.4; deny all;", $cert), $ok, "$variable, allow and deny of the server");
    is($at->($public, "$cert allow 10.0.0.4; deny all;"), $ok, "$variable, allow and deny of the location");
    is($at->($public, "$cert satisfy any; allow 10.0.0.4; deny all;"), $warning->($of_client->($variable)),
        "$variable, satisfy any");
    is($at->($public =~ s/;/ ssl; $demand on;/r, $cert), $ok, "$variable, the proxy has a certificate");
    is($at->($public =~ s/;/ ssl; $demand optional;/r, $cert), $warning->($of_client->($variable)), "$variable, the proxy may have a certificate");
}
is($said->("geo \$is_proxy { default 0; 10.0.0.4 1; }\nmap \$is_proxy \$cert { default ''; 1 \$http_client_cert; }"
    . "server { $public $jwt location /a { auth_jwt_binding tls cert=\$cert; } }"), $ok, 'a line that counts from the proxy only');
is($at->($public, "auth_jwt_binding any cert=\$http_client_cert; $url"), $warning->($of_client->('$http_client_cert')), 'any');

### the address of proofs

is($at->($local, "auth_jwt_binding $_;"), $warning->($plain->()), "$_, no TLS") for 'dpop', 'dpop required', 'any cert=$http_a';
is($at->($local, 'auth_jwt_binding dpop; auth_jwt_dpop_url $scheme://api.example.com$request_uri;'),
    $warning->($plain->(3, undef, 'auth_jwt_dpop_url')), 'no TLS, $scheme in auth_jwt_dpop_url');
is($at->($local, "auth_jwt_binding dpop; $_;"), $ok, "no TLS, $_") for 'auth_jwt_dpop_url https://api.example.com$request_uri',
    'auth_jwt_dpop_url http://api.example.com$request_uri', 'auth_jwt_dpop_url https://$server_name$request_uri',
    'auth_jwt_dpop_url $hostname', 'auth_jwt_dpop_url $request_uri$arg_scheme';
is($at->($tls, 'auth_jwt_binding dpop;'), $warning->($any_host->()), 'every host, no auth_jwt_dpop_url');
is($at->($tls, 'auth_jwt_binding any cert=$http_a;'), $warning->($any_host->()), 'any, every host, no auth_jwt_dpop_url');
is($at->($_->[0], "auth_jwt_binding dpop; auth_jwt_dpop_url $_->[1];"), $warning->($any_host->(3, undef, 'auth_jwt_dpop_url')),
    "every host, $_->[0] $_->[1]") for map { my $listen = $_; map { [ $listen, $_ ] } 'https://$http_host$request_uri',
    'https://$host$request_uri', '"https://${host}:8443$request_uri"', 'https://$HOST/', 'https://a$arg_a$host' } $tls, $local;
is($at->($tls, "auth_jwt_binding dpop; auth_jwt_dpop_url $_;"), $ok, "every host, $_") for 'https://api.example.com$request_uri',
    'https://$server_name$request_uri', 'https://$hostname/', 'https://host/$uri';
my $default = 'server { listen 127.0.0.1:8080 ssl default_server; return 421; }';
is($said->("$default\nserver { $tls server_name api.example.com; $jwt location /a { auth_jwt_binding dpop; $_ } }"), $ok,
    "another default server, $_") for '', 'auth_jwt_dpop_url https://$host$request_uri;';
is($said->("server { $tls return 421; }\nserver { $tls server_name api.example.com; $jwt location /a { auth_jwt_binding dpop; } }"),
    $ok, 'another server is the default because it comes first');
is($said->("$default\nserver { $tls listen 127.0.0.1:8081 ssl; server_name a; $jwt location /a { auth_jwt_binding dpop; } }"),
    $warning->($any_host->(3)), 'the default server of one of two addresses');
is($at->($local, "auth_jwt_dpop_url \$host;"), $ok, 'an address without a binding');
is($at->("$tls $ask", "auth_jwt_binding tls; auth_jwt_dpop_url \$host;"), $ok, 'an address that tls does not use');

### both kinds

is($at->($local, 'auth_jwt_binding any;'), $warning->($no_tls->(), $plain->()), 'any, nothing is right');
is($at->("$tls $ask", "auth_jwt_binding any required; $url"), $ok, 'any, all is right');
