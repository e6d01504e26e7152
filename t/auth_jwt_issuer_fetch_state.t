#!/usr/bin/perl

# state_path: the last good keys of an issuer are in a file, for a start while the
# issuer does not answer.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Jose;
use KeyService;

my ($old, $new) = map { jwk('ES256', '--kid', $_) } qw/ old new /;

my $t = Test::Nginx->new()->has(qw/ http rewrite /)->plan(28);
my $dir = $t->testdir();

my $conf = sub {
    my ($uri, $times) = @_;
    $times //= '';
    return <<"EOF";
        auth_jwt_issuer one { issuer one; audience api; jwks_uri http://127.0.0.1:8082/$uri; state_path $dir/state/; $times }

        server {
            listen       127.0.0.1:8080;
            server_name  localhost;

            location / {
                auth_jwt        "r";
                auth_jwt_trust  one;
                add_header      X-V "\$jwt_status" always;
                empty_gif;
            }
        }
EOF
};

my $main = 'worker_processes 2;';
configure($t, $conf->('one'), $main);
key_service($t, 8082);

my $verdict = sub {
    my ($key) = @_;
    my $response = get('/', sign($key, '{"iss":"one","aud":"api","sub":"ann"}'));
    return join ' ', status($response), variables($response);
};
# What the workers have logged for no request since the last call.
my $logged = sub {
    my $log = $t->read_file('error.log');
    replace_file($t, 'error.log', '');
    my %lines = map { $_ => 1 } map { /\[(\w+)\] \d+#\d+: auth_jwt: issuer "one": (.*)/ ? "$1 $2" : () } split /\n/, $log;
    return join "\n", map { s/\Q$dir\E/DIR/gr =~ s/issuer-\w+/issuer-N/gr =~ s/:8\d+/:PORT/gr } sort keys %lines;
};
my $start = sub {
    unlink "$dir/error.log";
    run_quietly($t);
};
my $files = sub { return map { s!.*/!!r } glob "$dir/state/*" };

### the file

my $good = keys_response(jwks(public($old)));
my $dead = keys_response('{}', 503);
respond_with($t, 'one', $good);
$start->();
is($verdict->($old), '200 ok', 'the issuer answers');
is(wait_until(sub { $files->() == 1 }), 1, 'there is a file');
my ($name) = $files->();
my $file = "$dir/state/$name";
like($name, qr/^issuer-[0-9a-f]{32}\.keys$/, 'its name');
is(sprintf('%o', (stat $file)[2] & 07777), '600', 'only the user of the workers may read it');
is(sprintf('%o', (stat "$dir/state")[2] & 07777), '700', 'and the folder');
like(slurp($file), qr/^nginx-auth issuer keys 1\nsha-256 [0-9a-f]{64}\nfetched \d+\nsource "one jwks_uri/, 'what is in it');
$t->stop();

### a start without the issuer

respond_with($t, 'one', $dead);
$start->();
is($verdict->($old), '200 ok', 'the keys of the file are used');
is($verdict->($new), '401 unknown_key', 'and no others');
is(wait_until(sub { asked($t, 'one') > 1 }), 1, 'the issuer is asked all the same');
$t->stop();
my $line = 'notice using the keys in "DIR/state/issuer-N.keys", which are 0 minutes old';
my $failed = 'warn "http://127.0.0.1:PORT/one": HTTP status 503';
like($logged->(), qr/^\Q$line\E\n\Q$failed\E[^\n]*; using the last good keys$/, 'the log says so');

respond_with($t, 'one', keys_response(jwks(public($new))));
$start->();
is(wait_until(sub { $verdict->($new) eq '200 ok' }), 1, 'the issuer is there again, with another key');
is($verdict->($old), '401 unknown_key', 'the one in the file does not count any more');
is(wait_until(sub { slurp($file) =~ /"kid":"new"/ }), 1, 'the file is a new one');
is(join(' ', $files->()), $name, 'and the only one');
$t->stop();

### files that are not used

respond_with($t, 'one', $dead);
my $content = slurp($file);
my $without = sub {
    my ($what, $message) = @_;
    $logged->();
    $start->();
    is($verdict->($new), '500 keys_unavailable', $what);
    $t->stop();
    my @lines = grep { /^warn/ } split /\n/, $logged->();
    is(join("\n", @lines), "warn \"DIR/state/issuer-N.keys\" $message", "$what, what the log says");
};

replace_file($t, "state/$name", $content =~ s/"kid":"new"/"kid":"old"/r);
chmod 0600, $file;
$without->('a changed file', 'is damaged');
replace_file($t, "state/$name", '');
chmod 0600, $file;
$without->('an empty file', 'is no file with keys of an issuer, or of another version of this module');
replace_file($t, "state/$name", $content);
chmod 0622, $file;
$without->('a file that others can write', 'can be written by others than root and the user of the workers');
chmod 0600, $file;
$start->();
is($verdict->($new), '200 ok', 'the same file as it was');
$t->stop();
unlink $file;
mkdir $file;
$without->('a folder', 'is no regular file');
rmdir $file;

### other keys, and old ones

replace_file($t, "state/$name", $content);
chmod 0600, $file;
configure($t, $conf->('one', 'refresh 1h; stale 0;'), $main);
forget($t, 'one');
$start->();
is($verdict->($new), '200 ok', 'keys are used for refresh, if stale is 0');
is(wait_asked($t, 'one', 1) > 0, 1, 'and the issuer is asked at once');
$t->stop();
sleep 1;
configure($t, $conf->('one', 'refresh 1s; stale 0;'), $main);
$start->();
is($verdict->($new), '500 keys_unavailable', 'and not for longer');
$t->stop();
configure($t, $conf->('one', 'refresh 1s; stale 1h;'), $main);
$start->();
is($verdict->($new), '200 ok', 'but for stale more');
$t->stop();
configure($t, $conf->('other'), $main);
$start->();
is($verdict->($new), '500 keys_unavailable', 'keys of another URL');
$t->stop();
