#!/usr/bin/perl

# Zones of shared memory and reloads, with four workers under load: with zones that are larger,
# smaller, renamed, in another order, added and removed, and with reloads that fail. One zone is full
# all the time. No request fails, and each verdict is right. No proof with a nonce is accepted again,
# and the counters have each request.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use Dpop;
use Load;
use AuthJwt;
use Metrics;

my $t = Test::Nginx->new()->has(qw/ http proxy rewrite /)->plan(23);

configure($t, load_conf());
load_services($t);
run_quietly($t);
my $good = load_token();
is(wait_until(sub { status(get('/issuer', $good)) eq '200' }), 1, 'the issuer has keys');
my @clients = start_load(3);

### proofs

my $client = dpop_client();
my $token = load_token(cnf => '{"jkt":"' . thumbprint($client) . '"}');
my $use = sub { return ask('/x', "Authorization: DPoP $token", "DPoP: $_[0]") };
my $nonce = '';
my $prove = sub { return dpop_proof($client, $token, nonce => "\"$nonce\"") };
# Whether a proof is accepted, with another nonce if it has to have one, and once.
my $accepted = sub {
    my $response = $use->(my $proof = $prove->());
    $nonce = header($response, 'DPoP-Nonce') // $nonce;
    $response = $use->($proof = $prove->()) if status($response) eq '401';
    return join ' ', map { status($_) } $response, $use->($proof);
};

is($accepted->(), '200 401', 'a proof');

### reloads

for my $case (
    ['nothing'],
    ['larger zones', size => '256k', dpop => '1m'],
    ['smaller zones', size => '32k', dpop => '64k'],
    ['a zone with another name', verdicts => 'other'],
    ['another order, and one more', reversed => 1, more => 'auth_request_cache_zone another:64k;'],
    ['a zone that is gone', verdicts => 'another', size => '64k'],
) {
    my ($what, %change) = @$case;
    $use->(my $used = $prove->());
    ok(reload_with($t, load_conf(%change)), "a reload: $what");
    is(join(' ', status($use->($used)), $accepted->()), '401 200 401', 'a proof is not accepted again, a new one is');
}

### reloads that fail

my @before;
wait_until(sub { @before = sort { $a <=> $b } workers($t); return @before == 4 });
my $names = join ' ', map { "location /names/$_ { auth_status_zone n$_; }" } 1 .. 300;
for my $case (
    ['before the zones are made', qr/zone "too_small:1k" is too small/, more => 'auth_request_cache_zone too_small:1k;'],
    ['after the zones were made', qr/there are more than 256 names/, locations => $names, size => '128k'],
) {
    my ($when, $why, %change) = @$case;
    $use->(my $used = $prove->());
    configure($t, load_conf(%change));
    $t->reload();
    ok(wait_until(sub { $t->read_file('error.log') =~ $why }), "a reload that fails $when");
    is(join(' ', status($use->($used)), $accepted->()), '401 200 401', 'changes nothing');
}
is(join(' ', sort { $a <=> $b } workers($t)), "@before", 'the workers are those of before');

### what came of it

my %count = stop_load(@clients);
my $counted = metric('nginx_auth_jwt_requests_total{zone="load",status="ok",result="accepted"}');
is($counted, $count{counted}, 'each accepted request is counted');
is(wrong_outcomes(%count), '', 'each verdict was right, and no request failed');
cmp_ok($count{'right HIT'} // 0, '>', 0, 'verdicts were cached');
my @lines = $t->read_file('error.log') =~ /^.*\[(?:warn|error|crit|alert|emerg)\] .*$/mg;
is(join("\n", grep { !/there are more than 256 names|zone "too_small/ } @lines), '', 'nginx has nothing else to say');
