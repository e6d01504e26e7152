#!/usr/bin/perl

# Warnings of nginx -t about configurations that do not check what they seem to
# check: a return, a condition that is always met or never, a location that is
# asked, a requirement that stands alone (row 34); and of pages for refused
# requests that are refused as well.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use Jose;

my $t = Test::Nginx->new()->has(qw/ http rewrite map proxy /)->plan(173);

$t->write_file('key.jwk', jwk('HS256'));
my $ok = 'exit 0';
my $jwt = 'auth_jwt r; auth_jwt_key_file key.jwk;';
my $internal = 'location = /check { internal; return 204; }';

# What nginx -t says of a server with these directives, without the directives and the file's last line.
my $said = sub {
    my ($server, $http) = @_;
    return config_test($t, ($http // '') . "\nserver {\nlisten 127.0.0.1:8080;\n$server\n}")
        =~ s/ in DIR\/nginx\.conf:\d+(?= \||$)//gr;
};
my $return = sub {
    my ($status, $place, $directive, $line) = @_;
    return "[warn] \"return $status\" in $place answers every request before \"$directive\" in "
        . "DIR/http.conf:$line is checked; write \"$directive off\" where that is meant | ";
};

### return, where auth_jwt or auth_request is in the same location

for (
    [ $jwt, 'auth_jwt', '' ],
    [ 'auth_request /check;', 'auth_request', $internal ],
) {
    my ($protect, $directive, $more) = @$_;
    for my $what ('204', '200 text', '302 /login', '301 https://example.com/', '403', '404') {
        my ($status) = $what =~ /(\d+)/;
        is($said->("location / { $protect return $what; } $more"),
            $return->($status, 'location "/"', $directive, 4) . $ok, "$directive, return $what");
    }
    is($said->("location / { $protect if (\$arg_x) { return 200; } } $more"), $ok,
        "$directive, return in an if");
    is($said->("location / { $protect set \$x y; if (\$arg_x) { set \$x z; return 200; } return 200 \$x; } $more"),
        $return->(200, 'location "/"', $directive, 4) . $ok, "$directive, return behind an if");
    is($said->("location / { $protect rewrite ^/a /b break; return 200; } $more"), $ok,
        "$directive, return behind a rewrite that may end it");
    is($said->("location / { $protect if (\$arg_x) { break; } proxy_pass http://127.0.0.1:1; } $more"), $ok,
        "$directive, no return");
    is($said->("$protect return 200; location /a { } location /b { } $more") =~ s/location "[^"]*"/x/gr,
        $return->(200, 'the server', $directive, 4) . $ok, "$directive, return of the server");

    # inherited
    is($said->("$protect location /a { return 200; } location = /b { return 404; } location /c { } $more"),
        $return->(200, 'location "/a"', $directive, 4) . $ok, "$directive of the server");
    is($said->("$protect location /a { $directive off; return 200; } $more"), $ok, "$directive off");
    is($said->("$protect location /a { return 302 /b; } location ~ /\\. { return 404; } location \@c { return 200; }"
        . " location /d { internal; return 200; } $more"), $ok, "$directive of the server, nothing is shown");
    is($said->("location /a { $protect location /a/b { return 200; } } $more"),
        $return->(200, 'location "/a/b"', $directive, 4) . $ok, "$directive of a location");
}
is($said->("location / { auth_jwt off; return 200; }", 'auth_jwt r; auth_jwt_key_file key.jwk;'), $ok,
    'auth_jwt of http, off');
is($said->("location / { return 200; } location /b { limit_except GET { $jwt } return 200; }"), $ok,
    'no auth_jwt here');

### conditions

for my $directive (qw/ auth_jwt_require auth_request_require /) {
    my $protect = $directive eq 'auth_jwt_require' ? $jwt : "auth_request /check; $internal";
    my $instead = $directive eq 'auth_jwt_require' ? 'auth_jwt_require_claim' : 'a "map"';
    my $always = sub {
        return "[warn] the value \"$_[0]\" in \"$directive\" holds text, so that it is never empty or \"0\" and "
            . "the condition is always met; nothing is compared here, use $instead in DIR/http.conf:4 | ";
    };
    is($said->("$protect location / { $directive \$jwt_claim_sub=bob; }"), $always->('$jwt_claim_sub=bob') . $ok,
        "$directive, a comparison");
    is($said->("$protect location / { $directive \$arg_a \"\$arg_a \$arg_b\" \${arg_a}00 error=403; }"),
        $always->('$arg_a $arg_b') . $always->('${arg_a}00') . $ok, "$directive, two of three values");
    is($said->("$protect location / { $directive \$arg_a \${arg_b} \$arg_a\$arg_b \${arg_a}0; }"), $ok,
        "$directive, values that may be empty or 0");
}

# what tells the verdict is not set yet
my $late = sub {
    my ($name, $line) = @_;
    return "[warn] \"auth_jwt_require\" in DIR/http.conf:$line is met by no token: \$$name has its value only after "
        . 'this check; remove it, "auth_jwt" alone refuses whoever has no valid token | ';
};
for my $name (qw/ jwt_verified jwt_status /) {
    is($said->("$jwt location / { auth_jwt_require \$$name; }"), $late->($name, 4) . $ok, "auth_jwt_require \$$name");
    is($said->("$jwt location / { auth_jwt_require \$arg_a \${$name} error=403; }"), $late->($name, 4) . $ok,
        "auth_jwt_require \${$name}");
    is($said->("location / { } location /b { }", "$jwt\nauth_jwt_require \$$name;"), $late->($name, 2) . $ok,
        "auth_jwt_require \$$name of http");
    is($said->("$jwt location / { auth_jwt_require \$arg_a\$$name \${$name}x; }") =~ s/ holds text.*?\.conf:4//r,
        "[warn] the value \"\${$name}x\" in \"auth_jwt_require\" | $ok", "\$$name with others");
    is($said->("$jwt auth_jwt_require \$$name; }\nmap \$jwt_claim_sub \$$name { default 1;"), $ok,
        "auth_jwt_require \$$name, a map of this name");
    is($said->("$jwt auth_jwt_require \$$name;", "auth_jwt_claim_set \$$name a;"), $ok,
        "auth_jwt_require \$$name, a claim of this name");
    is($said->("auth_request /check; $internal auth_request_require \$$name;"), $ok, "auth_request_require \$$name");
}

### locations that are asked

my $asks = sub {
    my ($uri, $place, $line) = @_;
    return "[warn] \"auth_request\" in DIR/http.conf:" . ($line // 4) . " asks \"$uri\", which reaches $place, where "
        . '"auth_request" is in force, too, but not checked: what it serves lets requests in; '
        . 'name a location of its own, with "internal" | ';
};
my $open = sub {
    my ($uri, $place, $directive, $line) = @_;
    return '[warn] "' . ($directive // 'auth_request') . '" in DIR/http.conf:' . ($line // 4)
        . " asks \"$uri\", which reaches $place: clients can request it as well; name a location of its own, with \"internal\" | ";
};
my $proxy = 'proxy_pass http://127.0.0.1:1;';

is($said->("location / { auth_request /check; } $internal"), $ok, 'an internal location');
is($said->("auth_request /check; location / { } $internal"), $ok, 'an internal location that inherits auth_request');
is($said->("location / { auth_request /check; } location /check { auth_request /check; internal; $proxy }"),
    $asks->('/check', 'location "/check"') . $ok, 'an internal location with an auth_request of its own');
is($said->("location / { auth_request /check; } location = /check { $proxy }"),
    $open->('/check', 'location "/check"') . $ok, 'a location without internal');
is($said->("location / { auth_request /check?a=\$arg_a; } location = /check { $proxy }"), $ok,
    'a URI with variables is not looked up');
is($said->("location / { auth_request /check?a=b; } location = /check { $proxy }"),
    $open->('/check?a=b', 'location "/check"') . $ok, 'a URI with arguments');
is($said->("location / { auth_request /check; $proxy }"), $asks->('/check', 'location "/"') . $ok,
    'a URI that falls into the location itself');
is($said->("auth_request /check; location / { $proxy } location /a { $proxy }"),
    $asks->('/check', 'location "/"') . $ok, 'a URI that falls into a location of the same server');
is($said->("auth_request /check;"), $asks->('/check', 'the server') . $ok, 'a server without locations');
is($said->("location /a { auth_request /check; }"), $ok, 'no location has the URI');
is($said->("auth_request /check; location / { } location = /check { $proxy }"),
    $asks->('/check', 'location "/check"') . $ok, 'a location without internal that inherits auth_request');
is($said->("auth_request /check; location / { } location = /check { auth_request off; $proxy }"),
    $open->('/check', 'location "/check"') . $ok, 'a location without internal and with auth_request off');

# which location it is
is($said->("location / { auth_request /a/check; } location /a/ { location = /a/check { $proxy } }"),
    $open->('/a/check', 'location "/a/check"') . $ok, 'a nested location');
is($said->("location / { auth_request /a/check; } location /a/ { internal; location = /a/check { $proxy } }"),
    $ok, 'a nested location inherits internal');
is($said->("location / { auth_request /a/check; } location /a/ { $proxy } location /a/c { internal; } location /a/cx { $proxy }"),
    $ok, 'the longest prefix');
is($said->("location / { auth_request /check; } location /check { internal; } location ~ ^/ch { $proxy }"),
    $open->('/check', 'location "^/ch"') . $ok, 'a regular expression');
is($said->("location / { auth_request /check; } location ^~ /check { internal; } location ~ ^/ch { $proxy }"),
    $ok, 'a prefix that comes before regular expressions');
is($said->("location / { auth_request /check; } location = /check { internal; } location ~* ^/CH { $proxy }"),
    $ok, 'an exact location comes before regular expressions');
is($said->("location / { auth_request /check; } location ~ \\.php\$ { $proxy } $internal"), $ok, 'another regular expression');

# keys
is($said->("location / { auth_jwt r; auth_jwt_key_request /keys; } location = /keys { $proxy }"),
    $open->('/keys', 'location "/keys"', 'auth_jwt_key_request') . $ok, 'keys in a location without internal');
is($said->("auth_jwt r; auth_jwt_key_request /keys; location = /keys { internal; $proxy }"), $ok,
    'keys in an internal location that inherits auth_jwt');
is($said->("location / { auth_jwt r; auth_jwt_key_request /keys; $proxy }"),
    $open->('/keys', 'location "/"', 'auth_jwt_key_request') . $ok, 'keys in the location itself');

### a requirement without what it belongs to

for (
    (map { [ "auth_jwt_$_", 'auth_jwt', $jwt ] } 'require $arg_a', 'require_claim aud any api', 'require_header typ eq JWT',
        'require_scope read', 'algorithms HS256', 'max_age 1h', map { "revocation_list_$_ key.jwk" } qw/ sub kid jti /),
    [ 'auth_request_require $arg_a', 'auth_request', 'auth_request /check;' ],
) {
    my ($requirement, $directive, $protect) = @$_;
    my ($name) = split / /, $requirement;
    my $alone = sub { "[warn] \"$name\" in $_[0] requires nothing without \"$directive\", every request is served | $ok" };
    my $more = $directive eq 'auth_request' ? $internal : '';
    is($said->("location / { $requirement; $proxy } $more"), $alone->('location "/"'), "$name alone");
    is($said->("$protect location /a { $directive off; $requirement; } $more"), $alone->('location "/a"'), "$name, off");
    is($said->("location / { $protect $requirement; } $more"), $ok, "$name with $directive");
    is($said->("$protect location / { $requirement; } $more"), $ok, "$name with an outer $directive");
    is($said->("$requirement; location / { $protect } location /open { } $more"), $ok, "$name of an outer level");
    next if $directive eq 'auth_request';
    is($said->("location / { limit_except GET { $requirement; } }"), $alone->('a limit_except'), "$name alone in limit_except");
    is($said->("location / { $protect limit_except GET { $requirement; } }"), $ok, "$name in limit_except");
}
my $issuer = 'auth_jwt_issuer corp { issuer corp; audience api; key_file key.jwk; }';
is($said->("location / { auth_jwt_trust corp; $proxy }", $issuer), '[warn] "auth_jwt_trust" in location "/" requires nothing '
    . "without \"auth_jwt\", every request is served | $ok", 'auth_jwt_trust alone');
is($said->($_, $issuer), $ok, "auth_jwt_trust: $_")
    for "location / { auth_jwt r; auth_jwt_trust corp; $proxy }", "auth_jwt r; auth_jwt_trust corp; location / { auth_jwt_trust corp; $proxy }",
        "auth_jwt_trust corp; location / { auth_jwt r; } location /open { }", "location / { auth_jwt_trust off; $proxy }",
        'location / { auth_jwt_trust corp; auth_jwt_resource_metadata resource=https://api.example.com; }';
is($said->("auth_jwt_require_scope a; location / { auth_jwt_max_age 1h; auth_jwt_algorithms HS256; }"),
    "[warn] \"auth_jwt_max_age\" in location \"/\" requires nothing without \"auth_jwt\", every request is served | $ok",
    'one warning for a location');

### pages for refused requests that are refused as well

for my $case ([ $jwt, 'auth_jwt', '' ], [ 'auth_request /check;', 'auth_request', $internal ]) {
    my ($protect, $directive, $more) = @$case;
    my $page = sub {
        my ($from, $shown, $reached, $status) = @_;
        return '[warn] "error_page ' . ($status // 401) . "\" of $from shows \"$shown\", which reaches $reached, where "
            . "\"$directive\" refuses the request again, so that nginx's own page is shown; write \"$directive off\" in a "
            . "location for that page | $ok";
    };
    is($said->("location / { $protect error_page 401 /401.html; } $more"),
        $page->('location "/"', '/401.html', 'location "/"'), "$directive, a page in the location itself");
    is($said->("$protect error_page 401 /401.html; location / { } $more"),
        $page->('the server', '/401.html', 'location "/"'), "$directive of the server");
    is($said->("location / { $protect error_page 403 =200 /a/403.html?a=b; } location /a/ { $protect } $more"),
        $page->('location "/"', '/a/403.html', 'location "/a/"', 403), "$directive, a page in another location");
    is($said->("location / { $protect error_page 401 /a; error_page 401 /b; } location = /a { } location = /b { $protect }"
        . $more), $ok, "$directive, the first page for a status counts");
    is($said->("location / { $protect $_ } location = /401.html { $directive off; } location \@a { } "
        . "location /b { $protect } $more"), $ok, "$directive, $_")
        for 'error_page 401 /401.html;', 'error_page 401 = @a;', 'error_page 401 https://example.com/b;',
            'error_page 401 $arg_a/b;', 'error_page 404 /b;', '';
    is($said->("$protect error_page 401 =302 /back; location / { } location = /back { return 302 /; } $more"), $ok,
        "$directive, a page that a return answers");
}
is($said->("location / { auth_jwt_mode optional; $jwt error_page 401 /401.html; }"), $ok, 'auth_jwt_mode optional');

### ready configurations say nothing of the kind

my @said;
for my $file (glob '../nginx-conf/*.conf') {
    my $conf = slurp($file);
    next if $file =~ /auth-proxy/;
    push @said, "$file: $_" for grep { /answers every request|always met|which reaches|requires nothing|client's certificate|any client|DPoP proofs|error_page/ }
        split / \| /, config_test($t, $conf);
}
is(join("\n", @said), '', 'nginx-conf');
configure($t, "server { listen 127.0.0.1:8080; }");
