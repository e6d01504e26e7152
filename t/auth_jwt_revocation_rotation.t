#!/usr/bin/perl

# auth_jwt_revocation_list_sub: after a list changes, the next request in any worker is judged by the
# new one, without a reload. While a list is being replaced, nobody gets in whom each of its versions
# revokes.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Jose;

use POSIX ();
use Time::HiRes qw/ sleep /;

my $t = Test::Nginx->new()->has(qw/ http /)->plan(39);
my $dir = $t->testdir();

my $key = jwk('HS256', '--kid', 'a');
my %token = map { $_ => sign($key, "{\"sub\":\"$_\"}") } qw/ old new both none /;
my $list = sub { '{' . join(',', map { "\"$_\":null" } @_) . '}' };
my ($old, $new) = ($list->('both', 'old'), $list->('both', 'new'));

# nginx does not read a file again that has been unchanged for some seconds, but it always reads a
# fresh one of this size. So the tests of a change begin with a file that has been unchanged for long
# enough.
$t->write_file('keys.json', $key);
$t->write_file($_, $old) for qw/ renamed written removed linked.old load /;
$t->write_file('linked.new', $new);
symlink 'linked.old', "$dir/linked" or die;
mkdir "$dir/deploy.$_" or die for qw/ old new /;
$t->write_file('deploy.old/list', $old);
$t->write_file('deploy.new/list', $new);
symlink 'deploy.old', "$dir/deploy" or die;

# larger than what is read for each request while it is fresh
my $padding = ' ' x (256 << 10);
$t->write_file('large', $old . $padding);

configure($t, <<'EOF', 'worker_processes 3;');
    server {
        listen       127.0.0.1:8080 reuseport;
        server_name  localhost;

        auth_jwt          "r";
        auth_jwt_key_file keys.json;
        root              html;
        add_header        X-Worker $pid always;

        location /renamed/ { auth_jwt_revocation_list_sub renamed; }
        location /written/ { auth_jwt_revocation_list_sub written; }
        location /removed/ { auth_jwt_revocation_list_sub removed; }
        location /linked/  { auth_jwt_revocation_list_sub linked; }
        location /deploy/  { auth_jwt_revocation_list_sub deploy/list; }
        location /later/   { auth_jwt_revocation_list_sub later; }
        location /load/    { auth_jwt_revocation_list_sub load; }
        location /large/   { auth_jwt_revocation_list_sub large; }
    }

EOF

run_quietly($t);

my ($is_old, $is_new) = ('401 404 401 404', '404 401 401 404');
my @uris = qw/ renamed written removed linked deploy large later /;
is(in_all("/$_/"), $_ eq 'later' ? '500 500 500 500' : $is_old, "$_, first request") for @uris;

sleep 0.1 while time - (stat "$dir/large")[10] <= 3;
is(in_all("/$_/"), $is_old, "$_, unchanged for some seconds") for @uris[0 .. 5];

replace_file($t, 'renamed', $new);
is(in_all('/renamed/'), $is_new, 'replaced by rename');

# a file with the same length and the same time of modification
my ($atime, $mtime) = (stat "$dir/written")[8, 9];
is(length $new, length $old, 'lists of the same length');
in_place('written', $new);
utime $atime, $mtime, "$dir/written" or die;
is((stat "$dir/written")[9], $mtime, 'same time of modification');
is(in_all('/written/'), $is_new, 'written in place');
in_place('written', $old);
is(in_all('/written/'), $is_old, 'written again immediately');
in_place('written', $new);
is(in_all('/written/'), $is_new, 'written a third time');

# a large one, which is not read for each request while it is fresh
replace_file($t, 'large', $new . $padding);
is(in_all('/large/'), $is_new, 'a large list, replaced by rename');
replace_file($t, 'large', $old . $padding);
is(in_all('/large/'), $is_old, 'replaced again immediately');
in_place('large', $new . $padding);
sleep 0.1 while time - (stat "$dir/large")[10] <= 3;
is(in_all('/large/'), $is_new, 'written in place with the same length, after three seconds');
$t->write_file('large', $old . "$padding ");
is(in_all('/large/'), $is_old, 'written in place with another length');

symlink 'linked.new', "$dir/linked.tmp" or die;
rename "$dir/linked.tmp", "$dir/linked" or die;
is(in_all('/linked/'), $is_new, 'link to another file');

symlink 'deploy.new', "$dir/deploy.tmp" or die;
rename "$dir/deploy.tmp", "$dir/deploy" or die;
is(in_all('/deploy/'), $is_new, 'link to another folder');

$t->write_file('later', $new);
is(in_all('/later/'), $is_new, 'a file that appears');

### a bad list takes the good one away

$t->write_file('removed', substr $old, 0, 10);
is(in_all('/removed/'), '500 500 500 500', 'half written');
$t->write_file('removed', '');
is(in_all('/removed/'), '500 500 500 500', 'emptied');
unlink "$dir/removed" or die;
is(in_all('/removed/'), '500 500 500 500', 'removed');
mkdir "$dir/removed" or die;
is(in_all('/removed/'), '500 500 500 500', 'a folder in its place');
rmdir "$dir/removed" or die;
$t->write_file('removed', $new);
is(in_all('/removed/'), $is_new, 'a good list again');
$t->write_file('removed', '{}');
is(in_all('/removed/'), '404 404 404 404', 'an empty object');

### under load

is(under_load(sub { replace_file($t, 'load', $_[0] % 2 ? $new : $old) }), 'both 401, none 404',
    'replaced by rename, under load');
my %status = map { $_ => 1 } split /, /, under_load(sub { $t->write_file('load', $_[0] % 2 ? $new : $old) });
is(join(', ', grep { /^both/ && $_ ne 'both 500' } sort keys %status), 'both 401',
    'written in place, under load: what both versions revoke never gets in');
is(join(', ', grep { /^none/ && $_ ne 'none 500' } sort keys %status), 'none 404',
    'written in place, under load: what neither revokes is never refused by a verdict');
replace_file($t, 'load', $new);
is(in_all('/load/'), $is_new, 'after the load');

### after a reload

my @before = started_workers($t);
$t->reload();
wait_until(sub { started_workers($t) == 6 });
wait_until(sub { !grep { kill 0, $_ } @before });
is(in_all('/renamed/'), $is_new, 'after a reload');
replace_file($t, 'renamed', $old);
is(in_all('/renamed/'), $is_old, 'changed after a reload');
is(join(' ', grep { kill 0, $_ } started_workers($t)), join(' ', (started_workers($t))[3 .. 5]),
    'the workers did not end');

###############################################################################

# The statuses for the subjects old, new, both and none, from each of the three workers; where they do
# not agree, all statuses.
sub in_all {
    my ($uri) = @_;
    my @statuses;

    for my $name (qw/ old new both none /) {
        my (%worker, %status);
        for (1 .. 300) {
            my $response = get($uri, $token{$name});
            $status{status($response)}++;
            $worker{$1}++ if $response =~ /^X-Worker: (\d+)/m;
            last if keys %worker == 3;
        }
        $status{'not all workers'}++ if keys %worker != 3;
        push @statuses, join '|', sort keys %status;
    }

    return "@statuses";
}

# Changes the file 200 times while another process sends requests, and returns what they got.
sub under_load {
    my ($change) = @_;
    my $pid = open(my $asker, '-|') // die "Can't fork: $!\n";
    if (!$pid) {
        my %seen;
        print "begun\n";
        STDOUT->flush();
        # On a busy machine each request may have met a half written list. The last one is whole.
        my $is_last = 0;
        until ($is_last) {
            $is_last = -e "$dir/over";
            $seen{"$_ " . status(get('/load/', $token{$_}))}++ for qw/ both none /;
        }
        print join ', ', sort keys %seen;
        close STDOUT;
        POSIX::_exit(0);
    }
    <$asker>;
    for (1 .. 200) {
        $change->($_);
        sleep 0.005;
    }
    $t->write_file('over', '');
    my $seen = <$asker>;
    unlink "$dir/over" or die;
    return $seen;
}

# Overwrites a file without truncating it and without a new inode.
sub in_place {
    my ($name, $content) = @_;
    open my $file, '+<:raw', "$dir/$name" or die "Can't open $name: $!\n";
    print $file $content;
    close $file or die "Can't write $name: $!\n";
}
