#!/usr/bin/perl

# auth_jwt_binding tls: a thief has the token of another client, and all that is
# public. Needs curl and openssl.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Jose;

use Digest::SHA qw/ sha256 /;
use MIME::Base64 qw/ decode_base64 encode_base64 encode_base64url /;

my $t = Test::Nginx->new()->has(qw/ http http_ssl http_v2 proxy rewrite access /)->plan(107);
my $dir = $t->testdir();

### certificates: of the server, of two clients by one authority, and of one by itself

my $run = sub { system("$_[0] >/dev/null 2>&1") == 0 or die "$_[0] failed\n" };
$run->("openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=$_ -keyout $dir/$_.key -out $dir/$_.crt")
    for qw/ ca self /;
for my $name (qw/ localhost a b /) {
    $run->("openssl req -newkey rsa:2048 -nodes -subj /CN=$name -keyout $dir/$name.key -out $dir/$name.csr");
    $run->("openssl x509 -req -in $dir/$name.csr -CA $dir/ca.crt -CAkey $dir/ca.key -CAcreateserial -days 2"
        . " -out $dir/$name.crt");
}
my (%pem, %base64, %thumbprint);
for my $name (qw/ ca a b self /) {
    $pem{$name} = $t->read_file("$name.crt");
    my ($base64) = $pem{$name} =~ /-----\n(.*)\n-----END/s;
    $base64{$name} = $base64 =~ s/\n//gr;
    $thumbprint{$name} = encode_base64url(sha256(decode_base64($base64)));
}

my $key = jwk('ES256', '--kid', 'k');
my $aes = jwk('A128KW', '--kid', 'e');
$t->write_file('keys.json', jwks($key, $aes));

my $binding = <<'EOF';
        auth_jwt          "r";
        auth_jwt_key_file keys.json;
        add_header        X-V "<$jwt_status|$jwt_claim_sub|$ssl_session_reused>" always;
        auth_jwt_binding  tls;

        location /tls { }
        location /required { auth_jwt_binding tls required; }
        location /off { auth_jwt_binding off; }
        location /off/tls { auth_jwt_binding tls; }
        location /scope { auth_jwt_require_scope read; auth_jwt_binding tls; }
        location /scope-off { auth_jwt_require_scope read; auth_jwt_binding off; }
        location /encrypted { auth_jwt_type encrypted; }
        location /nested { auth_jwt_type nested; }
        location /report { auth_jwt_mode report; }
        location /optional { auth_jwt_mode optional; }
        location /preaccess { auth_jwt_phase preaccess; }
        location /any/denied { satisfy any; deny all; }
        location /any/allowed { satisfy any; allow all; }
        location /any/request { satisfy any; auth_request /yes; }
        location = /yes { internal; return 204; }
        location /limited { auth_jwt_binding off; limit_except GET { auth_jwt_binding tls; } }
        location /believed { auth_jwt_verify_signature off; }
        location /upstream {
            auth_jwt_upstream_header X-User sub;
            auth_jwt_mode report;
            proxy_pass http://127.0.0.1:8081;
        }
EOF
my $server = sub {
    my ($port, $directives) = @_;
    return "server { listen 127.0.0.1:$port ssl; server_name localhost; $directives\n$binding }\n";
};

my ($http2, $http2_on) = $t->has_version('1.25.1') ? ('', 'http2 on;') : ('http2', '');
configure($t, <<"EOF");
    ssl_certificate         localhost.crt;
    ssl_certificate_key     localhost.key;
    ssl_client_certificate  ca.crt;
    ssl_protocols           TLSv1.2 TLSv1.3;
    @{[$server->(8443, 'ssl_verify_client optional;' . ($http2_on))
        =~ s/ ssl;/ ssl $http2;/r]}
    @{[$server->(8444, 'ssl_verify_client optional_no_ca; ssl_protocols TLSv1.2;')]}
    @{[$server->(8445, '')]}

    # a proxy in front of the next server
    server {
        listen 127.0.0.1:8446 ssl;
        ssl_verify_client optional;
        location / {
            proxy_set_header Client-Cert \$ssl_client_escaped_cert;
            proxy_pass http://127.0.0.1:8080;
        }
    }
    server {
        listen 127.0.0.1:8080;
        auth_jwt           "r";
        auth_jwt_key_file  keys.json;
        auth_jwt_binding   tls cert=\$http_client_cert;
        add_header         X-V "<\$jwt_status|\$jwt_claim_sub|\$ssl_session_reused>" always;
        location / { }
    }
    server {
        listen 127.0.0.1:8081;
        location / { add_header X-V "<\$http_x_user>"; return 204; }
    }
EOF
$t->run();

### the tokens

my $bound = sub {
    my ($cnf, @more) = @_;
    return sign($key, '{"sub":"alice","scope":"read"' . (defined $cnf ? ",\"cnf\":$cnf" : '') . '}', @more);
};
my $bound_to = sub { return "{\"x5t#S256\":\"$thumbprint{$_[0]}\"}" };
my %token = map { $_ => $bound->($bound_to->($_)) } qw/ a b self /;
my $bearer = $bound->();

# What comes of a request over TLS, with the certificate of this client, if any.
my $https = sub {
    my ($client, $token, $uri, @options) = @_;
    my $port = port($uri =~ s/^(\d+)// ? $1 : 8443);
    push @options, "--cert $dir/$client.crt --key $dir/$client.key" if $client;
    push @options, "-H 'Authorization: Bearer $token'" if $token;
    jwt_logged($t);
    my $response = `curl -s -S -i -k -m 8 --http1.1 @options 'https://127.0.0.1:$port$uri' 2>&1`;
    Test::Nginx::log_in($response);
    $response =~ s/^HTTP\/2 /HTTP\/2.0 /;
    return join ' ', verdict($response), variables($response), jwt_logged($t) || ();
};
# The same of a request without TLS, with this Client-Cert line.
my $passed = sub {
    my ($certificate, $token) = @_;
    jwt_logged($t);
    my $response = get('/x', $token, defined $certificate ? "Client-Cert: $certificate" : ());
    return join ' ', verdict($response), variables($response), jwt_logged($t) || ();
};

my $allowed = '404 <ok|alice|.>';
my $refused = sub {
    my ($why, $token) = @_;
    return "401 Bearer realm=\"r\", error=\"invalid_token\" <binding||.> info $why; "
        . ($token // 'alg "ES256", kid "k"');
};
my $none = 'the token is bound to a client certificate, and $ssl_client_raw_cert is empty';
my $other = 'the token is bound to another client certificate than that in $ssl_client_raw_cert';

### row 61: a thief

is($https->(undef, $token{a}, '/tls'), $refused->($none), 'no certificate');
is($https->('b', $token{a}, '/tls'), $refused->($other), 'the certificate of the thief');
is($https->('a', $token{b}, '/tls'), $refused->($other), 'the other way round');
is($https->('ca', $token{a}, '/tls'), $refused->($other), 'the certificate of the authority');
is($https->('a', $token{a}, '/tls'), $allowed, 'the client itself');
is($https->('b', $token{a}, '/tls'), $refused->($other), 'a thief, and the token is cached');
is($https->(undef, $token{a}, '/tls'), $refused->($none), 'no certificate, and the token is cached');
is($https->('a', $token{a}, '/tls'), $allowed, 'the client itself, and the token is cached');
is($https->('b', $token{a}, '/tls', "-H 'Client-Cert: :$base64{a}:' -H 'X-SSL-Client-Cert: $base64{a}'"),
    $refused->($other), 'a certificate in a header line does not count');
is($https->('b', $token{a}, '8444/tls'), $refused->($other), 'TLS 1.2');
is($https->('a', $token{a}, '8444/tls'), $allowed, 'TLS 1.2, the client itself');
is($https->('self', $token{a}, '8444/tls'), $refused->($other), 'a certificate that nobody has signed');
is($https->('self', $token{self}, '8444/tls'), $allowed, 'which is enough for a token that is bound to it');
is($https->('a', $token{a}, '8445/tls'), $refused->($none), 'a server that asks for no certificate');

### a cached token, and rules that it has met

is($https->('a', $token{a}, '/scope'), $allowed, "the client itself $_") for 'first', 'again';
is($https->('b', $token{a}, '/scope'), $refused->($other), "a thief, $_") for 'first', 'again';
is($https->('a', $token{b}, '/scope-off'), $allowed, 'rules are met without the binding') for 1 .. 2;
is($https->('a', $token{b}, '/scope'), $refused->($other), 'and with it the thief is refused');

### what the location says

is($https->('b', $token{a}, '/off'), $allowed, 'off: a bound token is taken like any other');
is($https->('b', $token{a}, '/off/tls'), $refused->($other), 'tls inside of off');
is($https->(undef, undef, '/tls'), '401 Bearer realm="r" <missing||.> info no token: no "Authorization" '
    . 'header line', 'no token');
is($https->($_, $bearer, '/tls'), $allowed, 'a token that is bound to nothing') for undef, 'b';
is($https->($_, $bearer, '/required'), $refused->('claim "cnf" is missing, which '
    . '"auth_jwt_binding tls required" requires'), 'required: such a token is refused') for undef, 'b';
is($https->('b', $token{a}, '/required'), $refused->($other), 'required: a thief');
is($https->('a', $token{a}, '/required'), $allowed, 'required: the client itself');

is($https->('b', $token{a}, '/preaccess'), $refused->($other), 'preaccess: a thief');
is($https->('a', $token{a}, '/preaccess'), $allowed, 'preaccess: the client itself');
is($https->('b', $token{a}, '/optional'), $refused->($other), 'optional: a thief');
is($https->(undef, undef, '/optional'), '404 <missing||.>', 'optional: no token');
is($https->('b', $token{a}, '/report'), '404 <binding||.> info would refuse: ' . $other
    . '; alg "ES256", kid "k"', 'report: a thief is let in, and has no name');
is($https->('a', $token{a}, '/report'), $allowed, 'report: the client itself');
is($https->('b', $token{a}, '/upstream'), '204 <> info would refuse: ' . $other . '; alg "ES256", kid "k"',
    'report: no upstream learns the name of a thief');
is($https->('a', $token{a}, '/upstream'), '204 <alice>', 'report: an upstream learns that of the client itself');
is($https->('b', $token{a}, '/any/denied'), $refused->($other), 'satisfy any: both refuse');
is($https->('b', $token{a}, '/any/allowed'), '404 <||.>', 'satisfy any: a module before lets a thief in, without a name');
is($https->('b', $token{a}, '/any/request'), "404 <binding||.> info $other; alg \"ES256\", kid \"k\"",
    'satisfy any: a module behind lets a thief in, without a name');
is($https->('a', $token{a}, '/any/denied'), $allowed, 'satisfy any: the client itself');
is($https->('b', $token{a}, '/limited'), $allowed, 'limit_except: another method');
is($https->('b', $token{a}, '/limited', '-X DELETE'), $refused->($other), 'limit_except: this method');
is($https->('b', $token{a}, '/believed'), $refused->($other), 'a signature that is not verified');

### row 61: the claim

is($https->('a', $bound->($_->[0]), '/tls'), $refused->($_->[1]), "cnf $_->[0]") for
    map([ $_, 'claim "cnf" is not an object' ], 'null', '"x"', "\"$thumbprint{a}\"", '[]', '1'),
    map([ $_, 'claim "cnf" has no "x5t#S256", which "auth_jwt_binding tls" checks' ], '{}',
        "{\"x5t#s256\":\"$thumbprint{a}\"}"),
    map([ "{\"x5t#S256\":$_}", '"x5t#S256" in claim "cnf" is not a SHA-256 in base64url' ], 'null', '""',
        "[\"$thumbprint{a}\"]", "\"$thumbprint{a}=\"", '"' . substr($thumbprint{a}, 1) . '"'),
    map([ $_, 'claim "cnf" has "jkt", which "auth_jwt_binding tls" cannot check' ], '{"jkt":"x"}',
        "{\"x5t#S256\":\"$thumbprint{a}\",\"jkt\":\"x\"}");
is($https->('a', $bound->("{\"x5t#S256\":\"$thumbprint{b}\",\"x5t#S256\":\"$thumbprint{a}\"}"), '/tls'),
    '401 Bearer realm="r", error="invalid_token" <malformed||.> info claims set has the name "x5t#S256" twice; '
    . 'alg "ES256", kid "k"', 'two thumbprints');
is($https->('b', with_part($token{a}, 1, sub { s/\Q$thumbprint{a}\E/$thumbprint{b}/ }), '/tls')
    =~ s/info .*//sr, '401 Bearer realm="r", error="invalid_token" <bad_signature||.> ', 'a forged claim');

### encrypted and nested tokens

my $claims = '{"sub":"alice","cnf":' . $bound_to->('a') . '}';
for my $kind ([ 'encrypted', encrypt($aes, $claims) ], [ 'nested', encrypt($aes, sign($key, $claims)) ]) {
    my ($name, $token) = @$kind;
    is($https->('b', $token, "/$name"), $refused->($other, 'alg "A128KW", kid "e"'), "$name: a thief");
    is($https->('a', $token, "/$name"), $allowed, "$name: the client itself");
    is($https->('b', $token, "/$name"), $refused->($other, 'alg "A128KW", kid "e"'), "$name: a thief, cached");
}

### HTTP/2, connections that stay open, sessions that are resumed

is($https->('b', $token{a}, '/tls', '--http2'), $refused->($other), 'HTTP/2: a thief');
is($https->('a', $token{a}, '/tls', '--http2'), $allowed, 'HTTP/2: the client itself');

for my $version ('--http1.1', '--http2') {
    my $statuses = sub {
        my ($client, @tokens) = @_;
        my @requests = map { "-k -s -o $dir/out $version --cert $dir/$client.crt --key $dir/$client.key"
            . " -H 'Authorization: Bearer $_' -w '%{http_code} %{num_connects} '"
            . ' https://127.0.0.1:' . port(8443) . '/tls' } @tokens;
        return `curl @{[join ' --next ', @requests]} 2>&1`;
    };
    is($statuses->('a', @token{qw/ a b a b /}), '404 1 401 0 404 0 401 0 ', "one connection, $version");
}

# The response to a request of openssl's.
my $resumable = sub {
    my ($token, @options) = @_;
    $t->write_file('request', "GET /tls HTTP/1.0\r\nAuthorization: Bearer $token\r\n\r\n");
    jwt_logged($t);
    my $response = `openssl s_client -quiet -connect 127.0.0.1:@{[port(8443)]} @options < $dir/request 2>$dir/err`;
    return join ' ', verdict($response), variables($response), jwt_logged($t) || ();
};
for my $version (qw/ -tls1_2 -tls1_3 /) {
    my @own = ($version, "-cert $dir/a.crt", "-key $dir/a.key", "-sess_out $dir/session");
    is($resumable->($token{a}, @own), $allowed, "a new session, $version");
    my @again = ($version, "-sess_in $dir/session");
    is($resumable->($token{a}, @again), $allowed =~ s/\.>/r>/r, "a resumed session, $version");
    is($resumable->($token{b}, @again), $refused->($other) =~ s/\.>/r>/r,
        "a resumed session, the token of another, $version");
}

### cert=: a proxy in front

my $at_proxy = sub { $https->($_[0], $_[1], '8446/x', @_[2 .. $#_]) =~ s/<([^>]*)\|>/<$1|.>/r };
my $of_line = sub { $_[0] =~ s/\|\.>/|>/r };
my $none_passed = $none =~ s/ssl_client_raw_cert/http_client_cert/r;
my $other_passed = $other =~ s/ssl_client_raw_cert/http_client_cert/r;
is($at_proxy->(undef, $token{a}), $refused->($none_passed), 'behind a proxy: no certificate');
is($at_proxy->('b', $token{a}), $refused->($other_passed), 'behind a proxy: a thief');
is($at_proxy->('b', $token{a}, "-H 'Client-Cert: :$base64{a}:'"), $refused->($other_passed),
    'behind a proxy: a thief who sends the certificate of the client');
is($at_proxy->(undef, $token{a}, "-H 'Client-Cert: :$base64{a}:'"), $refused->($none_passed),
    'behind a proxy: the same without a certificate of its own');
is($at_proxy->('a', $token{a}), $allowed, 'behind a proxy: the client itself');

my $chain = sub { join ' ', map { $pem{$_} =~ s/\n/ /gr } @_ };
my $encoded = sub { $_[0] =~ s/([^A-Za-z0-9])/sprintf '%%%02X', ord $1/ger };
my %form = (
    spaces => sub { $pem{$_[0]} =~ s/\n/ /gr },
    tabs => sub { $pem{$_[0]} =~ s/\n/\t/gr },
    joined => sub { $pem{$_[0]} =~ s/\n//gr },
    encoded => sub { $encoded->($pem{$_[0]}) },
    'RFC 9440' => sub { ":$base64{$_[0]}:" },
    'the first of two' => sub { $chain->($_[0], 'ca') },
);
for my $name (sort keys %form) {
    is($passed->($form{$name}->('a'), $token{a}), $of_line->($allowed), "$name: the client itself");
    is($passed->($form{$name}->('b'), $token{a}), $of_line->($refused->($other_passed)), "$name: a thief");
}
is($passed->($chain->('b', 'a'), $token{a}), $of_line->($refused->($other_passed)), 'the second of two');
is($passed->('', $token{a}), $of_line->($refused->($none_passed)), 'an empty line');
my $holds = '$http_client_cert holds no client certificate: ';
is($passed->($_->[0], $token{a}), $of_line->($refused->($holds . $_->[1])), "Client-Cert: " . substr $_->[0], 0, 30) for
    [ '(null)', 'it is neither PEM nor base64 nor what Envoy writes' ],
    [ "$base64{a} x", 'it is neither PEM nor base64 nor what Envoy writes' ],
    [ ":$base64{a}", 'its end is missing' ],
    [ ":$base64{a}:, :$base64{a}:", 'something follows the certificate' ],
    [ ':' . encode_base64url(decode_base64($base64{a})) . ':', 'it is not base64' ],
    [ '%zz', 'it has a "%" without two hexadecimal digits' ];
unlike(logged($t) . $t->read_file('error.log'), qr/auth_jwt:[^\n]*(?:BEGIN|MII|$thumbprint{a}|$thumbprint{b})/,
    'no certificate and no thumbprint in a line of auth_jwt');

### a reload

is($https->('a', $token{a}, '/tls'), $allowed, 'before a reload');
ok(reload_workers($t), 'reloaded');
is($https->('b', $token{a}, '/tls'), $refused->($other), 'a thief after a reload');
is($https->('a', $token{a}, '/tls'), $allowed, 'the client itself after a reload');
