package Auth;

# What all of our tests share: the frame of nginx.conf, requests, the parts of a
# response, error.log, and the processes of nginx. `use Auth` also switches on
# strict and warnings and imports Test::More and Test::Nginx. It needs only what
# both our Test::Nginx and the one of nginx-tests have.

use warnings;
use strict;

use parent 'Exporter';

use Cwd ();
use File::Basename ();
use Scalar::Util qw/ weaken /;
use Test::More;
use Test::Nginx;
use Test::Nginx::Waiting qw/ stretched /;
use Time::HiRes qw/ sleep /;

our @EXPORT = qw/
    append ask bearer body config_test configure connections_left header headers killed
    checker logged memory memory_limit peak_memory reload_with reload_workers replace_file request
    run_quietly slurp started_workers status wait_until worker workers
/;

# All paths in the tests are relative to the folder t.
chdir Cwd::realpath(File::Basename::dirname(__FILE__) . '/..');

select STDERR; $| = 1;
select STDOUT; $| = 1;

sub import {
    my ($class) = @_;
    my $caller = caller;
    strict->import();
    warnings->import();
    eval "package $caller; Test::More->import(); Test::Nginx->import(); 1" or die $@;
    return $class->export_to_level(1, $class);
}

### nginx.conf ################################################################

my %tests;      # address -> weak reference to the test object, for END

# configure($t, $http, $main) writes nginx.conf with these directives in http {}
# and in the main context.
sub configure {
    my ($t, $http, $main) = @_;
    $main //= '';
    my $events = $ENV{TEST_NGINX_EVENTS} // '';
    weaken($tests{$t} = $t);

    return $t->write_file_expand('nginx.conf', <<EOF);

%%TEST_GLOBALS%%

daemon off;
$main

events {$events
}

http {
    %%TEST_GLOBALS_HTTP%%

$http}

EOF
}

# config_test($t) returns what nginx -t says about nginx.conf: its lines, in which
# "DIR" stands for the test directory, and its exit code or signal, joined with " | ".
# config_test($t, $http, $main) writes these directives first, to http.conf and
# main.conf, which a new nginx.conf includes.
sub config_test {
    my ($t, $http, $main) = @_;
    my $dir = $t->testdir();

    if (defined $http) {
        configure($t, "include http.conf;\n", 'include main.conf;');
        $t->write_file_expand('http.conf', "$http\n");
        $t->write_file_expand('main.conf', ($main // '') . "\n");
    }

    my $output = qx{$Test::Nginx::NGINX -t -p $dir/ -c nginx.conf -e error.log 2>&1};
    my $end = $? & 127 ? 'signal ' . ($? & 127) : 'exit ' . ($? >> 8);

    # nginx -t leaves an empty nginx.pid, which looks as if nginx were running
    unlink "$dir/nginx.pid" if -z "$dir/nginx.pid";

    my @lines = map { s/^nginx: //r =~ s/\Q$dir\E/DIR/gr }
        grep { /^nginx: \[/ } split /\n/, $output;
    return join ' | ', @lines, $end;
}

### Requests ##################################################################

# ask() sends a request with these header lines, and returns the response. The
# request is a GET unless the options say something else:
#
#     ask('/page', 'X-A: 1')
#     ask({ method => 'POST', body => 'x=1', port => 8081 }, '/page')
#
# The options are those of request(), and two more: port is a port as nginx.conf
# names it, and start makes ask() return the socket without reading from it. The
# response ends with the connection, because the request is HTTP/1.0, or with the
# option version or chunks HTTP/1.1 with "Connection: close". ask() returns '' if
# there is no response.
sub ask {
    my %options = ref $_[0] ? %{ shift() } : ();
    my ($uri, @lines) = @_;
    $options{version} //= $options{chunks} ? '1.1' : '1.0';
    unshift @lines, 'Connection: close'
        unless $options{version} eq '1.0' or grep { /^Connection:/i } @lines;
    return http(request(\%options, $uri, @lines),
        PeerAddr => '127.0.0.1:' . port($options{port} // 8080),
        $options{start} ? (start => 1) : ()) // '';
}

# request() returns the text of such a request, for a connection that stays open:
# it is HTTP/1.1. The options are method, version, body (which is sent with its
# length) and chunks (a list: the body is sent in these chunks). The request always
# has a Host line.
sub request {
    my %options = ref $_[0] ? %{ shift() } : ();
    my ($uri, @lines) = @_;
    my $body = $options{body} // '';

    unshift @lines, 'Host: localhost' unless grep { /^Host:/i } @lines;
    if ($options{chunks}) {
        push @lines, 'Transfer-Encoding: chunked';
        $body = join '', map { sprintf "%x\r\n%s\r\n", length, $_ }
            grep({ length } @{ $options{chunks} }), '';
    } elsif (defined $options{body}) {
        push @lines, 'Content-Length: ' . length $body;
    }

    return join "\r\n", join(' ', $options{method} // 'GET', $uri,
        'HTTP/' . ($options{version} // '1.1')), @lines, '', $body;
}

# bearer() returns the header line with this token, or an empty list without one.
sub bearer {
    my ($token) = @_;
    return defined $token ? "Authorization: Bearer $token" : ();
}

### Responses #################################################################

# status() returns the status of a response, or "none" if there is no response. If
# a 100 (Continue) comes first, the status is that of the response after it.
sub status {
    my ($response) = @_;
    return ($response // '') =~ /^(?:HTTP\S+ 1\d\d .*?\r\n\r\n)?HTTP\S+ (\d+)/s ? $1 : 'none';
}

# body() returns the body as it was sent, or '' if there is none.
sub body {
    my ($response) = @_;
    return ($response // '') =~ /\r\n\r\n(?!HTTP\S+ \d)(.*)\z/s ? $1 : '';
}

# headers() returns the values of all header lines with this name.
sub headers {
    my ($response, $name) = @_;
    my ($head) = split /\r\n\r\n(?!HTTP\S+ \d)/, $response // '';
    return ($head // '') =~ /^\Q$name\E: ?([^\r\n]*)/mgi;
}

# header() returns the value of the first of them, or undef.
sub header {
    my ($response, $name) = @_;
    my ($value) = headers($response, $name);
    return $value;
}

### error.log #################################################################

my %read;       # test directory -> how much of error.log was read

# logged() returns what nginx has logged for requests since the last call. Each line
# has the form "level text", without what nginx was doing ("while ..."). Lines of
# the level debug are left out, and so are those that do not match the pattern.
sub logged {
    my ($t, $pattern) = @_;
    my $log = $t->read_file('error.log');
    my $new = substr $log, $read{$t->testdir()} // 0;
    $read{$t->testdir()} = length $log;

    my $line = qr/^\S+ \S+ \[((?!debug)\w+)\] \d+#\d+: \*\d+ (.*), client: /;
    my @lines = map { /$line/ ? "$1 $2" =~ s/ while [^,]*\z//r : () } split /\n/, $new;
    return join "\n", defined $pattern ? grep { $_ =~ $pattern } @lines : @lines;
}

### Processes #################################################################

# run_quietly() starts nginx, and keeps its warnings from the terminal, unless it
# does not start.
sub run_quietly {
    my ($t) = @_;
    open my $stderr, '>&', \*STDERR or die "Can't dup stderr: $!\n";
    my $file = $t->testdir() . '/stderr.log';
    open STDERR, '>', $file or die "Can't close stderr: $!\n";
    my $running = eval { $t->run(); 1 };
    open STDERR, '>&', $stderr or die "Can't restore stderr: $!\n";
    die slurp($file) . $@ unless $running;
    return $t;
}

# started_workers() returns the process ids of all workers that were started so
# far, in the order in which they were started.
sub started_workers {
    my ($t) = @_;
    my @workers;
    # nginx takes connections before it writes the first line
    wait_until(sub { @workers = $t->read_file('error.log') =~ /start worker process (\d+)$/mg });
    return @workers;
}

# worker() returns the process id of the worker that was started last.
sub worker {
    my ($t) = @_;
    return (started_workers($t))[-1];
}

# workers() returns the process ids of the workers that take connections. A worker
# that is shutting down takes none.
sub workers {
    my ($t) = @_;
    my ($master) = $t->read_file('nginx.pid') =~ /(\d+)/;
    my $children = eval { slurp("/proc/$master/task/$master/children") } // '';
    my %titles = map { $_ => (eval { slurp("/proc/$_/cmdline") } // '') } split ' ', $children;
    return _logged_workers($t, keys %titles) if grep { /valgrind/ } values %titles;
    return grep { $titles{$_} =~ /^nginx: worker process(?! is)/ } sort { $a <=> $b } keys %titles;
}

# Under valgrind processes have no titles of nginx's, but error.log says the same of them.
sub _logged_workers {
    my ($t, @pids) = @_;
    my $log = $t->read_file('error.log');
    my %is_worker = map { $_ => 1 } $log =~ /start worker process (\d+)$/mg;
    delete @is_worker{ $log =~ /\] (\d+)#\d+: (?:gracefully shutting down|exiting)$/mg };
    return grep { $is_worker{$_} } sort { $a <=> $b } @pids;
}

# reload_workers() reloads, and returns when the workers that there were before take
# no connections any more.
sub reload_workers {
    my ($t) = @_;
    my @before = workers($t);
    $t->reload();
    return wait_until(sub {
        my %now = map { $_ => 1 } workers($t);
        return %now && !grep { $now{$_} } @before;
    });
}

# killed($t, @pids) returns how many of these workers, which the test has killed, error.log reports. When
# it has all of them, their lines are taken out of it, because the closing checks let none pass.
sub killed {
    my ($t, @pids) = @_;
    my $log = $t->read_file('error.log');
    my $pids = join '|', @pids;
    my $count = () = $log =~ /process (?:$pids) exited on signal 9$/mg;
    return $count if $count < @pids;
    $log =~ s/^.*process (?:$pids) exited on signal 9\n//mg;
    $log =~ s/^.*\[alert\].* was locked by (?:$pids)\n//mg;
    $t->write_file('error.log', $log);
    return $count;
}

# reload_with() writes another configuration, as configure() does, and reloads.
sub reload_with {
    my ($t, $http, $main) = @_;
    configure($t, $http, $main);
    return reload_workers($t);
}

# memory() returns how many KiB of memory a process has, peak_memory() how many it
# has had at most.
sub memory { return _memory('VmRSS', @_) }
sub peak_memory { return _memory('VmHWM', @_) }

sub _memory {
    my ($field, $pid) = @_;
    return slurp("/proc/$pid/status") =~ /^$field:\s+(\d+) kB/m ? $1 : die "no $field\n";
}

# connections_left() waits until nginx has no connection but the one that asks, ten
# seconds at most, and returns how many it has. The URI is that of a stub_status.
sub connections_left {
    my ($uri) = @_;
    my $active = 0;
    wait_until(sub {
        ($active) = http_get($uri // '/status') =~ /Active connections: (\d+)/;
        return $active == 1;
    });
    return $active;
}

# checker() returns which of the checkers of memory nginx is built for or run under, see
# scripts/test-memory: "asan", "valgrind" or "".
my $checker;
sub checker {
    return $checker //= $Test::Nginx::NGINX =~ /under-valgrind$/ ? 'valgrind'
        : `$Test::Nginx::NGINX -V 2>&1` =~ /-fsanitize=address/ ? 'asan' : '';
}

# memory_limit() returns the limit of what memory() or peak_memory() may be. It is this many KiB, or
# without end where one of those checkers keeps what is freed and has memory of its own.
sub memory_limit {
    my ($kib) = @_;
    return checker() ? 9**9**9 : $kib;
}

### Waiting, and files ########################################################

# wait_until() waits until the condition is true, ten seconds at most, and returns
# whether it is.
sub wait_until {
    my ($condition) = @_;
    for (1 .. stretched(1000)) {
        return 1 if $condition->();
        sleep 0.01;
    }
    return 0;
}

# slurp() returns the content of a file, in bytes.
sub slurp {
    my ($path) = @_;
    local $/;
    open my $file, '<:raw', $path or die "Can't open $path: $!\n";
    return <$file> // '';
}

# append() adds the text to a file by one write, because several processes may do so
# at a time.
sub append {
    my ($path, $text) = @_;
    open my $file, '>>:raw', $path or die "Can't open $path: $!\n";
    syswrite $file, $text;
    close $file or die "Can't write $path: $!\n";
}

# replace_file() puts a new file in the place of an old one, so that nobody reads
# half of it.
sub replace_file {
    my ($t, $name, $content) = @_;
    my $path = $t->testdir() . "/$name";
    $t->write_file("$name.$$", $content);
    rename "$path.$$", $path or die "Can't rename $path: $!\n";
}

# The library of nginx-tests makes its closing tests when the test object goes. A
# function of a test file that refers to the object keeps it until Test::More has
# counted the tests, so let it go here, which comes before that.
END {
    for my $t (grep { defined and !$_->can('expect_panics') } values %tests) {
        $t->DESTROY();
        bless $t, 'Auth::Finished';
    }
}

1;
