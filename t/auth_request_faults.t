#!/usr/bin/perl

# auth_request: a service that fails, in any way, never allows a request (row
# 31). Each failure gives one [error] line, and the next request is served.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthRequest;
use Original;
use Test::Nginx::Raw;

use Socket qw/ SOL_SOCKET SO_LINGER /;

my $ok = "HTTP/1.1 200 OK\r\n";
my $end = "Connection: close\r\n\r\n";

# What the service sends before it closes, and the status that nginx makes of it.

my @refused = (
    ['nothing', '', 502],
    ['reset', '', 502],
    ['half a version', 'HTTP', 502],
    ['half a status', 'HTTP/1.1 20', 502],
    ['half a status line', 'HTTP/1.1 200 O', 502],
    ['status line only', $ok, 502],
    ['half a name', "${ok}X-Na", 502],
    ['half a value', "${ok}X-Name: val", 502],
    ['no end of the header', "${ok}X-Name: value\r\n", 502],
    ['half an end of the header', "${ok}X-Name: value\r\n\r", 502],
    ['NUL in a name', "${ok}X-\0: value\r\n$end", 502],
    ['NUL in a value', "${ok}X-Name: a\0b\r\n$end", 502],
    ['long header line', $ok . 'X-Name: ' . 'x' x 70_000 . "\r\n$end", 502],
    ['long header', $ok . "X-Name: value\r\n" x 5_000 . $end, 502],
    ['no response', undef, 504],

    # nginx takes anything but HTTP/1.x for HTTP/0.9

    ['garbage', "garbage\r\n\r\n", 0],
    ['NULs', "\0" x 100, 0],
    ['body only', '{"allow":true}', 0],
    ['HTTP/0.9', '<html>200 OK</html>', 0],
    ['lower case', "http/1.1 200 OK\r\n$end", 0],
    ['no version', "200 OK\r\n$end", 0],
    ['letter in a status', "HTTP/1.1 2O4 X\r\n$end", 0],
    ['four digits', "HTTP/1.1 2000 X\r\n$end", 0],
    ['two digits', "HTTP/1.1 20 X\r\n$end", 0],
    ['minus', "HTTP/1.1 -200 X\r\n$end", 0],
    ['SSH', "SSH-2.0-OpenSSH_9.2\r\n", 0],
    ['TLS alert', "\x15\x03\x03\0\x02\x02\x28", 0],

    # statuses that have no meaning for auth_request

    ['000', "HTTP/1.1 000 X\r\n$end", 0],
    ['020', "HTTP/1.1 020 X\r\n$end", 20],
    ['099', "HTTP/1.1 099 X\r\n$end", 99],
    ['100', "HTTP/1.1 100 X\r\n\r\n", 100],
    ['100 before 200', "HTTP/1.1 100 Continue\r\n\r\n$ok$end", 100],
    ['101', "HTTP/1.1 101 X\r\n\r\n", 101],
    ['101 with Upgrade', "HTTP/1.1 101 X\r\nUpgrade: x\r\n\r\nINVISIBLE", 101],
    ['199', "HTTP/1.1 199 X\r\n$end", 199],
    ['300', "HTTP/1.1 300 X\r\n$end", 300],
    ['302', "HTTP/1.1 302 X\r\nLocation: /a\r\n$end", 302],
    ['304', "HTTP/1.1 304 X\r\nETag: \"a\"\r\n$end", 304],
    ['400', "HTTP/1.1 400 X\r\n$end", 400],
    ['408', "HTTP/1.1 408 X\r\n$end", 408],
    ['444', "HTTP/1.1 444 X\r\n$end", 444],
    ['499', "HTTP/1.1 499 X\r\n$end", 499],
    ['500', "HTTP/1.1 500 X\r\n${end}INVISIBLE", 500],
    ['503', "HTTP/1.1 503 X\r\nRetry-After: 9\r\n$end", 503],
    ['600', "HTTP/1.1 600 X\r\n$end", 600],
    ['999', "HTTP/1.1 999 X\r\n$end", 999],
    ['302 to the content', "HTTP/1.1 302 X\r\nLocation: /content\r\n$end", 302],
    ['internal redirect to nowhere',
        "${ok}X-Accel-Redirect: /none\r\n$end", 404,
        undecided(404) =~ s/;/, in place of status 200 of the service;/r],
);

# What the built-in module makes of some: the status, "none" where it closes the
# connection.

my %original = (
    '101' => ['switching protocols', 'none'],
    '101 with Upgrade' => ['switching protocols', 'none'],
);

# Valid responses, as far as nginx has to read them.

my @valid = (
    ['401', "HTTP/1.1 401 X\r\n$end", 401],
    ['401 without a reason', "HTTP/1.1 401\r\n$end", 401],
    ['401 with half a body',
        "HTTP/1.1 401 X\r\nContent-Length: 9\r\n${end}a", 401],
    ['401 that X-Accel-Redirect replaces',
        "HTTP/1.1 401 X\r\nX-Accel-Redirect: /alive\r\n$end", 401],
    ['403', "HTTP/1.0 403 X\r\n$end", 403],
    ['200', $ok . $end, 200],
    ['299', "HTTP/1.1 299 X\r\n$end", 200],
    ['LF', "HTTP/1.1 200 OK\n\n", 200],
    ['line without a colon', "${ok}name\r\n$end", 200],
    ['too long', "${ok}Content-Length: 1\r\n${end}INVISIBLE", 200],
    ['204 with a body', "HTTP/1.1 204 X\r\n${end}INVISIBLE", 200],
    ['too short', "${ok}Content-Length: 1000\r\n${end}a", 200],
    ['bad chunk', "${ok}Transfer-Encoding: chunked\r\n${end}INVISIBLE", 200],
    ['large', "${ok}$end" . 'INVISIBLE' x 100_000, 200],
    ['gzip', "${ok}Content-Encoding: gzip\r\n${end}INVISIBLE", 200],
);

my $t = Test::Nginx->new()->has(qw/ http proxy rewrite /);

# Since 1.29.0 nginx reads the response that follows a 103.

my ($early, $early_response) = ('103 before 200',
    "HTTP/1.1 103 Early\r\nLink: <a>\r\n\r\n$ok$end");
if ($t->has_version('1.29.0')) {
    push @valid, [$early, $early_response, 200];
} else {
    push @refused, [$early, $early_response, 103];
}

$t->plan(3 * @refused + 2 * @valid + 10);

configure($t, <<'EOF');
    server {
        listen       127.0.0.1:8080;
        server_name  localhost;
        add_header   X-Pid $pid always;
        proxy_read_timeout 1s;
        location / {
            auth_request /auth;
            try_files /content.txt =404;
        }
        location = /auth {
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $http_upgrade;
            proxy_pass http://127.0.0.1:8081;
        }
        location = /refused {
            auth_request /auth-refused;
            try_files /content.txt =404;
        }
        location = /auth-refused { proxy_pass http://127.0.0.1:8082; }
        location = /unresolved {
            auth_request /auth-unresolved;
            try_files /content.txt =404;
        }
        location = /auth-unresolved { proxy_pass http://$http_x_none/; }
        location = /closed {
            auth_request /auth-closed;
            try_files /content.txt =404;
        }
        location = /auth-closed { return 444; }
        location = /any {
            satisfy any;
            deny all;
            auth_request /auth;
            try_files /content.txt =404;
        }
        location = /none { return 404; }
        location = /alive { return 204; }
    }
EOF

$t->write_file('content.txt', 'CONTENT');

# X-Case is the number of the response that the service has to send.

service($t, 8081, sub {
    my ($client, $head) = @_;
    my ($n) = $head =~ /^X-Case: (\d+)/m;
    my ($name, $response) = @{(@refused, @valid)[$n]};
    if (defined $response) {
        print $client $response;
    } else {
        sleep 5;
    }
    setsockopt $client, SOL_SOCKET, SO_LINGER, pack 'll', 1, 0
        if $name eq 'reset';
    return 0;
});

$t->run();

my ($pid) = http_get('/alive') =~ /^X-Pid: (\d+)/m;

for my $n (0 .. $#refused) {
    my ($name, undef, $status, $why) = @{$refused[$n]};
    $why //= $status == 504 ? 'the service did not respond in time'
        : $name =~ /^(?:nothing|reset)$/ ? 'no response from the service' : $status == 502
        ? 'invalid response from the service' : undecided($status);
    my ($difference, $original) = @{ $original{$name} // [] };
    my $expected = $difference ? differs($difference, 500, $original) : 500;
    my ($response, $log) = check('/', "X-Case: $n", 'Upgrade: x');
    is(status($response), $expected, "$name is $expected");
    if ($expected eq '200') {
        like($response, qr/\r\n\r\nCONTENT\z/, "$name, content");
    } else {
        unlike($response, qr/CONTENT|INVISIBLE|^(?:Location|ETag|Retry|Link)/m,
            "$name, nothing gets out");
    }
    my $line = "unexpected status: $status";
    is($log, differs('log of errors', qq($line from "/auth": $why),
        $difference ? '' : $line), "$name, log");
}

for my $n (0 .. $#valid) {
    my ($name, undef, $status) = @{$valid[$n]};
    $status = differs('replaced denial', 401, 200) if $name =~ /X-Accel/;
    my ($response, $log) = check('/', 'X-Case: ' . ($n + @refused));
    like($response, qr/^HTTP\S+ $status /, "$name is $status");
    is($log . ($response =~ /(CONTENT|INVISIBLE)/ ? $1 : ''),
        $status == 200 ? 'CONTENT' : '', "$name, content");
}

### no service at all

for my $case (['/refused', 502, 'no connection to the service'],
    ['/unresolved', 500, 'the service was not asked'])
{
    my ($uri, $status, $why) = @$case;
    my $service = $uri =~ s!/!/auth-!r;
    my ($response, $log) = check($uri);
    like($response, qr/^HTTP\S+ 500 /, "$uri is refused");
    unlike($response, qr/CONTENT/, "$uri, content");
    is($log, differs('log of errors',
        qq(unexpected status: $status from "$service": $why),
        "unexpected status: $status"), "$uri, log");
}

is((check('/closed'))[0], '', 'return 444 closes');

my ($response, $log) = check('/any', 'X-Case: 0');
like($response, qr/^HTTP\S+ 500 /, 'satisfy any');
is($log, differs('log of errors',
    'unexpected status: 502 from "/auth": no response from the service',
    'unexpected status: 502'), 'satisfy any, log');

like(http_get('/alive'), qr/^X-Pid: $pid\r/m, 'the worker did not end');

### helpers

# The response, and why the request was refused, by the [error] lines of ours.
sub check {
    my $response = ask(@_);
    my $log = logged($t, qr/^error auth request /);
    return ($response, $log =~ s/^error auth request //mgr);
}
