#!/usr/bin/perl

# $escaped_request_uri: the URI of the client's request, as one value in the query of
# another URI.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use Test::Nginx::Raw;

my $t = Test::Nginx->new()->has(qw/ http proxy rewrite ssi map /)->plan(23);

configure($t, <<'EOF');
    log_format escaped '$escaped_request_uri';
    default_type text/html;
    server {
        listen       127.0.0.1:8080;
        server_name  localhost;
        root         %%TESTDIR%%;
        merge_slashes off;

        location / {
            auth_request /auth;
            proxy_set_header X-Escaped $escaped_request_uri;
            proxy_pass http://127.0.0.1:8082;
        }
        location = /auth {
            internal;
            proxy_set_header X-Escaped $escaped_request_uri;
            proxy_pass http://127.0.0.1:8081/?rd=$escaped_request_uri;
        }
        location /asked {
            auth_request /auth-with?rd=$escaped_request_uri;
            proxy_set_header X-Escaped $escaped_request_uri;
            proxy_pass http://127.0.0.1:8082;
        }
        location = /auth-with {
            internal;
            proxy_set_header X-Escaped $args;
            proxy_pass http://127.0.0.1:8081;
        }
        location /return { return 302 http://login/?rd=$escaped_request_uri&x; }
        location /page {
            error_page 403 @page;
            deny all;
        }
        location @page { return 302 http://login/?rd=$escaped_request_uri; }
        location /rewritten {
            rewrite ^ /other?a=b;
        }
        location = /other { return 200 $escaped_request_uri; }
        location /set { set $mine $escaped_request_uri; return 200 $mine; }
        location /logged { access_log %%TESTDIR%%/escaped.log escaped; return 204; }
        location /page.shtml { ssi on; }
        location /inner { return 200 $escaped_request_uri; }
    }
EOF

$t->write_file('page.shtml', '<!--#include virtual="/inner?x" -->');
my $dir = $t->testdir();
service($t, 8081, sub {
    my ($client, $head) = @_;
    append("$dir/asked", join(' ', $head =~ /^GET (\S+)/, $head =~ /^X-Escaped: (.*)\r/m) . "\n");
    print $client "HTTP/1.1 204 X\r\n\r\n";
    return 0;
});
service($t, 8082, sub {
    my ($client, $head) = @_;
    print $client "HTTP/1.1 200 X\r\n\r\n" . ($head =~ /^X-Escaped: (.*)\r/m)[0];
    return 0;
});
$t->run();

for my $case (
    ['/', '%2F'],
    ['/a-b_c.d~e/0Z', '%2Fa-b_c.d~e%2F0Z'],
    ['/a?b=c&d=%26+e', '%2Fa%3Fb%3Dc%26d%3D%2526%2Be'],
    ['/a/../b//c', '%2Fa%2F..%2Fb%2F%2Fc'],
    ['/a%0d%0aX:%20y', '%2Fa%250d%250aX%3A%2520y'],
    ["/\xc3\xbc\xff", '%2F%C3%BC%FF'],
    ['/a#b', '%2Fa%23b'],
    ['/a"\'<>\\^`{|}!$()*,;:@[]', '%2Fa%22%27%3C%3E%5C%5E%60%7B%7C%7D%21%24%28%29%2A%2C%3B%3A%40%5B%5D'],
) {
    my ($uri, $escaped) = @$case;
    is(body(ask($uri)), $escaped, "$uri, to the upstream");
    is(asked(), "/?rd=$escaped $escaped", "$uri, in the check");
}
ask('/asked?a=b&c');
is(asked(), '/auth-with?rd=%2Fasked%3Fa%3Db%26c rd=%2Fasked%3Fa%3Db%26c', 'in the URI of the check');
is(header(ask('/return?a&b'), 'Location'), 'http://login/?rd=%2Freturn%3Fa%26b&x', 'return');
is(header(ask('/page?a&b'), 'Location'), 'http://login/?rd=%2Fpage%3Fa%26b', 'error_page');
is(body(ask('/rewritten?c')), '%2Frewritten%3Fc', 'after a rewrite: what the client sent');
is(body(ask('/set?c')), '%2Fset%3Fc', 'set');
is(body(ask('/page.shtml?c')), '%2Fpage.shtml%3Fc', "in a subrequest: the client's URI");
ask('/logged?a=b');
$t->stop();
is($t->read_file('escaped.log'), "%2Flogged%3Fa%3Db\n", 'log');

sub asked {
    my $asked = -e "$dir/asked" ? $t->read_file('asked') =~ s/\n\z//r : '';
    unlink "$dir/asked";
    return $asked;
}
