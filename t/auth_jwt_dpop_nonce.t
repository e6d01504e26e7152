#!/usr/bin/perl

# auth_jwt_dpop_nonce: a proof must have a nonce of this server, so that nobody can make
# one in advance. Needs curl and libfaketime.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Clock;
use Dpop;
use Http2;
use Jose;

my $t = Test::Nginx->new()->has(qw/ http http_v2 proxy rewrite access /)->plan(87);

my $key = jwk('ES256', '--kid', 'k');
$t->write_file('keys.json', jwks($key));
mkdir $t->testdir() . '/html' or die;
$t->write_file('html/page.html', '');

# The smallest zone, in which some 250 proofs have room.
my $http = sub { return <<"EOF" };
    auth_jwt_dpop_zone $_[0];
    server {
        listen       127.0.0.1:8080;
        @{[listen_http2($t)]}
        server_name  localhost;
        root         html;

        auth_jwt            "r";
        auth_jwt_key_file   keys.json;
        auth_jwt_binding    dpop;
        auth_jwt_dpop_nonce on;
        add_header          X-V "<\$jwt_status|\$jwt_claim_sub>" always;

        location / { }
        location /off { auth_jwt_dpop_nonce off; }
        location /required { auth_jwt_binding dpop required; }
        location /tls { auth_jwt_binding tls; }
        location /any { auth_jwt_binding any; }
        location /scope { auth_jwt_require_scope write; }
        location /silent { auth_jwt_challenge off; }
        location /attributes { auth_jwt_challenge error_description=mine algs=mine a=b; }
        location /preaccess { auth_jwt_phase preaccess; }
        location /report { auth_jwt_mode report; }
        location /optional { auth_jwt_mode optional; }
        location /allowed { satisfy any; auth_request /yes; }
        location = /yes { internal; return 204; }
        location /denied { satisfy any; deny all; }
        location /cookie { auth_jwt "r" token=\$cookie_token; }
        location /error { error_page 401 = /page401; }
        location = /page401 { auth_jwt off; return 401 "page"; }
        location /from-off { auth_jwt_dpop_nonce off; error_page 404 = /page.html; }
        location /from-on { error_page 404 = /page.html; }
        location /to-scope { error_page 404 = /scope; }
        location /proxied {
            add_header X-V "<\$jwt_status|\$jwt_claim_sub>" always;
            proxy_pass http://127.0.0.1:8081;
        }
    }
    server {
        listen 127.0.0.1:8081;
        location / {
            add_header DPoP-Nonce upstream;
            add_header Cache-Control "public, max-age=60";
            return 204;
        }
    }
EOF
my $workers = 'worker_processes 2; ' . clock_main();
configure($t, $http->('64k'), $workers);
run_with_clock($t);

### tokens, proofs and what comes of them

my %client = map { $_ => dpop_client() } qw/ a b /;
my $token = sign($key, '{"sub":"alice","cnf":{"jkt":"' . thumbprint($client{a}) . '"}}');

# A proof of the client for a request. Claims may be changed, or left out with undef.
sub proof {
    my ($uri, %change) = @_;
    return dpop_proof($client{ delete $change{client} // 'a' }, $token, htu => "\"http://localhost$uri\"", %change);
}

my $nonce;      # the one that came last

# What comes of a request with these header lines: "+nonce" if a nonce came with it, and
# "uncached" if nobody may keep the response.
my $sent = sub {
    my ($uri, @lines) = @_;
    jwt_logged($t);
    my $response = ask($uri, @lines);
    my @nonces = headers($response, 'DPoP-Nonce');
    my $is_uncached = grep { $_ eq 'no-store' } headers($response, 'Cache-Control');
    ($nonce) = @nonces if @nonces;
    my $challenges = verdict($response) =~ s/algs="RS256 RS384[^"]* ES256 [^"]*"/algs="A"/gr;
    return join(' ', $challenges, variables($response), ('+nonce') x @nonces, ('uncached') x !!$is_uncached,
        jwt_logged($t) || ()) =~ s/\b\d+(?= seconds )/N/r;
};
my $with = sub {
    my ($uri, @proofs) = @_;
    return $sent->($uri, "Authorization: DPoP $token", map { "DPoP: $_" } @proofs);
};
my $as_json = sub { return defined $_[0] ? "\"$_[0]\"" : undef };

# A request with a new proof, which has this nonce.
my $asked = sub {
    my ($uri, $with_nonce, %change) = @_;
    return $with->($uri, proof($uri, nonce => $as_json->($with_nonce), %change));
};

my $allowed = '404 <ok|alice>';
my $es256 = 'alg "ES256", kid "k"';
my $use_nonce = 'error="use_dpop_nonce", error_description="use the nonce in the header field DPoP-Nonce"';
my $line = 'DPoP realm="r", algs="A"';
my $refused = sub { return "401 $line, $use_nonce + Bearer realm=\"r\" <binding|> +nonce uncached info DPoP proof: $_[0]; $es256" };
my $bad_proof = sub { return "401 $line, error=\"invalid_dpop_proof\" + Bearer realm=\"r\", error=\"invalid_token\" "
    . "<binding|> +nonce uncached info $_[0]; $es256" };
my $no_nonce = $refused->('claim "nonce" is missing, which "auth_jwt_dpop_nonce on" requires');
my $unknown = $refused->('the nonce is not one of this server, or of before its last start');
my $replayed = $bad_proof->('DPoP proof: it was used before');
my $old = $refused->('the nonce is N seconds old, more than 120');

### row 61: what a thief can make without a nonce, or in advance

is($with->('/x'), $bad_proof->('the token is bound to a key, and there is no "DPoP" header line'), 'no proof');
is($asked->('/x', undef), $no_nonce, 'no nonce');
like($nonce, qr/^[\w-]{54}$/, 'the nonce that comes with it');
is($with->('/x', proof('/x', nonce => $_)), $refused->('claim "nonce" is not a string'), "nonce: $_")
    for '1', 'null', '["a"]';
is($asked->('/x', $_), $unknown, "nonce: $_") for '', 'a', 'A' x 54, time;
is($asked->('/x', substr($nonce, 0, -1)), $unknown, 'a part of a nonce');
is($asked->('/x', $nonce . 'A'), $unknown, 'more than a nonce');
is($asked->('/x', ('A' x 12) . substr $nonce, 12), $unknown, 'a nonce with another time');
is($asked->('/x', $nonce, client => 'b'), "401 $line, error=\"invalid_token\" + Bearer realm=\"r\", "
    . 'error="invalid_token" <binding|> +nonce uncached info the token is bound to another key than that of the DPoP '
    . "proof; $es256", 'the proof of the thief, with a nonce');
my %forged = (client => 'b', jwk => public($client{a}), jti => '"same"');
is($asked->('/x', $nonce, %forged), $bad_proof->('DPoP proof: bad signature'), 'the key of the client, and a signature of the '
    . 'thief');
is($asked->('/x', undef, %forged), $no_nonce, 'the same without a nonce');
is($asked->('/x', $nonce, htm => '"POST"'), $bad_proof->('DPoP proof: htm is "POST", which is not the method of the '
    . 'request'), 'a proof for another method');
is($asked->('/x', undef, htm => '"POST"'), $bad_proof->('DPoP proof: htm is "POST", which is not the method of the '
    . 'request'), 'what else is wrong comes first');

### the client itself

is($asked->('/x', undef, jti => '"same"'), $no_nonce, 'no nonce');
is($asked->('/x', $nonce, jti => '"same"'), $allowed, 'a refused proof is not noted as used');
is($asked->('/x', $nonce), $allowed, 'a nonce is good more than once, in each worker') for 1 .. 6;
my $used = proof('/x', nonce => $as_json->($nonce));
is($with->('/x', $used), $allowed, 'a proof');
is($with->('/x', $used), $replayed, 'a proof is good once') for 1 .. 4;
is($asked->('/x', $nonce), $allowed, 'the nonce that comes with a refusal');

### the nonce has an age

my $first = $nonce;
move_clock($t, 70);
is($asked->('/x', $first, iat => '"now+70"'), "$allowed +nonce uncached", 'an old nonce is accepted, and another one comes');
isnt($nonce, $first, 'which is another');
is($asked->('/x', $nonce, iat => '"now+70"'), $allowed, 'the other one is accepted');
is($asked->('/scope', $first, iat => '"now+70"'), "403 $line, error=\"insufficient_scope\", scope=\"write\" + Bearer "
    . 'realm="r", error="insufficient_scope", scope="write" <insufficient_scope|> +nonce uncached info required scope '
    . "\"write\" is not granted: the token has neither scope nor scp; $es256", 'another one comes with a refusal for a scope, too');
move_clock($t, 130);
is($asked->('/x', $first, iat => '"now+130"'), $old, 'a nonce that is too old');
is($asked->('/x', $nonce, iat => '"now+130"'), $allowed, 'the one that comes with the refusal');
my $advanced = proof('/x', iat => '"now+300"', nonce => $as_json->($nonce));
move_clock($t, 300);
is($with->('/x', $advanced), $old, 'row 61: a proof that was made in advance');
$asked->('/x', undef, iat => '"now+300"');
move_clock($t, 0);
is($asked->('/x', $nonce), $refused->('the nonce is N seconds ahead of the clock'), 'the clock goes back');
is($asked->('/x', $nonce), $allowed, 'and the client has a nonce of now');

### what the location says

is($sent->('/x'), "401 $line + Bearer realm=\"r\" <missing|> +nonce uncached info no token: no \"Authorization\" header line",
    'no token');
is($sent->('/off'), "401 $line + Bearer realm=\"r\" <missing|> info no token: no \"Authorization\" header line", 'off: no token');
is($asked->('/off', $_), $allowed, 'off: ' . ($_ // 'none')) for undef, 'a', $nonce;
is($sent->('/tls'), '401 Bearer realm="r" <missing|> info no token: no "Authorization" header line', 'tls: no token');
is($sent->('/required'), "401 $line <missing|> +nonce uncached info no token: no \"Authorization\" header line",
    'required: no token');
is($asked->('/required', undef), $no_nonce =~ s/ \+ Bearer realm="r"//r, 'required: no nonce');
is($asked->('/any', undef), $no_nonce, 'any: no nonce');
is($asked->('/any', $nonce), $allowed, 'any: a nonce');
is($asked->('/scope', $nonce), "403 $line, error=\"insufficient_scope\", scope=\"write\" + Bearer realm=\"r\", "
    . "error=\"insufficient_scope\", scope=\"write\" <insufficient_scope|> info required scope \"write\" is not granted: the token has neither scope nor scp; "
    . $es256, 'a scope is missing');
is($asked->('/silent', undef), '401 ' . $no_nonce =~ s/^.*?(?=<)//r, 'auth_jwt_challenge off: the nonce comes all the same');
is($asked->('/attributes', undef), $no_nonce =~ s/DPoP-Nonce"\K/, a="b"/r =~ s/Bearer realm="r"\K/, error_description="mine", algs="mine", a="b"/r,
    'auth_jwt_challenge: no attribute comes twice');
is($asked->('/preaccess', undef), $no_nonce, 'preaccess: no nonce');
is($asked->('/preaccess', $nonce), $allowed, 'preaccess: a nonce');
is($asked->('/report', undef), '404 <binding|> +nonce uncached info would refuse: DPoP proof: claim "nonce" is missing, which '
    . "\"auth_jwt_dpop_nonce on\" requires; $es256", 'report: no nonce, and one comes');
is($with->('/report'), '404 <binding|> info would refuse: the token is bound to a key, and there is no "DPoP" header line; '
    . $es256, 'report: no proof');
is($asked->('/optional', undef), $no_nonce, 'optional: no nonce');
is($sent->('/optional'), '404 <missing|>', 'optional: no token');
is($asked->('/allowed', undef), '404 <binding|> +nonce uncached info DPoP proof: claim "nonce" is missing, which '
    . "\"auth_jwt_dpop_nonce on\" requires; $es256", 'satisfy any: another module lets it in, and no challenge stays');
is($asked->('/denied', undef), $no_nonce, 'satisfy any: both refuse');
is($asked->('/denied', $nonce), $allowed, 'satisfy any: a nonce');
is($sent->('/cookie', "Cookie: token=$token", 'DPoP: ' . proof('/cookie')), $no_nonce, 'a token in a cookie: no nonce');
is($asked->('/error', undef), $no_nonce, 'an error page');

### internal redirects judge a request again

is($asked->('/from-on', $nonce), '200 <ok|alice>', 'an internal redirect');
is($asked->('/from-off', undef), $no_nonce, 'from a location without nonces to one with');
is($asked->('/from-off', $nonce), '200 <ok|alice>', 'the same with a nonce');
$first = $nonce;
move_clock($t, 70);
is($asked->('/from-on', $first, iat => '"now+70"'), '200 <ok|alice> +nonce uncached', 'another nonce comes once');
is($asked->('/from-off', $first, iat => '"now+70"'), '200 <ok|alice> +nonce uncached', 'the same from a location without nonces');
is($asked->('/to-scope', $first, iat => '"now+70"') =~ s/<.*> //r, "403 $line, error=\"insufficient_scope\", "
    . 'scope="write" + Bearer realm="r", error="insufficient_scope", scope="write" +nonce uncached info required scope '
    . "\"write\" is not granted: the token has neither scope nor scp; $es256", 'accepted in one location, and refused in another');

### an upstream with nonces of its own

is($asked->('/proxied', $first, iat => '"now+70"'), '204 <ok|alice> +nonce uncached', 'one nonce, not two');
isnt($nonce, 'upstream', 'which is ours');
move_clock($t, 0);

### HTTP/2

my @to_http2 = (htu => '"http://127.0.0.1:' . port(8083) . '/x"');
my $second = sub { return http2_curl('/x', "-H 'Authorization: DPoP $token'", "-H 'DPoP: $_[0]'") };
my ($answer) = $second->(dpop_proof($client{a}, $token, @to_http2));
like($answer, qr/^HTTP\/2 401.*^dpop-nonce: [\w-]{54}\r\n.*^www-authenticate: DPoP [^\n]*error="use_dpop_nonce"/ms,
    'HTTP/2: no nonce');
my ($its_nonce) = $answer =~ /^dpop-nonce: (\S+)/m;
like($second->(dpop_proof($client{a}, $token, @to_http2, nonce => "\"$its_nonce\"")), qr/^HTTP\/2 404/, 'HTTP/2: a nonce');

### a zone in which proofs are evicted, a reload, and a zone that is made anew

$asked->('/x', undef);
my $before = $nonce;
my $accepted = grep { $asked->('/off', undef) eq $allowed } 1 .. 400;
is($accepted, 400, 'more proofs than the zone has room for');
is($asked->('/x', $before), $allowed, 'the nonce is as good as before');
$used = proof('/x', nonce => $as_json->($before));
is($with->('/x', $used), $allowed, 'before a reload');
ok(reload_workers($t), 'reloaded');
is($with->('/x', $used), $replayed, 'once more after a reload');
is($asked->('/x', $before), $allowed, 'the nonce after a reload');
ok(reload_with($t, $http->('128k'), $workers), 'reloaded with another zone');
is($with->('/x', $used), $unknown, 'row 61: no proof is forgotten of which the nonce is not');
is($asked->('/x', $nonce), $allowed, 'another nonce');
$before = $nonce;
$t->stop();
run_with_clock($t);
my @sockets = map { ask({ start => 1 }, '/x') } 1 .. 20;
my %given = map { local $/; header(<$_>, 'DPoP-Nonce') => 1 } @sockets;
is(join(' ', map { $asked->('/x', $_) } keys %given), join(' ', ($allowed) x keys %given), 'all workers have one secret');
is($asked->('/x', $before), $unknown, 'the nonce after a restart');
is($asked->('/x', $nonce), $allowed, 'another nonce after a restart');
