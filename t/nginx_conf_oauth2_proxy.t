#!/usr/bin/perl

# nginx-conf/oauth2-proxy.conf: the block of OAuth2 Proxy's documentation works
# unchanged, and the shorter forms do more.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use ForwardAuth;
use Test::Nginx::Raw;

my $t = Test::Nginx->new()->has(qw/ http proxy rewrite /)->plan(61);

use_conf($t, 'auth-proxy.conf');
use_conf($t, 'oauth2-proxy.conf', map({ ("listen $_;" => "listen 127.0.0.1:$_;") } 8080 .. 8082),
    '127.0.0.1:9000' => '127.0.0.1:8090', '127.0.0.1:4180' => '127.0.0.1:8091');

configure($t, <<'EOC');
    underscores_in_headers on;
    include oauth2-proxy.conf;
EOC

# Like OAuth2 Proxy: /oauth2/auth responds with 202 or 401, its pages with their content,
# and "/", with a static upstream, with 202 or a redirect to the provider.

my $part = 'x' x 4000;
my @parts = ("auth_cookie_name_0=$part; Path=/; HttpOnly", "auth_cookie_name_1=rest; Path=/; HttpOnly");

authority($t, 8091, sub {
    my ($head) = @_;
    my ($uri) = $head =~ /^\S+ (\S+)/;
    my ($session) = $head =~ /^Cookie: _oauth2_proxy=(\w+)/mi;
    return 403, ['Content-Type: text/html', 'Set-Cookie: _oauth2_proxy_csrf=page'], 'SIGN IN'
        if $uri =~ m!^/oauth2/sign_in!;
    return 302, ['Location: https://provider/'], 'FOUND' if $uri =~ m!^/oauth2/start!;
    if (!$session) {
        return 401, ['Set-Cookie: _oauth2_proxy=; Max-Age=0'], 'Unauthorized' if $uri eq '/oauth2/auth';
        return 302, ['Location: https://provider/?state=1', 'Set-Cookie: _oauth2_proxy_csrf=c', 'X-Secret: s'],
            'FOUND';
    }
    return 403, ['X-Secret: s'], 'Forbidden' if $session eq 'forbidden';
    my @lines = ("X-Auth-Request-User: $session", "X-Auth-Request-Email: $session\@example.com",
        'X-Auth-Request-Access-Token: token', 'X-Secret: s');
    push @lines, 'Set-Cookie: _oauth2_proxy=new; Path=/' if $session eq 'refresh';
    push @lines, map { "Set-Cookie: $_" } @parts if $session eq 'parts';
    return 202, \@lines, 'Accepted';
});
application($t, 8090, 'Set-Cookie: application=1');
$t->run();

my $session = sub { "Cookie: _oauth2_proxy=$_[0]" };
my @asked;
my $response;

### 1. as documented

$response = ask('/a?b');
is(status($response), 403, 'documented: no session');
like($response, qr/\r\n\r\nSIGN IN\z/, 'documented: the page to sign in');
@asked = requests($t, 8091);
is(scalar @asked, 2, 'documented: two requests, the check and the page');
like($asked[0], qr!^GET /oauth2/auth HTTP/1.\d\n!, 'documented: URI of the check');
is(header_values($asked[0], 'x-forwarded-uri'), '/a?b', 'documented: URI of the request');
is(header_values($asked[0], 'host'), 'localhost', 'documented: the host');
is(header_values($asked[1], 'x-auth-request-redirect'), '/a?b', 'documented: the way back');
is(status(ask('/a', $session->('forbidden'))), 403, 'documented: forbidden');
@asked = requests($t, 8091);
$response = ask('/a?b', $session->('alice'), map { "$_: mallory" } qw/ X-User X-Email X-Access-Token /);
is(status($response), 200, 'documented: session');
like($response, qr!\r\n\r\nGET /a\?b HTTP/!, 'documented: to the application');
is(header_values(got($response), 'x-user'), 'alice', 'documented: user');
is(header_values(got($response), 'x-email'), 'alice@example.com', 'documented: email');
is(header_values(got($response), 'x-access-token'), 'token', 'documented: token');
is(header_values($response, 'Set-Cookie'), 'application=1', 'documented: no cookie of its own');
@asked = requests($t, 8091);
ask({ method => 'POST', body => 'BODY' }, '/a', $session->('alice'));
@asked = requests($t, 8091);
like($asked[0], qr/^GET (?!.*^content-length:).*\n\n\z/ms, 'documented: no body');

is(header_values(ask('/a', $session->('refresh')), 'Set-Cookie'),
    'application=1 | _oauth2_proxy=new; Path=/', 'documented: a cookie is refreshed');
is(header_values(ask('/a', $session->('parts')), 'Set-Cookie'),
    'application=1 | ' . ($t->has_version('1.23.0') ? join(', ', @parts) : $parts[0]),
    'documented: two cookies are one line to nginx, or one cookie');

### 2. the shorter form

requests($t, 8091);
$response = ask({ port => 8081 }, '/a?b');
is(status($response), 403, 'short: no session');
like($response, qr/\r\n\r\nSIGN IN\z/, 'short: the page to sign in');
is(header_values($response, 'Set-Cookie'), '_oauth2_proxy=; Max-Age=0 | _oauth2_proxy_csrf=page',
    'short: both cookies');
@asked = requests($t, 8091);
is(scalar @asked, 2, 'short: two requests, the check and the page');
is(header_values($asked[1], 'x-auth-request-redirect'), '/a?b', 'short: the way back');
$response = ask({ port => 8081 }, '/api/a');
is(status($response), 401, 'short: programs');
is(header_values($response, 'Set-Cookie'), '_oauth2_proxy=; Max-Age=0',
    'short: programs, the cookie');
$response = ask({ port => 8081 }, '/a', $session->('forbidden'));
is(status($response), 403, 'short: forbidden');
unlike($response, qr/SIGN IN|X-Secret/i, 'short: forbidden, no page');
is(status(ask({ port => 8081 }, '/oauth2/auth', $session->('alice'))), 404,
    'short: the location of the check is internal');
like(ask({ port => 8081 }, '/oauth2/start?rd=/a'), qr!^HTTP\S+ 302 .*^Location: https://provider/\r!ms,
    'short: its own pages');

requests($t, 8091);
$response = ask({ port => 8081 }, '/a?b', $session->('alice'), spoofed());
is(status($response), 200, 'short: session');
is(header_values(got($response), 'x.auth.request.user'), 'alice', 'row 25: short: user');
is(header_values(got($response), 'x.auth.request.email'), 'alice@example.com',
    'row 25: short: email');
is(header_values(got($response), 'x.auth.request.access.token'), 'token', 'row 25: short: token');
is(header_values(got($response), 'x.auth.request.groups'), '', 'row 26: short: no groups');
is(header_values(got($response), 'x.auth.request.redirect'), '',
    'row 26: short: nothing else of that name');
unlike($response, qr/x-secret/i, 'short: nothing else of the response');
is(header_values($response, 'Set-Cookie'), 'application=1', 'short: no cookie of its own');
@asked = requests($t, 8091);
is(scalar @asked, 1, 'short: one check');
unlike($asked[0], qr/mallory/, "row 27: short: no line of the client's own making");
is(header_values($asked[0], 'host'), 'localhost', 'short: the host');
is(header_values($asked[0], 'x-forwarded-uri'), '/a?b', 'short: URI of the request');

is(header_values(ask({ port => 8081 }, '/a', $session->('refresh')), 'Set-Cookie'),
    '_oauth2_proxy=new; Path=/ | application=1', 'short: a cookie is refreshed');
is(header_values(ask({ port => 8081 }, '/a', $session->('parts')), 'Set-Cookie'), join(' | ', @parts, 'application=1'),
    'short: two cookies are two lines');

### what 1. sets, and the others do not

my @others = map { ($_, s/-/_/gr, lc) } qw/ X-User X-Email X-Access-Token /;
my $names_of_1 = 'x.(?:user|email|access.token)';
for my $case ([8081, '/a'], [8081, '/api/a'], [8082, '/a']) {
    my ($port, $uri) = @$case;
    $response = ask({ port => $port }, $uri, $session->('alice'), map { "$_: mallory" } @others);
    is(status($response) . header_values(got($response), $names_of_1), 200,
        "row 26: short: none of the names of 1., $port $uri");
}

### 3. with a static upstream

requests($t, 8091);
$response = ask({ port => 8082 }, '/a?b', spoofed());
is(status($response), 302, 'static: no session');
is(header_values($response, 'Location'), 'https://provider/?state=1', 'static: to the provider');
is(header_values($response, 'Set-Cookie'), '_oauth2_proxy_csrf=c', 'static: cookie');
like($response, qr/\r\n\r\nFOUND\z/, 'static: body');
unlike($response, qr/X-Secret/i, 'static: nothing else');
@asked = requests($t, 8091);
like($asked[0], qr!^GET / HTTP/1.1\n!, 'static: URI of the check');
unlike($asked[0], qr/mallory/, "row 27: static: no line of the client's own making");
is(header_values($asked[0], 'x-forwarded-uri'), '/a?b', 'static: URI of the request');
is(status(ask({ port => 8082 }, '/a', $session->('forbidden'))), 403, 'static: forbidden');
$response = ask({ port => 8082 }, '/a', $session->('parts'), spoofed());
is(status($response), 200, 'static: session');
is(header_values(got($response), 'x.auth.request.user'), 'parts', 'static: user');
is(header_values($response, 'Set-Cookie'), join(' | ', @parts, 'application=1'),
    'static: two cookies');

### row 31: the service is gone

$t->stop_daemons();
application($t, 8090);
is(status(ask({ port => $_ }, '/a', $session->('alice'))), 500,
    "row 31: no response, $_") for 8080 .. 8082;
is(status(ask({ port => 8081 }, '/oauth2/start')), 502, 'row 31: no page to sign in');
