#!/usr/bin/perl

# auth_jwt_key_file with variables in the name: which files are opened, and how
# many are remembered, good or bad (row 39).

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Jose;

use IO::Socket::UNIX;
use POSIX qw/ mkfifo /;
use Time::HiRes qw/ sleep /;

my @others = qw/ pipe folder socket null tty /;
my @pseudo = qw/ environ cpuinfo vmstat /;
my $t = Test::Nginx->new()->has(qw/ http rewrite /)->plan(@others + @pseudo + 14);
my $dir = $t->testdir();

configure($t, <<'EOF', 'worker_processes 1;');
    server {
        listen       127.0.0.1:8080;
        server_name  localhost;

        location /named/ { auth_jwt "r"; auth_jwt_key_file keys/$arg_name; root html; }
        location /alive  { return 204; }
    }

EOF

mkdir "$dir/$_" or die for 'keys', 'keys/folder';
mkfifo("$dir/keys/pipe", 0600) or die;
my $socket = IO::Socket::UNIX->new(Local => "$dir/keys/socket", Listen => 1) or die;
symlink "/dev/$_", "$dir/keys/$_" or die for qw/ null tty /;
symlink "/proc/self/environ", "$dir/keys/environ" or die;
symlink "/proc/$_", "$dir/keys/$_" or die for qw/ cpuinfo vmstat /;
symlink "$dir/keys/good", "$dir/keys/link" or die;

my %key = map { $_ => jwk('HS256', '--kid', $_) } qw/ a b /;
my %token = map { $_ => sign($key{$_}, '{}') } keys %key;
$t->write_file('keys/good', $key{a});
$t->write_file('keys/large', $key{a} . ' ' x (8 * 1024 * 1024));
$t->write_file('keys/broken', '{"keys":[' . '{"kty":"X"},' x 300_000);
$t->write_file("keys/$_", $key{a}) for 0 .. 1999;
$t->run();

my $asked = sub { verdict(get("/named/?name=$_[0]", $token{ $_[1] // 'a' })) . ', '
    . jwt_logged($t) =~ s/ at byte \d+//r };
my $failed = sub { "500, error key file \"$dir/keys/$_[0]\": $_[1]" };
my $broken = 'key set is not JSON';

### what is opened

is($asked->('good'), '404, ', 'a file');
is($asked->('link'), '404, ', 'a link to a file');
is($asked->($_), $failed->($_, $_ eq 'folder' ? 'a directory, where the name of a file is needed'
    : 'not a regular file'), $_) for @others;
is($asked->($_), $failed->($_, 'on a pseudo file system such as /proc'), "/proc, $_")
    for @pseudo;
is(status(http_get('/alive')), '204', 'nothing has blocked the worker');

### bad files are remembered as long as they do not change

# a file that was written a moment ago is read for each request
sleep 0.1 while time - (stat "$dir/keys/1999")[10] <= 3;

is($asked->('large'), $failed->('large', 'larger than 8388608 bytes'), 'too large');
is($asked->('broken'), $failed->('broken', $broken), 'broken');
is(is_read($_), '500, not read', "$_, again") for qw/ large broken /;
$t->write_file('keys/broken', $key{b});
is(is_read('broken', 'b'), '404, read', 'mended');
jwt_logged($t);

### many files

my %wrong;
$wrong{ verdict(get("/named/?name=$_", $token{a})) }++ for 0 .. 1999;
is(join(' ', %wrong), '404 2000', '2,000 files');
is(is_read('good'), '404, read', 'a file that was pushed out is read again');
is(is_read('good'), '404, not read', 'and remembered');

# names that do not exist push nothing out
get("/named/?name=none$_", $token{a}) for 1 .. 1500;
is(is_read('good'), '404, not read', 'after 1,500 names without a file');
my $memory = memory(worker($t));
get("/named/?name=$_", $token{a}) for 0 .. 1999;
cmp_ok(memory(worker($t)) - $memory, '<', memory_limit(1024), 'memory growth in KiB');
is(is_read('1999'), '404, not read', 'the file of the last request is remembered');

###############################################################################

# Whether the worker reads the file to serve a request that needs it. It has no
# other use for read(): of connections it reads by recv().
sub is_read {
    my ($name, $key) = @_;
    my $reads = sub { slurp('/proc/' . worker($t) . '/io') =~ /^syscr: (\d+)/m ? $1 : die };
    my $before = $reads->();
    my $verdict = verdict(get("/named/?name=$name", $token{ $key // 'a' }));
    return $verdict . ($reads->() > $before ? ', read' : ', not read');
}
