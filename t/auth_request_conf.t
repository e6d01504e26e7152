#!/usr/bin/perl

# auth_request and auth_request_set: what nginx says of a wrong configuration,
# in the words of the built-in module.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my @http = (
    # what http {} holds, and what nginx says

    ['auth_request;',
        'invalid number of arguments in "auth_request" directive'],
    ['auth_request /a /b;',
        'invalid number of arguments in "auth_request" directive'],
    ['auth_request /a; auth_request /b;',
        '"auth_request" directive is duplicate'],
    ['auth_request /a; auth_request off;',
        '"auth_request" directive is duplicate'],
    ['auth_request off; auth_request off;',
        '"auth_request" directive is duplicate'],
    ['auth_request ""; auth_request /a;',
        '"auth_request" directive is duplicate'],
    ['server { auth_request /a; auth_request /a; }',
        '"auth_request" directive is duplicate'],
    ['server { location / { if ($uri) { auth_request /a; } } }',
        '"auth_request" directive is not allowed here'],
    ['server { if ($uri) { auth_request /a; } }',
        '"auth_request" directive is not allowed here'],
    ['server { location / { limit_except GET { auth_request /a; } } }',
        '"auth_request" directive is not allowed here'],
    ['upstream u { auth_request /a; }',
        '"auth_request" directive is not allowed here'],

    ['auth_request_set;',
        'invalid number of arguments in "auth_request_set" directive'],
    ['auth_request_set $a;',
        'invalid number of arguments in "auth_request_set" directive'],
    ['auth_request_set $a b c;',
        'invalid number of arguments in "auth_request_set" directive'],
    ['auth_request_set foo x;', 'invalid variable name "foo"'],
    ['auth_request_set "" x;', 'invalid variable name ""'],
    ['auth_request_set $ x;', 'invalid variable name "$"'],
    ['auth_request_set $uri x;', 'the duplicate "uri" variable'],
    ['auth_request_set $request_uri x;',
        'the duplicate "request_uri" variable'],
    ['auth_request_set $a $;', 'invalid variable name'],
    ['auth_request_set $a ${b;',
        'the closing bracket in "b" variable is missing'],
    ['auth_request_set $a $undefined_one;',
        'unknown "undefined_one" variable'],
    ['server { location / { if ($uri) { auth_request_set $a b; } } }',
        '"auth_request_set" directive is not allowed here'],
    ['server { location / { limit_except GET { auth_request_set $a b; } } }',
        '"auth_request_set" directive is not allowed here'],
    ['auth_requests /a;', 'unknown directive "auth_requests"'],
);

my @ours = (
    ['auth_request /$undefined_one;', 'unknown "undefined_one" variable'],
    ['auth_request /$;', 'invalid variable name'],
    ['auth_request "/${a";', 'the closing bracket in "a" variable is missing'],
);

my @fine = (
    'auth_request /a; server { auth_request /b; auth_request_set $a b; }',
    'auth_request_set $a b; auth_request_set $a c; auth_request_set $a $a;',
    'auth_request_set $args b; auth_request_set $limit_rate 1k;',
    'auth_request_set $http_foo b; auth_request_set $cookie_foo c;',
    'server { set $a b; auth_request_set $a c; }',
    'auth_request_set $A b; server { set $c $a; }',
    'auth_request @a; server { location @a { } }',
);

my $t = Test::Nginx->new()->has(qw/ http rewrite /)
    ->plan(2 * @http + 2 * @ours + @fine + 5);

$t->write_file_expand('nginx.conf', <<'EOF');
%%TEST_GLOBALS%%
daemon off;
events {
}
http {
    %%TEST_GLOBALS_HTTP%%
    include part.conf;
}
EOF

my $dir = $t->testdir();

for my $case (@http, @ours) {
    my ($conf, $message) = @$case;
    my $said = check($t, $conf);

    # those that nginx finds when it has read all have no line
    my $place = $message =~ /^unknown "/ ? '' : " in $dir/part.conf:1";

    like($said, qr/^nginx: \[emerg\] \Q$message$place\E$/m, $conf);
    is(() = $said =~ /\[(?:emerg|alert|crit|error)\]/g, 1, 'one line');
}

is(join(' ', check($t, $_) =~ /(\[emerg\].*|test is successful)/g),
    'test is successful', $_) for @fine;

### a service that is none

like(check($t, 'auth_request auth;'),
    qr/\[warn\] auth_request "auth": .* in \Q$dir\E\/part.conf:1$/m,
    'a URI without a slash');
unlike(check($t, 'auth_request /auth;'), qr/\[warn\]/, 'one with a slash');
unlike(check($t, 'auth_request $http_auth;'), qr/\[warn\]/, 'a variable');

### a failed reload leaves the old configuration in force

$t->write_file_expand('part.conf', 'server { listen 127.0.0.1:8080; '
    . 'location / { auth_request /no; } location = /no { return 403; } }');

# nginx -T leaves an empty one
unlink "$dir/nginx.pid";
$t->run();
like(http_get('/'), qr/^HTTP\S+ 403 /, 'before a failed reload');

$t->write_file_expand('part.conf', 'server { listen 127.0.0.1:8080; '
    . 'location / { auth_request; } location = /no { return 403; } }');
$t->reload();
select undef, undef, undef, 0.02
    until $t->read_file('error.log') =~ /\[emerg\].* in "auth_request"/;
like(http_get('/'), qr/^HTTP\S+ 403 /, 'after it');

### helpers

sub check {
    my ($t, $http) = @_;
    $t->write_file_expand('part.conf', $http);
    return $t->dump_config();
}
