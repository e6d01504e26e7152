#!/usr/bin/perl

# The checkers of memory see what they are for: each fault that a module with the feature
# fault-injection commits on request is reported, and fails the test in which it happens. It runs on
# what `scripts/build --nginx asan` and `--nginx valgrind` make.

use FindBin;
use lib "$FindBin::Bin/../lib";
use Auth;

# For each fault what AddressSanitizer, LeakSanitizer or UndefinedBehaviorSanitizer says, and what
# valgrind says. undef: this one does not look for it.
my @faults = (
    ['none', undef, undef],
    ['heap overread', 'AddressSanitizer: heap-buffer-overflow', 'Invalid read of size 1'],
    ['pool overread', 'AddressSanitizer: heap-buffer-overflow', 'Invalid read of size 1'],
    ['use after free', 'AddressSanitizer: heap-use-after-free', 'Invalid read of size 8'],
    ['uninitialized value', undef, 'Conditional jump or move depends on uninitialised'],
    ['leak', 'LeakSanitizer: detected memory leaks', undef],
    ['undefined shift', 'memory_faults.c:9:\d+: runtime error: shift exponent 40', undef],
);

my $t = Test::Nginx->new()->has(qw/ http /)->plan(2 * @faults);

for (@faults) {
    my ($fault, $asan, $valgrind) = @$_;
    my $report = checker() eq 'asan' ? $asan : $valgrind;
    my $output = child($fault);
    my ($closing) = $output =~ /^(not ok|ok) \d+ - no panics, crashes or sanitizer errors$/m;
    is($closing, defined $report ? 'not ok' : 'ok', "$fault: the test in which it happens");
    my @said = $output =~ /(\w+Sanitizer: [\w -]+|\S+: runtime error: .*|== (?:Invalid|Conditional) .*)/g;
    like(join("\n", @said), defined $report ? qr/$report/ : qr/^$/, "$fault: report");
}

###############################################################################

# The output of a test in which a request commits the fault.
sub child {
    my ($fault) = @_;

    $t->write_file('child.t', <<'EOF');
use Auth;

my $t = Test::Nginx->new()->plan(1);
$t->write_file('keys.json', '{"keys":[]}');
configure($t, <<'CONF', 'worker_processes 1;');
    server {
        listen 127.0.0.1:8080;
        location / {
            auth_jwt           "realm";
            auth_jwt_key_file  %%TESTDIR%%/keys.json;
        }
    }
CONF
run_quietly($t);
ask('/', "X-Fault: $ARGV[0]");
ok(1);
EOF

    local %ENV = %ENV;
    delete @ENV{qw/ TEST_NGINX_CATLOG TEST_NGINX_LEAVE TEST_NGINX_VERBOSE /};
    my $script = $t->testdir() . '/child.t';
    return `$^X -Ilib $script '$fault' 2>&1`;
}
