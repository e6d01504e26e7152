#!/usr/bin/perl

# Tokens that a real authorization server, the npm package oidc-provider, binds to a key (DPoP, RFC
# 9449) or to a certificate (RFC 8705), used by a real client, the npm package oauth4webapi, and by
# thieves (row 61). Needs node, npm and openssl.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Certificates;
use OidcProvider;

use JSON::PP qw/ decode_json encode_json /;

my $t = Test::Nginx->new()->has(qw/ http http_ssl rewrite /)->plan(33);
my $dir = $t->testdir();

certificate_authority($t, 'ca');
certificate($t, 'localhost', ['localhost'], authority => 'ca');
certificate($t, $_, [$_], authority => 'ca', purpose => 'client') for qw/ alice bob /;
certificate($t, 'self-signed', ['self-signed'], purpose => 'client');
my $issuer = oidc_provider($t, 8443, 'localhost', 'ca');

configure($t, <<"EOF");
    auth_jwt_issuer provider {
        issuer                   $issuer;
        audience                 https://api.example.com;
        ssl_trusted_certificate  ca.crt;
    }
    server {
        listen               127.0.0.1:8444 ssl;
        server_name          localhost;
        ssl_certificate      localhost.crt;
        ssl_certificate_key  localhost.key;
        ssl_verify_client    optional_no_ca;

        auth_jwt             "api";
        auth_jwt_trust       provider;
        add_header           X-Status \$jwt_status always;

        location /dpop/ { auth_jwt_binding dpop required; }
        location /tls/ { auth_jwt_binding tls required; }
        location /any/ { auth_jwt_binding any required; }
        location /either/ { auth_jwt_binding any; }
        location /unbound/ { auth_jwt_binding off; }
    }
EOF
$t->run();

### what the client does, all of it by one process

my (@steps, %of);
my $step = sub { push @steps, { @_[1 .. $#_] }; $of{$_[0]} = $#steps };
my $get = sub {
    my ($name, $path, $token, %more) = @_;
    $step->($name, get => $path, with => $token, %more);
};
my @alice = (key => 'alice');

$step->('bound to a key', token => 'dpop', @alice);
$step->('bound to an RSA key', token => 'rsa', key => 'rsa', alg => 'PS256');
$step->('bound to a certificate', token => 'tls', certificate => 'alice');
$step->('bound to a self-signed certificate', token => 'self', certificate => 'self-signed');
$step->('bound to nothing', token => 'bearer');


# the honest client
for my $place (qw/ dpop any either /) {
    $get->("$place: its key", "/$place/x?a=b", 'dpop', @alice);
    $get->("$place: its RSA key", "/$place/x", 'rsa', key => 'rsa');
}
$get->('another method', '/dpop/x', 'dpop', @alice, method => 'DELETE');
for my $place (qw/ tls any either /) {
    $get->("$place: its certificate", "/$place/x", 'tls', certificate => 'alice');
    $get->("$place: its self-signed certificate", "/$place/x", 'self', certificate => 'self-signed');
}
$get->('either: bound to nothing', '/either/x', 'bearer');
$get->('unbound: bound to a certificate', '/unbound/x', 'tls');

# thieves
$get->('no proof', '/dpop/x', 'dpop');
$get->('another key', '/dpop/x', 'dpop', key => 'bob');
$get->('another algorithm', '/dpop/x', 'dpop', key => 'rsa');
$get->('a proof for another address', '/dpop/x', 'dpop', @alice, sent_to => '/dpop/y');
$get->('a proof twice', '/dpop/x', 'dpop', @alice, times => 2);
$get->('no certificate', '/tls/x', 'tls');
$get->('another certificate', '/tls/x', 'tls', certificate => 'bob');
$get->('a self-signed certificate', '/tls/x', 'tls', certificate => 'self-signed');
$get->('the certificate instead of the key', '/any/x', 'dpop', certificate => 'alice');
$get->('the key instead of the certificate', '/any/x', 'tls', @alice);
$get->('dpop: bound to nothing', '/dpop/x', 'bearer');
$get->('dpop: bound to nothing, with a proof', '/dpop/x', 'bearer', @alice);
$get->('tls: bound to nothing', '/tls/x', 'bearer', certificate => 'alice');

# nginx may still be fetching the provider's keys
my $bearer = provider_token();
my $address = 'https://localhost:' . port(8444);
wait_until(sub {
    `curl -s -o $dir/out -w '%{http_code}' --cacert $dir/ca.crt -H 'Authorization: Bearer $bearer' $address/unbound/` eq '404'
}) or die "no keys\n";
my $results = oidc_client("$address/", 'ca', \@steps);

# What has come of a step: a text, or the status, $jwt_status and the challenges.
my $result = sub {
    my ($name) = @_;
    my $result = $results->[$of{$name} // die "no step $name"];
    return $result unless ref $result;
    my @challenges = map {
        my ($scheme, $of) = @{$_}{qw/ scheme parameters /};
        "$scheme " . join ', ', map { "$_=" . ($_ eq 'algs' ? algorithms($of->{$_}) : $of->{$_}) } sort keys %$of;
    } @{ $result->{challenges} // [] };
    return join ' ', @{$result}{qw/ status jwt_status /}, join(' + ', @challenges) || ();
};

sub algorithms { return join ' ', grep { /^(?:ES256|PS256|HS256|none)$/ } split / /, $_[0] }

### tokens of the authorization server

is($result->($_), 'dpop', "a token $_") for 'bound to a key', 'bound to an RSA key';
is($result->($_), 'bearer', "a token $_") for 'bound to a certificate', 'bound to a self-signed certificate', 'bound to nothing';

### the client itself

is($result->($_), '404 ok', $_) for sort grep { /^(?:dpop|tls|any|either|unbound): (?:its)|^(?:either|unbound): bound/ } keys %of;

is($result->('another method'), '405 ok', 'another method');

### row 61: thieves

my $dpop = sub { "401 binding dpop algs=PS256 ES256, error=$_[0], realm=api" };
my $two = sub { $dpop->($_[0]) . ' + bearer error=invalid_token, realm=api' };
my $tls = '401 binding bearer error=invalid_token, realm=api';
is($result->('no proof'), $dpop->('invalid_token'), 'as a bearer token');
is($result->($_), $dpop->('invalid_token'), $_) for 'another key', 'another algorithm', 'dpop: bound to nothing',
    'dpop: bound to nothing, with a proof';
is($result->($_), $dpop->('invalid_dpop_proof'), $_) for 'a proof for another address', 'a proof twice';
is($result->($_), $tls, $_) for 'no certificate', 'another certificate', 'a self-signed certificate', 'tls: bound to nothing';
is($result->($_), $two->('invalid_token'), $_) for 'the certificate instead of the key', 'the key instead of the certificate';
