#!/usr/bin/perl

# auth_jwt: exp and nbf, to the second (rows 14 and 15).

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Jose;

use Time::HiRes;

my $t = Test::Nginx->new()->has(qw/ http /)->plan(55);

my $key = jwk('HS256');
$t->write_file('key.jwk', $key);

configure($t, <<'EOF');
    server {
        listen       127.0.0.1:8080;
        server_name  localhost;

        location / {
            auth_jwt          "r";
            auth_jwt_key_file key.jwk;
            root              html;
        }
    }
EOF

$t->run();

my $refused = '401 Bearer realm="r", error="invalid_token"';
my $about = '; alg "HS256"';
my $soon = time + 300;
my $past = time - 300;

### times far from the limit

my @accepted = ('{}', '{"iat":4102444800}', '{"EXP":1}', '{"exp ":1}',
    "{\"exp\":$soon}", "{\"exp\":$soon.5}", '{"exp":1e10}', '{"exp":41024448E2}',
    '{"exp":1e300}', '{"exp":9223372036854775807}',
    '{"exp":9223372036854775808}', '{"exp":18446744073709551615}',
    '{"exp":99999999999999999999999999999999999999999999}',
    "{\"nbf\":$past}", "{\"nbf\":$past.99}", '{"nbf":0}', '{"nbf":-0}',
    '{"nbf":-1}', '{"nbf":-1e300}', '{"nbf":-9223372036854775809}',
    "{\"nbf\":$past,\"exp\":$soon}", '{"a":{"exp":1}}', '{"a":[{"nbf":1e99}]}');

is(verdict(get('/', sign($key, $_))), '404', $_) for @accepted;
is(jwt_logged($t), '', 'accepted, no log line');

my $max = 9223372036854775807;
my $clocks = 'if the clocks of issuer and nginx differ, see auth_jwt_leeway';
my $milli = 'which may be milliseconds where seconds are needed';
my @refused = (
    [ "{\"exp\":$past}", "expired: exp $past, now N, leeway 0, N s ago: $clocks" ],
    [ "{\"exp\":$past.5}", 'expired: exp ' . ($past + 1) . ", now N, leeway 0, N s ago: $clocks" ],
    [ '{"exp":0}', 'expired: exp 0, now N, leeway 0' ],
    [ '{"exp":-1}', 'expired: exp -1, now N, leeway 0' ],
    [ '{"exp":1e3}', 'expired: exp 1000, now N, leeway 0' ],
    [ '{"exp":-1e300}', "expired: exp -9223372036854775808, now N, leeway 0" ],
    [ "{\"nbf\":$soon}", "not yet valid: nbf $soon, now N, leeway 0, N s ahead: $clocks" ],
    [ '{"nbf":1e300}', "not yet valid: nbf $max, now N, leeway 0, $milli" ],
    [ "{\"nbf\":$max}", "not yet valid: nbf $max, now N, leeway 0, $milli" ],
    [ "{\"exp\":$past,\"nbf\":$soon}", "expired: exp $past, now N, leeway 0, N s ago: $clocks" ],
    map({ my $exp = $_; map { [ "{\"$_\":$exp}",
        "claim \"$_\" is not a number" ] } qw/ exp nbf / }
        "\"$soon\"", '""', 'null', 'true', '[]', '{}', '1e400'),
);

for (@refused) {
    my ($claims, $reason) = @$_;
    my $verdict = verdict(get('/', sign($key, $claims)));
    my $log = jwt_logged($t) =~ s/now \d+/now N/r =~ s/, \d+ s (?=ago|ahead)/, N s /r;
    is("$verdict, $log", "$refused, info $reason$about", $claims);
}

### at the edge: exp is the first second that is too late, nbf the first that
### is not too early

my $exp = time + 2;
my $token = sign($key, "{\"exp\":$exp}");
my %seen = until_it_changes($token, '404');
is("$seen{before} $seen{last}", '404 401', 'exp passes');
is(jwt_logged($t), "info expired: exp $exp, now $exp, leeway 0, 0 s ago: $clocks$about", 'exp, log');
is(verdict(get('/', $token)), $refused, 'exp, the token stays refused');

my $nbf = time + 2;
$token = sign($key, "{\"nbf\":$nbf}");
jwt_logged($t);
%seen = until_it_changes($token, '401');
is("$seen{before} $seen{last}", '401 404', 'nbf passes');
my ($last) = jwt_logged($t) =~ /([^\n]*)\z/;
is($last, "info not yet valid: nbf $nbf, now @{[$nbf - 1]}, leeway 0, 1 s ahead: $clocks$about",
    'nbf, the last refusal');
cmp_ok($seen{time}, '>=', $nbf, 'nbf, not earlier');

# a fraction belongs to the second that it is in
$exp = time + 2;
$token = sign($key, "{\"exp\":$exp.25}");
%seen = until_it_changes($token, '404');
cmp_ok($seen{time}, '>=', $exp + 1, 'exp with a fraction');

###############################################################################

# Repeats a request until its status is no longer the first one. Returns both statuses
# and the time of the change.
sub until_it_changes {
    my ($token, $first) = @_;
    my (%seen, $status);
    my $end = time + 10;

    while (time < $end) {
        $status = verdict(get('/', $token)) =~ s/ .*//r;
        last if $status ne $first;
        $seen{before} = $status;
        select undef, undef, undef, 0.01;
    }

    # time() may be behind the clock that nginx reads, by some milliseconds
    return (before => 'never', %seen, last => $status,
        time => int Time::HiRes::time());
}

###############################################################################
