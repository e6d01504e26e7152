package Test::Nginx;

# Starts nginx with a configuration of its own in a test directory, and talks to it.
# The API is that of nginx's own test library (the project nginx-tests), so that its
# .t files run with this module and ours with that one; only expect_panics() is new.
# t/README.md says how to use it.

use warnings;
use strict;

use parent 'Test::Nginx::Features';

use Exporter qw/ import /;
use File::Path qw/ remove_tree /;
use File::Spec;
use File::Temp qw/ tempdir /;
use IO::Socket ();
use POSIX qw/ WNOHANG /;
use Scalar::Util qw/ weaken /;
use Test::More qw//;
use Time::HiRes qw/ sleep time /;

use Test::Nginx::Client ':all';
use Test::Nginx::Process qw/ end_process spawn /;
use Test::Nginx::Waiting qw/ stretched /;

our @EXPORT = @Test::Nginx::Client::EXPORT;
our @EXPORT_OK = @Test::Nginx::Client::EXPORT_OK;
our %EXPORT_TAGS = (gzip => [qw/ http_gzip_request http_gzip_like /]);

our $NGINX = $ENV{TEST_NGINX_BINARY} // '/usr/sbin/nginx';

my %instances;        # address -> weak reference, for END
my $interrupted;      # by a signal: do not wait for a graceful stop

### Life of a test ############################################################

# A new test directory. Nothing runs yet.
sub new {
    my ($class) = @_;

    Test::More::BAIL_OUT("no nginx at $NGINX: set TEST_NGINX_BINARY")
        unless -x $NGINX;

    my $self = bless {
        _pid => $$,
        _testdir => tempdir('nginx-test-XXXXXXXXXX', TMPDIR => 1),
        _daemons => [],
        _faults => [],
        _panics => 0,
    }, $class;

    weaken($instances{$self} = $self);

    # a signal ends the test through END, which stops all processes
    for my $signal (qw/ HUP INT TERM /) {
        $SIG{$signal} ||= sub { $interrupted = 1; exit 1 };
    }

    return $self;
}

# Usually the object is destroyed before END. END is for an object that a function of
# the test file keeps alive; it runs before Test::More counts the tests.
sub DESTROY { $_[0]->_finish() }

END { $_->_finish() for grep { defined } values %instances }

sub _finish {
    my ($self) = @_;

    return if $self->{_pid} != $$ or $self->{_finished}++;
    local ($?, $@, $!);

    eval { $self->stop(); $self->stop_daemons(); 1 }
        or push @{$self->{_faults}}, "stop: $@";

    my $log = $self->_error_log();
    $self->_closing_checks($log) if Test::More->builder->expected_tests;

    Test::More::diag($log) if $ENV{TEST_NGINX_CATLOG};

    if ($ENV{TEST_NGINX_LEAVE}) {
        Test::More::diag("Leaving test directory $self->{_testdir}");
    } else {
        remove_tree($self->{_testdir}, { error => \my $ignored });
    }
}

# Declares the tests of the file and the two closing checks.
sub plan {
    my ($self, $tests) = @_;
    Test::More::plan(tests => $tests + 2);
    return $self;
}

# As in nginx's library, todo_alerts() makes the first check a TODO.
sub _closing_checks {
    my ($self, $log) = @_;

    my @faults = (faults($log, $self->{_panics}), $self->_valgrind_reports(),
        @{$self->{_faults}});

    {
        local our $TODO = $self->{_todo_alerts} ? 'alerts' : undef;
        Test::More::is(join("\n", alerts($log)), '', 'no alerts');
    }

    Test::More::is(join("\n", @faults), '',
        'no panics, crashes or sanitizer errors');
}

# Lets [alert] lines pass.
sub todo_alerts {
    my ($self) = @_;
    $self->{_todo_alerts} = 1;
    return $self;
}

# For fault injection: exactly so many [crit] lines with "panic" must be in
# error.log. Not in nginx's library: call it if can('expect_panics').
sub expect_panics {
    my ($self, $count) = @_;
    $self->{_panics} = $count;
    return $self;
}

# The closing checks as functions of the log's text.

sub alerts {
    my ($log) = @_;
    return grep { /\[alert\]/ } split /\n/, $log;
}

sub faults {
    my ($log, $expected_panics) = @_;
    my @lines = split /\n/, $log;

    my @panics = grep { /\[crit\].*panic/i } @lines;
    my $exit = qr/exited (?:on signal \d|with (?:fatal )?code [1-9])/;
    my @faults = grep {
        /Sanitizer|runtime error:/ or /\[(?:notice|alert)\].* process \d+ $exit/
    } @lines;

    push @faults, @panics, @panics . " panic lines, $expected_panics expected"
        if @panics != $expected_panics;

    return @faults;
}

# scripts/build --nginx valgrind makes an nginx that writes them: a file for each process,
# which is empty if all is well.
sub _valgrind_reports {
    my ($self) = @_;
    return map { _slurp($_) } grep { -s } glob "$self->{_testdir}/valgrind.*";
}

sub _error_log {
    my ($self) = @_;
    return $self->read_file('error.log') if -e "$self->{_testdir}/error.log";
    push @{$self->{_faults}}, 'no error.log' if $self->{_ever_started};
    return '';
}

### Files of the test directory ###############################################

sub testdir { $_[0]->{_testdir} }

sub read_file {
    my ($self, $name) = @_;
    return _slurp("$self->{_testdir}/$name");
}

sub write_file {
    my ($self, $name, $content) = @_;

    open my $file, '>:raw', "$self->{_testdir}/$name"
        or die "Can't create $name: $!\n";
    print $file $content;
    close $file or die "Can't write $name: $!\n";

    return $self;
}

# Writes a file with globals, test directory and free ports filled in.
sub write_file_expand {
    my ($self, $name, $content) = @_;

    $self->{_has_globals} = 1
        if $content =~ s/%%TEST_GLOBALS%%/$self->test_globals()/ge;
    $content =~ s/%%TEST_GLOBALS_HTTP%%/$self->test_globals_http()/ge;
    $content =~ s/%%TEST_GLOBALS_STREAM%%/$self->test_globals_stream()/ge;
    $content =~ s/%%TESTDIR%%/$self->{_testdir}/g;
    $content =~ s/127\.0\.0\.1:(8\d\d\d)/'127.0.0.1:' . port($1)/ge;
    $content =~ s/%%PORT_(\d+)%%/port($1)/ge;
    $content =~ s/%%PORT_(\d+)_UDP%%/port($1, udp => 1)/ge;

    return $self->write_file($name, $content);
}

sub _slurp {
    my ($path) = @_;
    local $/;
    open my $file, '<:raw', $path or die "Can't open $path: $!\n";
    return <$file> // '';
}

# Directives for the main context.
sub test_globals {
    my ($self) = @_;

    my $given = $ENV{TEST_NGINX_GLOBALS} // '';

    # root's workers would run as somebody who can't read the directory
    my @user = $> == 0 && $given !~ /(?:^|;)\s*user\s/ ? 'user root;' : ();

    return join "\n",
        "pid $self->{_testdir}/nginx.pid;",
        "error_log $self->{_testdir}/error.log debug;",
        @user, $given, $self->test_globals_modules();
}

# Directives for http {}: nginx's own defaults are outside the test directory.
sub test_globals_http {
    my ($self) = @_;
    my $dir = $self->{_testdir};

    my @temporary = grep { $self->has_module($_) } qw/ fastcgi proxy scgi uwsgi /;

    return join "\n",
        "root $dir;",
        "access_log $dir/access.log;",
        map({ "${_}_temp_path $dir/${_}_temp;" } 'client_body', @temporary),
        $ENV{TEST_NGINX_GLOBALS_HTTP} // '';
}

# Directives for stream {}.
sub test_globals_stream { $ENV{TEST_NGINX_GLOBALS_STREAM} // '' }

### Processes #################################################################

# Starts nginx on nginx.conf, or on an expanded copy of the given file, and
# returns when it listens.
sub run {
    my ($self, $conf) = @_;

    $self->write_file_expand('nginx.conf', _slurp($conf)) if defined $conf;

    my $pid_file = "$self->{_testdir}/nginx.pid";
    unlink $pid_file;

    my $pid = spawn($self->_command());
    $self->{_nginx} = $pid;
    $self->{_started} = $self->{_ever_started} = 1;

    my $up = $self->waitforfile($pid_file, $pid);

    # the file is there a moment before its content is
    for (1 .. 100) {
        return $self if $up and -s $pid_file;
        last unless $up;
        sleep 0.01;
    }

    end_process($pid, TERM => 5, KILL => 5);
    $self->{_started} = 0;
    die join "\n", "Can't start nginx", $self->_error_log() =~ /(?:^.*\[emerg\].*$)/mg, '';
}

# As run(); skips the whole file with the message where nginx refuses to start.
sub try_run {
    my ($self, $message) = @_;

    open my $stderr, '>&', \*STDERR or die "Can't dup stderr: $!\n";
    open STDERR, '>', File::Spec->devnull() or die "Can't close stderr: $!\n";
    my $running = eval { $self->run(); 1 };
    open STDERR, '>&', $stderr or die "Can't restore stderr: $!\n";

    return $self if $running;

    log_core($self->_error_log());
    Test::More::plan(skip_all => $message);
}

# Makes nginx read its configuration again; returns at once.
sub reload {
    my ($self) = @_;
    kill 'HUP', $self->_master() if $self->{_started};
    return $self;
}

# Stops nginx gracefully and waits for its end: as long as nginx's library does,
# since requests may be under way.
sub stop {
    my ($self) = @_;

    return $self unless $self->{_started};
    $self->{_started} = 0;

    # they differ after an upgrade of the binary, or without "daemon off"
    my %masters = map { $_ => 1 } $self->_master(), $self->{_nginx};

    for my $pid (sort keys %masters) {
        my $status = end_process($pid,
            $interrupted ? () : (QUIT => 90), TERM => 10, KILL => 5);
        next unless $status;

        push @{$self->{_faults}}, 'nginx exited '
            . ($status & 127 ? 'on signal ' . ($status & 127)
                : 'with code ' . ($status >> 8));
    }

    return $self;
}

# Runs a function or a program beside nginx until the test ends.
sub run_daemon {
    my ($self, $code, @args) = @_;
    push @{$self->{_daemons}}, spawn($code, @args);
    return $self;
}

sub stop_daemons {
    my ($self) = @_;

    while (defined(my $pid = shift @{$self->{_daemons}})) {
        end_process($pid, TERM => 5, KILL => 5);
    }

    return $self;
}

# 1 when the file is there, 0 when the process ended without it, undef when
# there was neither in time.
sub waitforfile {
    my ($self, $file, $pid) = @_;
    my $exited;
    my $end = time + stretched(10);

    while (time < $end) {
        return 1 if -e $file;
        return 0 if $exited;
        $exited = waitpid($pid, WNOHANG) != 0 if $pid;
        sleep 0.02 unless $exited;
    }

    return undef;
}

# 1 when the address accepts connections, undef when it did not in time.
sub waitforsocket {
    my ($self, $peer) = @_;
    my $end = time + stretched(10);

    while (time < $end) {
        return 1
            if IO::Socket::INET->new(Proto => 'tcp', PeerAddr => $peer);
        sleep 0.02;
    }

    return undef;
}

# What nginx -T says.
sub dump_config {
    my ($self) = @_;

    my $pid = open(my $out, '-|') // die "Can't fork: $!\n";
    if ($pid == 0) {
        open STDERR, '>&', \*STDOUT;
        exec $self->_command('-T') or POSIX::_exit(127);
    }

    local $/;
    return <$out> // '';
}

# A configuration without %%TEST_GLOBALS%% gets them from the command line.
sub _command {
    my ($self, @options) = @_;

    my @globals = $self->{_has_globals} ? () : ('-g', $self->test_globals());

    return ($NGINX, '-p', "$self->{_testdir}/", '-c', 'nginx.conf',
        '-e', 'error.log', @globals, @options);
}

# The process id that nginx wrote, else that of the process we started.
sub _master {
    my ($self) = @_;
    my $file = "$self->{_testdir}/nginx.pid";
    return -e $file && _slurp($file) =~ /^(\d+)/ ? $1 : $self->{_nginx};
}

1;
