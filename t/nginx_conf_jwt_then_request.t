#!/usr/bin/perl

# nginx-conf/jwt-then-request.conf: a good token saves the question, and else
# the service decides.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Nginx::Raw;
use ForwardAuth;
use Jose;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/ http proxy map /)->plan(34);

use_conf($t, 'auth-proxy.conf');
use_conf($t, 'jwt-then-request.conf', 'listen 8080' => 'listen 127.0.0.1:8080', '127.0.0.1:9000' => '127.0.0.1:8090',
    '127.0.0.1:9001' => '127.0.0.1:8091');

$t->write_file_expand('nginx.conf', <<'EOC');
%%TEST_GLOBALS%%
daemon off;
events {
}
http {
    %%TEST_GLOBALS_HTTP%%
    include jwt-then-request.conf;
}
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

### nobody

my $answer = ask(8080, '/a');
is(status($answer), 401, 'nothing');
is(lines($answer, 'WWW-Authenticate'), 'Bearer realm="api" | Session', 'nothing, both challenges');
is(scalar(asked($t, 8091)), 1, 'nothing, asked');
for my $token ($expired, $forged) {
    $answer = ask(8080, '/a', [$token]);
    is(status($answer), 401, 'bad token');
    is(lines($answer, 'WWW-Authenticate'), 'Bearer realm="api", error="invalid_token" | Session',
        'bad token, both challenges');
}
# a token could still help: nginx prefers the 401
is(status(ask(8080, '/a', [$forged, $session->('forbidden')])), 401, 'bad token, forbidden');
is(status(ask(8080, '/a', [$session->('forbidden')])), 401, 'forbidden');
is(status(ask(8080, '/a', [$session->('broken')])), 500, 'row 31: the service is broken');
is(status(ask(8080, '/check', [$good, $session->('bob')])), 404, 'the question is internal');
asked($t, 8091);

### a good token

$answer = ask(8080, '/a?b', [$good, 'X-User: mallory']);
is(status($answer), 200, 'good token');
is(lines(got($answer), 'x-user'), 'alice', 'good token, user');
is(lines(got($answer), 'authorization'), '', 'good token, not to the application');
unlike($answer, qr/WWW-Authenticate/i, 'good token, no challenge');
is(status(ask(8080, '/a', [$good, $session->($_)])), 200, "good token, $_") for qw/ forbidden broken bob /;
is(lines(got(ask(8080, '/a', [$good, $session->('bob')])), 'x-user'), 'alice', 'good token, with a session');
is(scalar(asked($t, 8091)), 0, 'good token, never asked');

### a session

$answer = ask(8080, '/a?b', [$session->('bob'), 'X-User: mallory', spoofed()]);
is(status($answer), 200, 'session');
is(lines(got($answer), 'x-user'), 'bob', 'session, user');
unlike($answer, qr/WWW-Authenticate/i, 'session, no challenge');
my @asked = asked($t, 8091);
is(scalar @asked, 1, 'session, asked');
unlike($asked[0], qr/mallory/, 'row 27: nothing that the client made up');
is(lines(got(ask(8080, '/a', [$session->('silent'), 'X-User: mallory'])), 'x-user'), '', 'row 26: of unknown name');
for my $token ($expired, $forged) {
    $answer = ask(8080, '/a', [$token, $session->('bob')]);
    is(status($answer), 200, 'bad token, session');
    is(lines(got($answer), 'x-user'), 'bob', 'bad token, session: the claims do not count');
}
is(lines(got(ask(8080, '/a', [$forged, $session->('silent')])), 'x-user'), '', 'bad token, of unknown name');

### the service is gone

$t->stop_daemons();
application($t, 8090);
is(status(ask(8080, '/a', [$good])), 200, 'row 31: good token, nobody is needed');
is(status(ask(8080, '/a', [$session->('bob')])), 500, 'row 31: session');
is(status(ask(8080, '/a')), 500, 'row 31: nothing');
