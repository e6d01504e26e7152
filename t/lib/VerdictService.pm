package VerdictService;

# A service that answers a check with what the client's own header says, and an
# nginx whose answers tell what became of it.

use warnings;
use strict;

use Exporter qw/ import /;
use IO::Socket ();
use POSIX ();
use Test::Nginx qw/ http port /;
use Test::Nginx::Raw;
use Time::HiRes qw/ sleep time /;

our @EXPORT = qw/
    asked ask configure_with go_on hold lines new_workers restart_with seen
    status verdict_service wait_until workers
/;

# Runs it on one of the test's ports. Of the request that it gets it obeys the
# lines Answer (the status), Answer-Line (a line of the header), Answer-Body,
# Answer-Raw (a whole answer with \r, \n for line ends); each answer has a line
# X-Id of its own, and one X-Said with what was asked and the body's length and
# first bytes. What was asked goes to the file asked.NAME, of the path /NAME,
# and those after the number in hold.NAME wait while it is there.
sub verdict_service {
    my ($t, $number) = @_;
    my $dir = $t->testdir();

    service($t, $number, sub {
        my ($client, $head, $body) = @_;
        my ($uri, $name) = $head =~ m!^\S+ (/(\w*)\S*)!;
        $body //= '';

        open my $file, '>>', "$dir/asked.$name" or die "Can't write: $!\n";
        syswrite $file, '.';
        close $file;
        my $number = -s "$dir/asked.$name";
        for (1 .. 1000) {
            my $held = _content("$dir/hold.$name");
            last unless length $held and $number > $held;
            sleep 0.01;
        }

        if ($head =~ /^Answer-Raw: (.*?)\r$/m) {
            syswrite $client, $1 =~ s/\\r/\r/gr =~ s/\\n/\n/gr;
            return 0;
        }
        my ($status) = $head =~ /^Answer: (\d+)/m;
        my ($answer) = $head =~ /^Answer-Body: (.*?)\r$/m;
        $answer //= '';
        my $said = sprintf '%s %d:%s', $uri, length $body,
            $body =~ /^([ -~]{0,20})/;
        syswrite $client, join "\r\n", 'HTTP/1.1 ' . ($status // 200) . ' X',
            'Content-Length: ' . length $answer, "X-Id: $$-" . time,
            "X-Said: $said", $head =~ /^Answer-Line: (.*?)\r$/mg,
            'Connection: close', '', $answer;
        return 0;
    });
}

# How often it was asked for this name.
sub asked {
    my ($t, $name) = @_;
    return -s $t->testdir() . "/asked.$name" || 0;
}

# Has it wait before it answers, but for the first so many, until go_on().
sub hold {
    my ($t, $name, $but) = @_;
    $t->write_file("hold.$name.new", $but // 0);
    rename $t->testdir() . "/hold.$name.new", $t->testdir() . "/hold.$name"
        or die "Can't rename: $!\n";
}

sub go_on {
    my ($t, $name) = @_;
    unlink $t->testdir() . "/hold.$name";
}

# Writes nginx.conf with this inside of http {}.
sub configure_with {
    my ($t, $http, $main) = @_;
    $main //= '';

    return $t->write_file_expand('nginx.conf', <<EOF2);

%%TEST_GLOBALS%%

daemon off;
$main

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

$http}

EOF2
}

# As configure_with(), for an nginx that runs: returns when new workers serve.
sub restart_with {
    my ($t, $http, $main) = @_;
    configure_with($t, $http, $main);
    return new_workers($t);
}

# Reloads, and returns when the workers before take no more connections.
sub new_workers {
    my ($t) = @_;
    my @before = workers($t);
    $t->reload();
    return wait_until(sub {
        my %now = map { $_ => 1 } workers($t);
        return %now && !grep { $now{$_} } @before;
    });
}

# The processes of the workers that are not leaving.
sub workers {
    my ($t) = @_;
    my ($master) = $t->read_file('nginx.pid') =~ /(\d+)/;
    open my $file, '<', "/proc/$master/task/$master/children" or return;
    return grep { _content("/proc/$_/cmdline") =~ /^nginx: worker process(?! is)/ }
        split ' ', <$file> // '';
}

sub _content {
    my ($path) = @_;
    local $/;
    open my $file, '<', $path or return '';
    return <$file> // '';
}

# The answer to a GET with these header lines.
sub ask {
    my ($uri, @lines) = @_;
    push @lines, 'Host: localhost' unless grep { /^Host:/ } @lines;
    return http(join "\r\n", "GET $uri HTTP/1.1", 'Connection: close', @lines,
        '', '');
}

sub status {
    my ($response) = @_;
    return 'no answer' unless defined $response;
    return $response =~ m!^HTTP/\S+ (\d+)! ? $1 : 'no status';
}

# The values of all lines with this name in an answer's header.
sub lines {
    my ($response, $name) = @_;
    my ($head) = split /\r\n\r\n/, $response // '';
    return $head =~ /^\Q$name\E: ?([^\r\n]*)/mgi;
}

# Of an answer the status, and the value of its line X-Seen.
sub seen {
    my ($response) = @_;
    return join ' ', status($response), lines($response, 'X-Seen');
}

# Whether the condition came true within ten seconds.
sub wait_until {
    my ($condition) = @_;
    for (1 .. 1000) {
        return 1 if $condition->();
        sleep 0.01;
    }
    return 0;
}

1;
