package Clock;

# A clock of nginx that a test moves, by the library libfaketime. The clock of the test
# and of its tools stays right.

use Auth;
use Exporter qw/ import /;

our @EXPORT = qw/ clock_main move_clock run_with_clock /;

# Timers, and the times of files, keep the real time.
my %environment = (FAKETIME_NO_CACHE => 1, FAKETIME_DONT_FAKE_MONOTONIC => 1, NO_FAKE_STAT => 1,
    FAKETIME_DISABLE_SHM => 1);

# clock_main() returns directives for the main context: without them, nginx keeps these
# variables from the library.
sub clock_main {
    return join ' ', map { "env $_;" } 'FAKETIME_TIMESTAMP_FILE', sort keys %environment;
}

# run_with_clock($t) starts nginx with a clock that is right at first. Reloads keep it.
sub run_with_clock {
    my ($t) = @_;
    my ($library) = glob '/usr/lib/*/faketime/libfaketime.so.1';
    BAIL_OUT('no libfaketime: scripts/setup test') unless $library;
    move_clock($t, 0);
    local @ENV{keys %environment} = values %environment;
    local @ENV{qw/ LD_PRELOAD FAKETIME_TIMESTAMP_FILE /} = ($library, $t->testdir() . '/clock');
    return run_quietly($t);
}

# move_clock($t, 70) sets the clock of nginx so many seconds ahead of the real time, or
# behind it if the number is negative.
sub move_clock {
    my ($t, $seconds) = @_;
    return replace_file($t, 'clock', sprintf "%+d\n", $seconds);
}

1;
