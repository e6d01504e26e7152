#!/usr/bin/perl

# auth_jwt_leeway: how long after exp, and how long before nbf, a token is
# accepted (rows 15 and 44).

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Jose;

my $t = Test::Nginx->new()->has(qw/ http rewrite /)->plan(37);

my $key = jwk('HS256');
my $aes = jwk('A128KW');
$t->write_file('keys.json', jwks($key, $aes));

configure($t, <<'EOF');
    auth_jwt_leeway 1h;

    server {
        listen       127.0.0.1:8080;
        server_name  localhost;

        auth_jwt          "r";
        auth_jwt_key_file keys.json;

        location /http { }
        location /zero { auth_jwt_leeway 0; }
        location /5s   { auth_jwt_leeway 5s; }
        location /5    { auth_jwt_leeway 5; }
        location /2d1h { auth_jwt_leeway "2d 1h"; }
        location /years { auth_jwt_leeway 21900d; }
        location /encrypted { auth_jwt_leeway 1m; auth_jwt_type encrypted; }
        location /nested    { auth_jwt_leeway 1m; auth_jwt_type nested; }
        location /outer/ {
            auth_jwt_leeway 100s;
            location /outer/same  { }
            location /outer/other { auth_jwt_leeway 200s; }
            location /outer/limited {
                limit_except GET { auth_jwt "limited"; }
            }
            location /outer/method {
                limit_except GET { auth_jwt_leeway 200s; }
            }
            if ($arg_if) { set $nothing ""; }
        }
    }

    server {
        listen       127.0.0.1:8081;
        server_name  localhost;
        auth_jwt_leeway   10m;
        auth_jwt          "r";
        auth_jwt_key_file keys.json;
    }
EOF

$t->run();

my $invalid = 'error="invalid_token"';

### levels and values, 30 seconds on either side of the limit

for (
    [ '/http', 3600 ], [ '/2d1h', 49 * 3600 ], [ '/outer/same', 100 ],
    [ '/outer/other', 200 ], [ '/outer/if?if=1', 100 ], [ '/years', 60 * 365 * 86400 ],
) {
    my ($uri, $leeway) = @$_;
    my ($late, $early) = (-$leeway - 30, $leeway + 30);
    is(check($uri, "{\"exp\":\"now$late\"}") . ' ' . check($uri, "{\"nbf\":\"now+$early\"}"),
        "401 expired, leeway $leeway 401 not yet valid, leeway $leeway",
        "$uri, too late and too early");
    ($late, $early) = (-$leeway + 30, $leeway - 30);
    is(check($uri, "{\"exp\":\"now$late\",\"nbf\":\"now+$early\"}"), '404',
        "$uri, late and early");
}
is(check('/zero', '{"exp":"now-1"}'), '401 expired, leeway 0', 'zero, expired');
is(check('/zero', '{"nbf":"now+20"}'), '401 not yet valid, leeway 0', 'zero, early');
is(check('/zero', '{"exp":"now+20","nbf":"now"}'), '404', 'zero');
is(check('/5', '{"exp":"now-6"}'), '401 expired, leeway 5', 'without a unit');

is(status(ask({ port => 8081 }, '/x', bearer(sign($key, '{"exp":"now-630"}')))), '401',
    'leeway of a server, too late');
is(status(ask({ port => 8081 }, '/x', bearer(sign($key, '{"exp":"now-570"}')))), '404',
    'leeway of a server');
is(verdict(ask({ method => 'POST', body => '' }, '/outer/limited', bearer(sign($key, '{"exp":"now-130"}')))), "401 Bearer realm=\"limited\", $invalid",
    'limit_except, too late');
is(verdict(ask({ method => 'POST', body => '' }, '/outer/limited', bearer(sign($key, '{"exp":"now-70"}')))), '404',
    'limit_except');
my @late = ('/outer/method', bearer(sign($key, '{"exp":"now-150"}')));
is(status(ask({}, @late)), '401', 'another leeway in limit_except: another method');
is(status(ask({ method => 'DELETE' }, @late)), '405', 'another leeway in limit_except');
jwt_logged($t);

### encrypted and nested tokens

for my $kind (qw/ encrypted nested /) {
    my $made = sub { encrypt($aes, $kind eq 'nested' ? sign($key, $_[0]) : $_[0]) };
    is(told("/$kind", $made->('{"exp":"now-90"}')), '401 expired, leeway 60',
        "$kind, too late");
    is(told("/$kind", $made->('{"nbf":"now+90"}')), '401 not yet valid, leeway 60',
        "$kind, too early");
    is(told("/$kind", $made->('{"exp":"now-30","nbf":"now+30"}')), '404', $kind);
}

### at the edges: exp + leeway is the first second that is too late, nbf - leeway
### the first that is not too early

my $clocks = 'if the clocks of issuer and nginx differ, see auth_jwt_leeway';
my $exp = time - 3;
my %seen = until_it_changes(sign($key, "{\"exp\":$exp}"), '404');
is($seen{statuses}, '404 401', 'exp passes');
like($seen{log}, qr/^info expired: exp $exp, now $seen{now}, leeway 5, \d+ s ago: $clocks; alg "HS256"$/,
    'exp, the first refusal');
ok($seen{asked} < $exp + 5 && $seen{now} >= $exp + 5, 'exp, neither earlier nor later');

my $nbf = time + 7;
%seen = until_it_changes(sign($key, "{\"nbf\":$nbf}"), '401');
is($seen{statuses}, '401 404', 'nbf passes');
like($seen{log}, qr/^info not yet valid: nbf $nbf, now $seen{now}, leeway 5, \d+ s ahead: $clocks; alg "HS256"$/,
    'nbf, the last refusal');
ok($seen{now} < $nbf - 5 && $seen{answered} >= $nbf - 5, 'nbf, neither earlier nor later');

### row 15: nothing overflows

is(check('/years', '{"exp":-9223372036854775808}'), '401 expired, leeway 1892160000',
    'the least exp');
is(check('/years', '{"nbf":9223372036854775807}'), '401 not yet valid, leeway 1892160000',
    'the greatest nbf');
is(check('/years', '{"exp":9223372036854775807,"nbf":-9223372036854775808}'), '404',
    'the greatest exp and the least nbf');

###############################################################################

sub check {
    my ($uri, $claims) = @_;
    return told($uri, sign($key, $claims));
}

# The status, and from the log the reason and the leeway.
sub told {
    my ($uri, $token) = @_;
    my $status = status(get($uri, $token));
    my ($reason, $leeway) = jwt_logged($t) =~ /^info (.*?): .*(leeway \d+)/;
    return join ', ', join(' ', $status, $reason // ()), $leeway // ();
}

# Repeats a request until its status is no longer the first one. Returns both statuses,
# when the last request with the first status was sent (asked), when the first response
# with another status was there (answered), and the last log line with its time.
sub until_it_changes {
    my ($token, $first) = @_;
    my %seen = (asked => 0, answered => 0);
    my ($before, $status) = ('never', '');
    my $end = time + 10;

    while (time < $end) {
        my $now = time;
        $status = status(get('/5s', $token));
        last if $status ne $first;
        ($before, $seen{asked}) = ($status, $now);
        select undef, undef, undef, 0.01;
    }

    my ($log) = jwt_logged($t) =~ /([^\n]*)\z/;
    my ($now) = $log =~ /now (\d+)/;
    return (%seen, statuses => "$before $status", answered => time, log => $log,
        now => $now // 0);
}
