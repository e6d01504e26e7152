#!/usr/bin/perl

# auth_request_cache and cookies: a cookie that the service sets for one client is
# not given to others, and a verdict is not kept where nginx and the service may
# read another cookie, argument or header of the key (row 56).

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use VerdictService;

my @ambiguous = (
    # URI, header lines of the client
    ['/cookie', 'Cookie: session=; session=VALID'],
    ['/cookie', 'Cookie: session=VALID; session='],
    ['/cookie', 'Cookie: session=', 'Cookie: session=VALID'],
    ['/cookie', 'Cookie: Session=; session=VALID'],
    ['/cookie', "Cookie: x=1;\tsession=VALID"],
    ['/cookie', 'Cookie: x=1, session=; session=VALID'],
    ['/cookie', 'Cookie: %73ession=VALID'],
    ['/cookie', 'Cookie: session[]=VALID'],
    ['/map', 'Cookie: session=; session=VALID'],
    ['/map', 'Cookie: x=1; x=2; session=VALID'],
    ['/arg?token=&token=VALID'],
    ['/arg?%74oken=VALID'],
    ['/arg?x=1;token=VALID'],
    ['/header', 'X-Token: a', 'X_Token: b'],
    ['/mapped-arg?mapped=&mapped=VALID'],
    ['/mapped-arg?%6dapped=VALID'],
    # nginx skips only spaces, services trim a tab as well
    ['/map', "Cookie: x=1;\tsession=VALID"],
    ['/set', "Cookie: x=1;\tsession=VALID"],
    ['/escaped', "Cookie: x=1;\tsession=VALID"],
    # nginx finds it before 1.29.6 only
    ['/cookie', 'Cookie: x=1, session=VALID'],
    ['/map', 'Cookie: x=1, session=VALID'],
    # Python's http.cookies ends a cookie at white space
    ['/cookie', 'Cookie: a=1 session=VALID'],
    ['/cookie', 'Cookie: a="1"session=VALID'],
    ['/map', 'Cookie: a=1 session=VALID'],
    # nginx ends the URI at a "#", $request_uri has the rest
    ['/arg?x=1#&token=VALID'],
    ['/arg#?token=VALID'],
    ['/mapped-arg?x=1#&mapped=VALID'],
    ['/args?x=1#&token=VALID'],
    # $uri has a "?" that nginx has decoded
    ['/arg%3Ftoken=VALID'],
    ['/mapped-arg%3fmapped=VALID'],
    ['/args%3ftoken=VALID'],
    ['/arg?%u0074oken=VALID'],
    # what a rewrite leaves away is still in $request_uri
    ['/rewritten?token=&token=VALID'],
    ['/mapped-header', 'X-Mapped: a', 'X_Mapped: b'],
);
my @plain = (
    ['/cookie'],
    ['/cookie', 'Cookie: session=VALID'],
    ['/cookie', 'Cookie: x=1; x=2; session=a; sessions=b'],
    ['/cookie', 'Cookie: x=1', 'Cookie: SESSION=a'],
    ['/map', 'Cookie: session=VALID; x=1'],
    ['/arg?token=VALID&x=1&x=2'],
    ['/arg', 'Cookie: session=a; session=b'],
    ['/header', 'X-Token: a', 'X-Other: b', 'X-Other: c'],
    ['/all', 'Cookie: session=a; session=b'],
    ['/cookie', 'Cookie: session=a; session.sig=b'],
    ['/map?x=1&x=2', 'Cookie: session=a; session.sig=b'],
    ['/mapped-arg?mapped=a&x=1&x=2'],
    ['/cookie', 'Cookie: session=VALID; x=1, y=2'],
    ['/set', 'Cookie: session=VALID; x="a b"; y={"a":1}'],
    ['/escaped', 'Cookie: session=VALID; x=session'],
    ['/cookie%3Fx=1', 'Cookie: session=VALID'],
    ['/arg/%20?token=%23VALID%3F'],
    ['/rewritten?token=VALID&x=1'],
    ['/mapped-header', 'X-Mapped: a', 'X-Other: b', 'X-Other: c'],
);

my $t = Test::Nginx->new()->has(qw/ http proxy rewrite map /)->plan(2 * @ambiguous + 2 * @plain + 25);

configure($t, <<'EOF');
    auth_request_cache_zone  verdicts:1m;
    auth_request_cache       verdicts;
    auth_request_cache_valid any 1h;
    auth_request_cache_key   $http_key;
    auth_request             /auth;
    add_header X-Seen "$auth_request_cache_status" always;
    underscores_in_headers   on;

    map $upstream_http_set_cookie $from_cookie { volatile; default "<$upstream_http_set_cookie>"; }
    map $arg_mapped $from_arg { default "<$arg_mapped>"; }
    map $cookie_session $session { default "<$cookie_session>"; }
    map $http_x_mapped $from_header { default "<$http_x_mapped>"; }

    # no session: no verdict is kept, whatever the host
    map "$cookie_session$http_authorization" $key_host {
        ""       "";
        default  $host;
    }

    server {
        listen       127.0.0.1:8080;
        server_name  localhost;
        root         html;

        location /cookie { auth_request_cache_key $host $http_key $cookie_session; }
        location /map    { auth_request_cache_key $host $http_key $session; }
        location /mapped-arg { auth_request_cache_key $host $http_key $from_arg; }
        location /arg    { auth_request_cache_key $host $http_key $arg_token; }
        location /args   { auth_request_cache_key $host $http_key $args; }
        location /set    { set $own $cookie_session; auth_request_cache_key $http_key $own; }
        location /escaped { auth_request_cache_key $http_key $escaped_cookie_session; }
        location /rewritten {
            rewrite ^ /rewritten-to?token=$arg_token? break;
            auth_request_cache_key $host $http_key $arg_token;
        }
        location /mapped-header { auth_request_cache_key $http_key $from_header; }
        location /header { auth_request_cache_key $host $http_key $http_x_token; }
        location /all    { auth_request_cache_key $host $http_key $http_cookie; }
        location /documented { auth_request_cache_key $key_host $cookie_session $http_authorization; }

        location /deny   { auth_request_client_headers Set-Cookie; }
        location /allow  { auth_request_client_headers Set-Cookie on=allow; }
        location /any    { auth_request_client_headers X-Reason Set-* on=any; }
        location /other  { auth_request_client_headers X-Reason on=any;
                           auth_request_upstream_headers Set-Cookie;
                           auth_request_set $user $upstream_http_x_user; }
        location /require {
            auth_request_client_headers Set-Cookie;
            auth_request_set $user $upstream_http_x_user;
            auth_request_require $user error=403;
        }
        location /assigned { auth_request_set $set "<$upstream_http_set_cookie>"; }
        location /part   { auth_request_set $part ${upstream_cookie_a}; }
        location /sent   { auth_request_set $sent $sent_http_set_cookie; }

        location /mapped { auth_request_set $mapped $from_cookie; }

        location = /auth {
            auth_request off;
            proxy_pass http://127.0.0.1:8081;
        }
    }
EOF

verdict_service($t, 8081);
$t->run();

my $count = 0;

### two cookies of a name, or one that is spelled in another way

for my $case (@ambiguous) {
    my ($uri, @lines) = @$case;
    my $key = 'Key: ' . ++$count;
    is(twice($uri, $key, @lines), '404 BYPASS, 404 BYPASS', join ', ', 'not kept', @$case);
    is(seen(ask($uri =~ s/(\?|#|%3f).*//ir, $key, 'Answer: 403')), '403 MISS',
        join ', ', 'nothing for those without', @$case);
}
for my $case (@plain) {
    my ($uri, @lines) = @$case;
    my $key = 'Key: ' . ++$count;
    is(twice($uri, $key, @lines), '404 MISS, 404 HIT', join ', ', 'kept', @$case);
    is(twice($uri, "$key x", 'Answer: 403', @lines), '403 MISS, 403 HIT',
        join ', ', 'kept, denied', @$case);
}

### the key of the documentation

is(twice('/documented'), '404 BYPASS, 404 BYPASS', 'documented: without a session');
is(twice('/documented', 'Cookie: session='), '404 BYPASS, 404 BYPASS', 'documented: an empty one');
is(twice('/documented', 'Cookie: session=a'), '404 MISS, 404 HIT', 'documented: a session');
is(twice('/documented', 'Authorization: Bearer a'), '404 MISS, 404 HIT', 'documented: a token');
is(twice('/documented', 'Cookie: session=a', 'Host: other'), '404 MISS, 404 HIT', 'documented: another host');

### cookies that the service sets

my @cookie = ('Answer-Line: Set-Cookie: a=1', 'Answer-Line: X-Reason: r', 'Answer-Line: X-User: u');
my @denied = ('Answer: 403', @cookie);

is(both('/deny', @denied), '403 MISS 403 MISS', 'a denial whose cookie goes to the client');
is(both('/deny', @cookie), '404 MISS 404 HIT', 'a cookie that goes with denials only');
is(both('/allow', @denied), '403 MISS 403 HIT', 'a cookie that goes with allowed requests only');
is(both('/allow', @cookie), '404 MISS 404 MISS', 'an allowed request whose cookie goes to the client');
is(both('/any', @denied), '403 MISS 403 MISS', 'on=any and a prefix, denied');
is(both('/any', @cookie), '404 MISS 404 MISS', 'on=any and a prefix, allowed');
is(both('/any', 'Answer-Line: X-Reason: r'), '404 MISS 404 HIT', 'without a cookie');
is(both('/other', @cookie), '404 MISS 404 HIT', 'a cookie that no client gets');
is(both('/other', @denied), '403 MISS 403 HIT', 'a cookie that no client gets, denied');
is(both('/require', @cookie), '404 MISS 404 MISS', 'a condition may still deny, with the cookie');
is(both($_, @cookie), '404 MISS 404 MISS', "auth_request_set of a cookie: $_") for '/assigned', '/part', '/sent', '/mapped';
is(both($_, 'Answer-Line: X-Reason: r'), '404 MISS 404 HIT', "without a cookie: $_")
    for '/assigned', '/part', '/sent', '/mapped';

# two visitors without a cookie: each gets one of their own

my @visits = map { ask('/any', 'Key: visitors', 'Answer-Line: Set-Cookie: sid=' . $_) } 1, 2;
is(join(' ', map { header($_, 'Set-Cookie') } @visits), 'sid=1 sid=2', 'two visitors, two cookies');
is(join(' ', map { seen($_) } @visits), '404 MISS 404 MISS', 'two visitors, two checks');

### helpers

sub twice {
    my @request = @_;
    return join ', ', map { seen(ask(@request)) } 1, 2;
}

# Two requests with a key of their own.
sub both {
    my ($uri, @lines) = @_;
    return twice($uri, 'Key: cookie' . ++$count, @lines) =~ s/,//r;
}
