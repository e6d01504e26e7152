#!/usr/bin/perl

# The configuration in examples/kubernetes/nginx-auth.yaml, and with it
# nginx-conf/health.conf: what the probes and Prometheus get, and what clients
# get.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Jose;

my $t = Test::Nginx->new()->has(qw/ http rewrite proxy /)->plan(10);

my $manifests = slurp('../examples/kubernetes/nginx-auth.yaml');
my %files = map { $_ => file_of($manifests, $_) } qw/ default.conf health.conf /;
is($files{'health.conf'}, slurp('../nginx-conf/health.conf'), 'the ConfigMap has nginx-conf/health.conf');

adapt('default.conf', 'listen 8080;' => 'listen 127.0.0.1:8080;', 'http://app:8080' => 'http://127.0.0.1:8090',
    'https://login.example.com/realms/main' => 'http://127.0.0.1:8082',
    'kube-dns.kube-system.svc.cluster.local valid=10s' => '127.0.0.1', '/var/lib/nginx/keys' => 'keys');
adapt('health.conf', 'listen      8081;' => 'listen 127.0.0.1:8081;');
$t->write_file_expand($_, $files{$_}) for keys %files;

my $key = jwk('ES256', '--kid', 'a');
$t->write_file('keys.json', jwks(public($key)));

# the health check is open where all of http {} requires a token

configure($t, <<'EOF');
    auth_jwt "all";
    auth_jwt_key_file keys.json;
    include default.conf;
    include health.conf;

    server {
        listen 127.0.0.1:8082;
        auth_jwt off;
        location = /.well-known/openid-configuration {
            return 200 '{"issuer":"http://127.0.0.1:%%PORT_8082%%","jwks_uri":"http://127.0.0.1:%%PORT_8082%%/jwks"}';
        }
        location = /jwks { alias %%TESTDIR%%/keys.json; }
    }

    server {
        listen 127.0.0.1:8090;
        auth_jwt off;
        return 200 "user=$http_x_user authorization=$http_authorization";
    }
EOF
$t->run();

my $token = sub {
    my ($aud) = @_;
    return sign($key, qq({"iss":"http://127.0.0.1:@{[port(8082)]}","sub":"alice","exp":"now+600","aud":"$aud"}));
};

is(verdict(ask('/')), '401 Bearer realm="api"', 'no token');
is(status(get('/', $token->('https://other.example.com'))), 401, 'a token for another API');
is(body(get('/', $token->('https://api.example.com'), 'X-User: mallory')), 'user=alice authorization=',
    'a token: the application gets the user, and not the token');

is(status(ask('/healthz')), 401, 'the port for clients has no health check');
is(status(ask('/metrics')), 401, 'and no counters');
is(status(ask({ port => 8081 }, '/healthz')), 204, 'the health check');
like(body(ask({ port => 8081 }, '/metrics')), qr/^nginx_auth_jwt_requests_total\{[^}]*status="ok"[^}]*\} 1$/m,
    'the counters');
is(status(ask({ port => 8081 }, '/other')), 404, 'nothing else');
is(slurp('../examples/kubernetes/chart/health.conf'), slurp('../nginx-conf/health.conf'),
    'the chart has the same file');

# The text of a file in a ConfigMap.
sub file_of {
    my ($yaml, $name) = @_;
    my ($text) = $yaml =~ /^  \Q$name\E: \|\n((?: {4}.*\n| *\n)+)/m or die "no $name\n";
    return $text =~ s/^ {4}//gmr;
}

sub adapt {
    my ($name, @changes) = @_;
    while (my ($from, $to) = splice @changes, 0, 2) {
        $files{$name} =~ s/\Q$from\E/$to/g or die "$name has no $from\n";
    }
}
