#!/usr/bin/perl

# auth_jwt: tokens made by attackers (rows 1 to 5, 12 to 14, 23 and 24).

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Jose;

use MIME::Base64 qw/ decode_base64url encode_base64 encode_base64url /;

my $t = Test::Nginx->new()->has(qw/ http /)->plan(173);

my $secret = jwk('HS256', '--kid', 'k');
my $rsa = jwk('RS256', '--kid', 'k');
my $ec = jwk('ES256', '--kid', 'k');
my $mine = jwk('RS256', '--kid', 'a key of the attacker');
$t->write_file('secret.jwk', $secret);
$t->write_file('rsa.jwk', public($rsa));
$t->write_file('all.json', jwks('--public', $secret, $rsa, $ec));

configure($t, <<'EOF');
    large_client_header_buffers 4 1200k;

    server {
        listen       127.0.0.1:8080;
        server_name  localhost;

        auth_jwt     "r";
        root         html;

        location /secret/ { auth_jwt_key_file secret.jwk; }
        location /rsa/    { auth_jwt_key_file rsa.jwk; }
        location /all/    { auth_jwt_key_file all.json; }
        location /any/ {
            auth_jwt_key_file all.json;
            satisfy any;
            deny all;
        }
    }
EOF

# no request may ever be sent to this port
my $port = port(8081);
my $trap = IO::Socket::INET->new(Proto => 'tcp', Listen => 5,
    LocalAddr => '127.0.0.1', LocalPort => $port, ReuseAddr => 1) or die "Can't listen: $!\n";

run_quietly($t);

my @uris = qw! /secret/ /rsa/ /all/ /any/ !;
my $payload = '{"sub":"root","exp":4102444800}';
my $good = sign($secret, $payload);

# only these locations accept good tokens, and each only its own
is(opened($good), '/secret/ /all/ /any/', 'good token, secret');
is(opened(sign($rsa, $payload)), '/rsa/ /all/ /any/', 'good token, RSA');
is(opened(sign($ec, $payload)), '/all/ /any/', 'good token, EC');

### row 1: none

for my $alg ('none', 'None', 'NONE', 'nOnE', '', ' none', "none\\u0000", 'null',
    'HS256 ', 'hs256', 'Hs256', 'HS256\u0000', 'HS1', 'MD5', 'RSA', 'dir',
    'RSA1_5', 'PBES2-HS256+A128KW', 'A128KW', 'ES384K', 'x' x 5000)
{
    my $header = "{\"alg\":\"$alg\",\"typ\":\"JWT\"}";
    my $name = substr $alg, 0, 20;
    is(opened(unsigned($header, $payload, '')), '', "alg \"$name\"");
    is(opened(signed_by(secret(), $header, $payload)), '',
        "alg \"$name\", signed");
}
for my $header ('{}', '{"typ":"JWT"}', '{"alg":null}', '{"alg":false}',
    '{"alg":0}', '{"alg":["HS256"]}', '{"alg":{"HS256":1}}',
    '{"ALG":"HS256"}', '{"alg":"none","alg":"HS256"}',
    '{"alg":"HS256","alg":"none"}', '{"alg":"HS256","\u0061lg":"HS256"}')
{
    is(opened(unsigned($header, $payload, '')), '', "header $header");
    is(opened(signed_by(secret(), $header, $payload)), '',
        "header $header, signed");
}
is(opened(unsigned('{"alg":"none"}', $payload, 'none')), '', 'none, signature');
is(opened(unsigned('{"alg":"none"}', $payload, '') =~ s/\.$//r), '',
    'none, two parts');
is(opened((split /\./, $good)[2]), '', 'a signature without a token');

### row 2: the public key as a secret

my %forms = public_key_forms(public($rsa));
my @taken = grep { opened(signed_by($forms{$_}, '{"alg":"HS256"}', $payload))
    . opened(signed_by($forms{$_}, '{"alg":"HS256","kid":"k"}', $payload)) }
    sort keys %forms;
is("@taken", '', join ', ', 'public key as a secret', sort keys %forms);

# row 12
is(opened(signed_by('', '{"alg":"HS256"}', $payload)), '', 'empty secret');
is(opened(signed_by("\0", '{"alg":"HS256"}', $payload)), '', 'NUL as secret');

### row 3: kid

for my $kid ('"../../etc/passwd"', '"k\u0000"', '"K"', '"k "', '""',
    '"k\' OR 1=1"', '"' . 'k' x 65536 . '"', '["k"]', '{"k":1}', '1', 'null',
    'true')
{
    my $name = substr $kid, 0, 20;
    is(opened(sign($secret, $payload, '--raw-header',
        "{\"alg\":\"HS256\",\"kid\":$kid}")), '', "kid $name");
}

### row 4: keys in the token's header

my $address = "http://127.0.0.1:$port";
my $own = public($mine);
my %brought = (
    jwk => "\"jwk\":$own",
    jku => "\"jku\":\"$address/keys\"",
    x5u => "\"x5u\":\"$address/cert\"",
    x5c => '"x5c":["' . encode_base64($forms{'DER, SPKI'}, '') . '"]',
    'x5t#S256' => '"x5t#S256":"AAAA"',
    'jwk and jku' => "\"jwk\":$own,\"jku\":\"$address/keys\"",
);
for (sort keys %brought) {
    is(opened(sign($mine, $payload, '--raw-header',
        "{\"alg\":\"RS256\",\"kid\":\"k\",$brought{$_}}")), '', "own $_");
    is(opened(sign($mine, $payload, '--raw-header',
        "{\"alg\":\"RS256\",$brought{$_}}")), '', "own $_, no kid");
    is(opened(sign($rsa, $payload, '--raw-header',
        "{\"alg\":\"RS256\",\"kid\":\"k\",$brought{$_}}")), '/rsa/ /all/ /any/',
        "$_ of a good token is ignored");
}

### row 5: one request must not change the verdict on the next, in both orders

for my $odd (unsigned('{"alg":"none"}', $payload, ''), 'x', '..',
    sign($mine, $payload, '--header', "{\"jwk\":$own}"),
    sign($secret, '{"exp":1}'), sign($secret, '{}', '--header', '{"crit":[]}'))
{
    my $forged = with_part($good, 1, sub { s/root/user/ });
    my @verdicts = map { opened($_) } $odd, $forged, $odd, $forged, $good, $odd,
        $forged;
    is(join('|', @verdicts), '||||/secret/ /all/ /any/||', 'each token is judged by itself');
}

### row 13: crit, b64

for my $more ('"crit":["exp"],"exp":1', '"crit":[]', '"crit":"exp"',
    '"crit":["alg"]', '"crit":["x"]', '"crit":["x","x"],"x":1', '"crit":[1]',
    '"crit":{}', '"crit":null', '"crit":["b64"],"b64":true',
    '"crit":["b64"],"b64":false', '"b64":false', '"b64":"true"', '"b64":null',
    '"zip":1')
{
    is(opened(sign($secret, $payload, '--raw-header',
        "{\"alg\":\"HS256\",$more}")), '', "header with $more");
}
for my $more ('"b64":true', '"cty":"JWT"', '"typ":"at+jwt"', '"x":{"y":[1]}',
    '"zip":"DEF"')
{
    is(opened(sign($secret, $payload, '--raw-header',
        "{\"alg\":\"HS256\",$more}")), '/secret/ /all/ /any/',
        "header with $more");
}

### row 14: JSON that parsers read in different ways, with a good signature

my $deep = sub { '{"a":' . '[' x $_[0] . ']' x $_[0] . '}' };
for my $claims ('{"sub":"a","sub":"b"}', '{"sub":"a","\u0073ub":"b"}',
    '{"exp":4102444800,"exp":1}', '{"a":{"b":1,"b":2}}', '{} ', ' {}', '{}{}',
    '{},', '{"a":1,}', "{'a':1}", '{"a":01}', '{"a":+1}', '{"a":.5}',
    '{"a":NaN}', '{"a":Infinity}', '{"a":0x1}', '{"a":"\x"}', '{"a":"\ud800"}',
    "{\"a\":\"\n\"}", "{\"a\":\"\0\"}", "\xef\xbb\xbf{}", "{\"a\":\"\xff\"}",
    "{\"a\":\"\xc0\xaf\"}", "{\"a\":\"\xed\xa0\x80\"}", '{/**/}', '[]', '"a"',
    '1', 'null', '', '{', $deep->(32), $deep->(10000), "{}\0")
{
    my $name = substr $claims, 0, 30;
    $name =~ s/([^ -~])/sprintf '\\x%02x', ord $1/ge;
    my $fine = $claims =~ /^ ?\{\} ?$/ ? '/secret/ /all/ /any/' : '';
    is(opened(signed_by(secret(), '{"alg":"HS256"}', $claims)), $fine,
        "claims $name");
}
is(opened(sign($secret, $deep->(31))), '/secret/ /all/ /any/', 'claims as deep as allowed');

### row 23: an encrypted token where a signed one is expected

is(opened("$good.$good" =~ s/^((?:[^.]*\.){4}[^.]*).*/$1/r), '', 'five parts');

### row 24: sizes

is(opened('.' x (1 << 20)), '', 'a megabyte of dots');
is(opened('a.' x (1 << 19)), '', 'a megabyte of parts');
is(opened('A' x (1 << 20)), '', 'a megabyte without dots');
is(opened(sign($secret, '{"a":"' . 'x' x 200_000 . '"}')), '/secret/ /all/ /any/',
    'a large token');
is(opened(sign($secret, '{"a":"' . 'x' x 300_000 . '"}')), '',
    'a token that is too large');
is(opened($good), '/secret/ /all/ /any/', 'good token at the end');

$trap->blocking(0);
is($trap->accept(), undef, 'row 4: no request for keys was sent');
is(scalar(started_workers($t)), 1, 'the worker did not end');

###############################################################################

# The locations that accept the token; with the verdict, if it is neither 404 nor a
# refusal.
sub opened {
    my ($token) = @_;
    my @opened;
    for my $uri (@uris) {
        my $verdict = verdict(get($uri, $token));
        next if $verdict eq '401 Bearer realm="r", error="invalid_token"';
        push @opened, $verdict eq '404' ? $uri : "$uri:$verdict";
    }
    return "@opened";
}

sub secret { return decode_base64url($secret =~ /"k":"([^"]+)"/ ? $1 : die) }

sub unsigned {
    my ($header, $payload, $signature) = @_;
    return join '.', map { encode_base64url($_) } @_;
}

# The forms of a public key that libraries were found to use as an HMAC secret.
sub public_key_forms {
    my ($jwk) = @_;
    my ($n) = $jwk =~ /"n":"([^"]+)"/;
    my ($e) = $jwk =~ /"e":"([^"]+)"/;
    my ($modulus, $exponent) = map { decode_base64url($_) } $n, $e;

    my $pkcs1 = der(0x30, der(2, "\0$modulus") . der(2, $exponent));
    my $rsa = der(0x30, der(6, pack 'H*', '2a864886f70d010101') . der(5, ''));
    my $spki = der(0x30, $rsa . der(3, "\0$pkcs1"));

    my %forms = (
        'DER, PKCS#1' => $pkcs1,
        'DER, SPKI' => $spki,
        'JWK' => $jwk,
        'JWK Set' => "{\"keys\":[$jwk]}",
        'JWK and a line feed' => "$jwk\n",
        'n' => $n,
        'n, decoded' => $modulus,
        'n, hexadecimal' => unpack('H*', $modulus),
        'e' => $e,
        'e, decoded' => $exponent,
    );

    for (['PKCS#1', 'RSA PUBLIC KEY', $pkcs1], ['SPKI', 'PUBLIC KEY', $spki]) {
        my ($name, $label, $bytes) = @$_;
        my $base64 = encode_base64($bytes, '') =~ s/.{64}\K(?=.)/\n/gr;
        my $pem = "-----BEGIN $label-----\n$base64\n-----END $label-----";
        $forms{"PEM, $name"} = "$pem\n";
        $forms{"PEM, $name, no line feed at the end"} = $pem;
        $forms{"PEM, $name, CRLF"} = "$pem\n" =~ s/\n/\r\n/gr;
        $forms{"PEM, $name, in one line"} = $pem =~ s/\n//gr;
        $forms{"Base64, $name"} = $base64 =~ s/\n//gr;
    }

    return %forms;
}

sub der {
    my ($tag, $content) = @_;
    my $length = length $content;
    return pack('C', $tag) . ($length < 128 ? pack 'C', $length
        : pack 'C n', 0x82, $length) . $content;
}

###############################################################################
