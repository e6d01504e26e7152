#!/usr/bin/perl

# auth_jwt_issuer, state_path: nginx starts without the provider, with the last good keys if it has
# them on disk.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Issuers;
use Jose;
use Provider;

my $t = Test::Nginx->new()->has(qw/ http http_ssl /)->plan(43);
my $dir = $t->testdir();
provider_certificates($t);

my $key = jwk('ES256', '--kid', 'a');
my $new = jwk('ES256', '--kid', 'b');
my $keys = jwks(public($key));
my $idp = Provider->new($t, 'corp', 8443, keys => $keys)->start();
my $other = Provider->new($t, 'other', 8444, keys => $keys)->start();
my $token = token_of($idp, $key);

sub conf {
    my (@lines) = @_;
    return issuer_block('corp', $idp, 'connect_timeout 1s;', @lines) . <<'EOF';
    server {
        listen      127.0.0.1:8080;
        root        html;
        add_header  X-Status $jwt_status always;
        location /corp/ { auth_jwt "r"; auth_jwt_trust corp; }
        location /none/ { return 204; }
    }
EOF
}

# a new start, and not a reload: nothing is left in memory
sub start {
    my (@lines) = @_;
    $t->stop();
    unlink "$dir/error.log";
    Issuers::forget_log($t);
    configure($t, conf(@lines), 'worker_processes 2;');
    return run_quietly($t);
}

### the provider is down

$idp->behave(down => 1);
start();
like(fetch_logged($t, qr/refused/), qr/^error issuer "corp".*"https:\/\/localhost:\d+\/.*connection refused; there are no keys to use$/m, 'down, log');
is(status(get('/none/')), '204', 'down, nginx serves');
is(verdict(get('/corp/', $token)), '500', 'down, a good token');
like(jwt_logged($t), qr/^error issuer "corp": last attempt failed, and the next one is not due: .*connection refused$/m, 'down, log of the request');
is(verdict(get('/corp/')), '401 Bearer realm="r"', 'down, no token');
is(jwt_status(get('/corp/', token_of($other, $key))), '401 untrusted_issuer', 'down, of another issuer');
is(jwt_status(get('/corp/', token_of($idp, $key, exp => 1))), '401 expired', 'down, expired');

$idp->behave(down => 0);
is(await_issuer('/corp/', $token, '404 ok'), '404 ok', 'it comes up later');
is($idp->asked('jwks'), 1, 'one fetch for two workers');

### a start while it is slow: who has no keys waits for the fetch, two seconds at most

$idp->forget()->behave(discovery => 'hang');
start();
is($idp->wait_asked('discovery', 1), 1, 'hangs, it was asked');
my @clients = map { ask({ start => 1 }, '/corp/', bearer($token)) } 1 .. 5;
$idp->behave(discovery => 'good');
is(join(' ', map { jwt_status(Test::Nginx::http_end($_)) } @clients), join(' ', ('404 ok') x 5),
    'those who wait are let in when the keys are there');

$idp->forget()->behave(discovery => 'hang');
start();
$idp->wait_asked('discovery', 1);
is(jwt_status(get('/corp/', $token)), '500 keys_unavailable', 'hangs, a token is refused');
is($idp->asked('left'), 0, 'while the provider is still being asked');
$idp->recover();

### state_path

mkdir "$dir/state" or die "mkdir: $!\n";
my @state = ("state_path $dir/state;");
start(@state);
is(await_issuer('/corp/', $token, '404 ok'), '404 ok', 'state, keys from the provider');
my @files;
is(wait_longer(sub { @files = glob "$dir/state/*"; @files == 1 }), 1, 'state, one file');
is(sprintf('%04o', (stat $files[0])[2] & 07777), '0600', 'state, nobody else reads it');

$idp->forget()->behave(down => 1);
start(@state);
is(jwt_status(get('/corp/', $token)), '404 ok', 'down, a good token by the keys on disk');
is(jwt_status(get('/corp/', token_of($idp, jwk('ES256', '--kid', 'a')))), '401 bad_signature', 'down, forged');
like(fetch_logged($t, qr/refused/), qr/^warn issuer "corp".*refused.*; using the last good keys$/m, 'down, log');

# the provider comes back with other keys: what was on disk is replaced
my $on_disk = slurp($files[0]);
$idp->behave(down => 0, keys => jwks(public($new)));
is(await_issuer('/corp/', token_of($idp, $new), '404 ok'), '404 ok', 'back, the new key');
is(jwt_status(get('/corp/', $token)), '401 unknown_key', 'back, the old key');
is(wait_longer(sub { slurp((glob "$dir/state/*")[0]) ne $on_disk }), 1, 'back, the file has the new key');
is(scalar(() = glob "$dir/state/{,.}*[!.]*"), 1, 'back, no other file is left');

### files that are no state of this issuer: [warn], and as if they were not there

my $good_file = $files[0];
my $good_state = slurp($good_file);
my %damaged = (
    empty => '',
    half => substr($good_state, 0, length($good_state) / 2),
    changed => $good_state =~ s/"crv"/"cry"/r,
    'of a key set only' => $keys,
    'of another issuer' => $good_state =~ s/\Q@{[$idp->issuer()]}\E/https:\/\/mallory.example/gr,
    binary => join('', map { chr } 0 .. 255),
    large => 'x' x 20_000_000,
);
$idp->behave(down => 1);
for my $kind (sort keys %damaged) {
    replace_file($t, 'state.new', $damaged{$kind});
    rename "$dir/state.new", $good_file;
    start(@state);
    is(jwt_status(get('/corp/', token_of($idp, $new))), '500 keys_unavailable', "a file that is $kind");
    like(slurp("$dir/error.log"), qr/\[warn\] .*issuer "corp".*state/, "a file that is $kind, log");
}

# a file where the folder should be: the keys are not kept, and that is all
$idp->behave(down => 0);
start("state_path $dir/corp.state;");
is(await_issuer('/corp/', token_of($idp, $new), '404 ok'), '404 ok', 'no folder, keys');
like(fetch_logged($t, qr/corp\.state/), qr/^(?:error|warn) issuer "corp".*corp\.state/, 'no folder, log');

# a link that somebody put there is not followed when the file is written
my $target = "$dir/precious";
$t->write_file('precious', 'precious');
unlink $good_file;
symlink $target, $good_file or die "symlink: $!\n";
start(@state);
is(await_issuer('/corp/', token_of($idp, $new), '404 ok'), '404 ok', 'a link, keys');
is(wait_longer(sub { -f $good_file && !-l $good_file }), 1, 'a link, replaced by a file');
is(slurp($target), 'precious', 'a link, not followed');
is(status(get('/none/')), '204', 'the worker lives');
