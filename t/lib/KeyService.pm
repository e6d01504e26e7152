package KeyService;

# A service that key requests go to, run by files in the test directory: for
# /NAME it sends what is in answer.NAME, byte by byte as it is there.

use warnings;
use strict;

use AuthJwt;
use Exporter qw/ import /;
use Test::Nginx::Raw;
use Time::HiRes qw/ sleep /;

our @EXPORT = qw/
    answer asked go_on hold key_service keys_answer question reasons
    wait_asked wait_until
/;

# Runs it on one of the test's ports.
sub key_service {
    my ($t, $number) = @_;
    my $dir = $t->testdir();

    service($t, $number, sub {
        my ($client, $head, $body) = @_;
        my ($name) = $head =~ m!^\S+ /(\w+)!;

        _write("$dir/question.$name", $head . ($body // ''));
        _append("$dir/asked.$name", '.');
        for (1 .. 2000) { last unless -e "$dir/hold.$name"; sleep 0.01; }

        open my $file, '<:raw', "$dir/answer.$name" or return 0;
        local $/;
        my $answer = <$file>;
        syswrite $client, $answer;
        return $answer =~ /^Connection: keep-alive\r/m;
    });
}

# What it sends for this name from now on.
sub answer {
    my ($t, $name, $answer) = @_;
    _write($t->testdir() . "/answer.$name", $answer);
}

# An answer with this body, by default 200, and more header lines.
sub keys_answer {
    my ($body, @lines) = @_;
    my $status = @lines && $lines[0] =~ /^\d+$/ ? shift @lines : 200;
    return join "\r\n", "HTTP/1.1 $status X", 'Content-Length: ' . length $body,
        @lines, '', $body;
}

# How often it was asked for this name.
sub asked {
    my ($t, $name) = @_;
    return -s $t->testdir() . "/asked.$name" || 0;
}

# The last request that it got for this name.
sub question {
    my ($t, $name) = @_;
    return $t->read_file("question.$name");
}

# Has it wait before it answers, until go_on().
sub hold {
    my ($t, $name) = @_;
    _write($t->testdir() . "/hold.$name", '');
}

sub go_on {
    my ($t, $name) = @_;
    unlink $t->testdir() . "/hold.$name";
}

# How often it was asked, once it was so often.
sub wait_asked {
    my ($t, $name, $count) = @_;
    wait_until(sub { asked($t, $name) >= $count });
    return asked($t, $name);
}

# What auth_jwt has logged since the last call, without what nginx was at.
sub reasons {
    my ($t) = @_;
    return logged($t) =~ s/ while [^,\n]*$//gmr;
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

# Nobody is to read half of it.
sub _write {
    my ($path, $content) = @_;
    open my $file, '>:raw', "$path.$$" or die "Can't create $path: $!\n";
    print $file $content;
    close $file or die "Can't write $path: $!\n";
    rename "$path.$$", $path or die "Can't rename to $path: $!\n";
}

sub _append {
    my ($path, $content) = @_;
    open my $file, '>>', $path or die "Can't open $path: $!\n";
    syswrite $file, $content;
}

1;
