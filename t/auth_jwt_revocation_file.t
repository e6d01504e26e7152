#!/usr/bin/perl

# The files of auth_jwt_revocation_list_sub and the like: what nginx -t and the log say of a file that
# holds no list, that requests are refused meanwhile, and how often a file is read.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Jose;

use POSIX qw/ mkfifo /;
use Time::HiRes qw/ sleep /;

my $such = 'such as {"alice":null}';
my $holds = sub { "it holds $_[0], and has to hold a JSON object whose names are revoked, $such" };
my $not_json = sub { "not JSON at line $_[0], column $_[1]; it has to hold a JSON object whose names are "
    . "revoked, $such" };
my $half = 'it does not end as a JSON object does, as if it were half written; write another file, and '
    . 'rename it';
my $empty = 'the file is empty; write {} to it if nothing is revoked';
my $on_disk = 'it has to be a file on disk';
my $irregular = "not a regular file; $on_disk";

# name, content, why it is no list
my @bad = (
    [ 'missing', undef, 'No such file or directory (os error 2); write {} to it if nothing is revoked' ],
    [ 'empty', '', $empty ],
    [ 'blank', " \n", $empty ],
    [ 'array', '["mallory"]', $holds->('an array') ],
    [ 'string', '"mallory"', $holds->('a string') ],
    [ 'number', '17', $holds->('a number') ],
    [ 'null', 'null', $holds->('null') ],
    [ 'lines', "mallory\n", $not_json->(1, 1) ],
    [ 'half', '{"mallory":1,"bo', $half ],
    [ 'half-value', '{"mallory":{"a":{}}', $half ],
    [ 'two', '{"mallory":1}{}', $not_json->(1, 14) ],
    [ 'comma', "{\"mallory\":1,\n}", $not_json->(2, 1) ],
    [ 'utf-8', "{\"mallory\xff\":1}", $not_json->(1, 10) ],
    [ 'large', '{' . ' ' x (64 << 20) . '}', 'larger than 67108864 bytes; leave out what has expired' ],
    [ 'folder', undef, "a directory, where the name of a file is needed; $on_disk" ],
    [ 'pipe', undef, $irregular ],
    [ 'device', undef, $irregular ],
    [ 'pseudo', undef, "on a pseudo file system such as /proc; $on_disk" ],
);

my $t = Test::Nginx->new()->has(qw/ http rewrite /)->plan(@bad * 2 + 20 + ($> == 0 ? 6 : 0));
my $dir = $t->testdir();

my $key = jwk('HS256', '--kid', 'a');
my %token = map { $_ => sign($key, "{\"sub\":\"$_\",\"jti\":\"$_\"}") } qw/ mallory alice /;
$t->write_file('keys.json', $key);
$t->write_file("$_->[0].json", $_->[1]) for grep { defined $_->[1] } @bad;
mkdir "$dir/folder.json" or die;
mkfifo("$dir/pipe.json", 0600) or die;
symlink '/dev/null', "$dir/device.json" or die;
symlink '/proc/cpuinfo', "$dir/pseudo.json" or die;
$t->write_file('good.json', '{"mallory":1}');
$t->write_file('bom.json', "\xef\xbb\xbf{\"mallory\":1}");

my $locations = join '', map { "location /$_->[0]/ { auth_jwt_revocation_list_sub $_->[0].json; }\n" } @bad;
my $server = <<"EOF";
    server {
        listen       127.0.0.1:8080;
        server_name  localhost;

        auth_jwt          "r";
        auth_jwt_key_file keys.json;
        root              html;

        location /alive { auth_jwt off; return 204; }
        location /good/ { auth_jwt_revocation_list_sub good.json; }
        location /bom/  { auth_jwt_revocation_list_sub bom.json; }
        location /same/ { auth_jwt_revocation_list_sub ./good.json; }
        location /once/sub { auth_jwt_revocation_list_sub once.json; }
        location /once/jti { auth_jwt_revocation_list_jti once.json; }
        location /once/both { auth_jwt_revocation_list_sub once.json; auth_jwt_revocation_list_jti once.json; }
        %s
    }
EOF

### nginx -t

$t->write_file('once.json', '{"mallory":1}');
is(config_test($t, sprintf $server, ''), 'exit 0', 'good lists');
for (@bad) {
    my ($name, undef, $reason) = @$_;
    my $conf = "server { auth_jwt r; auth_jwt_key_file keys.json;\nauth_jwt_revocation_list_sub $name.json;\n"
        . "location / { auth_jwt_revocation_list_jti $name.json; } }";
    is(config_test($t, $conf),
        "[warn] revocation list \"DIR/$name.json\": $reason in DIR/http.conf:2 | exit 0", "$name, nginx -t");
}

### requests

configure($t, sprintf($server, $locations), 'worker_processes 1;');
run_quietly($t);

my $refused = '401 Bearer realm="r", error="invalid_token"';
my $ask = sub { return verdict(get($_[0], $token{ $_[1] // 'mallory' })) . ', ' . jwt_logged($t) };
my $revoked = sub { "$refused, info revoked: claim \"$_[0]\" is \"mallory\"; alg \"HS256\", kid \"a\"" };

is($ask->("/$_->[0]/", 'alice'), "500, error revocation list \"$dir/$_->[0].json\": $_->[2]",
    "$_->[0], request") for @bad;
is(status(http_get('/alive')), '204', 'nothing has blocked the worker');
is($ask->('/good/'), $revoked->('sub'), 'a good list');
is($ask->('/good/', 'alice'), '404, ', 'a good list, another name');
is($ask->('/bom/'), $revoked->('sub'), 'a byte order mark');
is($ask->('/same/'), $revoked->('sub'), 'another name of the same file');

### one file is read once, for all locations and for sub and jti

settle('once.json');
is(status(get('/once/sub', $token{alice})), '404', 'a file that is settled');
is(is_read($_, 'alice'), '404, not read', "$_ does not read it") for qw{ /once/sub /once/jti /once/both };
$t->write_file('once.json', '{"mallory":1,"bob":1}');
is(is_read('/once/jti', 'mallory'), '401, read', 'a changed file is read');
settle('once.json');
is(status(get('/once/jti', $token{mallory})), '401', 'settled again');
is(is_read($_, 'mallory'), '401, not read', "$_ does not read it again") for qw{ /once/sub /once/jti /once/both };

# a bad one, too
is(status(get('/half/', $token{alice})), '500', 'a bad list');
is(is_read('/half/', 'alice'), '500, not read', 'is not read again while it is unchanged');
is(is_read('/large/', 'alice'), '500, not read', 'one that is too large is not read at all');
$t->write_file('half.json', '{"mallory":1}');
jwt_logged($t);
is($ask->('/half/'), $revoked->('sub'), 'mended');
is($ask->('/half/', 'alice'), '404, ', 'mended, another name');

### a file that the workers' user may not read

if ($> == 0) {
    $t->stop();
    mkdir "$dir/lists" or die;
    chmod 0755, $dir, "$dir/lists" or die;
    $t->write_file('lists/a.json', '{"mallory":1}');
    chmod 0644, "$dir/keys.json", "$dir/lists/a.json" or die;
    my $http = $server =~ s/\w+\.json;(?=.*\}$)/lists\/a.json;/gmr;
    configure($t, sprintf $http, '');
    my $conf = $t->read_file('nginx.conf') =~ s/\buser root;/user nobody root;/r;
    $t->write_file('nginx.conf', $conf);
    chmod 0600, "$dir/lists/a.json" or die;
    my ($said) = map { s/ in DIR.*//r } config_test($t) =~ /(\[warn\] revocation list.*)/;
    my $may_not = "user \"nobody\" may not read it, its owner is \"root\" and its mode 0600; run: chown nobody "
        . '"PATH" && chmod u+r "PATH"';
    is($said, '[warn] revocation list "DIR/lists/a.json": it cannot be read when it changes, '
        . $may_not =~ s/PATH/DIR\/lists\/a.json/gr, 'nginx -t, unreadable for the workers');
    chmod 0644, "$dir/lists/a.json" or die;
    run_quietly($t);
    jwt_logged($t);
    is($ask->('/good/'), $revoked->('sub'), 'the workers may read the list');

    $t->write_file('lists/b.json', '{}');
    chmod 0600, "$dir/lists/b.json" or die;
    rename "$dir/lists/b.json", "$dir/lists/a.json" or die;
    my $denied = "500, error revocation list \"$dir/lists/a.json\": Permission denied (os error 13): ";
    is($ask->('/good/'), $denied . $may_not =~ s/PATH/$dir\/lists\/a.json/gr, 'and not the new one');
    my ($command) = $t->read_file('error.log') =~ /run: (chown .*? && chmod .*?), client:/;
    system($command) == 0 or die "Can't run $command\n";
    is($ask->('/good/'), '404, ', 'after that command');
    chmod 0700, "$dir/lists" or die;
    is($ask->('/good/'), $denied . "user \"nobody\" may not enter the folder \"$dir/lists\", its owner is "
        . "\"root\" and its mode 0700; run: chmod go+x \"$dir/lists\"", 'a closed folder');
    chmod 0755, "$dir/lists" or die;
    is($ask->('/good/'), '404, ', 'open again');
}

###############################################################################

# The status of a request, and whether the worker reads a file for it. It has no other use for read():
# of connections it reads by recv().
sub is_read {
    my ($uri, $name) = @_;
    my $reads = sub { slurp('/proc/' . worker($t) . '/io') =~ /^syscr: (\d+)/m ? $1 : die };
    my $before = $reads->();
    my $status = status(get($uri, $token{$name}));
    return $status . ($reads->() > $before ? ', read' : ', not read');
}

# Waits until a file was written long enough ago. One that was written just now is read for each
# request, and once more after that.
sub settle {
    my ($name) = @_;
    sleep 0.1 while time - (stat "$dir/$name")[10] <= 3;
}
