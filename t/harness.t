#!/usr/bin/perl

# Tests for the test library itself: above all, that it fails a test which has
# to fail.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use Test::Nginx qw/ http_content /;

plan(skip_all => "not our library") unless Test::Nginx->can('expect_panics');

my $t = Test::Nginx->new()->has(qw/ http rewrite /)->plan(97);

### closing tests: each case is a test file that runs in a child process

my $alert = '[alert] 1#1: *1 open socket #3 left in connection 4';
my $panic = '[crit] 1#1: *1 panic in a handler: "out of bounds"';
my $other = '[crit] 1#1: *1 open() failed (13: Permission denied)';
my $exit = '[notice] 1#1: worker process 2 exited with code';
my $asan = '==2==ERROR: AddressSanitizer: heap-use-after-free';
my $ubsan = 'src/core/ngx_string.c:1:2: runtime error: shift exponent 40 is too large';
my $quoted = '[error] 1#1: *1 process 2 exited on signal 3, says the client';

my $alerts = 'no alerts';
my $faults = 'no panics, crashes or sanitizer errors';

is(failed(''), '', 'clean log');
is(failed("logs(\$t, '$other')"), '', 'crit without panic');
is(failed("logs(\$t, '$exit 0')"), '', 'worker exit with code 0');
is(failed("logs(\$t, '$quoted')"), '', 'text of a request in the log');

is(failed("logs(\$t, '$alert')"), $alerts, 'alert');
is(failed("logs(\$t, '$panic')"), $faults, 'panic');
is(failed("logs(\$t, '$exit 1')"), $faults, 'worker exit with code 1');
is(failed("logs(\$t, '$exit 23')"), $faults, 'worker exit with code 23');
is(failed("logs(\$t, '$asan')"), $faults, 'sanitizer');
is(failed("logs(\$t, '$ubsan')"), $faults, 'sanitizer of undefined behaviour');
is(failed('$t->write_file("valgrind.7", "")'), '', 'empty file of valgrind');
is(failed('$t->write_file("valgrind.7", "==7== Invalid read of size 1")'), $faults,
    'report of valgrind');

is(failed("logs(\$t, '$alert'); \$t->todo_alerts()"), '', 'todo alert');
is(failed("logs(\$t, '$panic'); \$t->todo_alerts()"), $faults,
    'todo alerts, panic');

is(failed("logs(\$t, '$panic'); \$t->expect_panics(1)"), '', 'expected panic');
is(failed("logs(\$t, '$panic'); \$t->expect_panics(2)"), $faults,
    'one panic of two');
is(failed("logs(\$t, '$panic') for 1 .. 2; \$t->expect_panics(1)"), $faults,
    'two panics for one');
is(failed("\$t->expect_panics(1)"), $faults, 'no panic for one');

is(failed('kill "KILL", worker($t); http_get("/")'), "$alerts, $faults",
    'killed worker');
is(failed('kill "KILL", worker($t); http_get("/"); $t->todo_alerts()'), $faults,
    'todo alerts, killed worker');
is(failed('kill "KILL", pid($t)', main => 'master_process off;'),
    $faults,
    'killed single process');
is(failed('unlink $t->testdir() . "/error.log"'), $faults, 'no log');
is(failed('my $keep = $t; sub keep { $keep }'), '', 'object kept by a closure');
is(failed("my \$keep = \$t; sub keep { \$keep } logs(\$t, '$alert')"), $alerts,
    'object kept by a closure, alert');
is(failed('', tests => 2), 'plan', 'too few tests');

### nothing is left behind

like(left('die "as planned"'), qr/exit [1-9]\d*, left:$/, 'test that dies');
like(left('kill "TERM", $$; sleep 5'), qr/exit 1, left:$/, 'test terminated');
is(left('$t->plan(1)'), 'exit 0, left:', 'test that passes');
is(left('plan(skip_all => "x")'), 'exit 0, left:', 'test skipped late');

### start and stop

my $conf = <<'EOF';

daemon off;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    server {
        listen       127.0.0.1:8080;
        server_name  localhost;

        location /text {
            return 200 first;
        }
    }
}

EOF

$t->write_file_expand('nginx.conf', $conf);
$t->run();
like(http_get('/text'), qr/200 OK.*first/s, 'globals from the command line');
is(-e $t->testdir() . '/access.log', 1, 'access log in the test directory');

$t->write_file_expand('nginx.conf', $conf =~ s/first/second/r);
like($t->dump_config(), qr/syntax is ok.*return 200 second/s, 'dump_config');

my $before = $t->read_file('nginx.pid');
is($t->reload(), $t, 'reload');
my $response;
for (1 .. 100) {
    last if ($response = http_get('/text')) =~ /second/;
    select undef, undef, undef, 0.05;
}
like($response, qr/second/, 'new configuration');
is($t->read_file('nginx.pid'), $before, 'same master process');

is($t->stop(), $t, 'stop');
is(http_get('/text'), undef, 'no connection when stopped');
is($t->stop(), $t, 'stop when stopped');

$t->write_file_expand('nginx.conf', '%%TEST_GLOBALS%%' . $conf);
is($t->run(), $t, 'run again');
like(http_get('/text'), qr/200 OK.*first/s, 'globals in the file');
$t->stop();

$t->run_daemon(\&silent_daemon, port(8081));
is($t->waitforsocket('127.0.0.1:' . port(8081)), 1, 'daemon');
$t->stop_daemons();
is(IO::Socket::INET->new(PeerAddr => '127.0.0.1:' . port(8081)), undef,
    'no daemon');

my $child = fork() // die "Can't fork: $!\n";
POSIX::_exit(0) unless $child;
is($t->waitforfile($t->testdir() . '/nowhere', $child), 0,
    'waitforfile when the process ended');
is($t->waitforfile($t->testdir() . '/nginx.conf'), 1, 'waitforfile');

my ($refused) = child('$t->write_file("nginx.conf", "x;"); $t->run()',
    tests => 0);
like($refused, qr/Can't start nginx\n[^\n]*\[emerg\][^\n]*unknown directive "x"/, 'bad directive');
($refused) = child('$t->write_file("nginx.conf", "x;"); require Auth; Auth::run_quietly($t)',
    tests => 0);
like($refused, qr/Can't start nginx\n[^\n]*\[emerg\][^\n]*unknown directive "x"/,
    'bad directive, quietly');
my ($skipped) = child('$t->try_run("refused")', tests => 0, main => 'x;');
like($skipped, qr/^1\.\.0 # SKIP refused$/m, 'try_run');
unlike($skipped, qr/unknown directive/, 'try_run is silent');

### substitution

$t->write_file_expand('expanded', join "\n", '%%TESTDIR%%', '127.0.0.1:8080',
    '%%PORT_8080%%', '127.0.0.1:8082', '%%PORT_8983_UDP%%', '127.0.0.1:9080',
    '10.0.0.1:8080', '%%TEST_GLOBALS%%');
my @expanded = split /\n/, $t->read_file('expanded');

is($expanded[0], $t->testdir(), 'test directory');
is($expanded[1], '127.0.0.1:' . port(8080), 'address');
is($expanded[2], port(8080), 'port');
isnt(port(8082), port(8080), 'another port for another number');
is($expanded[3], '127.0.0.1:' . port(8082), 'another address');
is($expanded[4], port(8983), 'udp port');
is("@expanded[5, 6]", '127.0.0.1:9080 10.0.0.1:8080', 'not for us');
is($expanded[7], 'pid ' . $t->testdir() . '/nginx.pid;', 'globals');

my ($output) = child('print "port ", port(8080), "\n"');
my ($port) = $output =~ /^port (\d+)$/m;
isnt($port, port(8080), 'no port is given to two tests');

### features

is($t->has_version('1.0.0'), 1, 'version of this nginx');
is($t->has_version('99'), 0, 'no version to come');

my @static = qw{ --with-debug --with-http_v2_module --with-http_ssl_module
    --with-stream_ssl_module --with-stream_realip_module
    --with-http_stub_status_module --add-module=../geoip2 };

is(lacks(\@static, qw/ http proxy ssi cache access map rewrite http_v2 http_ssl
    stub_status geoip2 --with-debug sni debug /), '', 'features of nginx');
is(lacks(\@static, qw/ stream stream_ssl stream_return mail imap realip
    --with-stream(?!_) image_filter auth_request perl nonsense /),
    'stream stream_ssl stream_return mail imap realip --with-stream(?!_) '
    . 'image_filter auth_request perl nonsense', 'features not of nginx');
is(lacks(['--without-http_ssi_module --without-http-cache'],
    qw/ http access ssi cache /), 'ssi cache', 'modules left out');
is(lacks(['--without-http'], qw/ http /), 'http', 'http left out');
is(lacks([], qw/ openssl:1.1.1 openssl:3.0.2 openssl:3.0.3 openssl:4
    libressl:2 /), 'openssl:3.0.3 openssl:4 libressl:2', 'TLS library');
is(lacks([], qw/ symlink unix udp shmem socket_none /), 'socket_none',
    'features of the machine');

my @dynamic = qw/ --with-stream=dynamic --with-http_xslt_module=dynamic
    --with-http_image_filter_module=dynamic --with-stream_ssl_module /;
my @names = qw/ stream stream_ssl stream_map xslt image_filter /;

is(lacks(\@dynamic, @names), "@names", 'dynamic modules not loaded');

{
    local $ENV{TEST_NGINX_GLOBALS} = 'load_module m/ngx_stream_module.so; '
        . 'load_module "m/libnginx_auth.so";';
    is(lacks(\@dynamic, @names, qw/ auth_request auth_jwt /),
        'xslt image_filter', 'dynamic modules loaded by the caller');
    unlike(pretend(@dynamic)->test_globals(), qr/stream_module.*stream_module/s,
        'no module is loaded twice');
}

{
    local $ENV{TEST_NGINX_MODULES} = $t->testdir();
    $t->write_file('ngx_http_xslt_filter_module.so', '');
    is(lacks(\@dynamic, @names), 'stream stream_ssl stream_map image_filter',
        'dynamic modules at hand');
    like(pretend(@dynamic)->test_globals(),
        qr/^load_module \S+ngx_http_xslt_filter_module\.so;$/m,
        'dynamic modules at hand are loaded');
}

SKIP: {
    skip 'only for root', 2 if $> != 0;

    local $ENV{TEST_NGINX_GLOBALS} = 'timer_resolution 1s;';
    like($t->test_globals(), qr/^user root;$/m, 'user of the workers');
    $ENV{TEST_NGINX_GLOBALS} = 'timer_resolution 1s; user www-data;';
    unlike($t->test_globals(), qr/user root/, 'user of the caller');
}

### responses

my $head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
is(http_content("HTTP/1.1 200 OK\r\n\r\na\r\n\r\nb"), "a\r\n\r\nb", 'content');
is(http_content("${head}3\r\na\r\n\r\nA\r\n0123456789\r\n0\r\n\r\n"),
    "a\r\n0123456789", 'content in chunks');
is(http_content("${head}3\r\na\r\n"), "a\r\n[no-last-chunk]",
    'content cut short');

###############################################################################

sub silent_daemon {
    my ($port) = @_;
    my $server = IO::Socket::INET->new(Listen => 5, LocalAddr => '127.0.0.1',
        LocalPort => $port, ReuseAddr => 1) or die "Can't listen: $!\n";
    1 while $server->accept();
}

# Runs a test file with this code, and returns its output and exit code. The option main
# has directives for its nginx.conf; with tests => 0 it neither plans nor starts nginx.
sub child {
    my ($code, %with) = @_;

    my $tests = $with{tests} // 1;
    my $start = $tests ? "\$t->plan($tests)->run();" : '';
    my $main = $with{main} // '';

    $t->write_file('child.t', <<EOF);
use warnings;
use strict;
use Test::More;
use Test::Nginx;

select STDERR; \$| = 1;
select STDOUT; \$| = 1;

sub logs {
    my (\$t, \$line) = \@_;
    open my \$log, '>>', \$t->testdir() . '/error.log' or die;
    print \$log "2026/01/01 00:00:00 \$line\\n";
}

sub pid { \$_[0]->read_file('nginx.pid') =~ /(\\d+)/ ? \$1 : die }

sub worker {
    my (\$t) = \@_;
    # the pid file is there before the workers are
    for (1 .. 500) {
        return \$1
            if \$t->read_file('error.log') =~ /start worker process (\\d+)/;
        select undef, undef, undef, 0.01;
    }
    die 'no worker';
}

my \$t = Test::Nginx->new();
\$t->write_file_expand('nginx.conf', <<'CONF');
%%TEST_GLOBALS%%
daemon off;
$main
events { }
http {
    %%TEST_GLOBALS_HTTP%%
    server { listen 127.0.0.1:8080; }
}
CONF

$start
$code;
ok(1, 'test');
EOF

    local %ENV = %ENV;
    delete @ENV{qw/ TEST_NGINX_CATLOG TEST_NGINX_LEAVE TEST_NGINX_VERBOSE /};

    my $script = $t->testdir() . '/child.t';
    my $output = `$^X -Ilib $script 2>&1`;
    return ($output, $? >> 8);
}

# The names of the tests that failed in such a file.
sub failed {
    my ($output, $status) = child(@_);
    my @failed = grep { !/# TODO/ } $output =~ /^not ok \d+ - (.*)$/mg;
    push @failed, 'plan' if $output =~ /Looks like you planned/;
    push @failed, "exit $status" if !$status != !@failed;
    return join ', ', @failed;
}

# The exit code of such a file, and what is left of all that it started.
sub left {
    my ($code) = @_;

    my ($output, $status) = child('$t->run();
        $t->run_daemon("sleep", 60);
        print join(" ", "started", $t->testdir(), pid($t), worker($t),
            @{$t->{_daemons}}), "\n"; ' . $code, tests => 0);

    my ($dir, @pids) = $output =~ /^started (\S+) (\d+) (\d+) (\d+)$/m
        or return "nothing was started: $output";

    return join ' ', "exit $status, left:", grep({ -e } $dir),
        grep({ kill 0, $_ } @pids);
}

# A test object for an nginx with these options.
sub pretend {
    my (@options) = @_;

    my $file = $t->testdir() . '/nginx-V';
    $t->write_file('nginx-V', <<EOF);
#!/bin/sh
cat >&2 <<'END'
nginx version: nginx/1.22.1
built with OpenSSL 3.0.2 15 Mar 2022
TLS SNI support enabled
configure arguments: --prefix=/nonsense/perl @options
END
EOF
    chmod 0755, $file;

    local $Test::Nginx::NGINX = $file;
    my $other = Test::Nginx->new();
    $other->has_version(0);
    return $other;
}

# The features that an nginx with these options does not have.
sub lacks {
    my ($options, @features) = @_;
    my $other = pretend(@$options);
    return join ' ', grep {
        !$other->has_module($_) and !$other->has_feature($_)
    } @features;
}
