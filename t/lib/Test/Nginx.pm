package Test::Nginx;

# Starts nginx on a configuration of its own, in a directory of its own, and
# talks to it. The API is that of nginx's own test library (the nginx-tests
# project), so that its .t files run under this module and ours under that one;
# only expect_panics() is new. t/README.md says how to use it.

use warnings;
use strict;

use Exporter qw/ import /;
use File::Basename qw/ basename dirname /;
use File::Path qw/ remove_tree /;
use File::Spec;
use File::Temp qw/ tempdir /;
use IO::Handle;
use IO::Socket ();
use POSIX qw/ WNOHANG /;
use Scalar::Util qw/ weaken /;
use Test::More qw//;
use Time::HiRes qw/ sleep time /;

our @EXPORT = qw/ http http_get http_head log_in log_out port /;
our @EXPORT_OK = qw/
    http_content http_end http_gzip_like http_gzip_request http_start log_core
/;
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

    # a signal is to end the test through END, which stops what it started
    for my $signal (qw/ HUP INT TERM /) {
        $SIG{$signal} ||= sub { $interrupted = 1; exit 1 };
    }

    return $self;
}

# Usually the object goes first; END is for one that a closure keeps alive, and
# comes before Test::More counts.
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

    print map { "# $_\n" } split /\n/, $log if $ENV{TEST_NGINX_CATLOG};

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

# The first check can be made a TODO, as in nginx's library; the second cannot.
sub _closing_checks {
    my ($self, $log) = @_;

    my @faults = (faults($log, $self->{_panics}), @{$self->{_faults}});

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
    my @faults = grep {
        /Sanitizer/ or /\[(?:notice|alert)\].* process \d+ exited
            \ (?:on\ signal\ \d|with\ (?:fatal\ )?code\ [1-9])/x
    } @lines;

    push @faults, @panics, @panics . " panic lines, $expected_panics expected"
        if @panics != $expected_panics;

    return @faults;
}

sub _error_log {
    my ($self) = @_;
    return $self->read_file('error.log') if -e "$self->{_testdir}/error.log";
    push @{$self->{_faults}}, 'no error.log' if $self->{_ever_started};
    return '';
}

### What nginx can do #########################################################

# Modules that are built unless ./configure was told not to.
my %UNLESS = (
    http => '--without-http',
    cache => '--without-http-cache',
    pcre => '--without-pcre',
    map({ $_ => "--without-http_${_}_module" } qw/
        access auth_basic autoindex browser charset empty_gif fastcgi geo grpc
        gzip limit_conn limit_req map memcached mirror proxy referer rewrite
        scgi split_clients ssi upstream_hash upstream_ip_hash
        upstream_keepalive upstream_least_conn upstream_random upstream_zone
        userid uwsgi
    /),
    map({ $_ => "--without-mail_${_}_module" } qw/ imap pop3 smtp /),
    map({ $_ => "--without-${_}_module" } qw/
        stream_access stream_geo stream_limit_conn stream_map stream_pass
        stream_return stream_set stream_split_clients stream_upstream_hash
        stream_upstream_least_conn stream_upstream_random stream_upstream_zone
    /),
);

# Skips the whole file unless nginx and this machine have all the features.
sub has {
    my ($self, @features) = @_;

    for my $feature (@features) {
        Test::More::plan(skip_all => "no $feature available")
            unless $self->has_module($feature) or $self->has_feature($feature);
    }

    return $self;
}

# Whether nginx has it: the short name of a module or option, or anything else
# as a pattern for the output of nginx -V. A dynamic module has to be loaded.
sub has_module {
    my ($self, $feature) = @_;
    my $args = $self->_configured();

    return 0 if $feature =~ /^stream_/ and $args !~ /--with-stream(?!\S)/;
    return 0 if $feature =~ /^(?:imap|pop3|smtp|mail_.*)$/
        and $args !~ /--with-mail(?!\S)/;

    if (my $option = $UNLESS{$feature}) {
        return $args =~ /$option(?!\S)/ ? 0 : 1;
    }

    return $args =~ /TLS SNI support enabled/ ? 1 : 0 if $feature eq 'sni';
    return $args =~ /$feature/ ? 1 : 0 unless $feature =~ /^[a-z][a-z0-9_]*$/;

    return 1 if $args =~ /--with-(?:http_)?$feature(?:_module)?(?!\S)/;
    return 1 if $args =~ /--add-module=\S*$feature/;
    return 1 if $feature =~ /^auth_(?:jwt|request)$/
        and grep { /nginx_auth|auth_jwt/ } _loaded_modules();
    return 0;
}

# nginx -V; of the dynamic modules only those that will be loaded, as if static.
sub _configured {
    my ($self) = @_;

    return $self->{_configured} //= do {
        my $args = $self->_version_text();
        $args =~ s{--with-(\S+)=dynamic}
            {$self->_dynamic_module($1) ? "--with-$1" : ''}ge;
        $args;
    };
}

sub _version_text {
    my ($self) = @_;
    return $self->{_configure_args} //= `$NGINX -V 2>&1`;
}

# The file of a dynamic module by its name in ./configure, if it is to be had.
sub _dynamic_module {
    my ($self, $name) = @_;

    $name =~ s/_module$//;
    my $file = 'ngx_' . ($name eq 'http_xslt' ? 'http_xslt_filter' : $name)
        . '_module.so';

    return $file if grep { $_ eq $file } _loaded_modules();

    my $dir = $ENV{TEST_NGINX_MODULES} // dirname($NGINX);
    my $path = File::Spec->rel2abs($file, $dir);
    return -e $path ? $path : undef;
}

# The file names of the modules that the caller loads.
sub _loaded_modules {
    my $globals = $ENV{TEST_NGINX_GLOBALS} // '';
    return map { basename($_) } $globals =~ /load_module\s+["']?([^"';]+)/g;
}

# Whether this machine has it: what Perl can do, and the TLS library's version.
sub has_feature {
    my ($self, $feature) = @_;

    return 1 if $feature =~ /^(?:shmem|symlink|udp|unix)$/;

    if ($feature =~ /^socket_ssl(?:_(\w+))?$/) {
        return 0 unless eval { require IO::Socket::SSL };
        my %able = (
            '' => sub { 1 },
            alpn => sub { IO::Socket::SSL->can_alpn() },
            reused => sub { IO::Socket::SSL->can('get_session_reused') },
            sni => sub { IO::Socket::SSL->can_client_sni() },
            sslversion => sub { IO::Socket::SSL->can('get_sslversion') },
        );
        my $check = $able{$1 // ''} or return 0;
        return eval { $check->() } ? 1 : 0;
    }

    if ($feature =~ /^(openssl|libressl):([\d.]+[a-z]*)$/) {
        my ($library, $need) = ($1, $2);
        return 0 unless $self->_version_text() =~ /with $library (\S+)/i;
        return _at_least($1, $need);
    }

    if ($feature eq 'cryptx') {
        return eval { require Crypt::Misc; Crypt::Misc->VERSION('0.067'); 1 }
            ? 1 : 0;
    }

    return 0;
}

# Whether nginx is of this version or a later one.
sub has_version {
    my ($self, $need) = @_;
    my ($have) = $self->_version_text() =~ m{nginx version: \S+?/([\d.]+)};
    return _at_least($have // '0', $need);
}

# 1.0.2k: numbers by value, then letters.
sub _at_least {
    my ($have, $need) = map {
        [map { /\d/ ? $_ : ord } /\d+|[a-z]/g]
    } @_;

    for my $i (0 .. $#$need) {
        my $order = ($have->[$i] // 0) <=> $need->[$i];
        return $order > 0 ? 1 : 0 if $order;
    }

    return 1;
}

# Skips the whole file unless the program is in the PATH.
sub has_daemon {
    my ($self, $program) = @_;
    Test::More::plan(skip_all => "$program not found")
        unless grep { -x "$_/$program" } File::Spec->path();
    return $self;
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

    $content =~ s/%%TEST_GLOBALS%%/$self->test_globals()/ge;
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

    return $self->{_test_globals} //= do {
        my $given = $ENV{TEST_NGINX_GLOBALS} // '';
        my $globals = "pid $self->{_testdir}/nginx.pid;\n"
            . "error_log $self->{_testdir}/error.log debug;\n";

        # root's workers would run as somebody who can't read the directory
        $globals .= "user root;\n"
            if $> == 0 and $given !~ /(?:^|;)\s*user\s/;

        $globals . "$given\n" . $self->test_globals_modules();
    };
}

# load_module for each dynamic module of nginx's own whose file is there; in the
# order of names, so that stream comes before stream_geoip.
sub test_globals_modules {
    my ($self) = @_;

    my @names = sort $self->_version_text() =~ /--with-(\S+)=dynamic/g;
    my @paths = grep { defined and m{/} }
        map { $self->_dynamic_module($_) } @names;

    return join '', map { "load_module $_;\n" } @paths;
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

    my $pid = _spawn($self->_command());
    $self->{_nginx} = $pid;
    $self->{_started} = $self->{_ever_started} = 1;

    my $up = $self->waitforfile($pid_file, $pid);

    # the file is there a moment before its content is
    for (1 .. 100) {
        return $self if $up and -s $pid_file;
        last unless $up;
        sleep 0.01;
    }

    _end_process($pid, TERM => 5, KILL => 5);
    $self->{_started} = 0;
    die "Can't start nginx\n";
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
        my $status = _end_process($pid,
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
    push @{$self->{_daemons}}, _spawn($code, @args);
    return $self;
}

sub stop_daemons {
    my ($self) = @_;

    while (defined(my $pid = shift @{$self->{_daemons}})) {
        _end_process($pid, TERM => 5, KILL => 5);
    }

    return $self;
}

# 1 when the file is there, 0 when the process ended without it, undef when
# there was neither in time.
sub waitforfile {
    my ($self, $file, $pid) = @_;
    my $exited;
    my $end = time + 10;

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
    my $end = time + 10;

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

    my $pid = open my $out, '-|' // die "Can't fork: $!\n";
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

    my @globals = $self->{_test_globals} ? () : ('-g', $self->test_globals());
    delete $self->{_test_globals} if @globals;

    return ($NGINX, '-p', "$self->{_testdir}/", '-c', 'nginx.conf',
        '-e', 'error.log', @globals, @options);
}

# The process id that nginx wrote, else that of the process we started.
sub _master {
    my ($self) = @_;
    my $file = "$self->{_testdir}/nginx.pid";
    return -e $file && _slurp($file) =~ /^(\d+)/ ? $1 : $self->{_nginx};
}

# Runs a function or a program in a child; its process id.
sub _spawn {
    my ($code, @args) = @_;

    $_->flush() for \*STDOUT, \*STDERR;
    my $pid = fork() // die "Can't fork: $!\n";
    return $pid if $pid;

    $SIG{$_} = 'DEFAULT' for qw/ HUP INT TERM /;

    if (ref $code) {
        eval { $code->(@args); 1 } or warn $@;
        exit 0;
    }

    no warnings 'exec';
    exec $code, @args;
    warn "Can't run $code: $!\n";
    POSIX::_exit(127);
}

# Sends each signal and waits its number of seconds for the process to go; its
# exit status, undef for one that is not our child.
sub _end_process {
    my ($pid, @steps) = @_;

    while (my ($signal, $seconds) = splice @steps, 0, 2) {

        # killed, a master can't stop its workers
        my @orphans = $signal eq 'KILL' ? _children($pid) : ();
        kill $signal, $pid, @orphans;

        my $end = time + $seconds;
        while (time < $end) {
            my $reaped = waitpid($pid, WNOHANG);
            return $? if $reaped == $pid;
            return undef if $reaped < 0 and !kill 0, $pid;
            sleep 0.02;
        }
    }

    return undef;
}

sub _children {
    my ($pid) = @_;
    my $children = eval { _slurp("/proc/$pid/task/$pid/children") } // '';
    return split ' ', $children;
}

### Ports #####################################################################

our %ports;

# A free port in place of the number, the same each time; a socket of the other
# protocol on it tells other tests that it is taken, for as long as we live.
sub port {
    my ($number, %options) = @_;
    my $taken = $ports{$number} //= _take_port($number, $options{udp});
    return $taken->{$options{socket} ? 'socket' : 'port'};
}

sub _take_port {
    my ($number, $udp) = @_;

    my $tcp_socket = sub { IO::Socket::INET->new(Proto => 'tcp', Listen => 1,
        LocalAddr => '127.0.0.1', LocalPort => $_[0], ReuseAddr => 1) };
    my $udp_socket = sub { IO::Socket::INET->new(Proto => 'udp',
        LocalAddr => '127.0.0.1', LocalPort => $_[0]) };

    my ($used, $lock) = $udp
        ? ($udp_socket, $tcp_socket) : ($tcp_socket, $udp_socket);

    for my $try (0 .. 99) {
        my $port = $try ? $number - $number % 1000 + int rand 1000 : $number;
        my $socket = $lock->($port) or next;
        return { port => $port, socket => $socket } if $used->($port);
    }

    die "No free port for $number\n";
}

### HTTP ######################################################################

sub http_get {
    my ($uri, %extra) = @_;
    return http("GET $uri HTTP/1.0\r\nHost: localhost\r\n\r\n", %extra);
}

sub http_head {
    my ($uri, %extra) = @_;
    return http("HEAD $uri HTTP/1.0\r\nHost: localhost\r\n\r\n", %extra);
}

# Sends the text and returns all that comes back until the end of the
# connection, undef if there is no connection or no end within 8 seconds.
# start: return the socket and read nothing; socket: use this one; body: send
# it after the text, sleep: so many seconds later; aborted: close instead of
# reading; SSL: TLS, to port 8443. The rest goes to IO::Socket::INET and ::SSL.
sub http {
    my ($request, %extra) = @_;

    my $s = http_start($request, %extra);
    return $s if $extra{start} or !defined $s;

    if ($extra{aborted}) {
        $s->close();
        return '';
    }

    return http_end($s);
}

sub http_start {
    my ($request, %extra) = @_;

    return _in_time(sub {
        my $s = $extra{socket} || IO::Socket::INET->new(
            Proto => 'tcp',
            PeerAddr => '127.0.0.1:' . port($extra{SSL} ? 8443 : 8080),
            %extra
        )
            or die "Can't connect to nginx: $!\n";

        if ($extra{SSL}) {
            require IO::Socket::SSL;
            IO::Socket::SSL->start_SSL($s, SSL_verify_mode => 0, %extra)
                or die IO::Socket::SSL::errstr(), "\n";
            log_in('TLS cipher: ' . $s->get_cipher());
        }

        log_out($request);
        $s->print($request);
        sleep $extra{sleep} if $extra{sleep};

        if ($extra{body} and !$extra{aborted}) {
            log_out($extra{body});
            $s->print($extra{body});
        }

        return $s;
    });
}

sub http_end {
    my ($s) = @_;

    my $reply = _in_time(sub {
        local $/;
        my $text = $s->getline();
        $s->close();
        return $text;
    });

    log_in($reply) if defined $reply;
    return $reply;
}

sub _in_time {
    my ($code) = @_;

    my $result = eval {
        local $SIG{ALRM} = sub { die "timeout\n" };
        local $SIG{PIPE} = sub { die "sigpipe\n" };
        alarm(8);
        my $result = $code->();
        alarm(0);
        $result;
    };
    my $error = $@;
    alarm(0);

    log_in("died: $error") if $error;
    return $result;
}

# The body of a response, out of its chunks.
sub http_content {
    my ($response) = @_;

    return undef unless defined $response
        and $response =~ /^(.*?)\r\n?\r\n?(.*)\z/s;

    my ($head, $body) = ($1, $2);
    return $body unless $head =~ /^Transfer-Encoding: chunked/mi;

    my $content = '';
    my $size;

    while ($body =~ /\G(?:\r\n)?([0-9a-f]+)[^\r\n]*\r\n/gci) {
        $size = hex $1 or last;
        $content .= substr $body, pos $body, $size;
        last if pos($body) + $size > length $body;
        pos($body) += $size;
    }

    return $content . (defined $size && $size == 0 ? '' : '[no-last-chunk]');
}

sub http_gzip_request {
    my ($uri) = @_;
    return http("GET $uri HTTP/1.1\r\nHost: localhost\r\n"
        . "Connection: close\r\nAccept-Encoding: gzip\r\n\r\n");
}

# A test: the unzipped body matches.
sub http_gzip_like {
    my ($response, $pattern, $name) = @_;

    require IO::Uncompress::Gunzip;
    my $zipped = http_content($response) // '';
    my $content;
    IO::Uncompress::Gunzip::gunzip(\$zipped => \$content);

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return Test::More->builder->like($content, $pattern, $name);
}

### Verbose output ############################################################

sub log_out { log_core('>>', @_) }
sub log_in { log_core('<<', @_) }

# Prints the text as TAP comments with TEST_NGINX_VERBOSE: a prefix, if any, and
# the first 2048 bytes, all but printable ones in hex.
sub log_core {
    return unless $ENV{TEST_NGINX_VERBOSE};

    my $text = pop // '';
    my $prefix = join '', map { "$_ " } @_;

    my $rest = length($text) - 2048;
    $text = substr($text, 0, 2048) . "\n($rest more bytes)" if $rest > 0;

    for my $line (split /\n/, $text) {
        $line =~ s/([^\x20-\x7e])/sprintf '\\x%02x', ord $1/ge;
        print "# $prefix$line\n";
    }
}

1;
