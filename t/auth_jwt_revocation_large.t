#!/usr/bin/perl

# auth_jwt_revocation_list_jti: a list that grows to a million names. Each of them is refused and no
# other, and the worker never has memory for two such lists.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Jose;

my $t = Test::Nginx->new()->has(qw/ http rewrite /)->plan(24);
my $dir = $t->testdir();

my $key = jwk('HS256', '--kid', 'a');
$t->write_file('keys.json', $key);
$t->write_file('list.json', '{}');

configure($t, <<'EOF', 'worker_processes 1;');
    server {
        listen       127.0.0.1:8080;
        server_name  localhost;

        auth_jwt          "r";
        auth_jwt_key_file keys.json;
        root              html;

        location /jti/ { auth_jwt_revocation_list_jti list.json; }
        location /sub/ { auth_jwt_revocation_list_sub list.json; }
    }
EOF

$t->run();

# Names of 36 bytes, as UUIDs have. They begin with their number, and are in no order of it.
my $name = sub { sprintf '%08x-7f3e-4b1a-9c2d-%012x', $_[0], $_[0] * 0x9e3779b1 % 2 ** 40 };
my $ask = sub {
    my ($name) = @_;
    return status(get('/jti/', sign($key, "{\"jti\":\"$name\"}")));
};
my $refused = sub { join ' ', map { $ask->($name->($_)) } @_ };

is($ask->($name->(0)), '404', 'an empty list');

for my $count (1_000, 50_000, 1_000_000) {
    write_list($count);
    is($refused->(0, 1, $count / 2, $count - 1), '401 401 401 401', "$count names, four of them");
    is($refused->($count, $count + 1, 2 * $count), '404 404 404', "$count names, three others");
    is($ask->(substr $name->(1), 0, 35), '404', "$count names, a name without its end");
    is($ask->($name->(1) . '0'), '404', "$count names, a name with more behind it");
}

jwt_logged($t);
is($refused->(999_999), '401', 'the last name');
is(jwt_logged($t) =~ /jti" is "(\S*)"; alg "HS256", kid "a"\z/m ? $1 : 'no line', $name->(999_999), 'log');
is(status(get('/sub/', sign($key, '{"sub":"' . $name->(999_999) . '"}'))), '401', 'the same list for sub');

my $limit = 120 * 1024;
my $worker = worker($t);
cmp_ok(peak_memory($worker), '<', memory_limit($limit), 'peak in KiB while the first list of a million names was read');

# another one, of the same size
write_list(1_000_000, 1);
is($refused->(1, 1_000_000), '401 401', 'another list of a million names');
is($refused->(0), '404', 'and a name that is gone');
cmp_ok(peak_memory($worker), '<', memory_limit($limit), 'peak in KiB while a second list took the place of the first');

# without its end
truncate "$dir/list.json", (-s "$dir/list.json") - 1 or die;
is($ask->('nobody'), '500', 'a million names without their end');
write_list(1);
is($refused->(0, 999_999), '401 404', 'one name');
cmp_ok(memory($worker), '<', memory_limit(40 * 1024), 'KiB after that');
is(worker($t), $worker, 'the same worker all the time');

###############################################################################

# Puts a list of so many names in place, from this number on, and waits until it is read.
sub write_list {
    my ($count, $first) = @_;
    $first //= 0;
    open my $file, '>', "$dir/list.new" or die "Can't open list.new: $!\n";
    print $file '{';
    print $file $_ > $first ? ",\n" : '', '"', $name->($_), '":1767225600' for $first .. $first + $count - 1;
    print $file '}';
    close $file or die "Can't write list.new: $!\n";
    rename "$dir/list.new", "$dir/list.json" or die "Can't rename list.new: $!\n";
    # a worker that was not optimized reads a million names for longer than a request of the library waits
    wait_until(sub { $ask->('nobody') ne 'none' });
}
