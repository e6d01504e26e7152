#!/usr/bin/perl

# A fetch of keys, which belongs to no client: whatever connection the client has
# that begins it, and however the worker ends meanwhile (row 49).

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Jose;
use KeyService;
use Test::Nginx::Raw;

use IO::Socket::SSL qw/ SSL_VERIFY_NONE /;
use IO::Socket::UNIX;

my $t = Test::Nginx->new()->has(qw/ http http_ssl proxy rewrite /)->plan(12);
my $dir = $t->testdir();

my $made = system("openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost"
    . " -keyout $dir/key.pem -out $dir/cert.pem >/dev/null 2>&1");
die "openssl failed\n" if $made;

configure($t, <<'EOF', 'worker_processes 1; worker_shutdown_timeout 1s;');
    server {
        listen       127.0.0.1:8080;
        listen       127.0.0.1:8443 ssl;
        listen       unix:%%TESTDIR%%/socket;
        server_name  localhost;

        ssl_certificate     cert.pem;
        ssl_certificate_key key.pem;

        auth_jwt     "r";
        root         html;
        auth_jwt_key_cache 1h;

        location /tls/   { auth_jwt_key_request /keys?tls; }
        location /unix/  { auth_jwt_key_request /keys?unix; }
        location /hangs/ { auth_jwt_key_request /keys?hangs; }
        location = /keys {
            internal;
            proxy_set_header X-Told "$scheme $https$ssl_protocol $server_port $remote_port.";
            proxy_pass http://127.0.0.1:8081/$args;
        }
    }

    server {
        listen       127.0.0.1:8082;
        listen       127.0.0.1:8444 ssl;

        ssl_certificate     cert.pem;
        ssl_certificate_key key.pem;

        if ($scheme != https) { return 301 https://localhost$request_uri; }
        if ($https = "")      { return 403; }

        auth_jwt             "r";
        auth_jwt_key_request /keys;
        auth_jwt_key_cache   1h;
        root                 html;

        location = /keys {
            internal;
            proxy_set_header Host $host;
            proxy_pass       http://127.0.0.1:8081/both;
        }
    }
EOF

my $key = jwk('HS256', '--kid', 'a');
my $token = sign($key, '{"exp":"now+300"}');
respond_with($t, $_, keys_response(jwks($key))) for qw/ tls unix both hangs /;
key_service($t, 8081);
run_quietly($t);

### connections

my $tls = IO::Socket::SSL->new(PeerAddr => '127.0.0.1:' . port(8443),
    SSL_verify_mode => SSL_VERIFY_NONE) or die "Can't connect: $!\n";
is(asked_over($tls, '/tls/'), '404', 'over TLS');
is((last_request($t, 'tls') =~ /^X-Told: (.*)\r/m)[0], 'https on ' . port(8443) . ' .',
    'over TLS, variables');

# a server for both that redirects http
$tls = IO::Socket::SSL->new(PeerAddr => '127.0.0.1:' . port(8444),
    SSL_verify_mode => SSL_VERIFY_NONE) or die "Can't connect: $!\n";
is(asked_over($tls, '/'), '404', 'over TLS, a server that redirects http');
is(status(ask({ port => 8082 }, '/', bearer($token))), '301', 'without TLS, the same server');
is(last_request($t, 'both') =~ /^(Host: \S+)/m ? $1 : 'none', 'Host: localhost',
    'a server without a name, $host');
my $unix = IO::Socket::UNIX->new(Peer => "$dir/socket") or die "Can't connect: $!\n";
is(asked_over($unix, '/unix/'), '404', 'over a Unix domain socket');

### the end of a worker

# A client waits for longer than worker_shutdown_timeout.
hold($t, 'hangs');
my $worker = worker($t);
my $client = waiting(1);
reload_workers($t);
is(wait_until(sub { !kill 0, $worker }), 1, 'the time to shut down is over');
is(read_response($client), '', 'the client gets no response');

# Nobody waits.
$worker = worker($t);
$client = waiting(2);
undef $client;
my ($master) = $t->read_file('nginx.pid') =~ /(\d+)/;
kill QUIT => $master;
is(wait_until(sub { !kill 0, $worker }), 1, 'quit');
is(asked($t, 'hangs'), 2, 'two fetches');
unlike($t->read_file('error.log'), qr/open socket #\d+ left/, 'no socket is left');
unlike($t->read_file('error.log'), qr/exited on signal/, 'no worker was killed');

###############################################################################

# The status of a response over this connection.
sub asked_over {
    my ($s, $uri) = @_;
    print $s request($uri, 'Connection: close', bearer($token));
    local $/;
    return status(scalar <$s>);
}

# A client that waits for the fetch with this number.
sub waiting {
    my ($number) = @_;
    my $s = connection();
    $s->print(request('/hangs/', bearer($token)));
    wait_asked($t, 'hangs', $number);
    return $s;
}
