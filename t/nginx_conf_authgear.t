#!/usr/bin/perl

# nginx-conf/authgear.conf: both forms of Authgear's documentation work
# unchanged, and the shorter form does more.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use ForwardAuth;
use Test::Nginx::Raw;

my $t = Test::Nginx->new()->has(qw/ http proxy rewrite map cache /)->plan(54);

use_conf($t, 'auth-proxy.conf');
use_conf($t, 'authgear.conf', map({ ("listen $_;" => "listen 127.0.0.1:$_;") } 8080 .. 8082),
    '127.0.0.1:9000' => '127.0.0.1:8090', '127.0.0.1:9001' => '127.0.0.1:8091',
    '/tmp/cache' => '%%TESTDIR%%/cache');

configure($t, <<'EOC');
    underscores_in_headers on;
    include authgear.conf;
EOC

# Like Authgear's resolver: the status is always 200, without header lines if there is no
# session, and with "false" if the session is not valid.

my @names = qw/ session-valid user-id user-anonymous user-verified session-acr session-amr
    session-authenticated-at user-can-reauthenticate /;
my %values = ('session-valid' => 'true', 'user-anonymous' => 'false', 'user-verified' => 'true',
    'session-acr' => 'http://acr', 'session-amr' => 'pwd otp', 'session-authenticated-at' => 'now',
    'user-can-reauthenticate' => 'true');

authority($t, 8091, sub {
    my ($head) = @_;
    # of two cookies the last one that is not empty
    my ($user) = $head =~ /^Cookie: .*\bsession=(\w+)/mi;
    ($user) = $head =~ /^Authorization: Bearer (\w+)/mi unless $user;
    return 200 unless $user;
    return 200, ['x-authgear-session-valid: false'] if $user eq 'expired';
    return 500, [], 'broken' if $user eq 'broken';
    local $values{'user-id'} = $user;
    return 200, [map({ "x-authgear-$_: $values{$_}" } @names), 'x-authgear-user-roles: admin', 'x-secret: s'], 'body';
});
application($t, 8090);
$t->run();

my $session = sub { "Cookie: session=$_[0]" };
my @spoofed = map { ("x-authgear-$_: mallory", 'X_Authgear_' . s/-/_/gr . ': mallory') } @names, 'user-roles', 'new';
my (@asked, $response);

### 1. as documented

$response = ask('/a?b');
is(status($response), 200, 'documented: no session comes through');
like($response, qr!\r\n\r\nGET /a\?b HTTP/!, 'documented: to the application');
is(header_values(got($response), 'x-authgear-.*?'), '', 'documented: no session, no lines');
@asked = requests($t, 8091);
is(scalar @asked, 1, 'documented: one check');
like($asked[0], qr!^GET /_resolver/resolve HTTP/!, 'documented: URI of the check');
is(header_values($asked[0], 'host'), '127.0.0.1:' . port(8091), 'documented: the host');

$response = ask('/a', $session->('alice'));
is(header_values(got($response), "x-authgear-$_"), $values{$_} // 'alice',
    "documented: $_") for @names;
is(header_values(got(ask('/a', 'Authorization: Bearer bob')), 'x-authgear-user-id'), 'bob',
    'documented: token');
is(header_values(got(ask('/a', $session->('expired'))), 'x-authgear-session-valid'), 'false',
    'documented: an expired session');
$response = ask('/a', grep { /^x-authgear-(?!user-roles|new)/ } @spoofed);
unlike($response, qr/mallory/, 'row 26: documented: none of the client\'s');
requests($t, 8091);
$response = ask({ method => 'POST', body => 'BODY' }, '/a', $session->('alice'));
like(got($response), qr/\n\nBODY\z/, 'documented: the body, to the application');
@asked = requests($t, 8091);
like($asked[0], qr/^GET (?!.*^content-length:).*\n\n\z/ms, 'documented: no body to the resolver');
is(status(ask('/a', $session->('broken'))), 500, 'documented: a broken resolver');
is(status(ask('/_auth')), 404, 'documented: the location of the check is internal');

### 2. with the documented cache

requests($t, 8091);
is(header_values(got(ask({ port => 8081 }, '/a', $session->('alice'))), 'x-authgear-user-id'), 'alice',
    'cache: filled') for 1 .. 2;
is(scalar(requests($t, 8091)), 1, 'cache: one check');
is(header_values(got(ask({ port => 8081 }, '/b', $session->('alice'), @spoofed)), 'x.authgear.*?'),
    header_values(got(ask({ port => 8082 }, '/b', $session->('alice'))), 'x.authgear.*?'), 'cache: all lines, and none of the client\'s');
is(scalar(requests($t, 8091)), 1, 'cache: no check');
is(header_values(got(ask({ port => 8081 }, '/a', $session->('bob'))), 'x-authgear-user-id'), 'bob',
    'row 30: cache: somebody else');
is(header_values(got(ask({ port => 8081 }, '/a', 'Authorization: Bearer carol')), 'x-authgear-user-id'), 'carol',
    'row 30: cache: by token');
is(header_values(got(ask({ port => 8081 }, '/a')), 'x-authgear-.*?'), '', 'row 30: cache: nobody');
is(scalar(requests($t, 8091)), 3, 'cache: a check for each');
is(header_values(got(ask({ port => 8081 }, '/a', 'Cookie: session=; session=alice')), 'x-authgear-user-id'), 'alice',
    'row 30: cache: two cookies') for 1, 2;
is(header_values(got(ask({ port => 8081 }, '/a')), 'x-authgear-.*?'), '', 'row 30: cache: still nobody');
is(scalar(requests($t, 8091)), 3, 'row 30: cache: nothing is kept for all who have no session');
is(status(ask({ port => 8081 }, '/a', $session->('broken'))), 500,
    'cache: a broken resolver') for 1 .. 2;
is(scalar(requests($t, 8091)), 2, 'cache: errors are not cached');

### 3. the shorter form

$response = ask({ port => 8082 }, '/a?b');
is(status($response), 401, 'short: no session');
unlike($response, qr/WWW-Authenticate/i, 'short: no challenge');
is(status(ask({ port => 8082 }, '/a', $session->('expired'))), 401, 'short: an expired session');
is(status(ask({ port => 8082 }, '/a', $session->('broken'))), 500, 'short: a broken resolver');
is(status(ask({ port => 8082 }, '/a', 'X-Authgear-Session-Valid: true')), 401,
    'row 26: short: the client\'s own word');
requests($t, 8091);
$response = ask({ port => 8082 }, '/a?b', $session->('alice'), @spoofed, spoofed());
is(status($response), 200, 'short: session');
like($response, qr!\r\n\r\nGET /a\?b HTTP/!, 'short: to the application');
is(header_values(got($response), "x.authgear.user.id"), 'alice', 'row 25: short: user');
is(header_values(got($response), 'x.authgear.user.roles'), 'admin',
    'short: a line that no documentation names');
is(header_values(got($response), 'x.authgear.new'), '',
    'row 26: short: a line that is not in the response');
unlike(got($response), qr/x-secret/, 'short: nothing else');
@asked = requests($t, 8091);
is(scalar @asked, 1, 'short: one check');
unlike($asked[0], qr/mallory/, "row 27: short: no line of the client's own making");
is(header_values($asked[0], 'host'), '127.0.0.1:' . port(8091), 'short: the host');
$response = ask({ port => 8082 }, '/public/', @spoofed);
is(status($response), 200, 'short: public');
unlike($response, qr/mallory/, 'short: public, no session');
is(header_values(got(ask({ port => 8082 }, '/public/', $session->('alice'), @spoofed)), 'x.authgear.user.id'), 'alice',
    'short: public, session');
