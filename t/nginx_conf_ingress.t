#!/usr/bin/perl

# nginx-conf/ingress-nginx.conf: the effect of each annotation.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use ForwardAuth;
use Test::Nginx::Raw;

# where people go after they have signed in, by what they asked for

my %back = ('/' => '%2F', '/a/b.c-d_e~f' => '%2Fa%2Fb.c-d_e~f', '/a?b=c&d' => '%2Fa%3Fb%3Dc%26d',
    '/a&rd=https://mallory' => '%2Fa%26rd%3Dhttps%3A%2F%2Fmallory', '/a%26rd=x' => '%2Fa%2526rd%3Dx',
    '//mallory/a' => '%2F%2Fmallory%2Fa', '/@mallory' => '%2F%40mallory', 'http://localhost/a' => '%2Fa',
    '/a%0d%0aX-Injected:b' => '%2Fa%250d%250aX-Injected%3Ab', '/a#b' => '%2Fa%23b');

my $t = Test::Nginx->new()->has(qw/ http proxy rewrite map upstream_keepalive /)->plan(53 + 2 * keys %back);

use_conf($t, 'auth-proxy.conf');
use_conf($t, 'ingress-nginx.conf', 'listen 8080' => 'listen 127.0.0.1:8080', '127.0.0.1:9000' => '127.0.0.1:8090',
    '127.0.0.1:9001' => '127.0.0.1:8091');

configure($t, <<'EOC');
    underscores_in_headers on;
    include ingress-nginx.conf;
EOC

authority($t, 8091, sub {
    my ($head) = @_;
    # of two cookies the last one that is not empty
    my ($user) = $head =~ /^Cookie: .*\bsession=(\w+)/mi or
        return 401, ['WWW-Authenticate: Custom', 'Set-Cookie: session=; Max-Age=0', 'X-Secret: s'], 'refused';
    return 403, ['Set-Cookie: a=1', 'Set-Cookie: b=2', 'X-Secret: s'], 'refused' if $user eq 'forbidden';
    return 302, ['Location: https://elsewhere/'] if $user eq 'redirected';
    return 200, [] if $user eq 'silent';
    return 202, ["X-Auth-Request-User: $user", 'X-Secret: s'], 'a body'
        if $head =~ m{^X-Original-URI: /assets/(?!cookie)}mi;
    # each connection has a process of its own
    return 202, ["X-Auth-Request-User: $user", "X-Auth-Request-Email: $$", 'Set-Cookie: a=1', 'Set-Cookie: b=2',
        'X-Secret: s'], 'a body';
});
service($t, 8090, sub {
    my ($client, $head, $body) = @_;
    my ($status) = $head =~ /^\S+ \/status\/(\d+)/;
    return reply($client, $head, $status // 200, ['Set-Cookie: application=1'], $head =~ s/\r//gr . $body);
});
$t->run();

my $session = sub { "Cookie: session=$_[0]" };
my (@asked, $response);

### refused

$response = ask('/a');
is(status($response), 302, 'auth-signin');
is(header_values($response, 'Location'), 'https://auth.example.com/start?rd=http://localhost%2Fa',
    'auth-signin-redirect-param');
is(header_values($response, 'Set-Cookie'), 'session=; Max-Age=0', 'auth-always-set-cookie, refused');
unlike($response, qr/X-Secret|refused/i, 'refused, nothing else');
is(scalar(requests($t, 8091)), 1, 'refused, one check');
$response = ask('/api/a');
is(status($response), 401, 'programs');
is(header_values($response, 'WWW-Authenticate'), 'Custom', 'programs, challenge');
is(header_values($response, 'Location'), '', 'programs, no redirect');
$response = ask('/a', $session->('forbidden'));
is(status($response), 403, 'forbidden');
is(header_values($response, 'Set-Cookie'), 'a=1 | b=2', 'auth-always-set-cookie, forbidden');
is(status(ask('/a', $session->('redirected'))), 500, 'a redirect is an error');
is(status(ask('/external-auth', $session->('alice'))), 404,
    'the location of the check is internal');

for my $uri (sort keys %back) {
    $response = ask($uri);
    is(status($response), 302, "sign-in: $uri");
    is(header_values($response, 'Location'), "https://auth.example.com/start?rd=http://localhost$back{$uri}",
        "sign-in: $uri, the way back");
}

### allowed

requests($t, 8091);
$response = ask({ method => 'POST', body => 'BODY' }, '/a?b', $session->('alice'), spoofed());
is(status($response), 200, 'allowed');
like(got($response), qr!^POST /a\?b HTTP/.*\n\nBODY\z!s, 'let in, to the application');
is(header_values(got($response), 'x.auth.request.user'), 'alice', 'row 25: auth-response-headers');
like(header_values(got($response), 'x.auth.request.email'), qr/^\d+$/,
    'row 25: auth-response-headers, the other');
is(header_values($response, 'Set-Cookie'), 'a=1 | b=2 | application=1',
    'auth-always-set-cookie, let in');
unlike($response, qr/X-Secret/i, 'let in, nothing else');
@asked = requests($t, 8091);
is(scalar @asked, 1, 'allowed, one check');
like($asked[0], qr!^GET /verify HTTP/1.1\n.*\n\n\z!s, 'auth-url, without the body');
is(header_values($asked[0], 'x-original-url'), 'http://localhost/a?b', 'X-Original-URL');
is(header_values($asked[0], 'x-original-method'), 'POST', 'X-Original-Method');
is(header_values($asked[0], 'x-auth-request-redirect'), '/a?b', 'auth-request-redirect');
is(header_values($asked[0], 'x-real-ip'), '127.0.0.1', 'X-Real-IP');
unlike($asked[0], qr/mallory/, "row 27: no line of the client's own making");

for my $status (201, 301, 404, 500, 503) {
    $response = ask("/status/$status", $session->('alice'));
    is(status($response), $status, "the application says $status");
    is(header_values($response, 'Set-Cookie'), 'a=1 | b=2 | application=1',
        "auth-always-set-cookie, $status");
}

$response = ask('/a', $session->('silent'), spoofed());
is(status($response), 200, 'row 26: allowed');
is(header_values(got($response), 'x.auth.request.(?:user|email)'), '', 'row 26: no user');
is(join(' ', map { header_values(got(ask('/a', $session->('alice'))), 'x-auth-request-email') } 1 .. 5)
    =~ /^(\d+)(?: \1){4}$/, 1, 'auth-keepalive');
is(status(ask('/api/a', $session->('alice'))), 200, 'programs, let in');
is(status(ask('/healthz')), 204, 'enable-global-auth: "false"');

### cached verdicts

requests($t, 8091);
for my $turn (1 .. 2) {
    $response = ask("/assets/$turn", $session->('alice'), spoofed());
    is(status($response), 200, "auth-cache-key, let in, $turn");
    is(header_values(got($response), 'x.auth.request.user'), 'alice', "auth-cache-key, user, $turn");
    is(status(ask("/assets/$turn", $session->('forbidden'))), 403,
        "auth-cache-key, another, $turn");
}
is(scalar(requests($t, 8091)), 3,
    'auth-cache-duration: who is let in once, who is refused with 403 each time');
is(status(ask('/assets/a', $session->('alice'), 'Authorization: x')), 200,
    'auth-cache-key, another line');
requests($t, 8091);
ask('/assets/a') for 1, 2;
ask('/assets/a', 'Cookie: session=; session=alice') for 1, 2;
is(scalar(requests($t, 8091)), 4, 'row 30: no verdict for all who have no session');
is(header_values(ask('/assets/cookie', $session->('bob')), 'Set-Cookie'), 'a=1 | b=2 | application=1',
    'row 56: cookies that the service sets, with a verdict that is not kept') for 1, 2;
is(scalar(requests($t, 8091)), 2, 'row 56: a check for each of them');

### row 31: the service is gone

$t->stop_daemons();
is(status(ask('/a', $session->('alice'))), 500, 'row 31: no response');
