#!/usr/bin/perl

# Row 63: What a request costs grows with the header lines of the client and of
# the services, and not with their square: a client could keep a worker busy for
# seconds. Runs on a module with the feature fault-injection, which counts how
# many lines are looked at.

use FindBin;
use lib "$FindBin::Bin/../lib";
use Auth;
use Http2;
use Jose;
use Test::Nginx::Raw;

# The second number of lines is twice the first.
my ($few, $many) = (500, 1000);

# Each page has three includes.
my @cases = (
    # name, path, line of the client

    ['a check', '/checked', 'a: b'],
    ['includes of a location with other names', '/checked', 'X-Other: b'],
    ['the claims of a token', '/claims', 'a: b'],
    ['both', '/both', 'a: b'],
    ['a mirror', '/mirrored', 'a: b'],
    ['reserved lines', '/checked', 'X-User: b'],
    ['cookies for the check only', '/cookies', 'Cookie: a=b'],
    ['tokens in cookies', '/stripped', 'Cookie: t=a; b=c'],
    ['cookies with nothing else than tokens', '/stripped', 'Cookie: t=a'],
    ['tokens in cookies, and cookies for the check only', '/stripped/checked', 'Cookie: t=a; b=c'],
    ['lines of the service', '/many', 'X-Say: b'],
    ['an error page', '/refused', 'Cookie: t=a; b=c'],
);

my $t = Test::Nginx->new()->has(qw/ http http_v2 proxy rewrite ssi mirror auth_request /)->plan(@cases + 1);

my $key = jwk('HS256', '--kid', 'a');
$t->write_file('keys.json', jwks($key));

configure($t, <<"EOF", 'worker_processes 1;');
    large_client_header_buffers 8 64k;
    proxy_buffer_size           64k;
    proxy_buffers               8 64k;
    proxy_busy_buffers_size     64k;
    auth_jwt_key_file           keys.json;
    server {
        listen       127.0.0.1:8080;
        @{[listen_http2($t)]}
        server_name  localhost;
        root         %%TESTDIR%%;
        default_type text/html;
        ssi          on;

        location /checked { auth_request /auth; auth_request_upstream_headers X-User; try_files /page.html =404; }
        location /claims  { auth_jwt r token=\$arg_jwt; auth_jwt_upstream_header X-Sub sub; try_files /page.html =404; }
        location /both {
            auth_jwt r token=\$arg_jwt;
            auth_jwt_upstream_header X-Sub sub;
            auth_request /auth;
            auth_request_upstream_headers X-User;
            try_files /page.html =404;
        }
        location /mirrored {
            auth_request /auth;
            auth_request_upstream_headers X-User;
            mirror /inner;
            proxy_pass http://127.0.0.1:8081/;
        }
        location /cookies  { auth_request /auth; auth_request_upstream_headers Cookie; try_files /page.html =404; }
        location /stripped {
            auth_jwt r token=\$cookie_t;
            auth_jwt_mode report;
            auth_jwt_strip on;
            try_files /page.html =404;
            location /stripped/checked {
                auth_request /auth;
                auth_request_upstream_headers Cookie;
                try_files /page.html =404;
            }
        }
        location /many { auth_request /auth-many; auth_request_upstream_headers X-Many; try_files /page.html =404; }
        location /refused {
            auth_jwt r token=\$cookie_t;
            auth_jwt_strip on;
            error_page 401 = \@refused;
        }
        location \@refused {
            auth_jwt r token=\$cookie_t;
            auth_jwt_strip on;
            auth_jwt_mode report;
            auth_request /auth;
            auth_request_upstream_headers X-User Cookie;
            try_files /page.html =404;
        }

        location = /inner {
            auth_request_upstream_headers X-User X-Other;
            auth_jwt_upstream_header X-Sub sub;
            proxy_pass http://127.0.0.1:8081/;
        }
        location = /auth      { internal; proxy_pass http://127.0.0.1:8081/; }
        location = /auth-many { internal; proxy_pass http://127.0.0.1:8082/; }
    }
EOF

$t->write_file('page.html', '<!--#include virtual="/inner" -->' x 3);

service($t, 8081, sub {
    my ($client) = @_;
    print $client "HTTP/1.1 200 OK\r\nX-User: alice\r\nContent-Length: 5\r\n\r\ninner";
    return 0;
});

# A service with as many lines as the client has.
service($t, 8082, sub {
    my ($client, $head) = @_;
    my $count = () = $head =~ /^X-Say: /mg;
    print $client "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n" . "X-Many: b\r\n" x $count . "\r\n";
    return 0;
});
$t->run();

my $jwt = sign($key, '{"sub":"alice"}');
for my $case (@cases) {
    my ($name, $uri, $line) = @$case;
    linear($name, map { steps($uri, $line, $_) } $few, $many);
}

# Over HTTP/2, lines of one name may share its bytes.

linear('HTTP/2', map { steps_http2('/checked', 'a', $_) } $few, $many);

### helpers

# How many lines were looked at for a request with so many of these lines.
sub steps {
    my ($uri, $line, $count) = @_;
    my $status = status(ask("$uri?jwt=$jwt", 'X-Fault: steps', ($line) x $count));
    return $status == 200 ? counted() : "status $status";
}

sub steps_http2 {
    my ($uri, $name, $count) = @_;
    my $s = http2_connection();
    $s->print(http2_request(1, "$uri?jwt=$jwt", 'x-fault', 'steps', ($name, 'b') x $count));
    my %bodies = http2_bodies($s, 1);
    return ($bodies{1} // '') =~ /inner/ ? counted() : 'no body';
}

# Each of the two modules logs what was counted since the last line.
sub counted {
    my @steps;
    wait_until(sub { push @steps, logged($t) =~ /^info steps: (\d+)/mg; @steps == 2 });
    return $steps[0] + ($steps[1] // 0);
}

sub linear {
    my ($name, $few_steps, $many_steps) = @_;
    my $is_linear = "$few_steps$many_steps" =~ /^\d+\z/ && $few_steps > $few && $many_steps < 2.1 * $few_steps;
    is($is_linear ? 'linear' : "$few_steps, $many_steps", 'linear', $name);
}
