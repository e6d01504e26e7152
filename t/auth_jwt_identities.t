#!/usr/bin/perl

# Row 52: what an upstream gets by `proxy_set_header X-User $jwt_claim_sub`, once
# the access phase is over: the claim of a token that was verified, or nothing.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Jose;
use ParamService;

my $t = Test::Nginx->new()->has(qw/ http rewrite map proxy fastcgi uwsgi scgi ssi mirror access auth_basic
    limit_req sub /)->plan(116);

my $key = jwk('HS256', '--kid', 'a');
my $aes = jwk('A128KW', '--kid', 'b');
$t->write_file('keys.json', jwks($key, $aes));
$t->write_file('users', 'user:{PLAIN}password');
mkdir $t->testdir() . "/$_" or die for qw/ index ssi /;
$t->write_file('index/index.html', 'index');
$t->write_file('ssi/page.html', '<!--#echo var="jwt_claim_sub" default="none" -->'
    . '<!--#echo var="jwt_header_kid" default="none" --> <!--#include virtual="/echo/fragment" -->');

configure($t, <<'EOF');
    log_format jwt '$arg_log $status $jwt_claim_sub $jwt_header_kid $listed $jwt_verified';
    access_log %%TESTDIR%%/jwt.log jwt if=$arg_log;

    auth_jwt_claim_set  $user sub;
    auth_jwt_header_set $key_of_token kid;
    map $jwt_claim_sub $listed {
        volatile;
        default "";
        ~.      $jwt_claim_sub;
    }
    # without volatile: whoever evaluates it first decides
    map $jwt_claim_sub $cached { default $jwt_claim_sub; }
    log_format sub '$jwt_claim_sub $cached';
    map $jwt_claim_admin $early { volatile; default 0; true 1; }
    limit_req_zone $jwt_claim_sub zone=sub:1m rate=1r/m;

    # whatever a location does, an upstream gets these
    proxy_set_header X-User    $jwt_claim_sub;
    proxy_set_header X-More    "$user|$listed|$jwt_claims|$jwt_payload|$jwt_header_kid|$key_of_token";
    proxy_set_header Authorization "";
    fastcgi_param    HTTP_X_USER $jwt_claim_sub;

    server {
        listen       127.0.0.1:8080;
        server_name  localhost;

        auth_jwt          "r";
        auth_jwt_key_file keys.json;
        # both are evaluated before the access phase, and nginx keeps values
        if ($early)  { set $seen "$jwt_claim_sub$user$listed"; }
        set $before "$jwt_claim_sub|$user|$listed|$jwt_header_kid";

        location /on   { proxy_pass http://127.0.0.1:8081; }
        location /off  { auth_jwt off; proxy_pass http://127.0.0.1:8081; }
        location /off_cookie {
            auth_jwt "r" token=$cookie_jwt;
            location /off_cookie/off { auth_jwt off; proxy_pass http://127.0.0.1:8081; }
        }
        location /purpose {
            auth_jwt off token=$arg_jwt;
            proxy_pass http://127.0.0.1:8081;
            location /purpose/inner { proxy_pass http://127.0.0.1:8081; }
            location /purpose/ssi   { ssi on; proxy_pass http://127.0.0.1:8081/echo_ssi; }
            location /purpose/off   { auth_jwt off; proxy_pass http://127.0.0.1:8081;
                location /purpose/off/inner { proxy_pass http://127.0.0.1:8081; }
                location /purpose/off/off   { auth_jwt off; proxy_pass http://127.0.0.1:8081; }
                location /purpose/off/ssi   { ssi on; proxy_pass http://127.0.0.1:8081/echo_ssi; }
                location /purpose/off/again { auth_jwt off token=$arg_jwt; proxy_pass http://127.0.0.1:8081; } }
            location /purpose/tried { auth_jwt r; try_files /nowhere /purpose/page; }
        }
        location /any/allow {
            satisfy any; allow all; proxy_pass http://127.0.0.1:8081;
        }
        location /any/basic {
            satisfy any; auth_basic b; auth_basic_user_file users; proxy_pass http://127.0.0.1:8081;
        }
        location /any/request {
            satisfy any; auth_request /yes; proxy_pass http://127.0.0.1:8081;
        }
        location /any/require {
            satisfy any; auth_request /yes; auth_jwt_require $jwt_claim_x; proxy_pass http://127.0.0.1:8081;
        }
        location = /yes { internal; proxy_pass http://127.0.0.1:8082; }

        # auth_request asks its service, which gets no identity either
        location /asked     { auth_jwt off; auth_request /ask; auth_request_set $told $upstream_http_x_told;
                              add_header X-Told $told always; }
        location /asked/any { satisfy any; auth_jwt "r"; auth_request /ask; proxy_pass http://127.0.0.1:8081; }
        location = /ask     { internal; proxy_pass http://127.0.0.1:8082; }

        location /refused/named    { error_page 401 = @proxied; }
        location /refused/redirect { error_page 401 = /off/page; }
        location /refused/set      { error_page 401 = @set; }
        location /refused/return   { error_page 401 = @return; }
        location /refused/require  { error_page 401 403 = @proxied; auth_jwt_require $jwt_claim_x error=403; }
        location /refused/header   { add_header X-V "<$jwt_claim_sub|$user|$listed|$jwt_header_kid>" always; }
        location /refused/body     { error_page 401 /denied.html; }
        location /denied.html      { auth_jwt off; return 200 "<$jwt_claim_sub|$user>"; }
        location /refused/post     { post_action /post; }
        location /post             { auth_jwt off; proxy_pass http://127.0.0.1:8083; }
        location @proxied          { auth_jwt off; proxy_pass http://127.0.0.1:8081; }
        location @set              { auth_jwt off; set $copy $jwt_claim_sub; proxy_set_header X-User $copy;
                                     proxy_set_header X-More "|||||"; proxy_pass http://127.0.0.1:8081; }
        location @return           { return 200 "<$jwt_claim_sub|$user>"; }

        location /denied { deny all; add_header X-V "<$jwt_claim_sub>" always;
                           location /denied/named { error_page 403 = @proxied; } }

        location /tried   { auth_jwt off; try_files /nowhere /off/page; }
        location /index/  { auth_jwt off; }
        location = /index/index.html { auth_jwt off; proxy_pass http://127.0.0.1:8081; }
        location /accel   { auth_jwt off; proxy_pass http://127.0.0.1:8081/accel; }
        location /fallback { auth_jwt off; try_files /nowhere @checked; }
        location @checked { limit_req zone=sub; proxy_pass http://127.0.0.1:8081; }

        location /ssi/    { auth_jwt off; ssi on; }
        location /echo    { auth_jwt off; proxy_pass http://127.0.0.1:8081; }
        location /mirror  { auth_jwt off; mirror /mirrored; proxy_pass http://127.0.0.1:8081; }
        location /mirrored { internal; proxy_pass http://127.0.0.1:8083; }
        location /fastcgi { auth_jwt off; fastcgi_pass 127.0.0.1:8084; }
        location /uwsgi   { auth_jwt off; uwsgi_pass 127.0.0.1:8086; uwsgi_param HTTP_X_USER $jwt_claim_sub; }
        location /scgi    { auth_jwt off; scgi_pass 127.0.0.1:8087; scgi_param HTTP_X_USER $jwt_claim_sub; }
        location /logged  { auth_jwt off; auth_request /log_asked; proxy_pass http://127.0.0.1:8081;
                            proxy_set_header X-User $cached; }
        location = /log_asked { internal; log_subrequest on; access_log %%TESTDIR%%/sub.log sub;
                            proxy_pass http://127.0.0.1:8082/yes; }
        location /header  { auth_jwt off; add_header X-V "<$jwt_claim_sub|$user|$listed>" always; }
        location /filter  { auth_jwt off; sub_filter SUB "<$jwt_claim_sub>"; sub_filter_types *;
                            proxy_pass http://127.0.0.1:8081/filter; }

        # before the access phase, as in NGINX Plus
        location /before  { add_header X-V "<$before>" always; }
        location /return  { return 200 "<$jwt_claim_sub|$user|$listed>"; }

        # after a good token, everything is there
        location /good/off   { error_page 404 = /off/page; }
        location /good/tried { try_files /nowhere /off/page; }
        location /good/key   { auth_jwt_key_file $jwt_header_kid.json; proxy_pass http://127.0.0.1:8081; }

        location /nested  { auth_jwt_type nested; proxy_pass http://127.0.0.1:8081/nested;
            proxy_set_header X-User "$jwt_header_typ|$jwt_header_alg|$typ_set";
            proxy_set_header X-More "$jwt_outer_header_typ|$jwt_outer_header_alg";
        }
        location /nested/early {
            auth_jwt_type nested;
            set $nested "$jwt_header_typ|$jwt_outer_header_typ";
            add_header X-V "<$nested>" always;
        }
        location /outer { add_header X-V "<$jwt_outer_header_alg|$jwt_header_alg>" always;
            location /outer/encrypted { auth_jwt_type encrypted; } }
    }
    auth_jwt_header_set $typ_set typ;

    # without auth_jwt anywhere
    server {
        listen       127.0.0.1:8085;
        server_name  localhost;
        location /   { proxy_pass http://127.0.0.1:8081; }
    }

    server {
        listen       127.0.0.1:8081;
        server_name  localhost;
        access_log   off;
        location / { return 200 "user=<$http_x_user> more=<$http_x_more>"; }
        location /echo_ssi { default_type text/html; return 200 '<!--#echo var="jwt_claim_sub" default="none" -->'; }
        location /accel  { add_header X-Accel-Redirect /off/page; return 200; }
        location /filter { return 200 SUB; }
    }
    # the service of auth_request
    server {
        listen       127.0.0.1:8082;
        server_name  localhost;
        access_log   off;
        location /    { return 204; }
        location /ask { add_header X-Told "<$http_x_user>"; return 204; }
    }
    log_format got '$request_uri <$http_x_user> <$http_x_more>';
    server {
        listen       127.0.0.1:8083;
        server_name  localhost;
        access_log   %%TESTDIR%%/got.log got;
        location /   { return 204; }
    }
EOF

param_service($t, 8084, 'fastcgi');
param_service($t, 8086, 'uwsgi');
param_service($t, 8087, 'scgi');
$t->run();

my $claims = '{"sub":"user","admin":true}';
my $good = sign($key, $claims);
my $forged = sign(jwk('HS256', '--kid', 'a'), '{"sub":"admin","admin":true}');
my $expired = sign($key, '{"sub":"admin","exp":1,"admin":true}');
my $nothing = 'user=<> more=<|||||>';
my $all = 'user=<user> more=<user|user|{"sub":"user","admin":true}||a|a>';

### auth_jwt does not judge the request

for my $token ($forged, $expired, $good) {
    my $name = $token eq $forged ? 'forged' : $token eq $expired ? 'expired' : 'good';
    is(body(get('/off', $token)), $nothing, "off, $name");
    is(body(ask({ port => 8085 }, '/', bearer($token))), $nothing, "no auth_jwt, $name");
    is(body(get('/any/allow', $token)), $nothing, "satisfy any, allow, $name");
    is(body(get($_, $token)), $nothing, "$_, $name") for qw{ /tried /index/ /accel };
    is(variables(get('/header', $token)), '<||>', "add_header, $name");
    is(body(get('/filter', $token)), '<>', "sub_filter, $name");
    for my $protocol (qw/ fastcgi uwsgi scgi /) {
        my ($user) = body(get("/$protocol", $token)) =~ /^HTTP_X_USER=(.*)$/m;
        is($user, '', "${protocol}_param, $name");
    }
    is(body(get('/ssi/page.html', $token)), "nonenone $nothing", "SSI, $name");
    is(header(get('/asked', $token), 'X-Told'), '<>', "the service of auth_request, $name");
}
is((body(get('/logged', $forged)) =~ /^user=<(.*?)>/)[0], '', 'after the log of a subrequest');
is($t->read_file('sub.log'), "- \n", 'the log of a subrequest');
is(body(get('/off_cookie/off', undef, "Cookie: jwt=$forged")), $nothing,
    'off inside a location with token=');
is(body(get('/any/basic', undef, 'Authorization: Basic dXNlcjpwYXNzd29yZA==')), $nothing,
    'satisfy any, auth_basic');

### it refuses, and something else serves the request

for my $token ($forged, $expired) {
    my $name = $token eq $forged ? 'forged' : 'expired';
    is(body(get('/any/request', $token)), $nothing, "satisfy any, auth_request, $name");
    is(body(get('/asked/any', $token)), $nothing, "satisfy any, its service, $name");
    is(body(get("/refused/$_", $token)), $nothing, "error_page, $_, $name")
        for qw/ named redirect set require /;
    is(body(get("/refused/$_", $token)), '<|>', "error_page, $_, $name") for qw/ return body /;
    like(get('/refused/header', $token), qr/401.*X-V: <\|\|\|>/s, "add_header of a refusal, $name");
    is(verdict(get('/refused/post', $token)), '401 Bearer realm="r", error="invalid_token"',
        "post_action, $name");
    like(get('/denied', $token), qr/403.*X-V: <>/s, "add_header where access is denied, $name");
    is(body(get('/denied/named', $token)), $nothing, "error_page where access is denied, $name");
}
is(body(get('/any/require', $good)), $nothing,
    'satisfy any, a good token that does not meet the requirement');
is(body(get('/refused/require', $good)), $nothing,
    'error_page, a good token that does not meet the requirement');
get('/mirror', $forged);
my $got = '';
wait_until(sub { ($got = -e $t->testdir() . '/got.log' ? $t->read_file('got.log') : '') =~ /mirrored/ });
is($got, "/post <-> <|||||>\n/post <-> <|||||>\n/mirrored <-> <|||||>\n",
    'what post_action and mirror send');

### an unverified token on purpose

my $other = 'user=<admin> more=<admin|admin|{"sub":"admin","admin":true}||a|a>';
is(body(get("/purpose?jwt=$forged")), $other, 'off token=');
is(body(get("/purpose?jwt=$forged", $good)), $other, 'off token=, and a bearer token');
is(body(get("/purpose/inner?jwt=$forged")), $other, 'off token= is inherited');
is(body(get("/purpose/ssi?jwt=$forged")), 'admin', 'SSI in such a location');
is(body(get('/purpose', $forged)), $nothing, 'off token=, no such argument');
is(body(get("/purpose/$_?jwt=$forged", $good)), $nothing, "off inside off token=, $_")
    for qw{ off off/inner off/off };
is(body(get("/purpose/off/ssi?jwt=$forged")), 'none', 'SSI in such a location');
is(body(get("/purpose/off/again?jwt=$forged")), $other, 'off token= inside off');
is(body(get("/purpose/tried?jwt=$forged", $good)), $all, 'off token=, after another token was accepted');

### before the access phase

is(variables(get('/before', $forged)), '<admin|admin|admin|a>', 'set, forged');
is(body(get('/return', $forged)), '<admin|admin|admin>', 'return, forged');

# a location without auth_jwt hands over to one with it, which has a limit
is(status(get('/fallback', $forged)), '401', 'a named location is checked');
is(status(get('/fallback', $forged)), '503', 'and its limit counts by the claim');

### a verified token

is(body(get($_, $good)), $all, $_) for qw{ /on /good/off /good/tried };
is(body(get('/asked/any', $good)), $all, 'satisfy any');
$t->write_file('a.json', jwks($key));
is(body(get('/good/key', $good)), $all, 'a key file by the name in the token');
is(status(get('/good/key', $forged)), '401', 'a key file by the name in the token, forged');

### nested: the header that the issuer has signed

my $inner = sign($key, '{"sub":"user"}', '--header', '{"typ":"inner"}');
my $nested = encrypt($aes, $inner, '--header', '{"typ":"outer"}');
is(body(get('/nested', $nested)), 'user=<inner|HS256|inner> more=<outer|A128KW>', 'nested');
is(variables(get('/nested/early', $nested)), '<|outer>', 'nested, before it is decrypted');
is(variables(get('/outer', $good)), '<|HS256>', 'signed tokens have one header');
is(variables(get('/outer/encrypted', encrypt($aes, '{"sub":"u"}'))), '<|A128KW>',
    'encrypted tokens have one header');

### values that no header line can have

for my $escape ('\t', '\u0001', '\u001b[1m', "\x7f", '\u007f', '\u0085', '\n', '\u0000') {
    jwt_logged($t);
    my $token = sign($key, "{\"sub\":\"a${escape}b\"}");
    my ($shown) = body(get('/on', $token)) =~ /^user=<(.*?)>/;
    is($shown, '', 'control character ' . sprintf '%v02x', $escape);
    like(jwt_logged($t), qr/^warn a value in the token contains a control character, the variable is empty$/m,
        'its line in the log');
}
is(body(get('/on', sign($key, '{"sub":null}'))) =~ /user=<>/, 1, 'null');
# servers drop spaces around a header's value
is(body(get('/on', sign($key, "{\"sub\":\"$_\"}"))) =~ /^user=<admin> /, 1, "\"$_\", a known gap")
    for ' admin', 'admin ';
is(body(get('/on', sign($key, '{"sub":["a","b\u0009"]}'))) =~ /user=<>/, 1, 'an array with one');

### the log has what was there

get('/off?log=off', $forged);
get('/off_cookie/off?log=cookie', undef, "Cookie: jwt=$forged");
get("/purpose/off?log=off_in_off&jwt=$forged");
get('/any/allow?log=any', $forged);
get('/any/request?log=request', $forged);
get('/any/require?log=require', $good);
get('/refused/named?log=named', $expired);
get('/on?log=good', $good);
get('/ssi/page.html?log=ssi', $forged);
my $log = '';
wait_until(sub { ($log = $t->read_file('jwt.log')) =~ /^ssi/m });
is($log, <<'EOF', 'access_log');
off 200 admin a admin 0
cookie 200 admin a admin 0
off_in_off 200 admin a admin 0
any 200 admin a admin 0
request 200 admin a admin 0
require 200 user a user 0
named 200 admin a admin 0
good 200 user a user 1
ssi 200 admin a admin 0
EOF
