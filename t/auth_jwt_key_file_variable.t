#!/usr/bin/perl

# auth_jwt_key_file with variables in the name (rows 3 and 39): the values of a
# request must not lead out of the folder that the configuration names.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Jose;

use POSIX qw/ mkfifo /;

my $t = Test::Nginx->new()->has(qw/ http map rewrite /)->plan(48);
my $dir = $t->testdir();

my %key = map { $_ => jwk('HS256', '--kid', $_) } qw/ a b outside /;
mkdir "$dir/$_" or die for 'keys', 'keys/deeper', 'keys/folder.jwk';
$t->write_file("keys/$_.jwk", $key{$_}) for qw/ a b /;
$t->write_file('keys/deeper/c.jwk', $key{b});
$t->write_file('keys/weak.jwk', '{"kty":"oct","kid":"weak","k":"AAAA"}');
$t->write_file('keys/broken.jwk', '{"kty":"oct","kid":"x","k":"se+cret');
$t->write_file('keys/.jwk', $key{outside} =~ s/,"kid":"\w+"//r);
$t->write_file('outside.jwk', $key{outside});
$t->write_file('keys/a..b.jwk', $key{b});
$t->write_file('keys/ü.jwk', $key{b});
mkfifo("$dir/keys/pipe.jwk", 0600) or die;

configure($t, <<'EOF');
    map $jwt_claim_iss $key_file {
        https://a.example   a;
        https://b.example   b;
    }

    server {
        listen       127.0.0.1:8080;
        server_name  localhost;

        auth_jwt     "r";
        auth_jwt_key_file outside.jwk;
        root         html;

        location /arg/     { auth_jwt_key_file keys/$arg_name.jwk; }
        location /whole/   { auth_jwt_key_file $arg_name; }
        location /kid/     { auth_jwt_key_file keys/$jwt_header_kid.jwk; }
        location /mapped/  { auth_jwt_key_file keys/$key_file; }
        location /empty/   { set $nothing ""; auth_jwt_key_file $nothing; }
        location /both/ {
            auth_jwt_key_file keys/a.jwk;
            auth_jwt_key_file keys/$arg_name.jwk;
        }

        location ~ /decoded/(?<file>[^?]*) {
            auth_jwt_key_file keys/$file.jwk;
        }
    }

EOF

is(config_test($t), 'exit 0', 'nginx -t does not check names with variables');
$t->run();

my %token = map { $_ => sign($key{$_}, '{}') } keys %key;
my $refused = '401 Bearer realm="r", error="invalid_token"';
my $no_key = 'info no key with kid "a" for HS256: the set has no such kid';
my $rejected = 'error key file name rejected after variable expansion:';
my $out = $rejected . ' contains ".."';
my $missing = sub { "error key file \"$dir/$_[0]\": No such file or directory "
    . '(os error 2)' };
my $asked = sub { verdict(get(@_)) . ', ' . jwt_logged($t) };

### names from the request

is($asked->('/arg/?name=a', $token{a}), '404, ', 'argument');
is($asked->('/arg/?name=b', $token{b}), '404, ', 'other argument');
is(verdict(get('/arg/?name=b', $token{a})), $refused, 'key of another file');
is(verdict(get('/arg/?name=a', $token{b})), $refused, 'key of another file, the reverse');
is(verdict(get('/arg/?name=deeper/c', $token{b})), '404', 'in a subfolder');
is(verdict(get('/arg/?name=a..b', $token{b})), '404', 'two dots in a name');
is(verdict(get('/whole/?name=keys/a.jwk', $token{a})), '404', 'whole name');
is(verdict(get("/whole/?name=$dir/keys/a.jwk", $token{a})), '404',
    'whole name, absolute');
is(verdict(get('/decoded/%C3%BC', $token{b})), '404', 'UTF-8');
jwt_logged($t);

is($asked->('/arg/?name=c', $token{a}), '500, ' . $missing->('keys/c.jwk'),
    'no such file');
is($asked->('/arg/?name=a%2e', $token{a}), '500, '
    . $missing->('keys/a%2e.jwk'), 'arguments are not decoded');
is($asked->('/arg/?name=folder', $token{a}), "500, error key file "
    . "\"$dir/keys/folder.jwk\": a directory, where the name of a file is needed", 'a folder is not read');
is($asked->('/arg/?name=pipe', $token{a}), "500, error key file "
    . "\"$dir/keys/pipe.jwk\": not a regular file", 'a pipe is not opened');
is($asked->('/arg/?name=broken', $token{a}), "500, error key file "
    . "\"$dir/keys/broken.jwk\": key set is not JSON at byte 35", 'broken file');
is($asked->('/arg/?name=' . 'x' x 500, $token{a}) =~ s/xx+/x*/r,
    "500, error key file \"$dir/keys/x*.jwk\": File name too long (os error 36)",
    'long name');
is($asked->('/empty/', $token{a}), "500, $rejected is empty",
    'empty name');
is(verdict(get('/arg/', $token{outside})), '404', 'empty variable in a name');
jwt_logged($t);

for my $name ('../outside', 'deeper/../../outside', '../keys/a', 'deeper/../a',
    "../../..$dir/outside", '/../outside')
{
    is($asked->("/arg/?name=$name", $token{outside}), "500, $out",
        "out of the folder by $name");
}
is($asked->('/whole/?name=..', $token{a}), "500, $out", 'dots alone');
is($asked->('/whole/?name=keys/..', $token{a}), "500, $out", 'dots at the end');
is($asked->('/decoded/%2e%2e/outside', $token{outside}), '404, ',
    'nginx resolves dots of a URI first');
is($asked->('/decoded/a%2f..%2f..%2foutside', $token{outside}),
    '404, ', 'nginx resolves encoded slashes of a URI, too');
is($asked->('/decoded/a%00', $token{a}), '400, ', 'nginx refuses NUL in a URI');
is($asked->('/decoded/a%0d%0a1%22', $token{a}),
    '500, ' . $missing->('keys/a\x0d\x0a1\".jwk'), 'line feed and quote, escaped');

### names from the token, which is not verified yet

is($asked->('/kid/', $token{a}), '404, ', 'kid');
is(verdict(get('/kid/', with_part($token{a}, 1, sub { s/\}/,"x":1}/ }))),
    $refused, 'kid, forged');
my $kid = sub { sign($key{outside}, '{}', '--header', $_[0]) };
jwt_logged($t);
is($asked->('/kid/', $kid->('{"kid":"../outside"}')), "500, $out",
    'kid that leads out');
is(verdict(get('/kid/', $kid->('{"kid":"a\u0000/../b"}'))), '404',
    'kid with NUL is empty, as the variable is');
jwt_logged($t);
is(verdict(get('/kid/', $kid->('{"kid":"/etc/passwd"}'))), '500',
    'kid with an absolute path stays in the folder');
like(jwt_logged($t), qr!^error key file "\Q$dir\E/keys//etc/passwd.jwk": No such!,
    'kid with an absolute path, log');
is(verdict(get('/kid/', $kid->('{"kid":["a"]}'))), $refused, 'kid no string');
jwt_logged($t);

### a map that chooses the file, which is what the documentation recommends

my $iss = sub { sign($key{$_[0]}, "{\"iss\":\"https://$_[1].example\"}") };
is(verdict(get('/mapped/', $iss->('a', 'a'))), '500', 'map without the ending');

### memory: files that do not exist are not cached

my ($worker) = started_workers($t);
get('/arg/?name=' . $_, $token{a}) for 1 .. 50;
my $before = memory($worker);
get('/arg/?name=' . 'x' x 200 . $_, $token{a}) for 1 .. 1000;
cmp_ok(memory($worker) - $before, '<', memory_limit(512), 'memory growth in KiB');

### one of two files is missing

jwt_logged($t);
is($asked->('/both/?name=b', $token{a}), '404, ', 'two files, key of the first');
is($asked->('/both/?name=b', $token{b}), '404, ', 'two files, key of the second');
is($asked->('/both/?name=c', $token{a}), '500, ' . $missing->('keys/c.jwk'),
    'two files, one is missing');

### warnings about keys: once, when the file is read

my $weak = '{"kty":"oct","kid":"weak","k":"AAAA"}';
select undef, undef, undef, 0.1     # nobody has just written this one
    while time - (stat "$dir/keys/weak.jwk")[10] <= 3;
$t->write_file('keys/fresh.jwk', $weak);

jwt_logged($t);
for (qw/ fresh weak /) {
    is($asked->("/arg/?name=$_", $token{a}), "$refused, warn key file "
        . "\"$dir/keys/$_.jwk\": key 0, kid \"weak\": used, but secret of 3 bytes is "
        . "shorter than 32 bytes\n$no_key", "weak key, $_");
}
is($asked->('/arg/?name=weak', $token{a}), "$refused, $no_key",
    'weak key, no second warning');

### rotation

rename "$dir/keys/b.jwk", "$dir/keys/a.jwk" or die;
is(verdict(get('/arg/?name=a', $token{a})), $refused, 'replaced');
is(verdict(get('/arg/?name=a', $token{b})), '404', 'replaced, new key');
unlink "$dir/keys/a.jwk" or die;
is(verdict(get('/arg/?name=a', $token{b})), '500', 'removed');
