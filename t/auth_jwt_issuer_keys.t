#!/usr/bin/perl

# The key file of an auth_jwt_issuer: it is read once for all that name it, and a
# change takes effect with the next request in each worker. Tokens that were
# verified with a key that is gone are refused, although they are in the cache.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Jose;

my $t = Test::Nginx->new()->has(qw/ http rewrite /)->plan(17);
my $dir = $t->testdir();

my $old = jwk('HS256', '--kid', 'old');
my $new = jwk('HS256', '--kid', 'new');
my %token = map { $_->[0] => sign($_->[1], '{"iss":"corp","aud":"api"}') } ['old', $old], ['new', $new];

$t->write_file('corp.json', jwks($old));

configure($t, <<'EOF', 'worker_processes 3;');
    auth_jwt_issuer corp { issuer corp; audience api; key_file corp.json; }

    server {
        listen       127.0.0.1:8080 reuseport;
        server_name  localhost;

        auth_jwt        "r";
        auth_jwt_trust  corp;
        add_header      X-Worker $pid always;

        location /a     { }
        location /b     { auth_jwt_trust corp; }
        location /flat  { auth_jwt_trust off; auth_jwt_key_file corp.json; }
    }
EOF

run_quietly($t);

is(in_all('/a'), 'old 404, new 401', 'first request');
is(in_all('/a'), 'old 404, new 401', 'cached');
# only a change of an old file could be missed
select undef, undef, undef, 0.1 while time - (stat "$dir/corp.json")[10] <= 3;
is(in_all($_), 'old 404, new 401', "$_, unchanged for some seconds") for qw{ /a /b /flat };
jwt_logged($t);

# One entry of the new set is left out, with a warning each time when it is read.
replace_file($t, 'corp.json', '{"keys":[{"kty":"x"},' . $new . ']}');
is(in_all($_), 'old 401, new 404', "$_, another key") for qw{ /a /b /flat };
is(join("\n", grep { /^warn/ } split /\n/, jwt_logged($t)),
    join("\n", ("warn key file \"$dir/corp.json\": key 0: left out, unsupported kty \"x\"") x 3),
    'the file is read once in each worker');

replace_file($t, 'corp.json', jwks($new, $old));
is(in_all('/a'), 'old 404, new 404', 'both keys');
replace_file($t, 'corp.json', jwks(jwk('A128KW')));
jwt_logged($t);
is(in_all('/a'), 'old 401, new 401', 'row 47: no key that verifies');
is(join("\n", grep { /^warn/ } split /\n/, jwt_logged($t)),
    join("\n", ("warn issuer \"corp\": key file \"$dir/corp.json\": no key of this set verifies signatures: "
    . 'key 0 is for A128KW only') x 3), 'a warning in each worker');

$t->write_file('corp.json', substr $new, 0, 30);
jwt_logged($t);
is(verdict(get('/a', $token{new})), '500', 'file half written');
is(jwt_logged($t), "error key file \"$dir/corp.json\": key set is not JSON at byte 30", 'file half written, log');
unlink "$dir/corp.json" or die;
is(verdict(get('/b', $token{new})), '500', 'file removed');
is(jwt_logged($t), "error key file \"$dir/corp.json\": No such file or directory (os error 2)", 'file removed, log');
replace_file($t, 'corp.json', jwks($old));
is(in_all('/b'), 'old 404, new 401', 'a good file again');

###############################################################################

# The statuses for both tokens from each of the three workers; where they do not agree,
# all statuses.
sub in_all {
    my ($uri) = @_;
    my @statuses;

    for my $name (qw/ old new /) {
        my (%worker, %status);
        for (1 .. 300) {
            my $response = get($uri, $token{$name});
            $status{status($response)}++;
            $worker{header($response, 'X-Worker')}++;
            last if keys %worker == 3;
        }
        $status{'not all workers'}++ if keys %worker != 3;
        push @statuses, "$name " . join '|', sort keys %status;
    }

    return join ', ', @statuses;
}
