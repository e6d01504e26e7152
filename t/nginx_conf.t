#!/usr/bin/perl

# Each configuration in nginx-conf/ does what its comments say.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Jose;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/ http rewrite proxy /)->plan(11);

# the ports of a configuration become ports of the test

my %ports = ('bearer.conf' => 8081, 'auth-request.conf' => 8082);

for my $name (keys %ports) {
    my $conf = slurp("../nginx-conf/$name");
    $conf =~ s/listen 8080;/listen 127.0.0.1:$ports{$name};/ or die "no listen in $name";
    $conf =~ s/127\.0\.0\.1:9000/127.0.0.1:8090/ or die "no application in $name";
    $conf =~ s/127\.0\.0\.1:9001/127.0.0.1:8091/;
    $t->write_file_expand($name, $conf);
}

my @known = sort map { s!.*/!!r } glob('../nginx-conf/*.conf');
is_deeply(\@known, [sort keys %ports], 'every configuration is tested');

$t->write_file_expand('nginx.conf', <<'EOF');
%%TEST_GLOBALS%%
daemon off;
events {
}
http {
    %%TEST_GLOBALS_HTTP%%
    include bearer.conf;
    include auth-request.conf;
    server {
        listen 127.0.0.1:8090;
        return 200 "$request_uri user=$http_x_user authorization=$http_authorization";
    }
    server {
        listen 127.0.0.1:8091;
        location / {
            if ($http_cookie = "") {
                return 401;
            }
            add_header X-User "$http_cookie:$http_x_forwarded_method:$http_x_forwarded_proto:$http_x_forwarded_host:$http_x_forwarded_uri:$http_x_forwarded_for";
            return 204;
        }
    }
}
EOF

my $key = jwk('RS256', '--kid', 'k1');
$t->write_file('keys.json', public($key));
$t->run();

###############################################################################

# bearer.conf

my $good = sign($key, '{"sub":"alice","exp":"now+300"}');
my $expired = sign($key, '{"sub":"alice","exp":"now-300"}');

my $r = ask(8081, '/a');
like($r, qr/^HTTP\/1.1 401 /, 'bearer, no token');
like($r, qr/^WWW-Authenticate: Bearer realm="api"\r$/m, 'bearer, no token, challenge');
like(ask(8081, '/a', "Authorization: Bearer $expired"), qr/^HTTP\/1.1 401 /, 'bearer, expired token');
$r = ask(8081, '/a?b', "Authorization: Bearer $good", 'X-User: mallory');
like($r, qr/^HTTP\/1.1 200 /, 'bearer, good token');
like($r, qr!\r\n\r\n/a\?b user=alice authorization=$!, 'bearer, what the application gets');
like(ask(8081, '/healthz'), qr/^HTTP\/1.1 204 /, 'bearer, open location');

# auth-request.conf

like(ask(8082, '/a'), qr/^HTTP\/1.1 401 /, 'service refuses');
$r = ask(8082, '/a?b', 'Cookie: alice', 'X-User: mallory', 'X-Forwarded-Method: PUT',
    'X-Forwarded-Proto: gopher', 'X-Forwarded-Host: mallory', 'X-Forwarded-Uri: /open',
    'X-Forwarded-For: 8.8.8.8');
like($r, qr/^HTTP\/1.1 200 /, 'service lets in');
like($r, qr!\r\n\r\n/a\?b user=alice:GET:http:localhost:/a\?b:127\.0\.0\.1 !,
    'row 27: what the service gets is generated, never the client\'s');
like(ask(8082, '/check', 'Cookie: alice'), qr/^HTTP\/1.1 404 /, 'the question itself is internal');

###############################################################################

sub ask {
    my ($port, $uri, @lines) = @_;
    my $header = join "\r\n", "GET $uri HTTP/1.0", 'Host: localhost', @lines;
    return http("$header\r\n\r\n", PeerAddr => '127.0.0.1:' . port($port));
}

sub slurp {
    my ($file) = @_;
    local $/;
    open my $handle, '<', $file or die "$file: $!";
    return <$handle>;
}

###############################################################################
