#!/usr/bin/perl

# auth_jwt and internal redirects (rows 32 and 34): no way through nginx leads
# to protected content without a good token.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Jose;

my $t = Test::Nginx->new()
    ->has(qw/ http rewrite proxy ssi mirror /)->plan(50);
my $dir = $t->testdir();

my $key = jwk('HS256', '--kid', 'a');
$t->write_file('key.jwk', $key);
mkdir "$dir/$_" or die for qw/ protected open open2 /;
$t->write_file("protected/$_", 'SECRET') for qw/ page index.html index.ssi /;
$t->write_file('open/include.html',
    'open<!--#include virtual="/protected/page" -->');
$t->write_file('protected/include.html',
    'SECRET<!--#include virtual="/open/page" -->');
$t->write_file('open/page', 'open');

configure($t, <<'EOF');
    log_format uri '$uri';

    server {
        listen       127.0.0.1:8080;
        server_name  localhost;

        auth_jwt_key_file key.jwk;

        location /protected/ {
            auth_jwt   "r";
            ssi        on;
            location /protected/only/ {
                internal;
                alias %%TESTDIR%%/protected/;
            }
        }

        # from these locations nginx redirects to a protected location
        location /rewrite/  { rewrite ^/rewrite/(.*) /protected/$1 last; }
        location /break/ {
            rewrite ^/break/(.*) /protected/$1 break;
            auth_jwt "b";
        }
        location /try/      { try_files /nowhere /protected/page; }
        location /try_file/ { try_files /protected/page =404; auth_jwt "t"; }
        location /try_dir/  { try_files /nowhere /protected/; }
        location /error/    { error_page 404 = /protected/page; }
        location /error200/ { error_page 404 =200 /protected/page; }
        location /named/    { error_page 404 = @protected; }
        location @protected {
            auth_jwt  "n";
            root      %%TESTDIR%%/protected;
            try_files /page =404;
        }
        location = /open2/  { index /protected/index.html; }
        location /redirect/ { proxy_pass http://127.0.0.1:8081; }
        location /alias/    { alias %%TESTDIR%%/protected/; auth_jwt "a"; }
        location /open/     { ssi on; }

        # from these nginx redirects after a refusal
        location /denied/ {
            auth_jwt   "d";
            error_page 401 =200 /open/page;
            root       %%TESTDIR%%/protected;
        }
        location /denied_named/ {
            auth_jwt   "d";
            error_page 401 = @login;
        }
        location @login { return 302 http://localhost/login; }
        location /denied_again/ {
            auth_jwt   "d";
            error_page 401 /protected/page;
        }
        location /denied_self/ {
            auth_jwt   "d";
            error_page 401 = /denied_self/page;
            recursive_error_pages on;
            alias %%TESTDIR%%/protected/;
        }

        location /mirrored/ {
            auth_jwt "m";
            mirror   /mirror;
            alias    %%TESTDIR%%/protected/;
        }
        location = /mirror {
            internal;
            auth_jwt   "m";
            proxy_pass http://127.0.0.1:8081/mirror;
        }
        location /exact/ {
            auth_jwt "e";
            location = /exact/open { auth_jwt off; return 200 open; }
        }
        location ~ \.(?:css|page)$ { auth_jwt "regex"; }
    }

    server {
        listen       127.0.0.1:8081;
        server_name  localhost;
        access_log   %%TESTDIR%%/service.log uri;
        location /redirect/ {
            add_header X-Accel-Redirect /protected/page;
            return 200 "not this";
        }
        location /redirect/only {
            add_header X-Accel-Redirect /protected/only/page;
            return 200 "not this";
        }
        location /mirror { return 200; }
    }
EOF

$t->run();

my $good = sign($key, '{"sub":"user"}');
my $forged = with_part($good, 1, sub { s/user/root/ });
my $invalid = ', error="invalid_token"';

### each way to the content: a good token gets it, and no other request does

my @ways = ( # URI, realm
    [ '/protected/page', 'r' ], [ '/protected/', 'r' ],
    [ '/protected/index.html', 'r' ], [ '/protected//page', 'r' ],
    [ '/protected/../protected/page', 'r' ], [ '/./protected/page', 'r' ],
    [ '/%70rotected/page', 'r' ], [ '/protected/%70age', 'r' ],
    [ '//protected/page', 'r' ], [ '/protected/page?x', 'r' ],
    [ '/open/../protected/page', 'r' ], [ '/open/..%2fprotected/page', 'r' ],
    [ '/rewrite/page', 'r' ], [ '/break/page', 'b' ], [ '/try/x', 'r' ],
    [ '/try_file/x', 't' ], [ '/try_dir/x', 'r' ], [ '/error/x', 'r' ],
    [ '/error200/x', 'r' ], [ '/named/x', 'n' ], [ '/open2/', 'r' ],
    [ '/redirect/x', 'r' ], [ '/alias/page', 'a' ],
);

for (@ways) {
    my ($uri, $realm) = @$_;
    my @verdicts;
    for my $token ($good, $forged, undef) {
        my $response = get($uri, $token);
        my $content = body($response) =~ /SECRET/ ? 'content' : 'nothing';
        push @verdicts, verdict($response) . " $content";
    }
    my $challenge = "401 Bearer realm=\"$realm\"";
    is(join("\n", @verdicts), join("\n", '200 content',
        "$challenge$invalid nothing", "$challenge nothing"), $uri);
}

### other methods and versions

for my $method (qw/ HEAD POST PUT DELETE OPTIONS TRACE PROPFIND X get /) {
    my $response = ask({ method => $method, body => '' }, '/protected/page', bearer($forged));
    like($response, $method =~ /TRACE|get/ ? qr/^HTTP\/1.1 40[05] /
        : qr/^HTTP\/1.1 401 (?!.*SECRET)/s, "method $method");
}

### redirects after a refusal

is(verdict(get('/denied/page', $forged)), "200 Bearer realm=\"d\"$invalid",
    'error_page =200');
is(body(get('/denied/page', $forged)), 'open', 'error_page =200, its content');
like(get('/denied_named/', $forged), qr/302.*^Location: http:..localhost.login/ms,
    'error_page to a named location');
my $response = get('/denied_again/', $forged);
is(verdict($response), "401 Bearer realm=\"d\"$invalid + Bearer realm=\"r\""
    . $invalid, 'error_page to a protected location adds its challenge');
is(body($response) =~ /SECRET/, '', 'error_page to a protected location does not send content');
like(get('/denied_again/', $forged), qr/401 Authorization Required/,
    'error_page to what is protected, nginx\'s own page');
unlike(get('/denied_self/x', $forged), qr/SECRET/,
    'error_page to the same location does not send content');

### subrequests: nginx runs no access module for them

is(body(get('/open/include.html')), 'openSECRET',
    'SSI includes protected content in an open page, as nginx does not check subrequests');
is(body(get('/protected/include.html', $good)), 'SECRETopen',
    'SSI in a protected page, good token');
is(body(get('/protected/include.html', $forged)) =~ /SECRET/, '',
    'SSI in a protected page, bad token');

get('/mirrored/page', $forged);
get('/mirrored/page');
is(body(get('/mirrored/page', $good)), 'SECRET', 'mirror');
my $mirrored = '';
wait_until(sub { ($mirrored = $t->read_file('service.log')) =~ /mirror/ });
is(() = $mirrored =~ m!^/mirror$!mg, 1, 'refused requests are not mirrored')
    or diag $mirrored;

### internal, exact and regex locations

is(verdict(get('/protected/only/page', $good)), '404', 'internal');
is(body(get('/redirect/only', $good)), 'SECRET', 'internal, X-Accel-Redirect');
is(verdict(get('/redirect/only', $forged)), "401 Bearer realm=\"r\"$invalid",
    'internal, X-Accel-Redirect, bad');
is(body(get('/exact/open')), 'open', 'an inner location that is off');
is(verdict(get('/exact/open/')), '401 Bearer realm="e"',
    'an exact location does not match with a slash at the end');
is(verdict(get('/open/x.css')), '401 Bearer realm="regex"', 'regex location');
