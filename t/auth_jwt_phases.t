#!/usr/bin/perl

# Encrypted and nested tokens in each phase: claims have values once the token
# is decrypted. After an internal redirect the last check decides, and
# subrequests are not checked (row 34).

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Jose;

my $t = Test::Nginx->new()->has(qw/ http rewrite map proxy limit_req ssi mirror
    auth_basic /)->plan(72);

my $key = jwk('HS256', '--kid', 'a');
my $aes = jwk('A128KW', '--kid', 'b');
$t->write_file('keys.json', jwks($key, $aes));
$t->write_file('users', 'user:{PLAIN}password');
mkdir $t->testdir() . "/$_" or die for qw/ index secret open /;
$t->write_file("$_/index.html", "$_ page") for qw/ index secret /;
$t->write_file('secret/file', 'the secret');
$t->write_file('open/ssi.html', '<!--#echo var="jwt_status" -->'
    . ' <!--#include virtual="/secret/file" --> <!--#include virtual="/basic/file" -->');
mkdir $t->testdir() . '/basic' or die;
$t->write_file('basic/file', 'of basic');

configure($t, <<'EOF');
    log_format jwt '$uri $status $jwt_claim_sub $role $jwt_status';
    access_log %%TESTDIR%%/jwt.log jwt if=$arg_log;

    map $jwt_claim_role $role {
        volatile;
        default other;
        admin   one;
    }
    limit_req_zone $jwt_claim_sub zone=sub:1m rate=1r/m;

    auth_jwt          "r";
    auth_jwt_key_file keys.json;
    auth_jwt_type     encrypted;

    server {
        listen       127.0.0.1:8080;
        server_name  localhost;

        add_header X-V "<$early|$jwt_claim_sub|$role|$jwt_status|$jwt_verified>" always;
        set $early "$jwt_claim_sub$jwt_payload$jwt_claims,$jwt_status,$jwt_verified,$jwt_header_alg";

        location /nested  { auth_jwt_type nested; }
        location /if {
            if ($jwt_claim_sub) { return 204; }
            if ($jwt_verified)  { return 204; }
        }
        location /proxy {
            proxy_pass       http://127.0.0.1:8081;
            proxy_set_header X-Sub $jwt_claim_sub;
            proxy_set_header X-Role $role;
        }
        location /limited { limit_req zone=sub; }
        location /return  { return 200 "<$jwt_claim_sub|$jwt_header_kid>"; }
        location /deny    { satisfy any; allow all; }

        location /failing  { error_page 404 = /target; }
        location /named    { error_page 404 = @target; }
        location /tried    { try_files /nowhere /target; }
        location /last     { rewrite ^ /target last; }
        location /index/   { }
        location /accel    { proxy_pass http://127.0.0.1:8081; }
        location /target   { }
        location @target   { }
        location = /index/index.html { auth_jwt_require $jwt_claim_index error=403; }

        # from an open location to a protected one
        location /open/ {
            auth_jwt off;
            location /open/failing { error_page 404 = /secret/file; }
            location /open/named   { error_page 404 = @secret; }
            location /open/tried   { try_files /nowhere /secret/file; }
            location /open/last    { rewrite ^ /secret/file last; }
            location /open/accel   { proxy_pass http://127.0.0.1:8081; }
            location /open/ssi     { ssi on; }
            location /open/mirror  { mirror /secret/mirrored; }
            location /open/nothing { try_files /nowhere =404; }
        }
        location /secret/ {
            auth_jwt_type nested;
            location /secret/mirrored { access_log %%TESTDIR%%/mirrored.log jwt; log_subrequest on; }
        }
        location @secret { root %%TESTDIR%%; try_files /secret/file =404; }
        location /basic/ { auth_jwt off; auth_basic b; auth_basic_user_file users; }

        # from one check to another
        location /to/signed    { auth_jwt_type signed; error_page 404 = /target; }
        location /to/other     { error_page 404 = /other/keys; }
        location /other/keys   { auth_jwt "r" token=$http_x_jwt; auth_jwt_type signed; }
        location /to/open      { error_page 401 404 = /as_open; }
        location /as_open      { auth_jwt off; }
        location /to/require   { error_page 404 = /required; }
        location /to/verified  { error_page 404 = /verified; }
        location /verified     { auth_jwt_require $jwt_verified error=403; }
        location /required     { auth_jwt_require $jwt_claim_x error=403; }
        # auth_request: its location is not checked, as no subrequest is
        location /asked        { auth_request /check; }
        location /asked/open   { auth_jwt off; auth_request /check; }
        location /asked/inside { auth_jwt off; auth_request /check/inside; }
        location /check {
            auth_jwt         off;
            proxy_pass       http://127.0.0.1:8081;
            proxy_set_header X-Sub "$jwt_claim_sub,$jwt_verified";
        }
        location /check/inside { proxy_pass http://127.0.0.1:8081; }
        auth_request_set $told $upstream_http_x_told;
        add_header       X-Told $told always;
        location /loop         { error_page 401 = /loop; }
    }

    server {
        listen       127.0.0.1:8081;
        server_name  localhost;
        auth_jwt     off;
        location / { return 200 "sub=<$http_x_sub> role=<$http_x_role>"; }
        location /check      { add_header X-Told "<$http_x_sub>"; return 204; }
        location /accel      { add_header X-Accel-Redirect /target; return 200; }
        location /open/accel { add_header X-Accel-Redirect /secret/file; return 200; }
    }
EOF

$t->run();

my $claims = '{"sub":"user","role":"admin"}';
my $signed = sign($key, $claims);
my %token = (encrypted => encrypt($aes, $claims), nested => encrypt($aes, $signed));
my %forged = (encrypted => encrypt(jwk('A128KW', '--kid', 'b'), $claims),
    nested => encrypt($aes, with_part($signed, 1, sub { s/user/root/ })));
my $late = encrypt($aes, '{"sub":"late","exp":1}');
my $before = ',,0,A128KW';

### before and after the token is decrypted

is(values_of('/x', $forged{encrypted}), "401 <$before||other|decryption_failed|0>", 'forged');
is(values_of('/x', $late), "401 <$before||other|expired|0>", 'expired');
is(values_of('/x', $token{encrypted}), "404 <$before|user|one|ok|1>", 'encrypted');
is(values_of('/nested', $forged{nested}), "401 <$before||other|bad_signature|0>",
    'nested, forged');
is(values_of('/nested', $token{nested}), "404 <$before|user|one|ok|1>", 'nested');
is(values_of('/if', $token{encrypted}), "404 <$before|user|one|ok|1>",
    'if comes before decryption');
is(body(get('/proxy', $token{encrypted}, 'X-Sub: x', 'X-Role: x')), 'sub=<user> role=<one>',
    'proxy_set_header');
is(body(get('/proxy', $late, 'X-Sub: x')) =~ /sub=/, '', 'proxy_set_header, refused');
is(body(get('/return', $token{encrypted})), '<|b>', 'return comes before decryption');
is(values_of('/limited', $token{encrypted}), "404 <$before|user|one|ok|1>", "limit_req, $_")
    for 1, 2;
is(values_of('/deny', undef), '404 <,,0,||other||0>', 'satisfy any without a token: not checked');
is(values_of('/deny', $forged{encrypted}), "404 <$before||other||0>",
    'satisfy any with a forged token: not checked, no claims');

### internal redirects: only a good token reaches the target

for my $uri (qw/ failing named tried last accel /) {
    is(values_of("/$uri", $forged{encrypted}), "401 <$before||other|decryption_failed|0>",
        "$uri, forged");
    is(values_of("/$uri"), '401 <,,0,||other|missing|0>', "$uri, none");
    like(values_of("/$uri", $token{encrypted}), qr/^404 <.*\|user\|one\|ok\|1>$/, "$uri, good");
}
is(verdict(get('/index/', $forged{encrypted})), '401 Bearer realm="r", error="invalid_token"',
    'index, forged');
is(verdict(get('/index/', $token{encrypted})), '403',
    'index, the requirement of the page is not met');
is(body(get('/index/', encrypt($aes, '{"index":1}'))), 'index page', 'index');

### row 34: from an open location to a protected one

for my $uri (qw/ failing named tried last accel /) {
    for ([ none => undef ], [ forged => $forged{nested} ], [ encrypted => $token{encrypted} ]) {
        next if $uri eq 'named' and $_->[0] eq 'encrypted';
        my ($name, $token) = @$_;
        my $response = get("/open/$uri", $token);
        is($response =~ m!^HTTP/1.1 401! && body($response) !~ /the secret/, 1,
            "row 34: $uri, $name");
    }
    my $token = $uri eq 'named' ? $token{encrypted} : $token{nested};
    is(body(get("/open/$uri", $token)), 'the secret', "row 34: $uri, good");
}

# nginx runs no access handler for subrequests: as with auth_basic, the author of a page
# with SSI decides what it includes
is(body(get('/open/ssi.html')), 'disabled the secret of basic', 'row 34: SSI, like auth_basic');
is(verdict(get('/secret/file')), '401 Bearer realm="r"',
    'row 34: the included page by itself is refused');
is(body(get('/open/mirror?log=1', $forged{nested})) =~ /the secret/, '', 'mirror');

is(told('/asked', $forged{encrypted}), '401 not asked', 'auth_request, forged: not asked');
is(told('/asked', $token{encrypted}), '404 <user,1>', 'auth_request, encrypted');
is(told('/asked/open', $token{encrypted}), '404 <,0>',
    'auth_request without auth_jwt, not decrypted');
is(told('/asked/inside', undef), '404 <>', 'auth_jwt in the location that auth_request asks');

### the last check decides

like(values_of('/to/signed', $token{encrypted}), qr/^401 <.*\|\|other\|malformed\|0>$/,
    'refused at the first location');
like(values_of('/to/signed', $signed), qr/^401 <.*\|\|other\|malformed\|0>$/,
    'accepted, then refused: no claims are left');
like(values_of('/to/other', $token{encrypted}), qr/^401 <.*\|\|other\|missing\|0>$/,
    'accepted, then no token');
like(values_of('/to/other', $token{encrypted}, "X-Jwt: $signed"), qr/^404 <.*\|user\|one\|ok\|1>$/,
    'accepted, then another good token');
my $other = sign($key, '{"sub":"other","role":"user"}');
like(values_of('/to/other', $token{encrypted}, "X-Jwt: $other"), qr/^404 <.*\|other\|other\|ok\|1>$/,
    'accepted, then a good token of another user');
my $root = with_part($other, 1, sub { s/other/root/ });
like(values_of('/to/other', $token{encrypted}, "X-Jwt: $root"),
    qr/^401 <.*\|\|other\|bad_signature\|0>$/, 'accepted, then a forged token');
like(values_of('/to/open', $late), qr/^404 <.*\|\|other\|expired\|0>$/,
    'refused, then an open page');
like(values_of('/to/open', $token{encrypted}), qr/^404 <.*\|user\|one\|ok\|1>$/,
    'accepted, then an open page');
like(values_of('/to/require', $token{encrypted}), qr/^403 <.*\|\|other\|requirement\|0>$/,
    'accepted, then a requirement is not met');
like(values_of('/to/require', encrypt($aes, '{"sub":"user","x":1}')),
    qr/^404 <.*\|user\|other\|ok\|1>$/, 'accepted, then the requirement is met');
like(values_of('/to/verified', $token{encrypted}), qr/^403 <.*\|\|other\|requirement\|0>$/,
    'accepted, $jwt_verified is 0 for the next check');
like(values_of('/loop', $late), qr/^401 <.*\|\|other\|expired\|0>$/,
    'refused by the location and its error page');

### logs

get('/x?log=1', $_) for $token{encrypted}, $late, $forged{encrypted};
get('/last/last?log=1', $token{encrypted});
my $log = '';
wait_until(sub { ($log = $t->read_file('jwt.log')) =~ /target/ });
is($log =~ s!^/open/mirror .*\n!!r, <<'EOF', 'access_log');
/x 404 user one ok
/x 401 - other expired
/x 401 - other decryption_failed
/target 404 user one ok
EOF
like($t->read_file('mirrored.log'), qr!^/secret/mirrored \d+ - other disabled$!m,
    'a mirrored request has no claims');
is(scalar(started_workers($t)), 1, 'the worker did not end');

###############################################################################

# The status and the values that the location of auth_request got.
sub told {
    my ($uri, $token) = @_;
    my $response = get($uri, $token);
    return status($response) . ' ' . (header($response, 'X-Told') // 'not asked');
}

# The status and what the variables held.
sub values_of {
    my $response = get(@_);
    return join ' ', status($response), variables($response);
}
