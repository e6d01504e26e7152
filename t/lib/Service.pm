package Service;

# What services behind nginx have in common: a test can ask how often one was
# asked, and have it wait before it responds. Both are files in the test
# directory, for each name that the service goes by: asked.NAME has one byte for
# each request, and while hold.NAME is there, requests wait.

use Auth;
use Exporter qw/ import /;
use Test::Nginx::Waiting qw/ stretched /;
use Time::HiRes qw/ sleep /;

our @EXPORT = qw/ asked forget go_on hold take_request wait_asked /;

# take_request() is for the service, which is a process of its own. It counts a
# request, and returns when the service may respond.
sub take_request {
    my ($dir, $name) = @_;
    append("$dir/asked.$name", '.');
    my $number = -s "$dir/asked.$name";
    for (1 .. stretched(2000)) {
        my $passed = eval { slurp("$dir/hold.$name") } // '';
        last unless length $passed and $number > $passed;
        sleep 0.01;
    }
}

# asked() returns how often the service was asked for this name.
sub asked {
    my ($t, $name) = @_;
    return -s $t->testdir() . "/asked.$name" || 0;
}

# wait_asked() waits until it was asked so often, ten seconds at most, and returns
# how often it was asked.
sub wait_asked {
    my ($t, $name, $count) = @_;
    wait_until(sub { asked($t, $name) >= $count });
    return asked($t, $name);
}

# forget() makes asked() count from 0 again.
sub forget {
    my ($t, $name) = @_;
    unlink $t->testdir() . "/asked.$name";
}

# hold() makes all requests but the first so many wait until go_on() is called.
sub hold {
    my ($t, $name, $passed) = @_;
    replace_file($t, "hold.$name", $passed // 0);
}

sub go_on {
    my ($t, $name) = @_;
    unlink $t->testdir() . "/hold.$name";
}

1;
