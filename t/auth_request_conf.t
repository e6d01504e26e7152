#!/usr/bin/perl

# Messages for wrong configurations of auth_request and auth_request_set, in the
# words of the built-in module, and of our further directives.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use Original;

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

# each further directive: number of arguments, duplicates, contexts

for my $case (
    ['auth_request_body', '10', 1], ['auth_request_upstream_headers', 'X-A', 1, 1],
    ['auth_request_client_headers', 'X-A', 0, 1],
    ['auth_request_deny_status', '404', 1, 1], ['auth_request_deny_body', '10', 1],
    ['auth_request_answer', '10', 1],
    ['auth_request_on_error', '503', 1, 1], ['auth_request_require', '$uri', 0, 1],
) {
    my ($name, $value, $is_single, $is_list) = @$case;
    push @ours, ["$name;", "invalid number of arguments in \"$name\" directive"];
    push @ours, ["$name $value $value;",
        "invalid number of arguments in \"$name\" directive"] unless $is_list;
    push @ours, ["$name $value; $name $value;", "\"$name\" directive is duplicate"]
        if $is_single;
    push @ours, ["server { location / { $_ { $name $value; } } }",
        "\"$name\" directive is not allowed here"] for 'if ($uri)', 'limit_except GET';
    push @ours, ["upstream u { $name $value; }",
        "\"$name\" directive is not allowed here"];
}

for my $name (qw/ auth_request_body auth_request_deny_body auth_request_answer /) {
    push @ours, ["$name $_;", "invalid value \"$_\" in \"$name\" directive, it must be a"
        . ' size or "off"']
        for qw/ x 10x -1 1.5 on 1kk 99999999999999999999 /;
}

my $name_rule = 'it must be the name of a header, or the beginning of one followed by "*"';
for my $name (qw/ upstream client /) {
    my $directive = "auth_request_${name}_headers";
    push @ours, ["$directive X-A \"$_\";",
        "invalid header name \"$_\" in \"$directive\" directive, $name_rule"] for '', '*', 'a b', 'X:', 'X-**', 'X*Y', '$a';
    push @ours, ["$directive $_;",
        "invalid header name \"$_\" in \"$directive\" directive, that header belongs to a"
            . ' single message and cannot be copied to another'] for qw/ Connection content-encoding
                CONTENT-LENGTH Content-Range Content-Type Expect Host HTTP2-Settings
                Keep-Alive Proxy-Connection TE Trailer Transfer-Encoding Upgrade /;
}
push @ours, ['auth_request_upstream_headers X-A on=any;', 'invalid header name "on=any" in'
    . " \"auth_request_upstream_headers\" directive, $name_rule"];
push @ours, ["auth_request_client_headers X-A on=$_;", "invalid value \"$_\" in"
    . ' "auth_request_client_headers" directive, it must be "deny", "allow" or "any"']
        for '', 'Deny', 'error';
push @ours, ['auth_request_client_headers on=any;',
    '"auth_request_client_headers" directive has no header name'];
push @ours, ['auth_request_client_headers on=any X-A;', 'invalid header name "on=any" in'
    . " \"auth_request_client_headers\" directive, $name_rule"];
push @ours, ["auth_request_deny_status 404 $_;", "invalid value \"$_\" in"
    . ' "auth_request_deny_status" directive, it must be a code from 300 to 599 other'
    . ' than 304, or 3xx, 4xx or 5xx'] for qw/ 200 299 304 600 1xx 2xx 6xx 4XX xx x 40 4040
        4x off -404 40x /;
push @ours, ["auth_request_on_error $_;", "invalid value \"$_\" in"
    . ' "auth_request_on_error" directive, it must be "allow" or a code from 400 to 599'
    . ' that nginx can respond with'] for qw/ 200 302 399 408 444 494 499 600 4xx deny off
        50 /;
push @ours, ["auth_request_on_error $_;", 'invalid value "' . (split)[1] . '" in'
    . ' "auth_request_on_error" directive, only "5xx" may follow "allow"']
        for 'allow 5XX', 'allow 503', 'allow allow';
push @ours, ['auth_request_on_error 503 5xx;', 'invalid value "5xx" in'
    . ' "auth_request_on_error" directive, nothing may follow a code'];
push @ours, ['auth_request_on_error allow 5xx 5xx;',
    'invalid number of arguments in "auth_request_on_error" directive'];
push @ours, ['auth_request_require x;', 'invalid value "x" in "auth_request_require"'
    . ' directive, it must start with a variable'];
push @ours, ["auth_request_require \$uri error=$_;", "invalid value \"error=$_\" in"
    . ' "auth_request_require" directive, it must be error=401 or error=403'] for '', 400, 500;
push @ours, ['auth_request_require error=401;',
    '"auth_request_require" directive has no value to check'];
push @ours, ['auth_request_require $undefined_one;', 'unknown "undefined_one" variable'];

my @fine = (
    'auth_request /a; server { auth_request /b; auth_request_set $a b; }',
    'auth_request_set $a b; auth_request_set $a c; auth_request_set $a $a;',
    'auth_request_set $args b; auth_request_set $limit_rate 1k;',
    'auth_request_set $http_foo b; auth_request_set $cookie_foo c;',
    'server { set $a b; auth_request_set $a c; }',
    'auth_request_set $A b; server { set $c $a; }',
    'auth_request @a; server { location @a { } }',
    'auth_request_body 0; server { auth_request_body 1k; location / { '
        . 'auth_request_body off; } }',
    'auth_request_upstream_headers X-A X-B-* Authorization Content-*; server { '
        . 'auth_request_upstream_headers off; }',
    'auth_request_client_headers X-A; auth_request_client_headers X-B on=any;',
    'auth_request_client_headers off;',
    'auth_request_deny_status 300 599 3xx 4xx 5xx; auth_request_deny_body 100m;',
    'auth_request_on_error 400; server { auth_request_on_error 500; }',
    'auth_request_answer 0; server { auth_request_answer 1m; location / { auth_request_answer off; } }',
    'auth_request_answer 1k; auth_request_require $auth_answer_sub $auth_json_active;',
    'server { set $auth_answer_sub x; location / { auth_request_set $auth_json_sub x; } }',
    'auth_request_require $uri$args; auth_request_require $uri error=403;',
);

my $t = Test::Nginx->new()->has(qw/ http rewrite /)
    ->plan(2 * @http + 2 * @ours + @fine + 10);

my $dir = $t->testdir();

for my $case (@http) {
    my ($conf, $message) = @$case;
    is_refused($conf, config_test($t, $conf), refusal($message));
}

for my $case (@ours) {
    my ($conf, $message) = @$case;
    is_refused($conf, config_test($t, $conf), differs(difference($conf), refusal($message),
        original_to($conf)));
}

for my $conf (@fine) {
    my $said = config_test($t, $conf) =~ s/^\[warn\] .* \| //r;
    is($said, further($conf) ? differs('further directives', 'exit 0', original_to($conf))
        : 'exit 0', $conf);
}

### warnings

is(config_test($t, 'auth_request auth;'), differs('URI without a slash',
    '[warn] the URI "auth" in "auth_request" directive does not begin with "/", every '
    . 'request is refused: name a location that has proxy_pass in DIR/http.conf:1 | exit 0', 'exit 0'),
    'a URI without a slash');
is(config_test($t, "server { location / { auth_request /auth; } location /auth { } }"), differs('warnings',
    '[warn] "auth_request" in DIR/http.conf:1 asks "/auth", which reaches location "/auth": clients can '
    . 'request it as well; name a location of its own, with "internal" in DIR/nginx.conf:24 | exit 0',
    'exit 0'), 'a service that clients can request');
is(config_test($t, 'auth_request /auth;'), 'exit 0', 'a URI with a slash');
is(config_test($t, 'auth_request $http_auth;'), 'exit 0', 'a variable');
is(config_test($t, 'auth_request_on_error allow;'), differs('further directives',
    '[warn] auth_request_on_error allow: every request is let in while the service cannot '
    . 'be reached in DIR/http.conf:1 | exit 0', original_to('auth_request_on_error allow;')),
    'auth_request_on_error allow');
is(config_test($t, 'auth_request_on_error allow 5xx;'), differs('further directives',
    '[warn] auth_request_on_error allow: every request is let in while the service cannot '
    . 'be reached, or responds with a 5xx in DIR/http.conf:1 | exit 0',
    original_to('auth_request_on_error allow 5xx;')), 'auth_request_on_error allow 5xx');

for my $value ('$auth_answer_active', '${auth_answer_active}') {
    is(config_test($t, "auth_request_require \$uri $value;"), differs('further directives',
        '[warn] $auth_answer_active in "auth_request_require" lets in whoever has a token that is not '
        . 'active: the text "false" is neither empty nor "0"; require a "map" of $auth_json_active in which '
        . 'only true has a value in DIR/http.conf:1 | exit 0', original_to('auth_request_require x;')),
        "$value is required");
}

### a failed reload leaves the old configuration in force

$t->write_file_expand('http.conf', 'server { listen 127.0.0.1:8080; '
    . 'location / { auth_request /no; } location = /no { return 403; } }');

$t->run();
like(http_get('/'), qr/^HTTP\S+ 403 /, 'before a failed reload');

$t->write_file_expand('http.conf', 'server { listen 127.0.0.1:8080; '
    . 'location / { auth_request; } location = /no { return 403; } }');
$t->reload();
wait_until(sub { $t->read_file('error.log') =~ /\[emerg\].* in "auth_request"/ });
like(http_get('/'), qr/^HTTP\S+ 403 /, 'after a failed reload');

### helpers

# What nginx -t says of a configuration with this error. What nginx finds when it has
# read all has no line.
sub refusal {
    my ($message) = @_;
    my $place = $message =~ /^unknown "/ ? '' : ' in DIR/http.conf:1';
    return "[emerg] $message$place | exit 1";
}

# Tests that, and that it is the only message.
sub is_refused {
    my ($conf, $said, $expected) = @_;
    is($said, $expected, $conf);
    is(() = $said =~ /\[(?:emerg|alert|crit|error)\]/g, $expected eq 'exit 0' ? 0 : 1,
        'one line');
}

# The first directive in a configuration that the built-in module does not have.
sub further {
    my ($conf) = @_;
    return $conf =~ /\b(?<!\$)(auth_request_(?!set\b)\w+)/ ? $1 : undef;
}

sub difference {
    my ($conf) = @_;
    return $conf =~ /auth_request_/ ? 'further directives' : 'variables in the URI';
}

# What nginx -t says of a configuration of ours with the built-in module.
sub original_to {
    my ($conf) = @_;
    my $further = further($conf);
    return $further ? refusal("unknown directive \"$further\"") : 'exit 0';
}
