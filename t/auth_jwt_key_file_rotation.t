#!/usr/bin/perl

# auth_jwt_key_file: after a file changes, the next request in any worker uses
# the new keys, without a reload.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Jose;

my $t = Test::Nginx->new()->has(qw/ http /)->plan(31);
my $dir = $t->testdir();

my $old = jwk('HS256', '--kid', 'old');
my $new = jwk('HS256', '--kid', 'new');
my %token = (old => sign($old, '{}'), new => sign($new, '{}'));

# nginx does not read a file again that has been unchanged for some seconds, but it
# always reads a fresh one. So the tests of a change begin with a file that has been
# unchanged for long enough.
$t->write_file('page', 'content');
$t->write_file($_, $old) for qw/ renamed written removed linked.old /;
$t->write_file('linked.new', $new);
symlink 'linked.old', "$dir/linked" or die;
mkdir "$dir/deploy.$_" or die for qw/ old new /;
$t->write_file('deploy.old/key', $old);
$t->write_file('deploy.new/key', $new);
symlink 'deploy.old', "$dir/deploy" or die;

configure($t, <<'EOF', 'worker_processes 3;');
    server {
        listen       127.0.0.1:8080 reuseport;
        server_name  localhost;

        auth_jwt     "r";
        root         html;
        add_header   X-Worker $pid always;

        location /renamed/ { auth_jwt_key_file renamed; }
        location /written/ { auth_jwt_key_file written; }
        location /removed/ { auth_jwt_key_file removed; }
        location /linked/  { auth_jwt_key_file linked; }
        location /deploy/  { auth_jwt_key_file deploy/key; }
        location /later/   { auth_jwt_key_file later; }
    }

EOF

run_quietly($t);

my @uris = qw/ renamed written removed linked deploy later /;
is(in_all("/$_/", 'old new'), $_ eq 'later' ? '500 500' : '404 401',
    "$_, first request") for @uris;

# only a change of an old file could be missed
select undef, undef, undef, 0.1 while time - (stat "$dir/renamed")[10] <= 3;
is(in_all("/$_/", 'old new'), '404 401', "$_, unchanged for some seconds") for @uris[0 .. 4];

$t->write_file('renamed.tmp', $new);
rename "$dir/renamed.tmp", "$dir/renamed" or die;
is(in_all('/renamed/', 'old new'), '401 404', 'replaced by rename');

# a file with the same length and the same time of modification
my ($atime, $mtime) = (stat "$dir/written")[8, 9];
is(length $new, length $old, 'keys of the same length');
in_place('written', $new);
utime $atime, $mtime, "$dir/written" or die;
is((stat "$dir/written")[9], $mtime, 'same time of modification');
is(in_all('/written/', 'old new'), '401 404', 'written in place');
in_place('written', $old);
is(in_all('/written/', 'old new'), '404 401', 'written again immediately');
in_place('written', $new);
is(in_all('/written/', 'old new'), '401 404', 'written a third time');

symlink 'linked.new', "$dir/linked.tmp" or die;
rename "$dir/linked.tmp", "$dir/linked" or die;
is(in_all('/linked/', 'old new'), '401 404', 'link to another file');

symlink 'deploy.new', "$dir/deploy.tmp" or die;
rename "$dir/deploy.tmp", "$dir/deploy" or die;
is(in_all('/deploy/', 'old new'), '401 404', 'link to another folder');

$t->write_file('later', $new);
is(in_all('/later/', 'old new'), '401 404', 'a file that appears');

$t->write_file('removed', jwks($old, $new));
is(in_all('/removed/', 'old new'), '404 404', 'key added');
$t->write_file('removed', jwks($new));
is(in_all('/removed/', 'old new'), '401 404', 'key removed');
$t->write_file('removed', '{"keys":[]}');
is(in_all('/removed/', 'old new'), '401 401', 'all keys removed');

jwt_logged($t);
$t->write_file('removed', substr $new, 0, 30);
is(verdict(get('/removed/', $token{new})), '500', 'file half written');
is(jwt_logged($t), "error key file \"$dir/removed\": key set is not JSON at "
    . 'byte 30', 'file half written, log');
unlink "$dir/removed" or die;
is(verdict(get('/removed/', $token{new})), '500', 'file removed');
is(jwt_logged($t), "error key file \"$dir/removed\": No such file or directory "
    . '(os error 2)', 'file removed, log');
$t->write_file('removed', $old);
is(in_all('/removed/', 'old new'), '404 401', 'a good file again');

### the same after a reload

my @before = started_workers($t);
$t->reload();
wait_until(sub { started_workers($t) == 6 });
wait_until(sub { !grep { kill 0, $_ } @before });
is(in_all('/renamed/', 'old new'), '401 404', 'after a reload');
in_place('renamed', $old);
is(in_all('/renamed/', 'old new'), '404 401', 'changed after a reload');
is(join(' ', grep { kill 0, $_ } started_workers($t)), join(' ', (started_workers($t))[3 .. 5]),
    'the workers did not end');

###############################################################################

# The statuses for tokens of these keys, from each of the three workers; where they do
# not agree, all statuses.
sub in_all {
    my ($uri, $names) = @_;
    my @statuses;

    for my $name (split / /, $names) {
        my (%worker, %status);
        for (1 .. 300) {
            my $response = get($uri, $token{$name});
            $status{verdict($response) =~ s/ .*//r}++;
            $worker{$1}++ if $response =~ /^X-Worker: (\d+)/m;
            last if keys %worker == 3;
        }
        $status{'not all workers'}++ if keys %worker != 3;
        push @statuses, join '|', sort keys %status;
    }

    return "@statuses";
}

# Overwrites a file without truncating it and without a new inode.
sub in_place {
    my ($name, $content) = @_;
    open my $file, '+<:raw', "$dir/$name" or die "Can't open $name: $!\n";
    print $file $content;
    close $file or die "Can't write $name: $!\n";
}
