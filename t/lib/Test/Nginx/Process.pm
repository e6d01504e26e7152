package Test::Nginx::Process;

# Starts child processes, and ends them for certain.

use warnings;
use strict;

use Exporter qw/ import /;
use IO::Handle;
use POSIX qw/ WNOHANG /;
use Test::Nginx::Waiting qw/ stretched /;
use Time::HiRes qw/ sleep time /;

our @EXPORT_OK = qw/ end_process spawn /;

# Runs a function or a program in a child process, and returns its process id.
sub spawn {
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

# Sends each signal and waits so many seconds for the process to end. Returns its exit
# status, or undef if it is not a child of this process.
sub end_process {
    my ($pid, @steps) = @_;

    while (my ($signal, $seconds) = splice @steps, 0, 2) {

        # a master that is killed can't stop its workers
        my @orphans = $signal eq 'KILL' ? _children($pid) : ();
        kill $signal, $pid, @orphans;

        my $end = time + stretched($seconds);
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
    my $children = eval {
        open my $file, '<', "/proc/$pid/task/$pid/children" or die;
        <$file>;
    } // '';
    return split ' ', $children;
}

1;
