#!/usr/bin/perl

# $post_arg_NAME: a field of the body that auth_request_body has read.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use Test::Nginx::Raw;

my $t = Test::Nginx->new()->has(qw/ http proxy rewrite ssi /)->plan(65);

configure($t, <<'EOF');
    client_body_buffer_size 128;
    server {
        listen       127.0.0.1:8080;
        server_name  localhost;
        underscores_in_headers on;
        default_type text/html;
        root         %%TESTDIR%%;

        location / {
            auth_request /auth?t=$post_arg_token&u=$post_arg_user;
            auth_request_body 100k;
            proxy_set_header X-Token "[$post_arg_token]";
            proxy_pass http://127.0.0.1:8082;
        }
        location /header {
            auth_request /auth-header;
            auth_request_body 100k;
            proxy_set_header X-Token "[$post_arg_token]";
            proxy_pass http://127.0.0.1:8082;
        }
        location = /auth {
            internal;
            proxy_pass http://127.0.0.1:8081;
        }
        location = /auth-header {
            internal;
            proxy_set_header X-Token "[$post_arg_token]";
            proxy_pass http://127.0.0.1:8081;
        }
        location /off {
            auth_request /auth?t=$post_arg_token;
            proxy_set_header X-Token "[$post_arg_token]";
            proxy_pass http://127.0.0.1:8082;
        }
        location /unasked {
            auth_request_body 100k;
            proxy_set_header X-Token "[$post_arg_token]";
            proxy_pass http://127.0.0.1:8082;
        }
        location /early {
            set $early "[$post_arg_token]";
            auth_request /auth?t=$post_arg_token;
            auth_request_body 100k;
            proxy_set_header X-Early $early;
            proxy_set_header X-Token "[$post_arg_token]";
            proxy_pass http://127.0.0.1:8082;
        }
        location /path {
            auth_request /auth/$post_arg_token;
            auth_request_body 100k;
        }
        location /auth/ { internal; proxy_pass http://127.0.0.1:8081; }
        location /twice {
            auth_request /auth?t=$post_arg_token;
            auth_request_body 100k;
            try_files /none @twice;
        }
        location @twice {
            auth_request /auth?t=$post_arg_token;
            auth_request_body 100k;
            proxy_pass http://127.0.0.1:8082;
        }
    }
EOF

my $d = $t->testdir();
service($t, 8081, sub {
    my ($client, $head, $body) = @_;
    my ($uri) = $head =~ /^\S+ (\S+)/;
    my ($token) = $head =~ /^X-Token: (.*)\r/m;
    append("$d/asked", $uri . (defined $token ? " $token" : '') . "\n");
    print $client "HTTP/1.1 204 X\r\n\r\n";
    return 0;
});
service($t, 8082, sub {
    my ($client, $head, $body) = @_;
    my @got = $head =~ /^X-(?:Early|Token): (.*)\r/mg;
    print $client "HTTP/1.1 200 OK\r\n\r\n@got $body";
    return 0;
});
run_quietly($t);

my $form = 'application/x-www-form-urlencoded';
my $json = 'application/json';

### the variable is empty

is(asked('/off', $form, 'token=a'), '/auth?t=', 'not read');
is(body(exchange(connection(), post('/off', $form, 'token=a'))), '[] token=a',
    'not read, upstream');
is(body(exchange(connection(), post('/unasked', $form, 'token=a'))), '[] token=a',
    'without auth_request');
for my $case (
    ['text/plain', 'token=a'], ['', 'token=a'], [$json, 'token=a'],
    [$form, '{"token":"a","x":"&token=b"}'], ['multipart/form-data; boundary=b', 'token=a'],
    [$form, 'tokens=a&xtoken=b'], [$form, ''],
    [$form, 'token=a&token=b'], [$form, 'token=a&token=a'], [$form, 'token=a&Token=b'],
    [$form, 'token=a&%74oken=b'], [$form, 'token=a&token[]=b'], [$form, 'token.x=a&token=b'],
    [$form, 'token=a&+token=b'], [$form, 'token=a&x;token=b'], [$form, 'token=a&%u0074oken=b'],
    ["$form; charset=utf-7", 'token=a'], ["$json; charset=utf-16", '{"token":"a"}'],
    [$json, '{"token":"a","Token":"b"}'], [$json, '{"token":"a","token[]":"b"}'],
    [$json, '{"token":"a","token":"b"}'], [$json, '{"token":null}'],
    [$json, '{"token":"a"'], [$json, '{"token":"a"}{'], [$json, '["token"]'],
    [$json, '{"a":{"token":"a"}}'], [$json, "{\"token\":\"\xff\"}"],
    [$json, '{"a":' . '[' x 20_000 . ']' x 20_000 . ',"token":1'],
) {
    my ($type, $body) = @$case;
    is(asked('/', $type, $body), '/auth?t=&u=', "none in '" . substr($body, 0, 40)
        =~ s/[^\x20-\x7e]/?/gr . "' of '$type'");
}
is(asked('/', $form, 'token=a', $_), '/auth?t=&u=', "none beside '$_'")
    for "Content-Type: $json", "Content-Type: $form", 'Content-Encoding: gzip',
    'Content-Encoding: identity', "Content_Type: $json", 'Content_Encoding: gzip';

# a form with a gzip file in front of it, whose header has the comment "&token=a&": a
# reader that does not decompress finds a field, which is not what the application gets
is(asked('/', $form, "\x1f\x8b\x08\x10\0\0\0\0\0\x03&token=a&\0" . 'KEM=', 'Content-Encoding: gzip'),
    '/auth?t=&u=', 'none in a gzip file');

for my $case ([$form, 'token=a%0d%0aX:+b'], [$form, 'token=%00'], [$form, "token=a\nb"],
    [$json, '{"token":"\r\n"}'], [$json, '{"token":"a\u0000"}'])
{
    logged($t, qr/control/);
    is(asked('/', @$case), '/auth?t=&u=', "control character in '"
        . $case->[1] =~ s/\n/?/r . "'");
    like(logged($t, qr/control/), qr/^warn control character in field "token"/,
        'control character, log');
}

### the variable has a value

is(asked('/', $form, 'token=a'), '/auth?t=a&u=', 'form');
is(asked('/', $form, 'user=u&token=a&x'), '/auth?t=a&u=u', 'form, several');
is(asked('/', "$form; charset=utf-8", 'TOKEN=a'), '/auth?t=a&u=', 'in capitals');
is(asked('/', $json, '{"token":"a","user":1.50}'), '/auth?t=a&u=1.50', 'JSON');
is(asked('/', $form, qq({\n   "token": 123\n})), '/auth?t=123&u=', 'JSON of the type of a form');
is(asked('/', 'application/vnd.x+json', '{"token":[1, 2]}'), '/auth?t=[1,2]&u=',
    'JSON, an array');
is(asked('/header', $form, 'token=a+b%26c%3D'), '/auth-header [a b&c=]',
    'in the location that is asked');
is(body(exchange(connection(), post('/header', $form, 'token=a+b'))), '[a b] token=a+b',
    'in a line for the upstream');
is(body(exchange(connection(), post('/early', $form, 'token=a'))), '[] [a] token=a',
    'read before the body');
is(asked('/early', $form, 'token=a'), '/auth?t=a', 'in the check it has its value');
is(body(exchange(connection(), post('/header', $form, 'x=' . 'y' x 50_000 . '&token=a'))) =~ s/y+/y/r,
    '[a] x=y&token=a', 'in a file');
is(asked('/twice', $form, 'token=a'), "/auth?t=a\n/auth?t=a", 'two checks');
is(asked('/header', $form, 'token=a', 'chunked'),
    '/auth-header [a]', 'chunks');

### values that are not safe in a URI

my %encoded = ('a b' => 'a%20b', '#' => '%23', '%' => '%', "\x7f" => '%7F');
is(asked('/', $form, 'token=a+b'), '/auth?t=a%20b&u=', 'a space is encoded');
is(asked('/', $form, 'token=a%20HTTP/1.1'), '/auth?t=a%20HTTP/1.1&u=',
    'text after an encoded space');
is(asked('/path', $form, 'token=..%2F..%2Fother'), '', 'a value that leads out of the path');

### several requests of a connection

my $s = connection();
is(join(' ', map { body(exchange($s, post('/header', $form, $_))) }
    'token=a', 'x=1', 'token=b'), '[a] token=a [] x=1 [b] token=b',
    'several requests of a connection');

### helpers

# A POST with a body of this type; with "chunked", in one chunk.
sub post {
    my ($uri, $type, $body, @lines) = @_;
    my @body = @lines && $lines[0] eq 'chunked' ? (chunks => [$body]) : (body => $body);
    shift @lines if $body[0] eq 'chunks';
    unshift @lines, "Content-Type: $type" if $type;
    return request({ method => 'POST', @body }, $uri, @lines);
}

# The URIs that the service is asked with for such a request.
sub asked {
    unlink "$d/asked";
    exchange(connection(), post(@_));
    return -e "$d/asked" ? $t->read_file('asked') =~ s/\n\z//r : '';
}
