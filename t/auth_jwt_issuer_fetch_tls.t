#!/usr/bin/perl

# Keys of an issuer over TLS: whose certificate is believed, a client certificate, and
# host names that a resolver knows.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Jose;

use IO::Socket::INET;

my $t = Test::Nginx->new()->has(qw/ http http_ssl rewrite /)->plan(23);
my $dir = $t->testdir();

my $run = sub { system("$_[0] >/dev/null 2>&1") == 0 or die "$_[0] failed\n" };

# a certificate authority, and certificates for servers and for a client

$run->("openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=authority -keyout $dir/ca.key -out $dir/ca.crt");
for my $name (qw/ localhost evil.test keys.test client /) {
    $t->write_file('name', "subjectAltName=DNS:$name\n");
    $run->("openssl req -newkey rsa:2048 -nodes -subj /CN=$name -keyout $dir/$name.key -out $dir/$name.csr");
    $run->("openssl x509 -req -in $dir/$name.csr -CA $dir/ca.crt -CAkey $dir/ca.key -CAcreateserial -days 2"
        . " -extfile $dir/name -out $dir/$name.crt");
}

$t->write_file('exchanged.crt', slurp("$dir/ca.crt"));

my $key = jwk('ES256', '--kid', 'a');
my $dns = port(8953, udp => 1);

configure($t, <<"EOF");
    ssl_certificate      localhost.crt;
    ssl_certificate_key  localhost.key;

    auth_jwt_issuer trusted {
        issuer                   https://localhost:%%PORT_8443%%;
        audience                 api;
        ssl_trusted_certificate  ca.crt;
    }
    auth_jwt_issuer exchanged {
        issuer                   exchanged;
        audience                 api;
        jwks_uri                 https://localhost:%%PORT_8443%%/keys;
        ssl_trusted_certificate  exchanged.crt;
    }
    auth_jwt_issuer unknown { issuer unknown; audience api; jwks_uri https://localhost:%%PORT_8443%%/keys; }
    auth_jwt_issuer blind { issuer blind; audience api; jwks_uri https://localhost:%%PORT_8443%%/keys; ssl_verify off; }
    auth_jwt_issuer evil {
        issuer                   evil;
        audience                 api;
        jwks_uri                 https://localhost:%%PORT_8444%%/keys;
        ssl_trusted_certificate  ca.crt;
    }
    auth_jwt_issuer renamed {
        issuer                   renamed;
        audience                 api;
        jwks_uri                 https://localhost:%%PORT_8444%%/keys;
        ssl_trusted_certificate  ca.crt;
        ssl_name                 evil.test;
    }
    auth_jwt_issuer anonymous {
        issuer                   anonymous;
        audience                 api;
        jwks_uri                 https://localhost:%%PORT_8445%%/keys;
        ssl_trusted_certificate  ca.crt;
    }
    auth_jwt_issuer known {
        issuer                   known;
        audience                 api;
        jwks_uri                 https://localhost:%%PORT_8445%%/keys;
        ssl_trusted_certificate  ca.crt;
        ssl_certificate          client.crt;
        ssl_certificate_key      client.key;
    }
    auth_jwt_issuer mute {
        issuer                   mute;
        audience                 api;
        jwks_uri                 https://127.0.0.1:%%PORT_8446%%/keys;
        connect_timeout          100ms;
    }
    auth_jwt_issuer resolved {
        issuer                   resolved;
        audience                 api;
        jwks_uri                 https://keys.test:%%PORT_8447%%/keys;
        ssl_trusted_certificate  ca.crt;
        resolver                 127.0.0.1:%%PORT_8953_UDP%% valid=1s ipv6=off;
        refresh                  1s;
    }
    auth_jwt_issuer nowhere {
        issuer                   nowhere;
        audience                 api;
        jwks_uri                 https://nowhere.test:%%PORT_8447%%/keys;
        resolver                 127.0.0.1:%%PORT_8953_UDP%%;
    }
    auth_jwt_issuer moved { issuer moved; audience api; discovery http://127.0.0.1:8081/moved; }

    server {
        listen       127.0.0.1:8080;
        server_name  localhost;

        auth_jwt        "r";
        auth_jwt_trust  trusted exchanged unknown blind evil renamed anonymous known mute resolved nowhere moved;

        location / {
            add_header  X-V "\$jwt_status" always;
            empty_gif;
        }
    }

    server {
        listen       127.0.0.1:8443 ssl;

        location /keys { alias $dir/keys.json; }
        location /.well-known/openid-configuration {
            return 200 '{"issuer":"https://localhost:%%PORT_8443%%","jwks_uri":"https://localhost:%%PORT_8443%%/keys"}';
        }
    }

    server {
        listen       127.0.0.1:8444 ssl;

        ssl_certificate      evil.test.crt;
        ssl_certificate_key  evil.test.key;
        location /keys { alias $dir/keys.json; }
    }

    server {
        listen       127.0.0.1:8445 ssl;

        ssl_client_certificate  ca.crt;
        ssl_verify_client       on;
        location /keys { alias $dir/keys.json; }
    }

    server {
        listen       127.0.0.1:%%PORT_8447%% ssl;
        listen       127.0.0.2:%%PORT_8447%% ssl;

        ssl_certificate      keys.test.crt;
        ssl_certificate_key  keys.test.key;
        access_log           \${server_addr}.log;
        location /keys { alias $dir/keys.json; }
    }

    server {
        listen       127.0.0.1:8081;

        location /moved { return 200 '{"issuer":"moved","jwks_uri":"https://keys.test:%%PORT_8447%%/keys"}'; }
    }
EOF

$t->write_file('keys.json', jwks(public($key)));
replace_file($t, 'address', '127.0.0.1');
# The socket is there before the first query.
my $name_server = IO::Socket::INET->new(Proto => 'udp', LocalAddr => "127.0.0.1:$dns")
    or die "Can't listen: $!\n";
$t->run_daemon(\&name_server, $name_server, $dir);

# a server that accepts connections and sends nothing
my $mute = IO::Socket::INET->new(LocalAddr => '127.0.0.1:' . port(8446), Listen => 5, ReuseAddr => 1)
    or die "Can't listen: $!\n";

run_quietly($t);

my $verdict = sub {
    my ($iss) = @_;
    my $response = get('/', sign($key, "{\"iss\":\"$iss\",\"aud\":\"api\",\"sub\":\"ann\"}"));
    return join ' ', status($response), variables($response);
};
# What a worker has logged for no request of this issuer.
my $logged = sub {
    my ($name) = @_;
    my $line = qr/\[(\w+)\] \d+#\d+: auth_jwt: issuer "$name": (.*?)(?:; there are no keys to use)?$/m;
    wait_until(sub { $t->read_file('error.log') =~ $line });
    return $t->read_file('error.log') =~ $line ? "$1 $2" =~ s/:8\d\d\d/:PORT/gr : 'nothing';
};

### whose certificate is believed

is($verdict->('https://localhost:' . port(8443)), '200 ok', 'an authority that the block names');
is($verdict->('unknown'), '500 keys_unavailable', 'one that nobody knows');
is($logged->('unknown'), 'error "https://localhost:PORT/keys": certificate of "localhost" is signed by "authority", '
    . 'which is not trusted: ssl_trusted_certificate has to name the certificate of that CA (or the server '
    . 'does not send the certificates in between)',
    'what the log says');
is($verdict->('blind'), '200 ok', 'ssl_verify off');
is($verdict->('evil'), '500 keys_unavailable', 'a certificate for another name');
is($logged->('evil'), 'error "https://localhost:PORT/keys": certificate is for "evil.test", not for "localhost", '
    . 'see ssl_name',
    'what the log says');
is($verdict->('renamed'), '200 ok', 'ssl_name');
is($verdict->('anonymous'), '500 keys_unavailable', 'no client certificate');
is($logged->('anonymous'), 'error "https://localhost:PORT/keys": HTTP status 400',
    'what the log says');
is($verdict->('known'), '200 ok', 'a client certificate');
is($verdict->('mute'), '500 keys_unavailable', 'a server that says nothing');
is($logged->('mute'), 'error "https://127.0.0.1:PORT/keys": no TLS handshake with "127.0.0.1:PORT" within 100ms, '
    . 'see connect_timeout',
    'what the log says');

### host names

is($verdict->('resolved'), '200 ok', 'a host that the resolver knows');
is($verdict->('nowhere'), '500 keys_unavailable', 'one that it does not know');
is($logged->('nowhere'), 'error "https://nowhere.test:PORT/keys": no connection to "nowhere.test:PORT": '
    . 'the host name does not exist',
    'what the log says');
is($verdict->('moved'), '500 keys_unavailable', 'a discovered host, without a resolver');
is($logged->('moved'), 'error "https://keys.test:PORT/keys": no connection to "keys.test:PORT": the host name '
    . 'could not be resolved: it was not known when the configuration was read: set "resolver"',
    'what the log says');
is(-e "$dir/127.0.0.2.log" ? 1 : 0, 0, 'nobody has asked the other address');
replace_file($t, 'address', '127.0.0.2');
is(wait_until(sub { -s "$dir/127.0.0.2.log" }), 1, 'a host that gets another address');
is($verdict->('resolved'), '200 ok', 'keys are there');

### an authority that is exchanged

is($verdict->('exchanged'), '200 ok', 'keys from a server that an authority has certified');
$run->("openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=other -keyout $dir/other.key -out $dir/exchanged.crt");
reload_workers($t);
is($verdict->('exchanged'), '500 keys_unavailable', 'after a reload with another authority in the same file');
is($verdict->('https://localhost:' . port(8443)), '200 ok', 'the keys of others are kept');

# A name server that knows one host, whose address is in a file.
sub name_server {
    my ($socket, $dir) = @_;
    while ($socket->recv(my $query, 512)) {
        my $question = substr $query, 12;
        my $is_known = $question =~ /^\x04keys\x04test\x00\x00\x01/;
        my @address = split /\./, slurp("$dir/address");
        # identifier, flags, and how many there are of questions, answers and others
        my $answer = substr($query, 0, 2) . pack('n*', $is_known ? 0x8180 : 0x8183, 1, $is_known, 0, 0) . $question;
        $answer .= pack('nnnNnC4', 0xc00c, 1, 1, 1, 4, @address) if $is_known;
        $socket->send($answer);
    }
}
