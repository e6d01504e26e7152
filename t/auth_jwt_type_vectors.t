#!/usr/bin/perl

# Tokens that other libraries made (t/data): each algorithm and each pair of
# algorithms is accepted, and a token with a change in any part is refused.
# Nested tokens are a JWE of one more library around the signed tokens.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Jose;

use JSON::PP qw/ decode_json encode_json /;
use MIME::Base64 qw/ decode_base64url /;

my @signing = qw/ HS256 HS384 HS512 RS256 RS384 RS512 PS256 PS384 PS512 ES256
    ES384 ES512 ES256K Ed25519 Ed448 ML-DSA-44 ML-DSA-65 ML-DSA-87 /;
my @wrapping = qw/ dir A128KW A192KW A256KW A128GCMKW A192GCMKW A256GCMKW
    RSA-OAEP RSA-OAEP-256 RSA-OAEP-384 RSA-OAEP-512 ECDH-ES ECDH-ES+A128KW
    ECDH-ES+A192KW ECDH-ES+A256KW /;
my @content = qw/ A128CBC-HS256 A192CBC-HS384 A256CBC-HS512 A128GCM A192GCM
    A256GCM /;

my @names = qw/ npm-jose jwcrypto /;
my @files = map { decode_json(slurp("data/$_.json")) } @names;
my $tokens = 0;
$tokens += @{$_->{tokens}} for @files;

my $t = Test::Nginx->new()->has(qw/ http rewrite /)->plan(2 * $tokens + 2 * 34 + 3);

# nested tokens are encrypted here, so nginx needs that key, too
my $outer = jwk('A256GCMKW', '--kid', 'outer');
for my $n (0 .. $#files) {
    $t->write_file("$names[$n].json",
        encode_json({ keys => [@{$files[$n]{keys}}, decode_json($outer)] }));
}

configure($t, <<'EOF');
    server {
        listen       127.0.0.1:8080;
        server_name  localhost;

        auth_jwt          "r" token=$http_x_token;
        auth_jwt_key_file $arg_keys.json;
        add_header        X-V "<$jwt_claims>" always;

        # for tokens with ML-DSA inside
        large_client_header_buffers 4 16k;

        location /signed    { auth_jwt_type signed; }
        location /encrypted { auth_jwt_type encrypted; }
        location /nested    { auth_jwt_type nested; }
    }
EOF

$t->run();

my (%seen, @nested);
for my $n (0 .. $#files) {
    my ($file, $name) = ($files[$n], $names[$n]);

    for (@{$file->{tokens}}) {
        my ($alg, $enc, $token) = @$_{qw/ alg enc token /};
        my $good = $alg =~ /^ML-DSA/ && !has_ml_dsa() ? '401 <>' : "404 <$file->{claims}>";
        my $kind = defined $enc ? 'encrypted' : 'signed';
        my $header = decode_json(decode_base64url($token =~ s/\..*//r));
        $alg = $header->{kid} =~ /^ed(.*)/ ? "Ed$1" : $alg if $alg eq 'EdDSA';
        my $what = join ', ', $name, $alg, $enc // (),
            map { "$_ $header->{$_}" } grep { $header->{$_} } 'zip';

        is(twins($kind, $name, $token), 'refused', "$what, each change is refused");
        is(result($kind, $name, $token), $good, $what);
        $seen{$enc ? "$alg $enc" : $alg} = 1;

        next if $enc or $seen{"$name $alg"}++;
        my $nested = encrypt($outer, $token, '--header', '{"cty":"JWT"}');
        push @nested, [ $what, $name, $token, $nested, $good ];
    }
}

for (@nested) {
    my ($what, $name, $token, $nested, $good) = @$_;
    my @changed = map { changed($token, $_) } 0 .. 2;
    my @inner = map { result('nested', $name, encrypt($outer, $_)) =~ s/ .*//r } @changed;
    is("@inner " . twins('nested', $name, $nested), '401 401 401 refused',
        "nested $what, changed inside and outside");
    is(result('nested', $name, $nested), $good, "nested $what");
}

my @pairs = map { my $alg = $_; map { "$alg $_" } @content } @wrapping;
is(join(' ', grep { !$seen{$_} } @signing), '', 'no signature algorithm is missing');
is(join(', ', grep { !$seen{$_} } @pairs), '', 'no pair is missing');
is(scalar @nested, 34, 'number of nested tokens');

###############################################################################

sub result {
    my ($kind, $keys, $token) = @_;
    my $response = get("/$kind?keys=$keys", undef, "X-Token: $token");
    return join ' ', status($response), variables($response);
}

# "refused" if the token is refused with a change in each of its parts.
sub twins {
    my ($kind, $keys, $token) = @_;
    my $parts = $token =~ tr/././;
    my @admitted = grep { result($kind, $keys, changed($token, $_)) !~ /^401 / } 0 .. $parts;
    return @admitted ? "let in with a change in part @admitted" : 'refused';
}

# The token with a change in one part that keeps its form.
sub changed {
    my ($token, $part) = @_;
    return with_part($token, $part, sub {
        if ($part == 0) { s/\{/{ / }
        elsif (s/"vector"/"root"/) { }
        elsif (length) { substr($_, length() / 2, 1) ^= "\x01" }
        else { $_ = 'x' }
    });
}
