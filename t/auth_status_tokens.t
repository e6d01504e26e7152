#!/usr/bin/perl

# auth_status: tokens that are encrypted, revoked, of an issuer, or bound to a client.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Dpop;
use Jose;
use Metrics;

my $t = Test::Nginx->new()->has(qw/ http rewrite /)->plan(22);

my ($key, $other) = map { jwk('ES256', '--kid', $_) } qw/ k other /;
my $private = jwk('RSA-OAEP-256', '--kid', 'd', '--use', 'enc');
my $client = jwk('ES256', '--no-alg');
$t->write_file('keys.json', public($key));
$t->write_file('private.json', jwks($private, public($key)));
$t->write_file('revoked.json', '{"mallory":1}');

configure($t, <<'EOF');
    auth_jwt_issuer corp { issuer corp; audience api; key_file keys.json; }
    server {
        listen       127.0.0.1:8080;
        server_name  localhost;
        auth_jwt_key_file keys.json;
        add_header X-V $jwt_status always;
        location = /status { auth_status; }
        location = /x { auth_status_zone dpop; auth_jwt r; auth_jwt_binding dpop; }
        location /nested { auth_status_zone nested; auth_jwt r; auth_jwt_type nested; auth_jwt_key_file private.json; }
        location /revoked { auth_status_zone revoked; auth_jwt r; auth_jwt_revocation_list_sub revoked.json; }
        location /trust { auth_status_zone trust; auth_jwt r; auth_jwt_trust corp; }
        location /scope { auth_status_zone scope; auth_jwt r; auth_jwt_require_scope a; }
        location /unverified { auth_status_zone unverified; auth_jwt r; auth_jwt_verify_signature off; }
    }
    server {
        listen       127.0.0.1:8081;
        server_name  localhost;
        location / { auth_status_zone second; auth_jwt r; auth_jwt_key_file keys.json; }
    }

EOF

run_quietly($t);

# The status of each response, and what has changed of a zone.
my $zone = sub {
    my ($name, @responses) = @_;
    my %before = metrics();
    my $statuses = join ' ', map { variables($_->()) } @responses;
    my %after = metrics();
    my @changed = grep { $after{$_} ne ($before{$_} // 0) and /zone="\Q$name\E"/ } sort keys %after;
    return join ' | ', $statuses, sort map { my $more = $after{$_} - ($before{$_} // 0);
        s/^nginx_auth_jwt_(?:requests_total)?//r =~ s/\{.*?,/{/r =~ s/\{zone.*//r =~ tr/"//dr . " $more" } @changed;
};
my $get = sub { my @args = @_; return sub { get(@args) } };

###############################################################################

my $bound = sign($key, '{"sub":"alice","cnf":{"jkt":"' . thumbprint($client) . '"}}');
my @proof = map { ("Authorization: DPoP $bound", "DPoP: $_") } dpop_proof($client, $bound);
my $dpop = sub { ask('/x', @proof) };
is($zone->('dpop', $dpop), 'ok | token_cache_lookups_total{result=miss} 1 | {status=ok,result=accepted} 1', 'a DPoP proof');
is($zone->('dpop', $dpop, $dpop), 'binding binding | dpop_replays_total 2 | token_cache_lookups_total{result=hit} 2 | '
    . '{status=binding,result=refused} 2', 'is counted when it comes again');
is($zone->('dpop', sub { ask('/x', $proof[0]) }), 'binding | token_cache_lookups_total{result=hit} 1 | '
    . '{status=binding,result=refused} 1', 'none is no replay');

my $good = sign($key, '{"sub":"alice"}');
my $nested = encrypt(public($private), $good);
is($zone->('nested', ($get->('/nested', $nested)) x 2), 'ok ok | token_cache_lookups_total{result=hit} 1 | '
    . 'token_cache_lookups_total{result=miss} 1 | {status=ok,result=accepted} 2', 'nested');
is($zone->('nested', $get->('/nested', with_part($nested, 4, sub { $_ = 'x' x 16 }))), 'decryption_failed | '
    . 'token_cache_lookups_total{result=miss} 1 | {status=decryption_failed,result=refused} 1', 'a forged one');
is($zone->('nested', $get->('/nested', $good)), 'malformed | {status=malformed,result=refused} 1', 'another form');

my $revoked = sign($key, '{"sub":"mallory"}');
is($zone->('revoked', ($get->('/revoked', $revoked)) x 2), 'revoked revoked | token_cache_lookups_total{result=hit} 1 | '
    . 'token_cache_lookups_total{result=miss} 1 | {status=revoked,result=refused} 2', 'a revoked user');

my $of_corp = sub { sign($_[0], '{"iss":"corp","aud":"api","n":' . $_[1] . '}') };
my $token = $of_corp->($key, 1);
is($zone->('trust', ($get->('/trust', $token)) x 3), 'ok ok ok | token_cache_lookups_total{result=hit} 2 | '
    . 'token_cache_lookups_total{result=miss} 1 | {status=ok,result=accepted} 3', 'an issuer');
is($zone->('trust', $get->('/trust', $good)), 'untrusted_issuer | {status=untrusted_issuer,result=refused} 1', 'no issuer');
is($zone->('trust', $get->('/trust', $of_corp->($other, 2))), 'unknown_key | token_cache_lookups_total{result=miss} 1 | '
    . '{status=unknown_key,result=refused} 1', 'another key');
is($zone->('trust', $get->('/trust', sign($key, '{"iss":"corp","aud":"x"}'))), 'claim_mismatch | '
    . '{status=claim_mismatch,result=refused} 1', 'another audience');

is($zone->('scope', $get->('/scope', $good)), 'insufficient_scope | token_cache_lookups_total{result=miss} 1 | '
    . '{status=insufficient_scope,result=refused} 1', 'a scope that is missing');
is($zone->('unverified', ($get->('/unverified', sign($other, '{}'))) x 2), 'ok ok | token_cache_lookups_total{result=hit} 1 | '
    . 'token_cache_lookups_total{result=miss} 1 | {status=ok,result=accepted} 2', 'a signature that nobody verifies');

# keys that a request has fetched anew, and a token without the token cache

my @lines = bearer($good);
is($zone->('second', sub { ask({ port => 8081 }, '/', @lines) }),
    'no variables | token_cache_lookups_total{result=hit} 1 | {status=ok,result=accepted} 1', 'another server');

reload_with($t, <<'EOF');
    auth_jwt_token_cache off;
    server {
        listen       127.0.0.1:8080;
        server_name  localhost;
        add_header X-V $jwt_status always;
        location = /status { auth_status; }
        location / { auth_status_zone off; auth_jwt r; auth_jwt_key_file keys.json; }
        location /limited { limit_except POST { auth_jwt r; } auth_status_zone limited; auth_jwt_key_file keys.json; }
        location /inner { auth_status_zone outer; auth_jwt r; auth_jwt_key_file keys.json; try_files /none /other; }
        location /other { auth_status_zone other; auth_jwt r; auth_jwt_key_file keys.json; }
        location = /keys { internal; root %%TESTDIR%%; try_files /keys.json =404; }
        location /request { auth_status_zone request; auth_jwt r; auth_jwt_key_request /keys; auth_jwt_key_cache 1h; }
    }

EOF
is($zone->('off', ($get->('/', $good)) x 2), 'ok ok | {status=ok,result=accepted} 2', 'no token cache, no hits or misses');
is(metric('nginx_auth_jwt_token_cache_entries'), 0, 'and no entries');
is($zone->('limited', $get->('/limited', $good)), 'ok | {status=ok,result=accepted} 1', 'limit_except');
is($zone->('limited', sub { ask({ method => 'POST', body => '' }, '/limited') }), 'disabled', 'but not for that method');
is($zone->('outer', $get->('/inner', $good)), 'ok | {status=ok,result=accepted} 1', 'an internal redirect, the first location');
is($zone->('other', $get->('/inner', $good)), 'ok | {status=ok,result=accepted} 1', 'and the second');
is($zone->('request', ($get->('/request', $good)) x 2), 'ok ok | {status=ok,result=accepted} 2', 'a request that waits, once');
is($zone->('request', map { $get->('/request', sign($other, "{\"n\":$_}")) } 1 .. 2),
    'unknown_key unknown_key | {status=unknown_key,result=refused} 2', 'and one that has keys fetched anew');
