#!/usr/bin/perl

# auth_jwt: secrets that must not be in a log (row 37), and that text which a
# client sent stays inside its quotes.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Jose;

my $t = Test::Nginx->new()->has(qw/ http rewrite map /)->plan(26);
my $dir = $t->testdir();

my %key = map { $_ => jwk($_, '--kid', $_) } qw/ HS256 RS256 ES256 EdDSA /;
my %outer = map { $_ => jwk($_, '--kid', $_) } qw/ A128KW A256GCMKW RSA-OAEP A128GCM /;
my $all = jwks(values %key, values %outer);
$t->write_file('private.json', $all);
$t->write_file('cut.json', substr $all, 0, -2);
$t->write_file('twice.json', $all =~ s/"kty":"RSA"/"kty":"RSA","kty":"RSA"/r);
$t->write_file('bad_k.json', $all =~ s/"k":"/"k":"=/r);
$t->write_file('bad_n.json', $all =~ s/"n":"/"n":"=/r);
$t->write_file('bad_y.json', $all =~ s/"y":"..../"y":"AAAA/r);
$t->write_file('member.json', $all =~ s/"d":"/"d","/r);
my @broken = qw/ cut twice bad_k bad_n bad_y member /;

configure($t, <<EOF);
    server {
        listen       127.0.0.1:8080;
        server_name  localhost;

        auth_jwt          "r";
        auth_jwt_key_file private.json;
        root              html;

        location / { }
        location /echo/ { add_header X-Claim \$jwt_claim_sub always; }
        @{[ map { "location /$_/ { auth_jwt_key_file $_.json; }\n" } @broken ]}
        location /encrypted/ { auth_jwt_type encrypted; }
        location /nested/    { auth_jwt_type nested; }
        location /require/   { auth_jwt_type encrypted; auth_jwt_require \$jwt_claim_secret\$jwt_claim_none; }
        location /named/ { auth_jwt_key_file \$arg_name.json; }
    }
EOF

my $said = config_test($t);
run_quietly($t);

# every kind of token at every location, to provoke every log line
my @tokens;
for my $alg (sort keys %key) {
    my $good = sign($key{$alg}, '{"sub":"user","iss":"https://i"}');
    push @tokens, $good, sign($key{$alg}, '{"exp":1}'),
        sign($key{$alg}, '{"sub":"a\nb"}'), sign($key{$alg}, 'text'),
        sign($key{$alg}, '{"exp":"x"}'),
        sign($key{$alg}, '{}', '--header', '{"crit":["x"],"x":1}'),
        with_part($good, 1, sub { s/user/root/ }),
        with_part($good, 0, sub { s/"kid":"\w+"/"kid":"other"/ }),
        "$good.x", "$good=", substr($good, 0, -1);
}
for my $token (@tokens) {
    get($_, $token) for '/', '/echo/', map { "/$_/" } @broken;
    get("/named/?name=$_", $token) for 'private', 'cut', 'none', '..';
}

# the same with encrypted tokens
my $content = '{"iss":"i","private":"do not tell"}';
for my $alg (sort keys %outer) {
    my @made = map { encrypt($outer{$alg}, $_, $alg =~ /GCM$/ ? ('--enc', $alg) : ()) }
        $content, $content =~ s/"i"/"i","exp":1/r, "do not tell", '{"do not tell":1,"do not tell":2}',
        sign($key{HS256}, $content), with_part(sign($key{HS256}, $content), 1, sub { s/i/j/ });
    push @tokens, @made, map { my $part = $_; map { with_part($_, $part, sub { $_ .= 'x' }) } @made }
        0 .. 4;
}
my @encrypted = grep { tr/././ == 4 } @tokens;
for my $token (@encrypted) {
    get("/$_/", $token) for qw/ encrypted nested require /;
}

my $log = $t->read_file('error.log');
my @ours = grep { / auth_jwt: / or /key file/ or /nginx-auth/ } split /\n/, $log;
cmp_ok(scalar @ours, '>', 4 * @tokens, 'number of our lines');

# nginx's own lines quote the request's header at level debug; ours never do
my %parts;
for my $token (@tokens) {
    $parts{$_} = 1 for grep { length > 8 } split /[.=]/, $token;
}
is(join("\n", grep { my $line = $_; grep { index($line, $_) >= 0 } keys %parts }
    @ours), '', 'no part of a token in a line of ours');
is(join("\n", grep { /do not tell/ and !/the name "do not tell" twice/ } @ours), '',
    'encrypted content is in none of our lines, except for a name');
cmp_ok(scalar(grep { /required \$jwt_claim_secret\$jwt_claim_none is empty/ } @ours), '>', 3,
    'lines of auth_jwt_require');
cmp_ok(scalar(grep { /decryption failed/ } @ours), '>', @encrypted, 'lines about decryption');

# no log line of nginx has key material, nor has the output of nginx -t
for my $member (qw/ k d p q dp dq qi n x y /) {
    my @values = $all =~ /"$member":"([^"]+)"/g;
    my @seen = grep { my $value = substr $_, 0, 12;
        index($log, $value) >= 0 or index($said, $value) >= 0 } @values;
    is(@values > 0 ? scalar @seen : 'no such member', 0, "member $member");
}

### values from a token are in one line, of bounded length and in quotes

my $long = 'k' x 3000;
my @odd = (
    [ '{"kid":"a\n2026/01/01 00:00:00 [emerg] 1#1: *1 x"}',
        'kid "a\x0a2026/01/01 00:00:00 [emerg] 1#1: *1 x"' ],
    [ '{"kid":"\", client: 1.2.3.4, \""}', 'kid "\", client: 1.2.3.4, \""' ],
    [ '{"kid":"\u0000\u001b[31m\u007f"}', 'kid "\x00\x1b[31m\x7f"' ],
    [ '{"kid":"\u00e9\u202e"}', 'kid "\xc3\xa9\xe2\x80\xae"' ],
    [ '{"kid":"\\\\"}', 'kid "\\\\"' ],
    [ '{"kid":"%s%n%*s%p"}', 'kid "%s%n%*s%p"' ],
    [ "{\"kid\":\"$long\"}", 'kid "' . 'k' x 128 . '"...' ],
);
jwt_logged($t);
for (@odd) {
    my ($header, $shown) = @$_;
    get('/', sign($key{HS256}, '{}', '--header', $header));
    is(jwt_logged($t), "info no key with $shown for HS256: the set has no such kid",
        "kid as in $header" =~ s/k{10,}/k.../r);
}
get('/', sign($key{HS256}, "{\"iss\":\"a\\nb$long\",\"exp\":1}"));
is(jwt_logged($t) =~ s/now \d+/now N/r, 'info expired: exp 1, now N, leeway 0; '
    . 'alg "HS256", kid "HS256", iss "a\x0ab' . 'k' x 125 . '"...', 'iss');

get('/', with_part(sign($key{HS256}, '{}'), 1,
    sub { $_ = "{\"$long\\n\":1,\"$long\\n\":2}" }));
is(jwt_logged($t), 'info claims set has the name "' . 'k' x 128 . '"... twice; '
    . 'alg "HS256", kid "HS256"', 'name of a claim');

get('/', with_part(sign($key{HS256}, '{}'), 0,
    sub { $_ = "{\"alg\":\"\\n$long\"}" }));
is(jwt_logged($t), 'info algorithm "\x0a' . 'k' x 127 . '"... is not supported', 'alg');

is(join("\n", grep { /\[emerg\] 1#1/ and !/^\d{4}\/.* auth_jwt: no key/
    and !/\[debug\]/ } split /\n/, $t->read_file('error.log')), '',
    'no log line begins with text of a client');

###############################################################################
