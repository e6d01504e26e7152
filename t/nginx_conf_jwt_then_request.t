#!/usr/bin/perl

# nginx-conf/jwt-then-request.conf: with a good token the service is not asked,
# and otherwise the service decides.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use ForwardAuth;
use Jose;
use Test::Nginx::Raw;

my $t = Test::Nginx->new()->has(qw/ http proxy map /)->plan(34);

use_conf($t, 'auth-proxy.conf');
use_conf($t, 'jwt-then-request.conf', 'listen 8080' => 'listen 127.0.0.1:8080', '127.0.0.1:9000' => '127.0.0.1:8090',
    '127.0.0.1:9001' => '127.0.0.1:8091');

configure($t, <<'EOC');
    underscores_in_headers on;
    include jwt-then-request.conf;
EOC

authority($t, 8091, sub {
    my ($head) = @_;
    my ($user) = $head =~ /^Cookie: session=(\w+)/mi or return 401, ['WWW-Authenticate: Session'];
    return 403 if $user eq 'forbidden';
    return 500 if $user eq 'broken';
    return 204, $user eq 'silent' ? [] : ["X-User: $user"];
});
application($t, 8090);

my $key = jwk('RS256', '--kid', 'k1');
$t->write_file('keys.json', public($key));
$t->run();

my $good = 'Authorization: Bearer ' . sign($key, '{"sub":"alice","exp":"now+300"}');
my $expired = 'Authorization: Bearer ' . sign($key, '{"sub":"alice","exp":"now-300"}');
my $forged = 'Authorization: Bearer ' . sign(jwk('RS256', '--kid', 'k1'), '{"sub":"root","exp":"now+300"}');
my $session = sub { "Cookie: session=$_[0]" };

### neither a token nor a session

my $response = ask('/a');
is(status($response), 401, 'neither token nor session');
is(header_values($response, 'WWW-Authenticate'), 'Bearer realm="api" | Session',
    'neither token nor session, both challenges');
is(scalar(requests($t, 8091)), 1, 'neither token nor session, one check');
for my $token ($expired, $forged) {
    $response = ask('/a', $token);
    is(status($response), 401, 'bad token');
    is(header_values($response, 'WWW-Authenticate'), 'Bearer realm="api", error="invalid_token" | Session',
        'bad token, both challenges');
}
# a token could still help, so nginx prefers the 401
is(status(ask('/a', $forged, $session->('forbidden'))), 401, 'bad token, forbidden');
is(status(ask('/a', $session->('forbidden'))), 401, 'forbidden');
is(status(ask('/a', $session->('broken'))), 500, 'row 31: the service is broken');
is(status(ask('/check', $good, $session->('bob'))), 404, 'the location of the check is internal');
requests($t, 8091);

### a good token

$response = ask('/a?b', $good, 'X-User: mallory', 'X_User: mallory');
is(status($response), 200, 'good token');
is(header_values(got($response), 'x[-_]user'), 'alice', 'good token, user');
is(header_values(got($response), 'authorization'), '', 'good token, not to the application');
unlike($response, qr/WWW-Authenticate/i, 'good token, no challenge');
is(status(ask('/a', $good, $session->($_))), 200, "good token, $_") for qw/ forbidden broken bob /;
is(header_values(got(ask('/a', $good, $session->('bob'))), 'x[-_]user'), 'alice',
    'good token, with a session');
is(scalar(requests($t, 8091)), 0, 'good token, no check');

### a session

$response = ask('/a?b', $session->('bob'), 'X-User: mallory', 'X_User: mallory', spoofed());
is(status($response), 200, 'session');
is(header_values(got($response), 'x[-_]user'), 'bob', 'session, user');
unlike($response, qr/WWW-Authenticate/i, 'session, no challenge');
my @asked = requests($t, 8091);
is(scalar @asked, 1, 'session, one check');
unlike($asked[0], qr/mallory/, "row 27: no line of the client's own making");
is(header_values(got(ask('/a', $session->('silent'), 'X-User: mallory', 'X_User: mallory')), 'x[-_]user'), '',
    'row 26: session without a name');
for my $token ($expired, $forged) {
    $response = ask('/a', $token, $session->('bob'));
    is(status($response), 200, 'bad token, session');
    is(header_values(got($response), 'x[-_]user'), 'bob', 'bad token, session: the claims do not count');
}
is(header_values(got(ask('/a', $forged, $session->('silent'))), 'x[-_]user'), '',
    'bad token, session without a name');

### the service is gone

$t->stop_daemons();
application($t, 8090);
is(status(ask('/a', $good)), 200, 'row 31: good token, the service is not needed');
is(status(ask('/a', $session->('bob'))), 500, 'row 31: session');
is(status(ask('/a')), 500, 'row 31: neither token nor session');
