#!/usr/bin/perl

# auth_jwt with random tokens and under load: the status is 200 or 401 and never
# 5xx, and workers neither end nor grow.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Jose;

use IO::Select;

my $t = Test::Nginx->new()->has(qw/ http rewrite map /)->plan(15);
my $dir = $t->testdir();

my @keys = map { jwk($_, '--kid', "of $_") } qw/ HS256 RS256 ES256 EdDSA /;
my $set = jwks('--public', @keys);
$t->write_file('keys.json', $set);
$t->write_file('page', 'content');

configure($t, <<'EOF', 'worker_processes 1;');
    large_client_header_buffers 4 64k;
    map $jwt_claim_sub $sub {
        default     other;
        ~^(.*)user$ user;
    }

    server {
        listen       127.0.0.1:8080;
        server_name  localhost;

        location / {
            auth_jwt          "r";
            auth_jwt_key_file keys.json;
            add_header        X-Sub $sub always;
            add_header        X-Odd "$jwt_claim_$jwt_header_kid$jwt_claim_a" always;
        }

        location /itself {
            auth_jwt          "r" token=$jwt_claim_sub;
            auth_jwt_key_file keys.json;
            add_header        X-Sub $jwt_claim_sub always;
        }
    }

EOF

run_quietly($t);

### row 41: 2000 tokens, changed in the same ways in each run

srand 20261121;

my @good = map { sign($_, '{"sub":"user","exp":4102444800,"a":[1,{"b":null}]}') }
    @keys;
my @mutations = (
    sub { substr($_[0], int rand length $_[0], 1) = chr int rand 256 },
    sub { substr($_[0], int rand length $_[0], 1) = '.' },
    sub { substr($_[0], int rand length $_[0], 1 + int rand 9) = '' },
    sub { substr($_[0], int rand length $_[0], 0) = substr $_[0], 0, rand 99 },
    sub { $_[0] = substr $_[0], 0, rand length $_[0] },
    sub { $_[0] = changed($_[0], 0) },
    sub { $_[0] = changed($_[0], 1) },
    sub { $_[0] = changed($_[0], 2) },
    sub { $_[0] = join '', map { chr int rand 256 } 0 .. rand 300 },
    sub { $_[0] .= $_[0] x rand 30 },
);

my ($pid) = started_workers($t);
my (%statuses, @wrong);
for my $round (1 .. 2000) {
    my $token = my $good = $good[rand @good];
    $mutations[rand @mutations]->($token) for 0 .. rand 2;
    $token = substr $token, 0, 60_000;     # nginx refuses what is longer,
    $token =~ s/[\0\r\n]/ /g;             # and these

    my $response = get('/page', $token);
    my $status = verdict($response);
    $statuses{$status}++;

    # base64url without padding has one form only, so any other text is another token
    push @wrong, $token if $status eq '200' and $token !~ /^ *\Q$good\E *$/;
}
is(join(' | ', sort grep { !/^(?:200|401 Bearer realm="r"(?:, error="invalid_token")?)$/ }
    keys %statuses), '', 'only 200 and 401');
is("@wrong", '', 'only whole tokens are good');
cmp_ok($statuses{'401 Bearer realm="r", error="invalid_token"'}, '>', 1500,
    'most are refused');
is(verdict(get('/page', $_)), '200', 'a good token is still accepted') for @good[0, 1];

### memory

my @bad = map { with_part($_, 1, sub { s/user/root/ }) } @good;
ask_many(100);
my $before = memory($pid);
ask_many(1000);
cmp_ok(memory($pid) - $before, '<', memory_limit(256), 'memory after 1000 more, in KiB');
is(join(' ', started_workers($t)), $pid, 'the worker did not end');

### clients that leave

for my $length (1, 20, 60, 200) {
    http(substr(request('/page', bearer($good[0])), 0, $length), aborted => 1);
}
is(verdict(get('/page', $good[2])), '200', 'after clients that went away');

### reloads and rotations under load

my (%during, @sockets);
my $end = time + 4;
my $changes = 0;
while (time < $end) {
    @sockets = map { ask({ start => 1 }, '/page', bearer($good[$_ % @good])) } 0 .. 15;
    if ($changes++ % 4 == 0) {
        $t->write_file('keys.tmp', $set . "\n" x ($changes % 3));
        rename "$dir/keys.tmp", "$dir/keys.json" or die;
        $t->reload();
    }
    for my $socket (@sockets) {
        local $/;
        $during{verdict(scalar <$socket>)}++;
    }
}
is(join(' ', sort keys %during), '200', 'only 200 while nginx reloads');
cmp_ok(scalar(my @workers = started_workers($t)), '>', 2, 'nginx has reloaded');

# the key file is broken from time to time: 500
%during = ();
for (1 .. 40) {
    $t->write_file('keys.json', $_ % 2 ? substr $set, 0, 50 : $set);
    $during{verdict(get('/page', $good[0]))}++;
}
is(join(' ', map { "$_:$during{$_}" } sort keys %during), '200:20 500:20',
    '500 while the key file is broken');
$t->write_file('keys.json', $set);
is(verdict(get('/page', $good[3])), '200', 'a good key file at the end');

### row 41: a variable whose value takes its own value

my $response = get('/itself', $good[0]);
is(verdict($response), '401 Bearer realm="r"', 'a token source that depends on itself');
is(header($response, 'X-Sub'), undef, 'the variable that depends on itself is empty');
like($t->read_file('error.log'), qr/cycle while evaluating variable "jwt_claim_sub"/,
    'the variable that depends on itself, log');

###############################################################################

# The token with one byte of a part changed, inside of its base64url.
sub changed {
    my ($token, $part) = @_;
    return $token unless $token =~ /^[\w-]+\.[\w-]+\.[\w-]+$/;
    return with_part($token, $part,
        sub { substr($_, int rand length, 1) = chr int rand 256 if length });
}

sub ask_many {
    my ($times) = @_;
    for my $round (1 .. $times) {
        get('/page', $round % 2 ? $good[$round % @good] : $bad[$round % @bad]);
    }
}
