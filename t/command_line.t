#!/usr/bin/perl

# `nginx-auth explain` and the module judge by one code, but each puts the checks in an order of its
# own: for hundreds of tokens, most of them changed at random, the status of the response, $jwt_status
# and the line in error.log are those that the command prints.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Jose;

use JSON::PP ();

my $command = $ENV{NGINX_AUTH} // "$FindBin::Bin/../target/debug/nginx-auth";
BAIL_OUT("no $command: scripts/build-cli, or set NGINX_AUTH") unless -x $command;

# a test that fails has to fail again
srand 1;

my %key = (
    a => jwk('HS256', '--kid', 'a'),
    b => jwk('ES256', '--kid', 'b'),
    w => jwk('A256KW', '--kid', 'w'),
    d => jwk('A128GCM', '--kid', 'd'),
    other => jwk('HS256', '--kid', 'a'),
);

my $claims = '{"iss":"https://id.example","aud":["web","api"],"sub":"alice","scope":"read write",'
    . '"level":5,"iat":"now","nbf":"now-300","exp":"now+3600"}';

# claims of which each is wrong in one way
my @claims = ($claims, map { my ($from, $to) = @$_; $claims =~ s/\Q$from\E/$to/r }
    [ '"now+3600"', '"now-9000"' ], [ '"now+3600"', '"x"' ], [ '"now-300"', '"now+9000"' ],
    [ '"iat":"now"', '"iat":"now-9000"' ], [ '"iat":"now"', '"iat":"now+9000"' ],
    [ '"iat":"now",', '' ], [ '"iat":"now"', '"iat":null' ], [ 'id.example', 'evil.example' ],
    [ '"iss"', '"x"' ], [ '["web","api"]', '"web"' ], [ '"aud"', '"x"' ], [ 'read write', 'write' ],
    [ '"level":5', '"level":4' ], [ '"level":5', '"level":"5"' ], [ '"level":5', '"x":1' ],
    [ '"sub"', '"level"' ], [ '}', '' ]);

my @signed = (
    (map { sign($key{a}, $_) } @claims),
    sign($key{b}, $claims), sign($key{other}, $claims), sign($key{a}, $claims, '--no-kid'),
    map { sign($key{a}, $claims, '--header', $_) } '{"kid":"x"}', '{"kid":"b"}', '{"alg":"none"}',
        '{"alg":"ES256"}', '{"alg":1}', '{"crit":["x"],"x":1}', '{"b64":false}', '{"typ":"dpop+jwt"}',
);
my @outer = ([], ['--header', '{"kid":"x"}'], ['--header', '{"crit":["x"],"x":1}'],
    ['--header', '{"zip":"DEF"}'], ['--header', '{"enc":"x"}'], ['--no-kid']);
my @encrypted = ((map { encrypt($key{w}, $_) } @claims), encrypt($key{d}, $claims, '--enc', 'A128GCM'),
    map { encrypt($key{w}, $claims, @$_) } @outer);
my @nested = ((map { encrypt($key{w}, $_) } @signed), map { encrypt($key{w}, $signed[0], @$_) } @outer);
my @other = ('opaque', 'a.b', 'a.b.c', '....', "Bearer $signed[0]", "\"$signed[0]\"", "$signed[0]=",
    "$signed[0].", '{"sub":"alice"}', 'e30.e30.');

# location, options of the command that demand the same
my @rules = ('--algorithms', 'HS256,A256KW', '--max-age', '1h', '--require-claim', 'level ge 5',
    '--require-claim', 'iss match ^https://[a-z.]+$', '--require-claim', '"sub" in "alice" "bob" error=403', '--require-header', 'typ !eq dpop+jwt',
    '--require-scope', 'read');
my @trust = ('--issuer', 'https://id.example', '--audience', 'api');
my @cases = (
    [ '/signed' ],
    [ '/rules', @rules, '--leeway', '10s' ],
    [ '/trust', @trust ],
    [ '/trust/rules', @trust, @rules, '--leeway', '10s' ],
    [ '/encrypted', '--type', 'encrypted' ],
    [ '/encrypted/rules', '--type', 'encrypted', @rules, '--leeway', '10s' ],
    [ '/nested', '--type', 'nested' ],
    [ '/nested/rules', '--type', 'nested', @trust, @rules, '--leeway', '10s' ],
    [ '/bad' ],
);

my $t = Test::Nginx->new()->has(qw/ http rewrite /)->plan(@cases + 2);
my $dir = $t->testdir();

$t->write_file('keys.json', jwks(@key{qw/ a b w d /}));
$t->write_file('bad.json', "-----BEGIN PUBLIC KEY-----\n");

my $rules = <<'RULES';
                auth_jwt_leeway          10s;
                auth_jwt_algorithms      HS256 A256KW;
                auth_jwt_max_age         1h;
                auth_jwt_require_claim   level ge 5;
                auth_jwt_require_claim   iss match ^https://[a-z.]+$;
                auth_jwt_require_claim   sub in alice bob error=403;
                auth_jwt_require_header  typ !eq dpop+jwt;
                auth_jwt_require_scope   read;
RULES

configure($t, <<"CONF");
    # the name is that which the command has for its issuer
    auth_jwt_issuer --issuer { issuer https://id.example; audience api; key_file keys.json; }

    server {
        listen       127.0.0.1:8080;
        server_name  localhost;
        root         html;
        add_header   X-Status \$jwt_status always;

        location / {
            auth_jwt           "r";
            auth_jwt_key_file  keys.json;

            location /rules { $rules }
            location /trust {
                auth_jwt_trust --issuer;
                location /trust/rules { $rules }
            }
            location /encrypted {
                auth_jwt_type encrypted;
                location /encrypted/rules { $rules }
            }
            location /nested {
                auth_jwt_type nested;
                location /nested/rules { auth_jwt_trust --issuer; $rules }
            }
            location /bad {
                auth_jwt_key_file bad.json;
            }
        }
    }
CONF

run_quietly($t);

my %seen;
my $count = 0;
for (@cases) {
    my ($location, @options) = @$_;
    my ($keys) = $location =~ /^\/bad/ ? 'bad.json' : 'keys.json';
    my @tokens = $location =~ /encrypted/ ? @encrypted : $location =~ /nested/ ? @nested : @signed;
    my @different;
    for my $token (@tokens, @other, map { changed($tokens[rand @tokens]) } 1 .. 25) {
        my $expected = by_nginx($location, $token);
        my $explained = by_command($token, '--keys', "$dir/$keys", @options);
        push @different, "$token\n  nginx:   $expected\n  command: $explained" if $explained ne $expected;
        $seen{ (split / /, $expected)[1] }++;
        $count++;
    }
    is(join("\n", @different), '', $location);
}

cmp_ok($count, '>', 500, 'hundreds of tokens');
is(join(' ', sort keys %seen), 'bad_signature claim_mismatch decryption_failed expired '
    . 'insufficient_scope keys_unavailable malformed not_yet_valid ok unknown_key '
    . 'unsupported_algorithm untrusted_issuer', 'each value of $jwt_status was seen');

# The status, $jwt_status, and the line in error.log without the time.
sub by_nginx {
    my ($location, $token) = @_;
    my $response = get($location, $token);
    my $log = jwt_logged($t) =~ s/^\w+ //r;
    chomp $log;
    # what is not refused is not there
    return jwt_status($response) =~ s/^404/200/r . ' ' . without_time($log);
}

sub by_command {
    my ($token, @options) = @_;
    $t->write_file('token', $token);
    open my $output, '-|', $command, 'explain', '--json', '--token-file', "$dir/token", @options
        or die "Can't run $command: $!\n";
    my $explained = JSON::PP::decode_json(do { local $/; <$output> });
    close $output;
    my $refusal = $explained->{refusal} // { http_status => 200, reason => '' };
    return "$refusal->{http_status} $explained->{jwt_status} " . without_time($refusal->{reason});
}

sub without_time { return $_[0] =~ s/\bnow \d+/now N/r }

# A token with one character changed, added or removed, or with parts of another order.
sub changed {
    my ($token) = @_;
    my @characters = ('A' .. 'Z', 'a' .. 'z', 0 .. 9, split //, '-_.=+/%"{}');
    my $at = int rand length $token;
    my $character = $characters[rand @characters];
    my @parts = split /\./, $token, -1;
    return (
        sub { substr($token, $at, 1) = $character; $token },
        sub { substr($token, $at, 0) = $character; $token },
        sub { substr($token, $at, 1) = ''; $token },
        sub { substr $token, 0, $at || 1 },
        sub { join '.', reverse @parts },
    )[rand 5]->();
}
