#!/usr/bin/perl

# auth_jwt_key_file: a file that the workers' user may not read. The line names the user, the owner
# and the mode of the file, and the command that helps.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Jose;

my $t = Test::Nginx->new()->has(qw/ http /);
plan(skip_all => 'only for root') unless $> == 0;
$t->plan(9);
my $dir = $t->testdir();

my $key = jwk('HS256', '--kid', 'a');
my $token = sign($key, '{}');
mkdir "$dir/keys" or die;
$t->write_file('keys/a.jwk', $key);
chmod 0755, $dir, "$dir/keys" or die;
chmod 0644, "$dir/keys/a.jwk" or die;

configure($t, <<'EOF');
    server {
        listen       127.0.0.1:8080;
        server_name  localhost;

        location / {
            auth_jwt          "r";
            auth_jwt_key_file keys/a.jwk;
        }
    }
EOF

my $conf = $t->read_file('nginx.conf');
$conf =~ s/\buser root;/user nobody root;/ or die 'nginx does not run as root';
$t->write_file('nginx.conf', $conf);
$t->run();

is(verdict(get('/x', $token)), '404', 'the workers may read the file');

# what rotates keys as root and lets nobody else read them
$t->write_file('keys/b.jwk', jwk('HS256', '--kid', 'b'));
chmod 0600, "$dir/keys/b.jwk" or die;
rename "$dir/keys/b.jwk", "$dir/keys/a.jwk" or die;
jwt_logged($t);
is(verdict(get('/x', $token)), '500', 'the workers may not read the new file');
my $denied = "error key file \"$dir/keys/a.jwk\": Permission denied (os error 13): user \"nobody\"";
is(jwt_logged($t), "$denied may not read it, its owner is \"root\" and its mode 0600; run: chown "
    . "nobody \"$dir/keys/a.jwk\" && chmod u+r \"$dir/keys/a.jwk\"", 'who may not read it, and the cure');

my ($command) = $t->read_file('error.log') =~ /run: (chown .*? && chmod .*?), client:/;
system($command) == 0 or die "Can't run $command\n";
is(verdict(get('/x', sign($t->read_file('keys/a.jwk'), '{}'))), '404', 'after that command');

# an access control list, which the mode does not show; SELinux and AppArmor do the same
$t->write_file('keys/c.jwk', jwk('HS256', '--kid', 'c'));
chmod 0644, "$dir/keys/c.jwk" or die;
deny("$dir/keys/c.jwk", 'nobody');
rename "$dir/keys/c.jwk", "$dir/keys/a.jwk" or die;
jwt_logged($t);
is(verdict(get('/x', $token)), '500', 'a list of access control denies it');
is(jwt_logged($t), "$denied may not read it, though its mode 0644 allows that: see its access control list (getfacl "
    . "\"$dir/keys/a.jwk\"), SELinux (ls -Z \"$dir/keys/a.jwk\", ausearch -m avc) or AppArmor",
    'where to look if the mode allows it');
replace_file($t, 'keys/a.jwk', jwk('HS256', '--kid', 'd'));

chmod 0700, "$dir/keys" or die;
jwt_logged($t);
is(verdict(get('/x', $token)), '500', 'the workers may not enter the folder');
my $closed = "may not enter the folder \"$dir/keys\", its owner is \"root\" and its mode 0700; "
    . "run: chmod go+x \"$dir/keys\"";
is(jwt_logged($t), "$denied $closed", 'a closed folder, log');
system("chmod go+x $dir/keys") == 0 or die "Can't run chmod\n";
is(verdict(get('/x', sign($t->read_file('keys/a.jwk'), '{}'))), '404', 'after that command');

###############################################################################

# Denies this user to read the file by an access control list (acl(5)), as setfacl does.
sub deny {
    my ($path, $user) = @_;
    require 'syscall.ph';
    my $none = 0xffffffff;
    my ($read, $write) = (4, 2);
    my ($owner, $named, $group, $mask, $others) = (0x01, 0x02, 0x04, 0x10, 0x20);
    my $list = pack 'V (v v V)5', 2, $owner, $read | $write, $none, $named, 0, scalar getpwnam($user),
        $group, $read, $none, $mask, $read, $none, $others, $read, $none;
    my $name = 'system.posix_acl_access';
    syscall(SYS_setxattr(), $path, $name, $list, length $list, 0) == 0 or die "setxattr $path: $!";
    return;
}
