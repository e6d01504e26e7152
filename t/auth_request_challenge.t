#!/usr/bin/perl

# auth_request: all WWW-Authenticate lines of a 401 go to the client, and
# nothing else of the service's response.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use Original;

my $t = Test::Nginx->new()->has(qw/ http auth_basic proxy rewrite /)->plan(28);

configure($t, <<'EOF');
    server {
        listen       127.0.0.1:8080;
        server_name  localhost;

        location / { auth_request /auth; }
        location = /auth {
            proxy_pass http://127.0.0.1:8081/$http_x_case;
        }
        location /added {
            auth_request /auth-added;
        }
        location = /auth-added {
            add_header WWW-Authenticate 'Added realm="a"' always;
            proxy_pass http://127.0.0.1:8081/$http_x_case;
        }
        location /hidden {
            auth_request /auth-hidden;
        }
        location = /auth-hidden {
            proxy_hide_header WWW-Authenticate;
            proxy_pass http://127.0.0.1:8081/$http_x_case;
        }
        location /intercepted {
            auth_request /auth-intercepted;
        }
        location = /auth-intercepted {
            proxy_intercept_errors on;
            error_page 404 /nowhere;
            proxy_pass http://127.0.0.1:8081/$http_x_case;
        }
        location /page {
            auth_request /auth-page;
        }
        location = /auth-page {
            proxy_intercept_errors on;
            error_page 401 /page.html;
            proxy_pass http://127.0.0.1:8081/$http_x_case;
        }
        location = /page.html { internal; }
        location /other {
            auth_request /auth-other;
        }
        location = /auth-other {
            proxy_intercept_errors on;
            error_page 404 = @other;
            proxy_pass http://127.0.0.1:8081/missing;
        }
        location @other {
            proxy_pass http://127.0.0.1:8081;
            rewrite ^ /several break;
        }
        location /twice {
            auth_request /auth;
            error_page 401 = /twice-page;
        }
        location = /twice-page {
            auth_request /auth-twice;
        }
        location = /auth-twice {
            proxy_pass http://127.0.0.1:8081/basic;
        }
        location /kept {
            auth_request /auth;
            error_page 401 /kept-page;
        }
        location = /kept-page {
            auth_request /yes;
            auth_request_set $kept 1;
            try_files /page.html =404;
        }
        location = /yes { return 204; }
    }
    server {
        listen       127.0.0.1:8081;
        server_name  service;
        add_header   X-Secret secret always;
        add_header   Set-Cookie 'id=secret' always;
        add_header   Proxy-Authenticate 'Basic realm="proxy"' always;
        add_header   Authentication-Info 'secret' always;

        location = /none { return 401; }
        location = /one { return 401; add_header WWW-Authenticate One always; }
        location = /several {
            add_header WWW-Authenticate 'Bearer realm="r", error="e"' always;
            add_header X-Secret secret always;
            add_header WWW-AUTHENTICATE 'Negotiate' always;
            add_header www-authenticate 'Digest realm="a\"b", qop="auth"' always;
            return 401 "INVISIBLE";
        }
        location = /basic {
            auth_basic           "restricted";
            auth_basic_user_file %%TESTDIR%%/htpasswd;
        }
        location = /forbidden {
            add_header WWW-Authenticate One always;
            return 403;
        }
        location = /allowed {
            add_header WWW-Authenticate One always;
            return 204;
        }
        location = /broken {
            add_header WWW-Authenticate One always;
            return 500;
        }
        location = /chunked { proxy_pass http://127.0.0.1:8082; }
    }
EOF

$t->write_file('htpasswd', 'user:{PLAIN}secret' . "\n");
$t->write_file('index.html', 'CONTENT');
$t->write_file('page.html', 'PAGE');
$t->run_daemon(\&chunked);
$t->run();
$t->waitforsocket('127.0.0.1:' . port(8082));

my @several = ('Bearer realm="r", error="e"', 'Negotiate',
    'Digest realm="a"b", qop="auth"');

### challenges of the service

challenges('/', 'none');
challenges('/', 'one', 'One');
challenges('/', 'several', @several);
challenges('/', 'basic', 'Basic realm="restricted"');
challenges('/', 'chunked', 'Chunked one', 'Chunked two');

my $page = ask('/', "X-Case: several");
unlike($page, qr/INVISIBLE|secret|Proxy-Auth/, 'no other line of the service is copied');
like($page, qr/<title>401 Authorization Required<\/title>/, 'the page is the one of nginx');

is(join(' ', challenged(ask('/', "X-Case: forbidden"))), '403', 'none on a 403');
is(join(' ', challenged(ask('/', "X-Case: broken"))), '500', 'none on a 500');
is(join(' ', challenged(ask('/', "X-Case: allowed"))), '200', 'none on a 200');
like(ask('/', "X-Case: allowed"), qr/\r\n\r\nCONTENT\z/, 'allowed');

### directives in the location that is asked

# add_header has no effect in a subrequest
challenges('/added', 'none');
challenges('/added', 'one', 'One');
challenges('/hidden', 'several', @several);
challenges('/intercepted', 'none');
challenges('/intercepted', 'one', 'One');
challenges('/intercepted', 'several', @several);
challenges('/page', 'several', @several);
challenges('/other', 'none', @several);

### two checks

is(join('|', challenged(ask('/twice', "X-Case: one"))), '401|One|Basic realm="restricted"',
    'challenges of the request and of its error page');
is(join('|', challenged(ask('/kept', "X-Case: several"))), join('|', 401, service_challenges($t, @several)),
    'error page after a check that allows it, challenges');
like(ask('/kept', "X-Case: several"), qr/\r\n\r\nPAGE\z/,
    'error page after a check that allows it, content');

### odd names and values

challenges('/', 'chunked?case=empty', '');
challenges('/', 'chunked?case=long', 'x' x 3000);
challenges('/', 'chunked?case=many', map { "N$_" } 1 .. 60);
challenges('/', 'chunked?case=bytes', "\xff\x80\t\"\\");
challenges('/', 'chunked?case=near');

### HEAD

is(join('|', challenged(ask({ method => 'HEAD' }, '/', 'X-Case: several'))),
    join('|', 401, service_challenges($t, @several)), 'HEAD');

### helpers

# Status and challenges.
sub challenged {
    my ($response) = @_;
    return status($response), headers($response, 'WWW-Authenticate');
}

sub challenges {
    my ($uri, $case, @expected) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    is(join('|', challenged(ask($uri, "X-Case: $case"))), join('|', 401, service_challenges($t, @expected)),
        "$uri, challenges of $case");
}

sub chunked {
    my $server = IO::Socket::INET->new(
        Proto => 'tcp',
        LocalAddr => '127.0.0.1:' . port(8082),
        Listen => 5,
        Reuse => 1
    )
        or die "Can't create listening socket: $!\n";

    my %lines = (
        '' => "WWW-Authenticate: Chunked one\r\n"
            . "WWW-Authenticate: Chunked two\r\n",
        empty => "WWW-Authenticate:\r\n",
        long => 'WWW-Authenticate: ' . 'x' x 3000 . "\r\n",
        many => join('', map { "WWW-Authenticate: N$_\r\n" } 1 .. 60),
        bytes => "WWW-Authenticate: \xff\x80\t\"\\\r\n",
        near => "WWW-Authenticat: x\r\nWWW-Authenticate2: x\r\n"
            . "WWW_Authenticate: x\r\n",
    );

    while (my $client = $server->accept()) {
        $client->autoflush(1);
        my $request = '';
        while (my $line = <$client>) {
            $request .= $line;
            last if $line =~ /^\r?\n$/;
        }
        my ($case) = $request =~ /case=(\w+)/;
        print $client "HTTP/1.1 401 No\r\n" . $lines{$case // ''}
            . "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
            . "9\r\nINVISIBLE\r\n0\r\n\r\n";
        close $client;
    }
}
