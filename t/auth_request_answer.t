#!/usr/bin/perl

# auth_request_answer: the JSON body of a response that allows, and its members as
# $auth_answer_<name> and $auth_json_<name>.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use Test::Nginx::Raw;

my $unexpected = sub { 'error auth request unexpected status: ' . ($_[1] // 200) . ' from "/auth": ' . $_[0] };
my $json = 'Content-Type: application/json';

my @refused = (
    # what is wrong, the response after its first line, the reason in the log

    ['HTML', 'Content-Type: text/html', '<html>', 'type'],
    ['JSON as text', 'Content-Type: text/plain', '{"active":true}', 'type'],
    ['no type', 'X: x', '{"active":true}', 'type'],
    ['another charset', "$json; charset=utf-16", '{"active":true}', 'type'],
    ['encoded', "$json\\nContent-Encoding: gzip", '{"active":true}', 'type'],
    ['a signed response (RFC 9701)', 'Content-Type: application/token-introspection+jwt', 'a.b.c', 'type'],
    ['HTML as JSON', $json, '<html>', 'the body is not JSON at byte 0'],
    ['cut off', $json, '{"active":true', 'the body is not JSON at byte 14'],
    ['two objects', $json, '{"active":true}{}', 'the body is not JSON at byte 15'],
    ['a byte order mark', $json, "\xef\xbb\xbf{}", 'the body is not JSON at byte 0'],
    ['an array', $json, '[{"active":true}]', 'the body is no JSON object'],
    ['true', $json, 'true', 'the body is no JSON object'],
    ['a name twice', $json, '{"active":false,"active":true}', 'the body has a name twice in one object'],
    ['a name twice, escaped', $json, '{"active":false,"\\u0061ctive":true}',
        'the body has a name twice in one object'],
    ['a name twice, inside', $json, '{"active":true,"a":{"b":1,"b":2}}',
        'the body has a name twice in one object'],
    ['Latin-1', $json, "{\"sub\":\"\xe4\"}", 'the body is not UTF-8'],
    ['deep', $json, '{"a":' . '[' x 40 . ']' x 40 . '}', 'the body is nested too deep'],
    ['empty', $json, '', 'the response has no body, and auth_request_answer requires one'],
    ['one byte too large', $json, '{"active":true}' . ' ' x 186, 'the body is larger than auth_request_answer'],
    ['far too large', $json, '{"active":true}' . ' ' x 1000, 'the body is larger than auth_request_answer'],
);

my $t = Test::Nginx->new()->has(qw/ http proxy rewrite map auth_basic ssi gzip cache /)
    ->plan(3 * @refused + 94);

configure($t, <<'EOF');
    proxy_read_timeout 1s;
    proxy_cache_path %%TESTDIR%%/cache keys_zone=cache:1m;
    log_format own "$uri $status $auth_answer_sub $auth_json_active";
    map $auth_json_active $is_active { volatile; true 1; default ""; }

    server {
        listen       127.0.0.1:8080;
        server_name  localhost;
        root         %%TESTDIR%%/html;
        access_log   %%TESTDIR%%/own.log own;
        auth_request /auth;
        auth_request_answer 200;
        auth_request_set $sub $auth_answer_sub;
        add_header X-Sub "$auth_answer_sub" always;
        add_header X-Set "$sub" always;

        location / { }
        location /seen {
            proxy_set_header X-Text "$auth_answer_x";
            proxy_set_header X-JSON "$auth_json_x";
            proxy_set_header X-Sub  "$auth_answer_sub";
            proxy_pass http://127.0.0.1:8082;
        }
        location /active { auth_request_require $is_active; }
        location /forbidden { auth_request_require $is_active error=403; }
        location /allow { auth_request_on_error allow 5xx; }
        location /deny { auth_request_on_error 403; }
        location /off { auth_request_answer off; }
        location /unchecked { auth_request off; }
        location /moved { auth_request_require $is_active; rewrite ^ /unchecked last; }
        location /page { error_page 404 /unchecked; }
        location /page-refused { error_page 401 /unchecked; auth_request_require $is_active; }
        location /page-named { error_page 401 = @named; auth_request_require $is_active; }
        location @named { auth_request off; return 200 "$auth_answer_sub:$sub"; }
        location /again/ { error_page 404 = /second; }
        location = /second { auth_request /auth-second; auth_request_set $other x; }
        location /early { if ($auth_answer_sub) { return 418; } set $early "$auth_answer_sub";
            add_header X-Early "$early." always; }
        location /any {
            satisfy any;
            auth_request_require $is_active;
            auth_basic b;
            auth_basic_user_file %%TESTDIR%%/users;
        }
        location /ssi { ssi on; ssi_types *; }
        location /included { auth_request off; proxy_set_header X-Sub "$auth_answer_sub";
            proxy_pass http://127.0.0.1:8082; }
        location /both {
            auth_request_require $is_active error=403;
            auth_request_deny_body 30;
        }
        location /denials { auth_request_deny_body 30; }
        location /small { auth_request_answer 5; auth_request_deny_body 100; auth_request_require $is_active; }
        location /huge { auth_request_answer 1m; }
        location /none { auth_request /auth-none; }
        location /static { auth_request /auth-static; }
        location /own { auth_request /auth-own; }
        location /cached { auth_request /auth-cached; }
        location /gzip { auth_request /auth-gzip; }

        location = /auth { internal; proxy_pass http://127.0.0.1:8081; }
        location = /auth-second { internal; proxy_set_header X-Body '{"sub":"second"}';
            proxy_pass http://127.0.0.1:8081; }
        location = /auth-none { internal; return 204; }
        location = /auth-own { internal; default_type application/json; return 200 '{"sub":"own"}'; }
        location = /auth-static { internal; default_type application/json; alias %%TESTDIR%%/static.json; }
        location = /auth-cached { internal; proxy_cache cache; proxy_cache_valid 1h;
            proxy_pass http://127.0.0.1:8081; }
        location = /auth-gzip { internal; gzip on; gzip_types *; gzip_min_length 1; gzip_proxied any;
            gzip_http_version 1.0; proxy_pass http://127.0.0.1:8081; }
    }
EOF

mkdir $t->testdir() . '/html';
$t->write_file('users', 'user:{PLAIN}secret');
$t->write_file('static.json', '{"sub":"static"}');
$t->write_file("html/$_", 'CONTENT')
    for qw/ index active forbidden allow deny off unchecked early any both denials small huge none static own
        cached gzip second /;
$t->write_file('html/ssi', '<!--#include virtual="/included" -->');

# X-Head is the header of the response, X-Hex its body. X-Announce announces so many
# bytes, X-Trickle sends the body byte by byte, X-Wait stops before the last byte.

service($t, 8081, sub {
    my ($client, $head) = @_;
    my %line = $head =~ /^X-([\w-]+): (.*?)\r$/mg;
    my $body = pack 'H*', $line{Hex} // '';
    $body = $line{Body} if defined $line{Body};
    my $status = $line{Code} // 200;
    my $lines = ($line{Head} // 'Content-Type: application/json') =~ s/\\n/\r\n/gr;
    my $framing = $line{Chunked} ? 'Transfer-Encoding: chunked'
        : 'Content-Length: ' . ($line{Announce} // length $body);
    print $client "HTTP/1.1 $status X\r\n$lines\r\n$framing\r\n\r\n" or return 0;
    if ($line{Chunked}) {
        print $client sprintf "%x\r\n%s\r\n", length, $_ for $body =~ /(.{1,7})/gs;
        while ($line{Endless}) { print $client "400\r\n" . ' ' x 1024 . "\r\n" or return 0 }
        print $client "0\r\n\r\n" if $line{Chunked} ne 'open';
    } elsif ($line{Wait}) {
        print $client substr $body, 0, -1;
        select undef, undef, undef, 3;
    } elsif ($line{Trickle}) {
        for (split //, $body) { print $client $_; select undef, undef, undef, 0.02; }
    } else {
        print $client $body;
    }
    return 0;
});
service($t, 8082, sub {
    my ($client, $head) = @_;
    my $body = join '|', map { $head =~ /^$_: (.*?)\r$/m ? $1 : '-' } qw/ X-Text X-JSON X-Sub /;
    print $client "HTTP/1.1 200 X\r\nContent-Length: " . length($body) . "\r\n\r\n$body";
    return 0;
});

run_quietly($t);

my $body = sub { 'X-Hex: ' . unpack 'H*', $_[0] };
my $bob = $body->('{"active":true,"sub":"bob"}');

### bodies that are no answer

for my $case (@refused) {
    my ($name, $lines, $text, $reason) = @$case;
    $reason = 'the body is not announced as plain JSON (Content-Type, charset, Content-Encoding)'
        if $reason eq 'type';
    my @lines = ("X-Head: $lines", $body->($text));
    logged($t);
    is(status(ask('/index', @lines)), 500, $name);
    is(logged($t, qr/auth request/), $unexpected->($reason), "$name, log");
    is(status(ask('/allow', @lines)), 500, "$name, auth_request_on_error allow 5xx");
}

is(status(ask('/deny', $body->('[]'))), 403, 'auth_request_on_error 403');
logged($t);
is(status(ask('/none')), 500, 'status 204');
is(logged($t, qr/auth request/), 'error auth request unexpected status: 204 from "/auth-none": '
    . 'the response has no body, and auth_request_answer requires one', 'status 204, log');
is(status(ask('/index', 'X-Code: 206', $bob)), 500, 'a part of a body');
is(logged($t, qr/auth request/), $unexpected->('the response has only a part of the body; do not pass '
    . "the client's Range on", 206), 'a part of a body, log');
is(status(ask('/index', 'X-Code: 403', $body->('{'))), 403, 'a denial needs no answer');
is(status(ask('/off', $body->('{'))), 200, 'auth_request_answer off');

### bodies whose end does not come

for my $case (
    ['broken off', 'X-Announce: 100', $bob],
    ['chunks broken off', 'X-Chunked: open', $bob],
    ['slow', 'X-Wait: 1', $bob],
) {
    my ($name, @lines) = @$case;
    logged($t);
    is(status(ask('/index', @lines)), 500, $name);
    is(logged($t, qr/auth request/), $unexpected->('the body was truncated'), "$name, log");
    is(status(ask('/allow', @lines)), 500, "$name, auth_request_on_error allow 5xx");
}
logged($t);
is(status(ask('/huge', 'X-Chunked: 1', 'X-Endless: 1', $bob)), 500, 'endless');
is(logged($t, qr/auth request/), $unexpected->('the body is larger than auth_request_answer'), 'endless, log');
is(header(ask('/index', 'X-Trickle: 1', $bob), 'X-Sub'), 'bob', 'byte by byte');
is(header(ask('/index', 'X-Chunked: 1', $bob), 'X-Sub'), 'bob', 'in chunks');

### a requirement

for my $answer ('{"active":false}', '{}', '{"active":"true"}', '{"active":1}', '{"active":null}',
    '{"active":[true]}', '{"active":{"a":true}}', '{"Active":true}', '{"a":{"active":true}}', '{"active":"1"}')
{
    is(status(ask('/active', $body->($answer))), 401, "$answer is not active");
}
is(status(ask('/forbidden', $body->('{"active":false}'))), 403, 'error=403');
is(status(ask('/active', $body->(' { "active" : true } '))), 200, 'active');

### members

for my $case (
    # a member, as text, as JSON

    ['"a b"', 'a b', '"a b"'],
    ['"\u00e4\"\/"', "\xc3\xa4\"/", '"\u00e4\"\/"'],
    ['true', 'true', 'true'], ['"true"', 'true', '"true"'], ['false', 'false', 'false'],
    ['null', '', 'null'], ['1.50E+2', '1.50E+2', '1.50E+2'], ['-0', '-0', '-0'],
    ['12345678901234567890123', '12345678901234567890123', '12345678901234567890123'],
    ['[ "a,b", "c", 1, [ true, null ] ]', 'a,b,c,1,true,null', '["a,b","c",1,[true,null]]'],
    ['[]', '', '[]'], ['{ "y" : [ 1 ] }', '{"y":[1]}', '{"y":[1]}'],
    ['[ { "y" : 1 }, 2 ]', '[{"y":1},2]', '[{"y":1},2]'],
    ['"a\nb"', '', '"a\nb"'], ['"a\u0000"', '', '"a\u0000"'], ['["a", "\r"]', '', '["a","\r"]'],
    ['"X-Evil: 1\r\nX-Sub: root"', '', '"X-Evil: 1\r\nX-Sub: root"'],
    ["\"\x7f\"", '', ''], ["\"\xc2\x85\"", '', ''],
) {
    my ($member, $text, $as_json) = @$case;
    my $seen = body(ask('/seen', 'X-Text: evil', 'X-JSON: evil', 'X-Sub: evil', $body->("{\"x\": $member}")));
    # a header line whose value is empty is not sent
    is($seen, join('|', map({ length ? $_ : '-' } $text, $as_json), '-'), "member $member");
}
logged($t);
ask('/seen', $body->('{"x":"\n"}'));
is(logged($t, qr/auth request/), 'warn auth request: control character in member "x" of the answer: its '
    . 'variable is empty', 'a control character, log');

### where they are seen

my $log = sub { (split /\n/, $t->read_file('own.log'))[-1] };
my $r = ask('/index', $bob);
is(header($r, 'X-Sub'), 'bob', 'in the response');
is(header($r, 'X-Set'), 'bob', 'auth_request_set');
is(wait_until(sub { $log->() eq '/index 200 bob true' }), 1, 'access_log');
ask('/unchecked');
is(wait_until(sub { $log->() eq '/unchecked 200 - -' }), 1, 'access_log, no check');
like(ask('/early', $bob), qr/^X-Early: \.\r/m, 'not before the check');
is(header(ask('/unchecked', $bob), 'X-Sub'), undef, 'no check');
is(body(ask('/ssi', $bob)), '-|-|bob', 'in a subrequest of the request');

for my $case (['broken', $body->('{')], ['denied', 'X-Code: 403', $bob], ['unexpected', 'X-Code: 500', $bob],
    ['broken off', 'X-Announce: 99', $bob])
{
    my ($name, @lines) = @$case;
    $r = ask('/allow', @lines);
    is(header($r, 'X-Sub'), undef, "$name: no member");
    is(header($r, 'X-Set'), undef, "$name: auth_request_set");
}
$r = ask('/active', $body->('{"active":false,"sub":"mallory"}'));
is(header($r, 'X-Sub'), undef, 'a requirement is not met: no member');
is(header($r, 'X-Set'), 'mallory', 'a requirement is not met: auth_request_set');

$r = ask('/any', 'Authorization: Basic dXNlcjpzZWNyZXQ=', $body->('{"active":false,"sub":"mallory"}'));
is(status($r), 200, 'satisfy any: let in by another module');
is(header($r, 'X-Sub'), undef, 'row 52: satisfy any, no member of an answer that did not let in');
is(header(ask('/any', $bob), 'X-Sub'), 'bob', 'satisfy any: let in by the answer');

is(header(ask('/moved', $bob), 'X-Sub'), undef, 'another location');
$r = ask('/page', $bob);
is(status($r), 404, 'error page');
is(header($r, 'X-Sub'), undef, 'error page without a check');
$r = ask('/page-refused', $body->('{"active":false,"sub":"mallory"}'));
is(status($r), 401, 'error page of a refusal');
is(header($r, 'X-Sub'), undef, 'error page of a refusal, no member');
is(body(ask('/page-named', $body->('{"active":false,"sub":"mallory"}'))), ':mallory',
    'error page of a refusal in a named location');
$r = ask('/again/x', $body->('{"sub":"first","more":1}'));
is(header($r, 'X-Sub'), 'second', "a second location's check");

### bodies from elsewhere

is(header(ask('/own'), 'X-Sub'), 'own', 'return');
is(header(ask('/static'), 'X-Sub'), 'static', 'a file');
is(header(ask('/cached', $body->('{"sub":"x"}')), 'X-Sub'), 'x', 'proxy_cache, miss');
is(header(ask('/cached', $body->('{"sub":"y"}')), 'X-Sub'), 'x', 'proxy_cache, hit');
is(header(ask({ version => '1.1' }, '/gzip', 'Accept-Encoding: gzip', $bob), 'X-Sub'), 'bob',
    'gzip of nginx itself');
is(header(ask({ method => 'HEAD' }, '/index', $bob), 'X-Sub'), 'bob', 'HEAD');
is(body(ask({ method => 'POST', body => 'x' x 1000 }, '/seen', $bob)), '-|-|bob', 'POST');

### with auth_request_deny_body

$r = ask('/both', $body->('{"active":false}'));
is(status($r), 403, 'a body as answer and page');
is(body($r), '{"active":false}', 'a body as answer and page, body');
$r = ask('/both', $body->('{"active":false,"a":"' . 'x' x 50 . '"}'));
is(status($r), 403, 'an answer too large for a page');
unlike($r, qr/xxx/, 'an answer too large for a page, body');
is(body(ask('/denials', 'X-Code: 401', $body->('DENIED'))), 'DENIED', 'a denial');
unlike(ask('/denials', 'X-Code: 401', $body->('D' x 31)), qr/DDD/, 'a denial that is too large');
logged($t);
is(status(ask('/small', $body->('{"active":false}'))), 500, 'a page too large for an answer');
is(logged($t, qr/auth request/), $unexpected->('the body is larger than auth_request_answer'),
    'a page too large for an answer, log');
