#!/usr/bin/perl

# `nginx-auth explain --config` finds what is in force for a request as nginx does: for
# each URI, host and method of a configuration with all kinds of inheritance, and for
# tokens that are wrong in different ways, the status and $jwt_status are those of a
# running nginx.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Jose;

use JSON::PP ();

my $command = $ENV{NGINX_AUTH} // "$FindBin::Bin/../target/debug/nginx-auth";
BAIL_OUT("no $command: scripts/build-cli, or set NGINX_AUTH") unless -x $command;

my %key = (
    a => jwk('HS256', '--kid', 'a'),
    b => jwk('ES256', '--kid', 'b'),
    w => jwk('A256KW', '--kid', 'w'),
    partner => jwk('HS256', '--kid', 'p'),
);

my $claims = '{"iss":"https://id.example","aud":["web","api"],"sub":"alice","scope":"read write",'
    . '"level":5,"jti":"t1","iat":"now","exp":"now+3600"}';
my @claims = ($claims, map { my ($from, $to) = @$_; $claims =~ s/\Q$from\E/$to/r }
    [ '"now+3600"', '"now-60"' ], [ '"iat":"now"', '"iat":"now-9000"' ],
    [ 'id.example', 'partner.example' ],
    [ 'read write', 'read' ], [ '"level":5', '"level":4' ], [ 'alice', 'mallory' ], [ '"t1"', '"t2"' ],
    [ '["web","api"]', '"web"' ]);
my @tokens = (undef, 'opaque', (map { sign($key{a}, $_) } @claims), sign($key{b}, $claims),
    (map { sign($key{partner}, $_) } @claims[0, 3]), encrypt($key{w}, sign($key{a}, $claims)),
    encrypt($key{w}, $claims));

my @hosts = ('localhost', 'api.test', 'v2.api.test', 'www.partner.test', 'r7.test', 'nobody.test');
my @requests = (
    (map { [ 'localhost', 'GET', $_ ] } qw(
        /a /plain /plain/%6F%66f/x /plain//off/x /plain/../leeway/a /leeway/none
        /rules/ /rules/own/a /rules/x.json /RULES/X.JSON /exact /exact/
        /types/nested /types/encrypted /types/nested/signed /keys/other /keys/both
        /keys/none /believe /believe/not /mode/report /mode/off /mode/set /mode/map
        /require/met /require/zero /require/empty/a /require/claim /require/map
        /require/rule /files/by_kid /files/none /files/list /revoked /revoked/other
        /request /request/file /cookie /cookie/header /algorithms /age /returned
        /internal /redirect /file/
    )),
    (map { [ 'localhost', $_, '/methods/a' ] } qw( GET HEAD POST PUT )),
    (map { my $uri = $_; map { [ $_, 'GET', $uri ] } @hosts }
        '/b', '/x/y', '/partner', '/partner/off', '/both'),
);

my $t = Test::Nginx->new()->has(qw/ http rewrite map proxy /)->plan(4);
my $dir = $t->testdir();

$t->write_file('keys.json', jwks(@key{qw/ a w /}));
$t->write_file('more.json', jwks($key{b}));
$t->write_file('a.json', jwks($key{a}));
$t->write_file('b.json', jwks($key{b}));
$t->write_file('partner.json', jwks($key{partner}));
$t->write_file('subjects.json', '{"mallory":1}');
$t->write_file('tokens.json', '{"t2":1}');
$t->write_file('server.conf', <<'END');
auth_jwt           "in a file";
auth_jwt_key_file  keys.json;
END

configure($t, <<'END');
    add_header X-Status $jwt_status always;
    auth_jwt_leeway 2m;
    map $host $by_host { default required; api.test report; }
    map $flag $mapped { default required; "on" optional; }
    map $http_never $constant { default report; }
    map $jwt_claim_sub $allowed { default 1; mallory 0; }
    map $audience $for_api { default ""; ~\bapi\b yes; }
    auth_jwt_claim_set $audience aud;
    auth_jwt_header_set $kind alg;

    auth_jwt_issuer corp { issuer https://id.example; audience api; key_file keys.json; leeway 0; }
    auth_jwt_issuer partner {
        issuer https://partner.example;
        key_file partner.json;
        require_claim level ge 5;
    }

    server {
        listen       127.0.0.1:8080;
        server_name  localhost;
        set $flag on;
        set $empty "";
        include server.conf;

        location / { }
        location /plain { location /plain/off/ { auth_jwt off; } }
        location /leeway { auth_jwt_leeway 30s; location /leeway/none { auth_jwt_leeway 0; } }
        location /rules/ {
            auth_jwt_require_claim level ge 5;
            auth_jwt_require_claim sub ne mallory error=403;
            auth_jwt_require_scope read;
            location /rules/own/ { auth_jwt_require_claim aud any api; auth_jwt_require_scope write; }
            location ~ \.json$ { auth_jwt_require_header kid eq x; }
        }
        location ~* ^/rules/.*\.json$ { auth_jwt_require_header kid eq a; }
        location = /exact { auth_jwt_require_scope admin; }
        location /types/ {
            auth_jwt_type nested;
            location /types/encrypted { auth_jwt_type encrypted; }
            location /types/nested/signed { auth_jwt_type signed; auth_jwt_compression off; }
        }
        location /keys/other { auth_jwt_key_file more.json; }
        location /keys/both {
            auth_jwt_key_file more.json;
            auth_jwt_key_file %%TESTDIR%%/keys.json;
        }
        location /keys/none { auth_jwt_key_file partner.json; }
        location /believe {
            auth_jwt_verify_signature off;
            location /believe/not { auth_jwt_verify_signature on; }
        }
        location /mode/report { auth_jwt_mode report; }
        location /mode/off { auth_jwt_mode off; }
        location /mode/set { set $own repo; auth_jwt_mode ${own}rt; }
        location /mode/map { auth_jwt_mode $mapped; }
        location /require/met { set $one 1; auth_jwt_require $one; }
        location /require/zero { set $zero 0; auth_jwt_require $flag $zero error=403; }
        location /require/empty { auth_jwt_require $empty; location /require/empty/a { } }
        location /require/claim { auth_jwt_require $jwt_claim_level $jwt_claim_tenant; }
        location /require/map { auth_jwt_require $allowed $for_api error=403; }
        location /require/rule {
            auth_jwt_require_claim sub in $jwt_claim_sub;
            auth_jwt_require_header alg ne $kind;
        }
        location /files/by_kid { auth_jwt_key_file $jwt_header_kid.json; }
        location /files/none { auth_jwt_key_file none.json; }
        location /files/list { auth_jwt_revocation_list_sub none.json; }
        location /revoked {
            auth_jwt_revocation_list_sub subjects.json;
            location /revoked/other { auth_jwt_revocation_list_jti tokens.json; }
        }
        location /request {
            auth_jwt_key_request /_keys;
            location /request/file { auth_jwt_key_file more.json; }
        }
        location = /_keys { internal; auth_jwt off; alias %%TESTDIR%%/keys.json; }
        location /cookie { auth_jwt "c" token=$cookie_t; location /cookie/header { auth_jwt "h"; } }
        location /algorithms {
            auth_jwt_algorithms ES256;
            auth_jwt_key_file keys.json;
            auth_jwt_key_file more.json;
        }
        location /age { auth_jwt_max_age 1h; }
        location /returned { return 204; }
        location /internal { internal; }
        location /redirect/ { proxy_pass http://127.0.0.1:8081; }
        location /methods { limit_except GET { auth_jwt_require_scope admin; } auth_jwt_require_scope read; }
    }

    server {
        listen       127.0.0.1:8080;
        server_name  api.test *.api.test;
        auth_jwt     "api";
        auth_jwt_trust corp;

        location / { }
        location /x { auth_jwt_trust off; auth_jwt_key_file more.json; location ~ y { auth_jwt_trust corp partner; } }
        location /partner { auth_jwt_trust partner; location /partner/off { auth_jwt off; } }
        location /both { auth_jwt_trust corp partner; auth_jwt_require_claim level exists; }
    }

    server {
        listen       127.0.0.1:8080 default_server;
        server_name  www.partner.*;
        location / { auth_jwt "default"; auth_jwt_key_file partner.json; auth_jwt_mode $constant; }
        location /both { auth_jwt "b"; auth_jwt_key_file keys.json; auth_jwt_mode optional; }
    }

    server {
        listen       127.0.0.1:8080;
        server_name  ~^r[0-9]\.test$;
        auth_jwt     "regex";
        auth_jwt_key_file keys.json;
        location /partner { auth_jwt_require_scope admin; }
    }
END

run_quietly($t);

my ($count, %seen, @different) = (0);
for my $number (0 .. $#requests) {
    my ($host, $method, $uri) = @{ $requests[$number] };
    # The good token, and half of the others. Where its values are asked for, all.
    for my $n (grep { $_ == 2 or $uri =~ /^\/require/ or ($_ + $number) % 2 } 0 .. $#tokens) {
        my $by_nginx = by_nginx($host, $method, $uri, $tokens[$n]);
        my $by_command = by_command($host, $method, $uri, $tokens[$n]);
        $seen{$by_nginx}++;
        $count++;
        push @different, "$method $host $uri, token $n: nginx $by_nginx, command $by_command"
            if $by_nginx ne $by_command;
    }
}
is(join("\n", @different), '', 'what nginx does');
cmp_ok($count, '>', 600, 'many requests');
cmp_ok(scalar(keys %seen), '>', 12, 'with many results') or note(join ', ', sort keys %seen);
note(join ', ', map { "$_: $seen{$_}" } sort keys %seen);

my @question = ('--server', 'localhost:' . port(8080), '--location', '/rules/own//./');
is(explained(@question), <<'END', 'the lines for a location');
in force:
    server, nginx.conf:LINE, listens on 127.0.0.1:PORT, server_name localhost
    location /rules/, nginx.conf:LINE
    location /rules/own/, nginx.conf:LINE
    auth_jwt "in a file", server.conf:1, inherited from server
    auth_jwt_key_file DIR/keys.json, server.conf:2, inherited from server
    auth_jwt_leeway 2m, nginx.conf:LINE, inherited from http
    auth_jwt_require_claim aud any api, nginx.conf:LINE
    auth_jwt_require_scope write, nginx.conf:LINE
not followed:
    an index file: nginx looks for its location again
END

sub by_nginx {
    my ($host, $method, $uri, $token) = @_;
    my @lines = defined $token ? ($uri eq '/cookie' ? "Cookie: t=$token" : bearer($token)) : ();
    my $response = ask({ method => $method }, $uri, "Host: $host", @lines);
    my $jwt_status = jwt_status($response);
    # What no token is asked for has no status of its own.
    return 'not judged' if $jwt_status =~ / (?:-|disabled)$/;
    return $jwt_status =~ s/^(?!401|403|500)\d+/served/r;
}

sub by_command {
    my ($host, $method, $uri, $token) = @_;
    $t->write_file('token', $token // '');
    my @keys = $uri eq '/request' ? ('--keys', "$dir/keys.json") : ();
    my $json = explained('--json', '--server', $host . ':' . port(8080), '--method', $method,
        '--location', $uri, '--token-file', "$dir/token", @keys);
    # The command has said on standard error why there is no answer.
    return 'no answer' if $json eq '';
    my $explained = JSON::PP::decode_json($json);
    return 'not judged' if defined $explained->{config}{no_check};
    my $refusal = $explained->{refusal};
    my $status = $explained->{config}{served} ? 'served' : $refusal->{http_status};
    return "$status $explained->{jwt_status}";
}

# What the command prints about nginx.conf, without what differs from run to run.
sub explained {
    my (@options) = @_;
    open my $output, '-|', $command, 'explain', '--config', "$dir/nginx.conf", @options
        or die "Can't run $command: $!\n";
    my $text = do { local $/; <$output> } // '';
    close $output;
    # Where nginx.conf begins is the harness's affair.
    my $port = port(8080);
    return $text =~ s/\Q$dir\E/DIR/gr =~ s/nginx\.conf:\K\d+/LINE/gr =~ s/:$port\b/:PORT/gr;
}
