#!/usr/bin/perl

# auth_request: whichever way nginx takes to protected content, it is sent after
# the service has allowed it and only then (rows 32 and 34).

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use Original;

# ways to the content, with the number of checks on each after a yes

my %ways = (
    '/secret/file.txt' => 1,
    '/secret/file.txt?a=b' => 1,
    '//secret//file.txt' => 1,
    '/secret/./file.txt' => 1,
    '/open/../secret/file.txt' => 1,
    '/open/..//secret/file.txt' => 1,
    '/%73ecret/%66ile.txt' => 1,
    '/secret%2Ffile.txt' => 1,
    '/open/%2e%2e/secret/file.txt' => 1,
    '/secret/file.txt#/open/' => 1,
    'http://localhost/secret/file.txt' => 1,
    '/secret/' => 2,
    '/secret/alias/file.txt' => 1,
    '/secret/try' => 2,
    '/try' => 1,
    '/try-named' => 1,
    '/index/' => 1,
    '/rewrite' => 1,
    '/rewrite-break' => 1,
    '/if' => 1,
    '/accel' => 1,
    '/accel-named' => 1,
    '/error' => 1,
    '/error-200' => 1,
    '/error-named' => 1,
    '/error-proxied' => 1,
    '/error-protected' => 2,
    '/regex/secret/file.txt' => 1,
    '/captured/file' => 1,
);

my $t = Test::Nginx->new()->has(qw/ http proxy rewrite /)
    ->plan(8 * keys(%ways) + 38);

configure($t, <<'EOF');
    server {
        listen       127.0.0.1:8080;
        server_name  localhost;
        index        file.txt;

        location = /auth {
            internal;
            proxy_pass http://127.0.0.1:8081/$http_x_code;
        }
        location /secret/ {
            auth_request /auth;
            location /secret/alias/ { alias %%TESTDIR%%/secret/; }
            location = /secret/try { try_files /none /secret/file.txt; }
        }
        location @secret {
            auth_request /auth;
            try_files /secret/file.txt =404;
        }
        location = /try { try_files /none /secret/file.txt; }
        location = /try-named { try_files /none @secret; }
        location = /index/ { index none.txt /secret/file.txt; }
        location = /rewrite { rewrite ^ /secret/file.txt last; }
        location = /rewrite-break {
            rewrite ^ /secret/file.txt break;
            auth_request /auth;
        }
        location = /if {
            if ($uri) { rewrite ^ /secret/file.txt last; }
        }
        location = /accel {
            proxy_pass http://127.0.0.1:8081/accel;
        }
        location = /accel-named {
            proxy_pass http://127.0.0.1:8081/accel-named;
        }
        location = /error { error_page 404 /secret/file.txt; }
        location = /error-200 { error_page 404 =200 /secret/file.txt; }
        location = /error-named { error_page 404 = @secret; }
        location = /error-proxied {
            proxy_intercept_errors on;
            error_page 404 = /secret/file.txt;
            proxy_pass http://127.0.0.1:8081/none;
        }
        location = /error-protected {
            auth_request /auth;
            error_page 404 = /secret/file.txt;
        }
        location ~ ^/regex(/.*)$ {
            auth_request /auth-regex/x;
            alias %%TESTDIR%%$1;
        }
        location ~ ^/captured/(?<file>\w+)$ {
            auth_request /auth-regex/y;
            try_files /secret/$1.txt /secret/$file =404;
        }
        location ~ ^/auth-regex/(\w+)$ {
            proxy_pass http://127.0.0.1:8081/$http_x_code;
        }

        # error pages of a denial

        location /page {
            auth_request /auth;
            error_page 401 /login.txt;
        }
        location /page-200 {
            auth_request /auth;
            error_page 401 =200 /login.txt;
        }
        location /page-named {
            auth_request /auth;
            error_page 401 403 500 = @login;
        }
        location @login { return 303 /login?to=$request_uri; }
        location /page-away {
            auth_request /auth;
            error_page 401 =302 http://login/?to=$request_uri;
        }
        location /page-protected {
            auth_request /auth;
            error_page 401 403 500 =200 /secret/file.txt;
        }
        location /page-self {
            auth_request /auth;
            error_page 401 403 500 = /page-self/again;
        }
        location /page-named-protected {
            auth_request /auth;
            error_page 401 403 500 = @secret;
        }
        location /page-recursive {
            recursive_error_pages on;
            auth_request /auth;
            error_page 401 403 500 = /page-recursive/again;
        }
    }
    server {
        listen       127.0.0.1:8082;
        auth_request /auth;
        error_page   401 =200 @inherited;
        location / { }
        location @inherited { try_files /secret/file.txt =404; }
        location = /auth {
            internal;
            proxy_pass http://127.0.0.1:8081/$http_x_code;
        }
    }
    server {
        listen       127.0.0.1:8081;
        access_log   %%TESTDIR%%/service.log;
        location / { return 404; }
        location = /204 { return 204; }
        location = /401 { return 401; }
        location = /403 { return 403; }
        location = /500 { return 500; }
        location = /accel {
            add_header X-Accel-Redirect /secret/file.txt;
            return 204;
        }
        location = /accel-named {
            add_header X-Accel-Redirect @secret;
            return 204;
        }
    }
EOF

mkdir $t->testdir() . "/$_" for qw/ secret index /;
$t->write_file('secret/file.txt', 'SECRET');
$t->write_file('login.txt', 'LOGIN');
$t->run();

### ways to the content

for my $uri (sort keys %ways) {
    for my $code (401, 403, 500) {
        my $response = ask($uri, "X-Code: $code");
        is(status($response), $code, "$uri, $code");
        unlike($response, qr/SECRET/, "$uri, $code, content");
    }

    my $checks = checks($t);
    like(ask($uri, "X-Code: 204"), qr/\r\n\r\nSECRET\z/, "$uri, allowed");
    is(checks($t) - $checks, $ways{$uri}, "$uri, checks");
}

### error pages of a denial

like(ask('/page', "X-Code: 401"), qr/^HTTP\S+ 401 .*\r\n\r\nLOGIN\z/s, 'error page');
like(ask('/page', "X-Code: 403"), qr/^HTTP\S+ 403 (?!.*LOGIN)/s, 'no error page for this status');
like(ask('/page-200', "X-Code: 401"), qr/^HTTP\S+ 200 .*\r\n\r\nLOGIN\z/s, 'error page with =200');

like(ask('/page-named?x', "X-Code: $_"),
    qr{^HTTP\S+ 303 .*\r\nLocation: \S+/login\?to=/page-named\?x\r}s,
    "named location, $_") for 401, 403, 500;
like(ask('/page-away', "X-Code: 401"),
    qr{^HTTP\S+ 302 .*\r\nLocation: http://login/\?to=/page-away\r}s, 'error page elsewhere');

# an error page that is protected itself

for my $uri (qw{ /page-protected /page-self /page-named-protected }) {
    for my $code (401, 403, 500) {
        my $checks = checks($t);
        my $response = ask($uri, "X-Code: $code");
        is(status($response), $code, "$uri, $code");
        unlike($response, qr/SECRET/, "$uri, $code, content");
        is(checks($t) - $checks, 2, "$uri, $code, checks");
    }
}

my $checks = checks($t);
is(status(ask('/page-recursive', "X-Code: 401")), 500, 'endless error pages');
is(checks($t) - $checks, 11, 'endless error pages, checks');

my $response = ask({ port => 8082 }, '/', "X-Code: 401");
is(status($response), 401, 'named location under the same check');
unlike($response, qr/SECRET/, 'named location under the same check, content');

### helpers

# How often the service was asked.
sub checks {
    my ($t) = @_;
    return scalar(() = $t->read_file('service.log') =~ m{"GET /\d+ }g);
}
