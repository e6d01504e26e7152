#!/usr/bin/perl

# auth_jwt_phase: tokens are judged before limit_req and limit_conn, which then
# count by claims that were verified.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Jose;
use Test::Nginx qw/ http_end /;

my $t = Test::Nginx->new()
    ->has(qw/ http proxy rewrite map limit_req limit_conn ssi auth_request access /)->plan(54);

my $key = jwk('HS256');
$t->write_file('keys.json', jwks($key));
$t->write_file('ssi.html', '<!--#include virtual="/preaccess/included" -->');

configure($t, <<'EOF');
    limit_req_zone   $jwt_claim_sub zone=access:1m rate=1r/m;
    limit_req_zone   $jwt_claim_sub zone=preaccess:1m rate=1r/m;
    limit_req_zone   $jwt_claim_sub zone=mode:1m rate=1r/m;
    limit_conn_zone  $jwt_claim_sub zone=conn:1m;
    limit_req_status 429;

    server {
        listen       127.0.0.1:8080;
        server_name  localhost;

        auth_jwt          "r";
        auth_jwt_key_file keys.json;
        auth_jwt_phase    preaccess;
        add_header        X-Status $jwt_status always;
        add_header        X-V      "<$jwt_claim_sub|$jwt_verified>" always;
        root              %%TESTDIR%%;

        location /access    { auth_jwt_phase access; limit_req zone=access; }
        location /limited   { limit_req zone=preaccess; }
        location /mode      { auth_jwt_mode $arg_mode; limit_req zone=mode; }
        location /preaccess { }
        location /require   { auth_jwt_require $jwt_claim_none error=403; }
        location /off       { auth_jwt off; }
        location /report    { auth_jwt_mode report; }
        location /none      { auth_jwt_key_file none.json; }
        location /denied    { deny all; }
        location /any       { satisfy any; allow all; }
        location /conn {
            limit_conn       conn 1;
            limit_conn_status 429;
            proxy_pass       http://127.0.0.1:8082;
        }

        location /request/  { auth_jwt_key_request /keys; }
        location /cached/   { auth_jwt_key_request /keys; auth_jwt_key_cache 1m; }
        location /gone/     { auth_jwt_key_request /no-keys; }
        location = /keys    { internal; alias %%TESTDIR%%/keys.json; }
        location = /no-keys { internal; return 404; }

        location /page {
            error_page 401 = /denied_page;
        }
        location = /denied_page {
            auth_jwt_phase access;
            auth_jwt       off;
            return         401 "page";
        }
        location /redirected {
            auth_jwt off;
            try_files /nothing /preaccess/redirected;
        }
        location /named {
            auth_jwt off;
            try_files /nothing @named;
        }
        location @named { }

        location /asks {
            auth_request /check;
        }
        location = /check {
            access_log %%TESTDIR%%/check.log;
            proxy_pass http://127.0.0.1:8081/check;
        }
        location = /ssi.html { auth_jwt off; ssi on; }
    }

    server {
        listen       127.0.0.1:8081;
        server_name  localhost;
        access_log   %%TESTDIR%%/check.log;
        location / { return 204; }
    }

    server {
        listen       127.0.0.1:8083;
        server_name  localhost;

        auth_jwt          "r";
        auth_jwt_key_file keys.json;
        location / { limit_req zone=access; }
    }
EOF

$t->run_daemon(\&slow_service, port(8082));
run_quietly($t);
$t->waitforsocket('127.0.0.1:' . port(8082));

my %good = map { $_ => sign($key, qq({"sub":"$_"})) } qw/ victim alice bob carol /;
my $forged = with_part($good{bob}, 1, sub { s/bob/victim/ });
my $invalid = '401 Bearer realm="r", error="invalid_token"';

### limits count by verified claims

# by default the access phase comes after the limits: a forged token uses up the limit
is(verdict(get('/access', $forged)), $invalid, 'access phase, forged');
is(verdict(get('/access', $good{victim})), '429', 'access phase, the limit of the victim is used up');

is(verdict(get('/limited', $forged)), $invalid, "preaccess phase, forged, $_") for 1 .. 3;
is(verdict(get('/limited')), '401 Bearer realm="r"', 'preaccess phase, no token');
is(verdict(get('/limited', $good{victim})), '404', 'preaccess phase, the victim is served');
is(verdict(get('/limited', $good{victim})), '429', 'preaccess phase, the second time is one too many');
is(verdict(get('/limited', $good{alice})), '404', 'preaccess phase, another subject');
is(verdict(get('/limited', $forged)), $invalid, 'a forged token is refused beyond the limit as well');

# tokens that nobody has looked at have no claims to count by
is(verdict(get('/mode?mode=off', $forged)), '404', 'mode off, forged');
is(verdict(get('/mode?mode=report', $forged)), '404', 'mode report, forged');
is(verdict(get('/mode?mode=optional', $good{victim})), '404', 'the limit of the victim is untouched');
is(verdict(get('/mode?mode=optional', $good{victim})), '429', 'until it is used up');
is(verdict(get('/mode?mode=optional')), '404', 'optional, no token');

my $first = ask({ start => 1 }, '/conn', bearer($good{victim}));
select undef, undef, undef, 0.3;
is(verdict(get('/conn', $forged)), $invalid, 'limit_conn, forged');
is(verdict(get('/conn', $good{victim})), '429', 'limit_conn, a second connection');
is(status(get('/conn', $good{alice})), 200, 'limit_conn, another subject');
is(status(http_end($first)), 200, 'limit_conn, the first connection');

### verdicts are those of the access phase

for (
    [ '/preaccess', undef, '401 Bearer realm="r" missing <|0>' ],
    [ '/preaccess', $forged, "$invalid bad_signature <|0>" ],
    [ '/preaccess', $good{bob}, '404 ok <bob|1>' ],
    [ '/require', $good{bob}, '403 requirement <|0>' ],
    [ '/none', $good{bob}, '500 keys_unavailable <|0>' ],
    [ '/off', $forged, '404 disabled <|0>' ],
    [ '/report', $forged, '404 bad_signature <|0>' ],
    [ '/report', $good{bob}, '404 ok <bob|1>' ],
    [ '/redirected', $forged, "$invalid bad_signature <|0>" ],
    [ '/redirected', $good{bob}, '404 ok <bob|1>' ],
    [ '/named', $forged, "$invalid bad_signature <|0>" ],
    [ '/named', $good{bob}, '404 ok <bob|1>' ],
) {
    my ($uri, $token, $expected) = @$_;
    my $response = get($uri, $token);
    is(join(' ', verdict($response), header($response, 'X-Status'), variables($response)),
        $expected, "$uri, " . (split / /, $expected)[-2]);
}
is(verdict(get('/page', $forged)), $invalid, 'error_page');
is(body(get('/page', $forged)), 'page', 'error_page, body');

# other access modules still have their say, and satisfy any does not apply
is(verdict(get('/denied', $good{bob})), '403', 'deny');
is(verdict(get('/any', $forged)), $invalid, 'satisfy any, forged');
is(verdict(get('/any', $good{bob})), '404', 'satisfy any, good');

# a subrequest is not judged, the authorization service is not asked in vain
like(get('/ssi.html'), qr/404 Not Found/, 'an SSI include is not judged');
is(verdict(get('/asks', $forged)), $invalid, 'auth_request, forged');
is(verdict(get('/asks', $good{bob})), '404', 'auth_request, good');
is(scalar(() = $t->read_file('check.log') =~ /GET/g), 1, 'the service is asked once');

### keys by subrequest

for my $uri ('/request/', '/cached/') {
    is(verdict(get($uri, $forged)), $invalid, "$uri, forged");
    is(verdict(get($uri, $good{bob})), '404', "$uri, good") for 1, 2;
}
is(verdict(get('/gone/', $good{bob})), '500', 'no keys');

### configuration

my $conf = sub { return config_test($t, $_[0]) };
my $error = sub { return "[emerg] $_[0] in DIR/http.conf:1 | exit 1" };
my $must = 'it must be "access" or "preaccess"';
for my $value (qw/ on Access content /) {
    is($conf->("auth_jwt_phase $value;"),
        $error->("invalid value \"$value\" in \"auth_jwt_phase\" directive, $must"), $value);
}
is($conf->('auth_jwt_phase access; auth_jwt_phase access;'),
    $error->('"auth_jwt_phase" directive is duplicate'), 'twice');

my $keys = 'auth_jwt_key_file keys.json;';
my $any = "server { auth_jwt r; $keys satisfy any; location / { auth_jwt_phase";
is($conf->("$any preaccess; } }") =~ s{ in DIR/nginx.conf:\d+ }{ }r,
    '[warn] "satisfy any" does not apply to "auth_jwt_phase preaccess" in DIR/http.conf:1: a request '
    . 'without a valid token is refused whatever other modules say | exit 0', 'satisfy any');
is($conf->("$any access; } }"), 'exit 0', 'satisfy any, access phase');
is($conf->("server { satisfy any; location / { auth_jwt_phase preaccess; } }"), 'exit 0',
    'satisfy any without auth_jwt');

###############################################################################

# Answers after a second.
sub slow_service {
    my ($port) = @_;
    my $server = IO::Socket::INET->new(Listen => 5, LocalAddr => "127.0.0.1:$port", ReuseAddr => 1)
        or die "Can't listen: $!\n";
    local $SIG{CHLD} = 'IGNORE';
    while (my $client = $server->accept()) {
        next if fork;
        while (defined(my $line = <$client>)) {
            last if $line =~ /^\r?\n$/;
        }
        select undef, undef, undef, 1;
        print $client "HTTP/1.0 200 OK\r\n\r\nslow";
        exit;
    }
}

###############################################################################
