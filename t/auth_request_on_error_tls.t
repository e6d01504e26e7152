#!/usr/bin/perl

# auth_request_on_error allow: a client that has a say in how nginx connects to the
# service, by a variable in the name or the certificate of TLS or in the local
# address, is not let in when that fails.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use Certificates;

# a location that is asked, the client's headers, and what the client gets with
# "allow" and "allow 5xx" where that differs

my $verify = 'proxy_ssl_verify on; proxy_ssl_trusted_certificate ca.crt';
my $up = 'proxy_pass https://127.0.0.1:8081';
my $down = 'proxy_pass https://127.0.0.1:8089';
my @own_certificate = map { "proxy_ssl_certificate$_" } '', '_key';
my @cases = (
    # nginx verifies a name that the client sends

    map({
        my ($protocol, $address) = @$_;
        my $pass = "proxy_ssl_name \$host; $verify; proxy_pass $address" =~ s/proxy/$protocol/gr;
        ["$protocol name", $pass, 'Host: evil.test', 500];
    } ['proxy', 'https://127.0.0.1:8081'], ['grpc', 'grpcs://127.0.0.1:8081'],
        ['uwsgi', 'suwsgi://127.0.0.1:8081']),
    ['right', "proxy_ssl_name \$host; $verify; $up", 'Host: svc.test', 200],
    ['wrong', "proxy_ssl_name a\$host; $verify; $up", 'Host: svc.test', 500],

    # the server refuses a name that the client sends, or responds to it with 503

    ['sni', "proxy_ssl_name \$host; proxy_ssl_server_name on; $up", 'Host: rejected.test', 500],
    ['sni503', "proxy_ssl_name \$host; proxy_ssl_server_name on; $up/503", 'Host: svc.test', 500],

    # no connection at all, of which nginx does not tell why there is none

    ['down', "proxy_ssl_name \$host; $down", 'Host: svc.test', 500],
    ['cert', "$own_certificate[0] svc\$arg_a.crt; $own_certificate[1] svc.key; $down",
        'Host: svc.test', 500],
    ['key', "$own_certificate[0] svc.crt; $own_certificate[1] svc\$arg_a.key; $down",
        'Host: svc.test', 500],
    ['bind', 'proxy_bind $http_from; proxy_pass http://127.0.0.1:8089', 'From: 127.0.0.2', 500],

    # without variables no client has a say

    ['fixed', "proxy_ssl_name svc.test; proxy_ssl_server_name on; $verify; $down",
        'Host: evil.test', 200],
    ['none', $down, 'Host: evil.test', 200],
    ['mismatch', "proxy_ssl_name other.test; $verify; $up", 'Host: svc.test', 200],
    ['fixedcert', "$own_certificate[0] svc.crt; $own_certificate[1] svc.key; $down",
        'Host: svc.test', 200],
    ['fixedbind', 'proxy_bind 127.0.0.1; proxy_pass http://127.0.0.1:8089', 'Host: svc.test', 200],
    ['none503', "$up/503", 'Host: svc.test', 500, 200],

    # without TLS, its directives say nothing

    ['plain', 'proxy_ssl_name $host; proxy_pass http://127.0.0.1:8089', 'Host: svc.test', 200],
);

my $t = Test::Nginx->new()
    ->has(qw/ http http_ssl http_v2 proxy grpc uwsgi rewrite /)->plan(2 * @cases + 3);

certificate_authority($t, 'ca');
certificate($t, 'svc', ['svc.test'], authority => 'ca');

my $locations = join '', map {
    my ($name, $service) = @$_;
    my $id = $name =~ tr/ /-/r;
    <<"EOF";
        location /allow/$id { auth_request /auth/$id; auth_request_on_error allow; }
        location /5xx/$id   { auth_request /auth/$id; auth_request_on_error allow 5xx; }
        location /auth/$id  { internal; auth_request off; $service; }
EOF
} @cases;

configure($t, <<"EOF");
    server {
        listen       127.0.0.1:8080;
        server_name  localhost;
        root         html;
        # a session would tell nothing of the name
        proxy_ssl_session_reuse off;
        grpc_ssl_session_reuse  off;
        uwsgi_ssl_session_reuse off;
        location /code { auth_request /auth/down; auth_request_on_error 503; }
$locations
    }
    server {
        listen               127.0.0.1:8081 ssl;
        server_name          svc.test;
        ssl_certificate      svc.crt;
        ssl_certificate_key  svc.key;
        location /           { return 204; }
        location /503        { return 503; }
    }
    server {
        listen               127.0.0.1:8081 ssl;
        server_name          rejected.test;
        ssl_reject_handshake on;
    }
EOF

run_quietly($t);

# 404: the client was let in, and there is no such file.
for my $case (@cases) {
    my ($name, undef, $header, $status, $with_5xx) = @$case;
    my $id = $name =~ tr/ /-/r;
    my @expected = map { $_ == 200 ? 404 : $_ } $status, $with_5xx // $status;
    is(status(ask("/allow/$id", $header)), $expected[0], "$name, $header, allow");
    is(status(ask("/5xx/$id", $header)), $expected[1], "$name, $header, allow 5xx");
}

### the log, and other values of the directive, which are as ever

my $line = 'error auth request unexpected status: 502 from "/auth/down": no connection to the service';
logged($t, qr/auth request/);
ask('/allow/down', 'Host: svc.test');
is(logged($t, qr/auth request/), "$line, not let in by auth_request_on_error, since the client may "
    . 'have a say in how nginx connects: TLS settings or the bind address have variables',
    'the log says why nobody is let in');
is(status(ask('/code', 'Host: svc.test')), 503, 'on_error 503');
is(logged($t, qr/auth request/), $line, 'the log');
