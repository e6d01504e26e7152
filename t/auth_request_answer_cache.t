#!/usr/bin/perl

# auth_request_answer with auth_request_cache: a hit shows the members that a miss
# shows, and auth_request_cache_valid until= ends a verdict at the exp of a token.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use VerdictService;

my $t = Test::Nginx->new()->has(qw/ http proxy rewrite map /)->plan(104);

my $conf = <<'EOF';
    auth_request_cache_zone  verdicts:128k;
    auth_request_cache       verdicts;
    auth_request_cache_key   $http_key;
    auth_request             /auth;
    auth_request_answer      %%SIZE%%;
    add_header X-Seen "$auth_request_cache_status" always;
    add_header X-Text "$auth_answer_x" always;
    add_header X-JSON "$auth_json_x" always;

    map $auth_json_active $is_active { volatile; true 1; default ""; }
    map $auth_json_active $end { volatile; true $auth_answer_exp; default 0; }

    server {
        listen       127.0.0.1:8080;
        server_name  localhost;
        root         html;
        auth_request_cache_valid any 1h until=$auth_answer_exp;

        location / { }
        location /set {
            auth_request_set $x $auth_answer_x;
            auth_request_set $j "<$auth_json_x>";
            add_header X-Seen "$auth_request_cache_status" always;
            add_header X-Text "$x" always;
            add_header X-JSON "$j" always;
        }
        location /require {
            auth_request_require $is_active;
            auth_request_cache_valid 1h until=$end;
        }
        location /require-kept { auth_request_require $is_active error=403; auth_request_deny_body 50; }
        location /line {
            auth_request_answer off;
            auth_request_cache_valid 2xx 1h until=$upstream_http_x_until;
        }
        location /assigned {
            auth_request_set $until $auth_answer_other;
            auth_request_cache_valid 200 1h until=$until;
        }
        location /first {
            auth_request_cache_valid 200 1h;
            auth_request_cache_valid 2xx 1h until=$auth_answer_exp;
        }
        location /short { auth_request_cache_valid 1s until=$auth_answer_exp; }
        location = /auth { auth_request off; internal; proxy_pass http://127.0.0.1:8081; }
    }
EOF

configure($t, "    include cache.conf;\n");
write_conf('1k');
verdict_service($t, 8081);
$t->run();

my $count = 0;
my $json = 'Answer-Line: Content-Type: application/json';

### a hit shows what a miss shows

for my $x ('"a b"', 'true', '"true"', 'null', '1.50E+2', '[ "a,b", "c", [ null ] ]', '{ "y" : [ 1 ] }', '[]',
    '"\u00e4\""', '"a\nb"', '""')
{
    for my $uri ('/', '/set') {
        my ($miss, $hit) = twice($uri, " { \"x\" : $x } ");
        is($miss->{cache} . $hit->{cache}, 'MISSHIT', "$uri $x, a hit");
        is(shown($hit), shown($miss), "$uri $x, the same members");
    }
}
my ($miss, $hit) = twice('/', '{"x":"\u0061\/ "}');
is(shown($hit), '404 a/  "\u0061\/ "', 'spelling stays as it is');
($miss, $hit) = twice('/', '{"y":1}');
is(shown($hit), '404  ', 'no such member');

# the copy of a worker, and the zone after a change of another entry

my @lines = ('Key: copy', $json, 'Answer-Body: {"x":"one"}');
ask('/', @lines);
ask('/', 'Key: other' . ++$count, $json, 'Answer-Body: {"x":"two"}') for 1 .. 3;
is(shown(seen_of(ask('/', @lines))), '404 one "one"', 'out of the zone');
is(shown(seen_of(ask('/', @lines))), '404 one "one"', "the worker's copy");
is(asked($t, 'auth'), 2 * 11 + 2 + 1 + 3, 'asked once each');

### what is no answer is never kept

for my $body ('{', '', '{"x":1,"x":2}', '[]', '{"x":"' . 'x' x 1100 . '"}') {
    ($miss, $hit) = twice('/', $body);
    is(join(' ', map { "$_->{status} $_->{cache}" } $miss, $hit), '500 MISS 500 MISS', 'no answer: '
        . substr $body, 0, 20);
}
($miss, $hit) = twice('/', '{"x":1}', 'Answer-Line: Content-Encoding: br');
is("$hit->{status} $hit->{cache}", '500 MISS', 'encoded');
($miss, $hit) = twice('/', '{', 'Answer: 403');
is("$hit->{status} $hit->{cache}", '403 HIT', 'a denial has no answer');

### requirements

($miss, $hit) = twice('/require', '{"active":true}');
is("$miss->{status} $hit->{status} $hit->{cache}", '404 404 HIT', 'required and active');
($miss, $hit) = twice('/require', '{"active":"true"}');
is("$miss->{status} $hit->{status} $hit->{cache}", '401 401 MISS', 'not active, until= of a map');
for my $body ('{"active":false}', '{}') {
    ($miss, $hit) = twice('/require-kept', $body);
    is("$miss->{status} $hit->{status} $hit->{cache}", '403 403 HIT', "refused again: $body");
    is("$miss->{body} $hit->{body}", "$body $body", "the same page: $body");
}

### until=

my $now = time;
for my $exp (0, 1, $now - 1, ($now - 1) . '.5', -1, '"x"', '"null"', 'true', '1e12', '[1,2]',
    '"' . ($now + 600) . ' "', '{}')
{
    ($miss, $hit) = twice('/', "{\"exp\":$exp}");
    is(join(' ', map { "$_->{status} $_->{cache}" } $miss, $hit), '404 MISS 404 MISS', "exp $exp: not kept");
}
for my $exp ($now + 600, ($now + 600) . '.5', 'null', '""', '99999999999999999999999', '"' . ($now + 600) . '"') {
    ($miss, $hit) = twice('/', "{\"exp\":$exp}");
    is(join(' ', map { "$_->{status} $_->{cache}" } $miss, $hit), '404 MISS 404 HIT', "exp $exp: kept");
}
($miss, $hit) = twice('/', '{}');
is("$hit->{cache}", 'HIT', 'no exp: kept');
for my $case (['0', 'MISS'], [$now + 600, 'HIT'], ['', 'HIT'], ['x', 'MISS']) {
    ($miss, $hit) = twice('/line', '', "Answer-Line: X-Until: $case->[0]");
    is($hit->{cache}, $case->[1], "a header of the response: '$case->[0]'");
}
($miss, $hit) = twice('/assigned', '{"exp":1,"other":' . ($now + 600) . '}');
is($hit->{cache}, 'HIT', 'a variable of auth_request_set');
($miss, $hit) = twice('/assigned', '{"exp":' . ($now + 600) . ',"other":1}');
is($hit->{cache}, 'MISS', 'a variable of auth_request_set, past');
($miss, $hit) = twice('/first', '{"exp":1}');
is($hit->{cache}, 'HIT', 'the first directive that has the status');
($miss, $hit) = twice('/first', '{"exp":1}', 'Answer: 201');
is($hit->{cache}, 'MISS', 'the second one');
($miss, $hit) = twice('/', '{"exp":' . ($now + 600) . '}', 'Answer-Line: Cache-Control: no-store');
is($hit->{cache}, 'MISS', 'the header of the response counts, too');

expires('/', 'exp', '{"exp":' . (time + 2) . '}');
expires('/short', 'a shorter time', '{"exp":' . (time + 600) . '}');
expires('/', 'a shorter max-age', '{"exp":' . (time + 600) . '}', 'Answer-Line: Cache-Control: max-age=1');

### a reload

my $key = 'Key: reload';
my @answer = ($json, 'Answer-Body: {"x":1}');
is(join(' ', map { seen_of(ask('/', $key, @answer))->{cache} } 1, 2), 'MISS HIT', 'before a reload');
write_conf('1k');
reload_workers($t);
is(shown(seen_of(ask('/', $key, @answer))), '404 1 1', 'after a reload, members');
is(seen_of(ask('/', $key, @answer))->{cache}, 'HIT', 'after a reload');
write_conf('2k');
reload_workers($t);
is(seen_of(ask('/', $key, @answer))->{cache}, 'MISS', 'another size');
write_conf('off');
reload_workers($t);
is(shown(seen_of(ask('/', $key, @answer))), '404  ', 'off: no members');

### helpers

sub write_conf {
    my ($size) = @_;
    $t->write_file_expand('cache.conf', $conf =~ s/%%SIZE%%/$size/r);
}

sub seen_of {
    my ($r) = @_;
    return { status => status($r), cache => header($r, 'X-Seen') // '', text => header($r, 'X-Text') // '',
        json => header($r, 'X-JSON') // '', body => body($r) };
}

sub shown { return join ' ', @{ $_[0] }{qw/ status text json /} }

sub twice {
    my ($uri, $body, @lines) = @_;
    my $key = 'Key: ' . ++$count;
    return map { seen_of(ask($uri, $key, $json, "Answer-Body: $body", @lines)) } 1, 2;
}

# Tests that a verdict is kept, and then expires.
sub expires {
    my ($uri, $name, $body, @lines) = @_;
    my $key = 'Key: ' . ++$count;
    my $cache = sub { seen_of(ask($uri, $key, $json, "Answer-Body: $body", @lines))->{cache} };
    is($cache->(), 'MISS', "$name: miss");
    is($cache->(), 'HIT', "$name: hit");
    my $seen;
    wait_until(sub { ($seen = $cache->()) ne 'HIT' });
    is($seen, 'EXPIRED', "$name: expired");
}
