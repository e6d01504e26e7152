#!/usr/bin/perl

# The configurations in README.md load as they stand there, and do what the text
# around them says. Only ports and the line that loads the module are changed.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Docs;
use ForwardAuth;
use Jose;

my $t = Test::Nginx->new()->has(qw/ http proxy /)->plan(12);

my $readme = slurp('../README.md');
my ($whole, $server) = map { $_->{text} } nginx_blocks('README.md');

changed($whole, 'load_module modules/ngx_http_auth_module.so;' => "%%TEST_GLOBALS%%\ndaemon off;",
    'http {' => "http {\n%%TEST_GLOBALS_HTTP%%\ninclude server.conf;", 'listen 8080;' => 'listen 127.0.0.1:8080;',
    '127.0.0.1:9000' => '127.0.0.1:8090');
changed($server, 'listen 8081;' => 'listen 127.0.0.1:8081;', '127.0.0.1:9000' => '127.0.0.1:8090',
    '127.0.0.1:9001' => '127.0.0.1:8091');
$t->write_file_expand('nginx.conf', $whole);
$t->write_file_expand('server.conf', $server);
use_conf($t, 'auth-proxy.conf');

my $key = jwk('RS256', '--kid', '2024-01');
my $token = sign($key, '{"sub":"alice","iss":"https://id.example","exp":"now+300"}');
my $expired = sign($key, '{"sub":"alice","iss":"https://id.example","exp":1700000000}');

like(config_test($t), qr/^\[warn\] key file "DIR\/keys.json": No such file .*exit 0$/,
    'nginx -t before there are keys');
$t->write_file('keys.json', jwks('--public', $key));
is(config_test($t), 'exit 0', 'nginx -t');

application($t, 8090);
authority($t, 8091, sub {
    my ($head) = @_;
    return $head =~ /^Cookie: session=alices\r$/m ? (200, ['X-User: alice']) : (403, []);
});
$t->run();

### by token

my $response = get('/', $token, 'X-User: mallory');
is(status($response), 200, 'a good token');
is(header_values(got($response), 'x-user'), 'alice', "the application gets the token's user");
is(verdict(get('/')), said('A request without a token'), 'no token');
jwt_logged($t);
is(verdict(get('/', $expired)), said('A request with a bad'), 'expired token');
my ($line) = $readme =~ /^auth_jwt: (expired: .*)$/m;
is(jwt_logged($t) =~ s/now \d+/now 1700086400/r, "info $line", 'expired token, log');

### by asking a service

$response = ask({ port => 8081 }, '/page', 'Cookie: session=alices', 'X-User: mallory');
is(status($response), 200, 'the service lets the request in');
is(header_values(got($response), 'x-user'), 'alice', "the application gets the service's user");
like((requests($t, 8091))[0], qr!^GET /verify HTTP!, 'what the service is asked');
is(status(ask({ port => 8081 }, '/page')), 403, 'the service refuses');
is(status(ask({ port => 8081 }, '/check')), 404, 'the location that is asked is internal');

# Replaces pieces of the text, each of which has to be there.
sub changed {
    while (my ($from, $to) = splice @_, 1, 2) {
        $_[0] =~ s/\Q$from\E/$to/g or die "no \"$from\" in README.md\n";
    }
}

# The status and the challenge that the sentence beginning like this names.
sub said {
    my ($begin) = @_;
    my ($status, $challenge) = $readme =~ s/\n/ /gr =~ /\Q$begin\E.*? gets (\d+) and `WWW-Authenticate: (.*?)`/;
    return "$status $challenge";
}
