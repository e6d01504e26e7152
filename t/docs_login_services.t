#!/usr/bin/perl

# docs/login-services.md: its configurations for Authelia and authentik, with services that answer as
# these do. Those of OAuth2 Proxy, Authgear and MCP are in nginx-conf/, and have tests of their own.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use Docs;
use ForwardAuth;

my $t = Test::Nginx->new()->has(qw/ http proxy rewrite /)->plan(12);

my %conf = map { $_->{heading} => $_->{text} } nginx_blocks('docs/login-services.md');
my %port = (Authelia => 8081, authentik => 8082);
for my $name (keys %port) {
    my $conf = $conf{$name} =~ s/listen +8080;/listen 127.0.0.1:$port{$name};/r;
    $t->write_file_expand("$name.conf", $conf =~ s/127\.0\.0\.1:9000/127.0.0.1:8090/gr =~ s/127\.0\.0\.1:9001/127.0.0.1:8091/gr);
}
use_conf($t, 'auth-proxy.conf');
configure($t, "include Authelia.conf; include authentik.conf;\n");

authority($t, 8091, sub {
    my ($head) = @_;
    my ($uri) = $head =~ /^\S+ (\S+)/;
    return 200, [], 'OUTPOST' if $uri =~ m!^/outpost.goauthentik.io/(?:start|callback)!;
    my ($user) = $head =~ /^Cookie: session=(\w+)/m;
    return 401, ['Location: https://elsewhere.example.com/'], 'no' unless $user;
    return 403, [], 'no' if $user eq 'guest';
    return 200, ["Remote-User: $user", 'Remote-Groups: staff', "X-authentik-username: $user", 'X-authentik-groups: staff|admins',
        'X-Secret: s', 'Set-Cookie: session=renewed'];
});
application($t, 8090);
run_quietly($t);

my $asked = sub {
    my ($name, $uri, @lines) = @_;
    return ask({ port => $port{$name} }, $uri, 'Host: app.example.com', @lines);
};

for my $case (
    ['Authelia', 'https://login.example.com/?rd=https%3A%2F%2Fapp.example.com%2Fa%3Fb%3Dc%26d', qr{^GET /api/authz/auth-request HTTP},
        'Remote-User'],
    ['authentik', '/outpost.goauthentik.io/start?rd=https%3A%2F%2Fapp.example.com%2Fa%3Fb%3Dc%26d',
        qr{^GET /outpost\.goauthentik\.io/auth/nginx HTTP}, 'X-authentik-username'],
) {
    my ($name, $login, $question, $header) = @$case;
    requests($t, 8091);
    my $response = $asked->($name, '/a?b=c&d', "$header: mallory");
    is(status($response) . ' ' . header($response, 'Location') =~ s{^http://app\.example\.com(?::\d+)?}{}r, "302 $login", "$name: no session");
    my ($request) = requests($t, 8091);
    like($request, $question, "$name: what it is asked");
    like($request, qr{^x-original-url: http://app\.example\.com/a\?b=c&d$}m, "$name: for which address");
    $response = $asked->($name, '/a', 'Cookie: session=alice', "$header: mallory");
    is(join(' ', status($response), header($response, 'Set-Cookie'), header_values(got($response), lc $header)),
        '200 session=renewed alice', "$name: a session");
    is(status($asked->($name, '/a', 'Cookie: session=guest')), '403', "$name: not allowed");
}
is(body($asked->('authentik', '/outpost.goauthentik.io/start?rd=x')), 'OUTPOST', "authentik: its own pages");
is(header_values(got($asked->('authentik', '/a', 'Cookie: session=alice', 'X.Authentik.Groups: root')), 'x-authentik-groups'),
    'staff|admins', "authentik: the groups");
