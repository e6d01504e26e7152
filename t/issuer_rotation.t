#!/usr/bin/perl

# auth_jwt_issuer: keys that change. When nginx fetches them, how often, by which worker, and what a
# request waits for (row 39b).

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Issuers;
use Jose;
use Provider;

use Time::HiRes qw/ sleep time /;

my $t = Test::Nginx->new()->has(qw/ http http_ssl /)->plan(40);
provider_certificates($t);

my %key = map { $_ => jwk('ES256', '--kid', $_) } qw/ a b c /;
my %idp;
my $number = 8440;
for my $name (qw/ corp often short none refresh ending /) {
    $idp{$name} = Provider->new($t, $name, $number++, keys => set('a'))->start();
}
$idp{short}->behave(jwks_lines => ['Cache-Control: max-age=1']);
$idp{none}->behave(jwks_lines => ['Cache-Control: no-store']);

my %lines = (
    corp => [],
    often => ['refresh 10m;'],
    # an answer's Cache-Control counts, but 30 s are the least
    short => ['refresh 10m;'],
    none => ['refresh 10m;'],
    refresh => ['refresh 1s;'],
    ending => ['refresh 1s;', 'stale 1s;'],
);
configure($t, join('', map { issuer_block($_, $idp{$_}, @{ $lines{$_} }) } sort keys %idp) . <<'EOF', 'worker_processes 4;');
    server {
        listen      127.0.0.1:8080 reuseport;
        root        html;
        auth_jwt    "r";
        add_header  X-Status $jwt_status always;
        add_header  X-Pid $pid always;
        location /corp/    { auth_jwt_trust corp; }
        location /corp2/   { auth_jwt_trust corp often; }
        location /often/   { auth_jwt_trust often; }
        location /short/   { auth_jwt_trust short; }
        location /none/    { auth_jwt_trust none; }
        location /refresh/ { auth_jwt_trust refresh; }
        location /ending/  { auth_jwt_trust ending; }
    }
EOF
run_quietly($t);

### one fetch for all workers, without a request

for my $name (sort keys %idp) {
    my $asked = $idp{$name}->wait_asked('jwks', 1);
    # with refresh 1s there may be more by now
    my $counts = "@{ $lines{$name} }" =~ /refresh 1s/ ? $asked > 0 : $asked == 1;
    ok($counts, "$name, fetched at start");
}
is(ask_all_workers('/corp/', token_of($idp{corp}, $key{a})), '404 ok', 'each worker has the keys');
is(ask_all_workers('/corp2/', token_of($idp{corp}, $key{a})), '404 ok', 'in each location');
is($idp{corp}->asked('jwks'), 1, 'one fetch for four workers');
is($idp{corp}->asked('discovery'), 1, 'one look for the metadata');

# the fetch at the start counts for the pause after an unknown kid as well
sleep 10.5;
is($idp{$_}->asked('jwks'), 1, "$_, Cache-Control does not make fetches that are less than 30 s apart")
    for qw/ none short /;

### an unknown kid: one fetch in 10 s

my $corp = $idp{corp};
my $good = token_of($corp, $key{a});
my $unknown = token_of($corp, $key{b});
jwt_logged($t);
is(jwt_status(get('/corp/', $unknown)), '401 unknown_key', 'an unknown kid');
is($corp->asked('jwks'), 2, 'a fetch');
is(jwt_status(get('/corp/', token_of($corp, $key{$_}))), '401 unknown_key', "another one, $_") for qw/ b c b c /;
ask_all_workers('/corp/', $unknown);
is($corp->asked('jwks'), 2, 'no further fetch within 10 s, by whatever worker');
is(jwt_status(get('/corp/', token_of($corp, jwk('ES256', '--kid', 'a')))), '401 bad_signature', 'a known kid, forged');
is($corp->asked('jwks'), 2, 'no fetch for a known kid');

# the provider rotates: those who come with the new key wait for the fetch, others do not
my $often = $idp{often};
$often->behave(keys => set('a', 'b'), jwks => 'hang');
my @waiting = map { ask({ start => 1 }, '/often/', bearer(token_of($often, $key{b}, n => $_))) } 1 .. 20;
is($often->wait_asked('hangs', 1), 1, 'rotation, one fetch for 20 tokens of an unknown key');
is(join(' ', map { jwt_status(get('/often/', token_of($often, $key{a}, n => $_))) } 1 .. 20),
    join(' ', ('404 ok') x 20), 'rotation, the old key meanwhile');
is($often->asked('left'), 0, 'the provider was hanging all the time');
$often->behave(jwks => 'good');
is(join(' ', map { jwt_status(Test::Nginx::http_end($_)) } @waiting), join(' ', ('404 ok') x 20),
    'rotation, those who waited are let in');
is($often->asked('jwks'), 2, 'rotation, one fetch');
is(ask_all_workers('/often/', token_of($often, $key{b})), '404 ok', 'rotation, each worker has the new key');
is($often->asked('jwks'), 2, 'rotation, still one fetch');

# nobody waits for longer than 2 s
my $short = $idp{short};
$short->behave(jwks => 'hang');
is(jwt_status(get('/short/', token_of($short, $key{c}))), '401 unknown_key', 'a fetch that hangs, the token is refused');
is($short->asked('left'), 0, 'while it still hangs');
is(jwt_status(get('/short/', token_of($short, $key{a}))), '404 ok', 'a known key, while it hangs');
$short->recover();

### before the keys go stale

my $refresh = $idp{refresh};
cmp_ok($refresh->wait_asked('jwks', 3), '>=', 3, 'refresh 1s, fetched again and again');
$refresh->behave(keys => set('b'));
is(await_issuer('/refresh/', token_of($refresh, $key{b}), '404 ok'), '404 ok', 'refresh, the new key without an unknown kid');
is(await_issuer('/refresh/', token_of($refresh, $key{a}), '401 unknown_key'), '401 unknown_key', 'refresh, the old key is refused');

### stale: the provider is down

$refresh->behave(down => 1);
fetch_logged($t, qr/"refresh".*refused/);
is(ask_all_workers('/refresh/', token_of($refresh, $key{b})), '404 ok', 'stale keys, the provider is down');
$refresh->behave(down => 0, jwks => 'html');
like(fetch_logged($t, qr/"refresh".*(?:HTML|JSON)/), qr/^warn issuer "refresh".*; using the last good keys$/m, 'stale keys, a page instead of keys, log');
is(jwt_status(get('/refresh/', token_of($refresh, $key{b}))), '404 ok', 'stale keys, a page instead of keys');
# an empty set is a set: the provider has withdrawn its keys
$refresh->behave(jwks => 'good', keys => '{"keys":[]}');
is(await_issuer('/refresh/', token_of($refresh, $key{b}), '401 unknown_key'), '401 unknown_key', 'an empty set, no key is left');

my $ending = $idp{ending};
$ending->behave(down => 1);
is(await_issuer('/ending/', token_of($ending, $key{a}), '500 keys_unavailable'), '500 keys_unavailable', 'stale ends');
$ending->behave(down => 0);
is(await_issuer('/ending/', token_of($ending, $key{a}), '404 ok'), '404 ok', 'and begins anew');

###############################################################################

sub set { return jwks(map { public($key{$_}) } @_) }

# Sends the token until each worker had it, and returns the verdicts that there were.
sub ask_all_workers {
    my ($uri, $token) = @_;
    my (%by, %verdicts);
    my @workers = workers($t);
    wait_longer(sub {
        my $response = get($uri, $token);
        $by{ header($response, 'X-Pid') // '' } = 1;
        $verdicts{ jwt_status($response) } = 1;
        return !grep { !$by{$_} } @workers;
    }) or return 'not all workers were asked';
    return join ', ', sort keys %verdicts;
}
