#!/usr/bin/perl

# auth_request: the URI of the subrequest, compared with the URI that the
# upstream gets (row 28).

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthRequest;
use Original;
use Test::Nginx::Raw;

my @raw = (qw{
    / /a /a?b=c /a?b=/../c /a?b?c /a? /? /a/ //a /a//b /./a /a/./b /a/../b
    /a/..;/b /a;b=c/d /..;/a /a/%2e%2e/b /a%2Fb /a%2f..%2fb /a%5Cb
    /a%3Fb=c /a%23b /a%20b /a+b /a%2Bb /%61 /a%25b /a%0d%0aX:%20y /a%7f
    /%C3%A9 /a"b /a\b /a{b} /a'b /a%26b=c /a=b&c
}, '/a#b', "/\xc3\xa9", '/a?' . 'x' x 3000);

my @variables = (
    # request target of the client, URI that the service got

    ['/query/a?x=1', '/check?uri=/query/a&x=1'],
    ['/query/a%20b', '/check?uri=/query/a%20b&x='],
    ['/query/a%0d%0aX-Role:%20admin',
        '/check?uri=/query/a%0D%0AX-Role:%20admin&x='],
    ['/query/a%20HTTP/1.1%0aX-Role:%20admin%0a%0a',
        '/check?uri=/query/a%20HTTP/1.1%0AX-Role:%20admin%0A%0A&x='],
    ['/query/%C3%A9', '/check?uri=/query/%C3%A9&x='],
    ['/query/a%23b', '/check?uri=/query/a%23b&x='],
    ['/query/a%7fb', '/check?uri=/query/a%7Fb&x='],
    ['/query/../query/b?x=%20%3F', '/check?uri=/query/b&x=%20%3F'],
    ['/query/a?x=y?z', '/check?uri=/query/a&x=y?z'],
    ["/query/a?x=\xe9", '/check?uri=/query/a&x=%E9'],

    ['/path/?x=a', '/check/a'],
    ['/path/?x=a/b', '/check/a/b'],
    ['/path/', '/check/'],
    ['/path/?x=/', '/check//'],
    ['/path/?x=a?b=c', '/check/a?b=c'],
    ['/path/?x=a%3Fb=c', '/check/a%253Fb=c'],
    ['/path/?x=%2e%2e/no', '/check/%252e%252e/no'],
    ['/path/?x=...', '/check/...'],
    ['/path/?x=..a/a..', '/check/..a/a..'],
    ['/path/?x=a;b', '/check/a;b'],

    ['/whole/?x=/check', '/check'],
    ['/whole/?x=/check?a', '/check?a'],
    ['/whole/?x=/check?a?b', '/check?a?b'],
    ['/whole/?x=/check?', '/check'],

    ['/raw/a%2Fb?c=d%20e', '/check/raw/a%252Fb?c=d%20e'],
    ['/decoded/a%2Fb', '/check/decoded/a/b'],
    ['/decoded/a%25b', '/check/decoded/a%25b'],
    ['/decoded/a/../b', '/check/decoded/b'],
    ['/decoded/a%3Fb', '/check/decoded/a?b'],
    ['/sent/a', '/sent-check/sent/a'],

    ['/constant?a=b', '/check/constant?mode=strict&to=/../x'],
    ['/regex/abc', '/check/abc'],
    ['/set', '/check/from-set?a=b'],
);

# What the service gets from the built-in module, which takes the URI as it is
# written, by the first part of the client's request target. The service is not asked
# where that URI leads to no location.

my %original = (
    query => '/check%3Furi=$uri&x=$arg_x',
    path => '/check/$arg_x',
    raw => '/check$request_uri',
    decoded => '/check$uri',
    sent => '/sent-check$uri',
    regex => '/check/$name',
    constant => '/check/constant%3Fmode=strict&to=/../x',
);

my @refused = (
    # request target of the client, reason in the log

    map({ [$_, ': the URI "$arg_x" does not begin with "/"'] }
        '/whole/', '/whole/?x=', '/whole/?x=check', '/whole/?x=@check', '/whole/?x=?/check', '/whole/?x=http://a/check',
        '/whole/?x=%2Fcheck', "/whole/?x=\xff\"", '/whole/?x=' . 'a' x 130),
    ['/path/?x=..', ': the URI "/check/$arg_x" contains ".." at byte 8 of its value'],
    ['/path/?x=../no', ': the URI "/check/$arg_x" contains ".." at byte 8 of its value'],
    ['/path/?x=a/../../no', ': the URI "/check/$arg_x" contains ".." at byte 10 of its value'],
    ['/path/?x=..;/no', ': the URI "/check/$arg_x" contains ".." at byte 8 of its value'],
    ['/path/?x=../?a', ': the URI "/check/$arg_x" contains ".." at byte 8 of its value'],
    ['/decoded/a%20b', ': the URI "/check$uri" contains a space at byte 17 of its value'],
    ['/decoded/a%0ab', ': the URI "/check$uri" contains a control character at byte 17 of its value'],
    ['/decoded/a%7fb', ': the URI "/check$uri" contains a control character at byte 17 of its value'],
    ['/sent/a%0d%0aX-Role:%20admin', ': the URI "/sent-check$uri" contains a control character at byte 19 of its value'],
    ['/sent/a%20HTTP/1.1%0d%0aX-Role:admin', ': the URI "/sent-check$uri" contains a space at byte 19 of its value'],
    ['/sent/a%09b', ': the URI "/sent-check$uri" contains a control character at byte 19 of its value'],
    ['/nowhere', ' unexpected status: 404 from "/missing": '
        . undecided(404)],
    ['/cycle', ' unexpected status: 500 from "/cycle-auth":'
        . ' neither allows nor denies'],
);

my $t = Test::Nginx->new()->has(qw/ http proxy rewrite /)
    ->plan(2 * @raw + 2 * @variables + 3 * @refused + 8);

configure($t, <<'EOF');
    server {
        listen       127.0.0.1:8080;
        server_name  localhost;
        auth_request_set $got $upstream_http_x_got;
        add_header   X-Got $got always;
        proxy_set_header X-Original-URI $request_uri;
        merge_slashes off;

        location / {
            auth_request /service;
            proxy_pass http://127.0.0.1:8082;
        }
        location = /service {
            internal;
            proxy_pass http://127.0.0.1:8081/original;
        }
        location /check {
            proxy_pass http://127.0.0.1:8081;
        }
        location /query/ {
            auth_request /check?uri=$uri&x=$arg_x;
            proxy_pass http://127.0.0.1:8082;
        }
        location /path/ {
            auth_request /check/$arg_x;
            proxy_pass http://127.0.0.1:8082;
        }
        location /whole/ {
            auth_request $arg_x;
            proxy_pass http://127.0.0.1:8082;
        }
        location /raw/ {
            auth_request /check$request_uri;
            proxy_pass http://127.0.0.1:8082;
        }
        location /decoded/ {
            auth_request /check$uri;
            proxy_pass http://127.0.0.1:8082;
        }
        location /sent/ {
            auth_request /sent-check$uri;
            proxy_pass http://127.0.0.1:8082;
        }
        # nginx sends the variable decoded, as it is
        location /sent-check {
            proxy_pass http://127.0.0.1:8081$uri;
        }
        location = /constant {
            auth_request /check/constant?mode=strict&to=/../x;
            proxy_pass http://127.0.0.1:8082;
        }
        location ~ ^/regex/(?<name>\w+)$ {
            auth_request /check/$name;
            proxy_pass http://127.0.0.1:8082;
        }
        location = /set {
            set $to /check/from-set;
            auth_request $to?a=b;
            proxy_pass http://127.0.0.1:8082;
        }
        location = /nowhere {
            auth_request /missing;
            root %%TESTDIR%%/none;
        }
        location = /missing { root %%TESTDIR%%/none; }
        location = /cycle {
            auth_request /cycle-auth;
        }
        location = /cycle-auth {
            rewrite ^ /cycle-auth last;
        }
    }
EOF

# The service and the upstream respond with the URI that they got.

service($t, 8081, sub {
    my ($client, $head) = @_;
    my ($target) = $head =~ /^GET (.*?) HTTP\/1\.[01]\r\nX-Original/;
    ($target) = $head =~ /^X-Original-URI: (.*)\r/m
        if ($target // '') eq '/original';
    $target //= 'unexpected';
    print $client "HTTP/1.1 204 X\r\nX-Got: $target\r\n\r\n";
    return 0;
});

service($t, 8082, sub {
    my ($client, $head) = @_;
    my ($target) = $head =~ /^GET (.*?) HTTP/;
    print $client "HTTP/1.1 200 X\r\n\r\n$target";
    return 0;
});

$t->run();

### X-Original-URI: as the client wrote it

for my $uri (@raw) {
    my $response = ask($uri);
    my $name = length $uri > 99 ? 'long' : $uri;
    is(header($response, 'X-Got'), $uri, "$name, service");
    is(body($response), $uri, "$name, upstream");
}

like(ask($_), qr/^HTTP\S+ 400 (?!.*X-Got)/s, "$_, the service is not asked")
    for '/%00', '/a%00b', '/../a', '/a/../../b', '/%2e%2e/', '/a%zz', '/%';

### a URI from variables

for my $case (@variables) {
    my ($uri, $ours) = @$case;
    my ($part) = $uri =~ m!^/(\w+)!;
    my $difference = $part eq 'constant' ? 'arguments in the URI' : 'variables in the URI';
    my $expected = differs($difference, $ours, $original{$part});
    my $response = ask($uri);
    is(header($response, 'X-Got'), $expected, "$uri, service");
    is(defined $expected ? body($response) : status($response), $expected ? $uri : 500,
        "$uri, upstream");
}

### a URI that is refused

for my $case (@refused) {
    my ($uri, $reason) = @$case;
    my ($part) = $uri =~ m!^/(\w+)!;
    logged($t);
    my $response = ask($uri);

    my $asked = differs('variables in the URI', undef, $original{$part});
    is(status($response), defined $asked ? 200 : 500, "$uri, status");
    is(header($response, 'X-Got'), $asked, "$uri, what the service is asked");

    my ($status) = $reason =~ /^ (unexpected status: \d+)/;
    my $original = defined $asked ? '' : 'error auth request '
        . ($status // 'unexpected status: 404');
    is(logged($t, qr/^error auth request/),
        differs('log of errors', "error auth request$reason", $original), "$uri, log");
}

like(ask('/'), qr/^HTTP\S+ 200 /, 'the worker still responds');
