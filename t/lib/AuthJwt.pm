package AuthJwt;

# Asks nginx with a token, and reads what came of it: the answer, and the lines
# of auth_jwt in error.log.

use warnings;
use strict;

use Exporter qw/ import /;
use Test::More qw//;
use Test::Nginx;

our @EXPORT = qw/
    body check configure get logged run_quietly verdict workers
/;

# Writes nginx.conf with this inside of http {}.
sub configure {
    my ($t, $http, $main) = @_;
    $main //= '';

    return $t->write_file_expand('nginx.conf', <<EOF);

%%TEST_GLOBALS%%

daemon off;
$main

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

$http}

EOF
}

# The answer to a GET with this bearer token, if any, and more header lines.
sub get {
    my ($uri, $token, @lines) = @_;
    push @lines, "Authorization: Bearer $token" if defined $token;
    return http(join "\r\n", "GET $uri HTTP/1.0", 'Host: localhost', @lines,
        '', '');
}

# Of an answer the status, and behind it all challenges.
sub verdict {
    my ($response) = @_;
    return 'no answer' unless defined $response;
    my ($head) = split /\r\n\r\n/, $response;
    my ($status) = $head =~ m!^HTTP/1.1 (\d+)!;
    my @challenges = $head =~ /^WWW-Authenticate: ([^\r\n]*)/mgi;
    return join ' ', $status // 'no status', join ' + ', @challenges
        if @challenges;
    return $status // 'no status';
}

sub body {
    my ($response) = @_;
    return defined $response && $response =~ /\r\n\r\n(.*)\z/s ? $1 : undef;
}

my %read;       # test directory -> how much of error.log was read

# What auth_jwt has logged for requests since the last call, one line each as
# "info no token".
sub logged {
    my ($t) = @_;
    my $log = $t->read_file('error.log');
    my $new = substr $log, $read{$t->testdir()} // 0;
    $read{$t->testdir()} = length $log;

    my $ours = qr/^\S+ \S+ \[(\w+)\] \d+#\d+: \*\d+ auth_jwt: (.*), client: /;
    return join "\n", map { /$ours/ ? "$1 $2" : () }
        grep { index($_, 'auth_jwt: ') >= 0 } split /\n/, $new;
}

# What nginx -t says about nginx.conf: its lines, with "DIR" for the test
# directory, and its exit code, all joined.
sub check {
    my ($t) = @_;
    my $dir = $t->testdir();
    my $said = qx{$Test::Nginx::NGINX -t -p $dir/ -c nginx.conf -e error.log 2>&1};
    my $code = $? >> 8;

    # nginx -t leaves an empty one, which looks as if nginx were running
    unlink "$dir/nginx.pid" if -z "$dir/nginx.pid";

    my @lines = map { s/^nginx: //r =~ s/\Q$dir\E/DIR/gr }
        grep { /^nginx: \[/ } split /\n/, $said;
    return join ' | ', @lines, "exit $code";
}

# Starts nginx without its warnings on the terminal.
sub run_quietly {
    my ($t) = @_;
    open my $stderr, '>&', \*STDERR or die "Can't dup stderr: $!\n";
    open STDERR, '>', '/dev/null' or die "Can't close stderr: $!\n";
    my $running = eval { $t->run(); 1 };
    open STDERR, '>&', $stderr or die "Can't restore stderr: $!\n";
    die $@ unless $running;
    return $t;
}

# The process ids of the workers that were started so far.
sub workers {
    my ($t) = @_;
    my @workers = $t->read_file('error.log') =~ /start worker process (\d+)$/mg;
    return @workers;
}

1;
