#!/usr/bin/perl

# auth_request_cache: single flight. Of the requests in one worker that need the
# same verdict, one asks the service and the others wait until it has a
# response.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use Http2;
use Test::Nginx qw/ http_end /;
use Test::Nginx::Raw;
use VerdictService;

use Time::HiRes qw/ sleep time /;

my $t = Test::Nginx->new()->has(qw/ http http_v2 proxy rewrite stub_status /)
    ->plan(97);

$t->write_file_expand('http2.conf', listen_http2($t));

my $conf = <<'EOF';
    auth_request_cache_zone  verdicts:1m;
    auth_request_cache       verdicts;
    auth_request_cache_key   $http_key;
    auth_request_cache_valid any 1h;
    auth_request             /auth?$http_name;
    auth_request_set         $id $upstream_http_x_id;
    add_header X-Seen "$auth_request_cache_status" always;
    add_header X-Id $id always;

    server {
        listen       127.0.0.1:8080;
        server_name  localhost;
        include      http2.conf;
        root         html;

        location /short { auth_request_cache_valid 2xx 1h; }
        location /error { auth_request_on_error allow 5xx; }
        location /body  { auth_request_body 1m; }
        location /limited {
            auth_request_cache_valid any 1s;
            auth_request_set $again $auth_request_cache_status;
        }
        location = /auth {
            auth_request off;
            proxy_pass http://127.0.0.1:8081/$args;
        }
        location = /status { auth_request off; stub_status; }
        location = /alive { auth_request off; return 200 $pid; }
    }

EOF

configure($t, $conf);
verdict_service($t, 8081);
$t->run();

my $many = 20;

### one leader asks, all followers get its verdict

for my $case ([404, '200'], [403, '403'], [401, '401']) {
    my ($status, $response) = @$case;
    my $name = "one$response";
    hold($t, $name);
    my @waiting = map { start($name, '/', "Answer: $response") } 1 .. $many;
    asked_and_waiting($name, 1, $many);
    go_on($t, $name);
    my @responses = map { http_end($_) } @waiting;
    is(summary(@responses), "1 $status MISS, 19 $status HIT", "$name: all have the verdict");
    is(asked($t, $name), 1, "$name: one check");
    my %ids = map { $_ => 1 } map { headers($_, 'X-Id') } @responses;
    is(keys %ids, 1, "$name: the same verdict");
}

### a verdict that is not cached: each follower asks for itself and waits once only

for my $case (
    ['not valid', 'nv', '/short', 403, 403],
    ['no-store', 'ns', '/', 200, 404, 'Answer-Line: Cache-Control: no-store'],
    ['Vary: *', 'vs', '/', 200, 404, 'Answer-Line: Vary: *'],
    ['failure', 'fa', '/', 503, 500],
    ['failure, let in', 'fl', '/error', 503, 404],
    ['no response', 'na', '/', 0, 500, 'Answer-Raw: '],
) {
    my ($what, $name, $uri, $response, $status, @lines) = @$case;
    hold($t, $name);
    my @waiting = map { start($name, $uri, "Answer: $response", @lines) } 1 .. $many;
    asked_and_waiting($name, 1, $many);
    go_on($t, $name);
    is(summary(map { http_end($_) } @waiting), "$many $status MISS",
        "$what: each request has a verdict of its own");
    is(asked($t, $name), $many, "$what: each request has asked");
}

# the followers ask at once, not one after the other
hold($t, 'once');
my @once = map { start('once', '/short', 'Answer: 403') } 1 .. 5;
asked_and_waiting('once', 1, 5);
hold($t, 'once', 1);
ok(wait_until(sub { asked($t, 'once') == 5 }), 'the followers ask in parallel');
go_on($t, 'once');
is(summary(map { http_end($_) } @once), '5 403 MISS', 'the followers have verdicts');

### Vary: a verdict for each value

hold($t, 'vary');
my @vary = map { start('vary', '/', 'Answer-Line: Vary: Origin', "Origin: $_") }
    qw/ a a b b a /;
asked_and_waiting('vary', 1, 5);
go_on($t, 'vary');
my @responses = map { http_end($_) } @vary;
is(join(' ', map { status($_) } @responses), '404 404 404 404 404', 'Vary');
isnt(header($responses[0], 'X-Id'), header($responses[2], 'X-Id'),
    'Vary: another verdict for another value');

### keys do not wait for each other

hold($t, 'slow');
my $slow = start('slow', '/', 'Key: slow');
ok(wait_until(sub { asked($t, 'slow') == 1 }), 'a slow check');
is(seen(ask('/', 'Name: fast', 'Key: fast')), '404 MISS', 'another key');
is(seen(ask('/', 'Name: fast', 'Key: slow')), '404 MISS', 'another subrequest');
is(seen(ask('/error', 'Name: fast', 'Key: slow')), '404 MISS', 'another location');
is(seen(ask('/', 'Name: fast', 'Key: fast')), '404 HIT', 'a hit during a slow check');

### clients that leave

my $second = start('slow', '/', 'Key: slow');
my @leaving = map { start('slow', '/', 'Key: slow') } 1 .. 50;
ok(wait_until(sub { waiting() == 52 }), '50 more followers wait');
close $_ for @leaving;
ok(wait_until(sub { waiting() == 2 }), '50 followers have left, and their requests with them');
is(seen(ask('/', 'Name: fast', 'Key: fast')), '404 HIT', 'a hit after 50 followers have left');
go_on($t, 'slow');
is(seen(http_end($slow)), '404 MISS', 'the leader has its verdict');
is(seen(http_end($second)), '404 HIT', 'the follower has its verdict');
is(asked($t, 'slow'), 1, 'one check');
ok(wait_until(sub { waiting() == 0 }), 'no request is left');

hold($t, 'gone');
my $first = start('gone', '/');
ok(wait_until(sub { asked($t, 'gone') == 1 }), 'the leader asks');
my @others = map { start('gone', '/') } 1 .. 39;
ok(wait_until(sub { waiting() == 40 }), '39 followers wait');
close $first;
ok(wait_until(sub { asked($t, 'gone') == 2 && waiting() == 39 }), 'the leader leaves: one follower asks');
my $late = start('gone', '/');
ok(wait_until(sub { waiting() == 40 }), 'a later request waits');
close shift @others;
ok(wait_until(sub { asked($t, 'gone') == 3 && waiting() == 39 }), 'it leaves, too: another one asks');
go_on($t, 'gone');
is(summary(map { http_end($_) } @others), '1 404 MISS, 37 404 HIT', 'all followers have the verdict');
is(seen(http_end($late)), '404 HIT', 'the later request has it, too');
is(asked($t, 'gone'), 3, 'no further check');

# a request does not wait for those who leave again and again
hold($t, 'leave');
my @leaders = map { start('leave', '/') } 1;
ok(wait_until(sub { asked($t, 'leave') == 1 }), 'the first one asks');
push @leaders, start('leave', '/') for 2 .. 5;
my @patient = map { start('leave', '/') } 1 .. 3;
ok(wait_until(sub { waiting() == 8 }), 'seven wait');
for my $number (2 .. 5) {
    close shift @leaders;
    ok(wait_until(sub { asked($t, 'leave') == $number }), "one leaves, number $number asks");
}
close shift @leaders;
ok(wait_until(sub { asked($t, 'leave') == 8 }), 'the fifth leaves: those who waited ask at once');
go_on($t, 'leave');
is(summary(map { http_end($_) } @patient), '3 404 MISS', 'they have verdicts');

### a response that cannot be kept is remembered for a second

for my $case (
    ['no-store', 'again', 404, 'Answer-Line: Cache-Control: no-store'],
    ['an error', 'broken', 500, 'Answer: 503'],
) {
    my ($what, $name, $status, @lines) = @$case;
    my (@at_once, $start);
    do {
        # once more, should the machine have stopped for a second
        go_on($t, $name);
        http_end($_) for @at_once;
        forget($t, $name);
        $start = time;
        is(seen(ask('/', "Name: $name", "Key: $name", @lines)), "$status MISS", "$what: the first one");
        hold($t, $name);
        @at_once = map { start($name, '/', @lines) } 1 .. 5;
        wait_until(sub { waiting() == 5 });
    } while time - $start > 0.9;
    ok(wait_until(sub { asked($t, $name) == 6 }), "$what: those who come ask at once");
    go_on($t, $name);
    is(summary(map { http_end($_) } @at_once), "5 $status MISS", "$what: they have responses");
}

# a verdict that can be kept ends that
is(seen(ask('/', 'Name: again', 'Key: again')), '404 MISS', 'a verdict that can be kept');
is(seen(ask('/', 'Name: again', 'Key: again')), '404 HIT', 'it is kept');

### HTTP/2: streams of one connection, some of them reset

hold($t, 'h2');
my $s = streams('h2', 1 .. 10);
asked_and_waiting('h2', 1, 10);
$s->print(http2_reset(map { 2 * $_ + 1 } 6 .. 10));
ok(wait_until(sub { waiting() == 5 }), 'five streams were reset, and their requests are gone');
is(seen(ask('/', 'Name: fast', 'Key: fast')), '404 HIT', 'a hit after five streams were reset');
go_on($t, 'h2');
is(join(' ', answered($s, 5)), '3 5 7 9 11', 'the other streams have responses');
is(asked($t, 'h2'), 1, 'HTTP/2: one check');

hold($t, 'h2first');
$s = streams('h2first', 1 .. 5);
asked_and_waiting('h2first', 1, 5);
$s->print(http2_reset(3));
ok(wait_until(sub { asked($t, 'h2first') == 2 }),
    'the stream of the leader is reset: another one asks');
go_on($t, 'h2first');
is(join(' ', answered($s, 4)), '5 7 9 11', 'the other streams have responses');

hold($t, 'h2gone');
$s = streams('h2gone', 1 .. 10);
my $beside = start('h2gone', '/');
asked_and_waiting('h2gone', 1, 11);
close $s;
ok(wait_until(sub { asked($t, 'h2gone') == 2 }),
    'the connection of the leader is closed: another request asks');
go_on($t, 'h2gone');
is(seen(http_end($beside)), '404 MISS', 'the other request has a verdict');

# the connection of followers only
hold($t, 'h2left');
my $alone = start('h2left', '/');
ok(wait_until(sub { asked($t, 'h2left') == 1 }), 'a leader on another connection');
$s = streams('h2left', 1 .. 10);
ok(wait_until(sub { waiting() == 11 }), 'ten streams wait for it');
close $s;
ok(wait_until(sub { waiting() == 1 }), 'their connection is closed, and their requests are gone');
go_on($t, 'h2left');
is(seen(http_end($alone)), '404 MISS', 'the leader has its verdict');

### bodies that arrive late

hold($t, 'late');
my @late = map { ask({ method => 'POST', start => 1 }, '/body', 'Name: late', 'Key: late',
    'Content-Length: 4') } 1 .. 5;
$_->print('ab') for @late;
sleep 0.1;
is(asked($t, 'late'), 0, 'no check before the bodies have arrived');
$_->print('cd') for @late;
asked_and_waiting('late', 1, 5);
go_on($t, 'late');
is(summary(map { http_end($_) } @late), '1 404 MISS, 4 404 HIT',
    'one check after the bodies have arrived');

### a reload, and nginx that quits

hold($t, 'reload');
my @reload = map { start('reload', '/') } 1 .. 5;
asked_and_waiting('reload', 1, 5);
reload_workers($t);
is(seen(ask('/', 'Name: fast', 'Key: reload')), '404 MISS', 'the new worker asks for itself');
my $new = start('reload', '/');
ok(wait_until(sub { asked($t, 'reload') == 2 }), 'the new worker does not wait for the old one');
go_on($t, 'reload');
is(summary(map { http_end($_) } @reload), '1 404 MISS, 4 404 HIT',
    'verdicts of the old worker');
is(seen(http_end($new)), '404 MISS', 'verdict of the new worker');

hold($t, 'quit');
my @quit = map { start('quit', '/') } 1 .. 5;
asked_and_waiting('quit', 1, 5);
my ($master) = $t->read_file('nginx.pid') =~ /(\d+)/;
kill 'QUIT', $master;
sleep 0.3;
go_on($t, 'quit');
is(summary(map { http_end($_) } @quit), '1 404 MISS, 4 404 HIT',
    'requests that wait while nginx quits');

### helpers

# How many requests nginx is serving, without this one.
sub waiting {
    my ($active) = http_get('/status') =~ /Writing: (\d+)/;
    return $active - 1;
}

sub asked_and_waiting {
    my ($name, $asked, $waiting) = @_;
    ok(wait_until(sub { asked($t, $name) == $asked && waiting() == $waiting }),
        "$name: $asked asked, $waiting wait");
}

# How many of the responses have which status and cache status.
sub summary {
    my %seen;
    $seen{seen($_)}++ for @_;
    return join ', ', map { "$seen{$_} $_" }
        sort { $seen{$a} <=> $seen{$b} or $a cmp $b } keys %seen;
}

# A request that waits, with the name for a key where there is none.
sub start {
    my ($name, $uri, @lines) = @_;
    push @lines, "Key: $name" unless grep { /^Key:/ } @lines;
    return ask({ start => 1 }, $uri, "Name: $name", @lines);
}

# An HTTP/2 connection with a request on each of these streams.
sub streams {
    my ($name, @numbers) = @_;
    my $s = http2_connection();
    $s->print(map { http2_request(2 * $_ + 1, '/', name => $name, key => $name) } @numbers);
    return $s;
}

# The streams that the next responses are on.
sub answered {
    my %status = http2_statuses(@_);
    return sort { $a <=> $b } keys %status;
}
