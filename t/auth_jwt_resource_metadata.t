#!/usr/bin/perl

# auth_jwt_resource_metadata: the document, who may read it, and wrong configurations. Row 32: as an
# error page it does not change the status.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Jose;
use Test::Nginx::Raw;

use JSON::PP qw/ decode_json /;

my $t = Test::Nginx->new()->has(qw/ http rewrite ssi proxy /)->plan(73);

my $key = jwk('ES256');
$t->write_file('keys.json', jwks(public($key)));
mkdir $t->testdir() . '/html';
$t->write_file('html/page.html', '<!--#include virtual="/least" -->|');

my $issuers = <<'EOF';
    auth_jwt_issuer corp    { issuer https://login.example.com; audience api; key_file keys.json; }
    auth_jwt_issuer corp2   { issuer https://login.example.com; audience web; key_file keys.json; }
    auth_jwt_issuer partner { issuer https://partner.example/?a=b&c; audience api; key_file keys.json; }
EOF

### wrong configurations

my $resource = 'resource=https://mcp.example.com/mcp';
# What nginx says with these directives in a location, which begins in line 7.
my $location = sub {
    return config_test($t, "$issuers server {\nlisten 127.0.0.1:1;\nauth_jwt_trust corp;\nlocation / {\n$_[0]\n}}");
};
my $refused = sub {
    my ($directives, $message, $name) = @_;
    is($location->($directives), "[emerg] $message in DIR/http.conf:8 | exit 1", $name);
};
my $d = '"auth_jwt_resource_metadata"';

for my $case (
    ['name=x', 'resource= is missing, the URL by which clients know the resource'],
    ['https://mcp.example.com', 'invalid parameter "https://mcp.example.com"'],
    ["$resource issuer=x", 'invalid parameter "issuer=x"'],
    ["$resource $resource", "duplicate parameter \"$resource\""],
    ['resource=', 'value of resource= is empty: ""'],
    ['resource=/mcp', 'value of resource= does not begin with "https://" or "http://": "/mcp"'],
    ['resource=https://a.example/#b', 'value of resource= has a "#": "https://a.example/#b"'],
    ['resource=https://$host/', 'value of resource= is not constant, and variables are not allowed here: "https://$host/"'],
    ["$resource documentation=x", 'value of documentation= does not begin with "https://" or "http://": "x"'],
    ["$resource scopes=", 'value of scopes= is empty: ""'],
    ["$resource \"scopes=a  b\"", 'invalid scope ""'],
    ["$resource 'scopes=a b\"'", 'invalid scope "b\""'],
    ["$resource \"name=a\x01\"", 'value of name= is not printable: "a\x01"'],
    ["$resource name=\xff", 'value of name= is not UTF-8: "\xff"'],
) {
    my ($arguments, $message) = @$case;
    $refused->("auth_jwt_resource_metadata $arguments;", "$d: $message", $arguments =~ s/[^ -~]/?/gr);
}
$refused->("auth_jwt_resource_metadata $resource; auth_jwt_resource_metadata $resource;",
    "$d directive is duplicate", 'twice');
$refused->('auth_jwt_resource_metadata;', "invalid number of arguments in $d directive", 'no argument');
$refused->("if (\$arg_a) { auth_jwt_resource_metadata $resource; }", "$d directive is not allowed here", 'in if');
$refused->("limit_except GET { auth_jwt_resource_metadata $resource; }", "$d directive is not allowed here", 'in limit_except');
$refused->("proxy_pass http://127.0.0.1:1; auth_jwt_resource_metadata $resource;",
    "$d stands where another directive responds to the requests, such as proxy_pass", 'behind proxy_pass');
like($location->("auth_jwt_resource_metadata $resource; proxy_pass http://127.0.0.1:1;"),
    qr/^\[emerg\] $d in DIR\/http\.conf:8 has no effect: another directive of the location, such as proxy_pass, responds to the requests in \S+ \| exit 1\z/,
    'in front of proxy_pass');
is(config_test($t, "server { auth_jwt_resource_metadata $resource; }"),
    "[emerg] $d directive is not allowed here in DIR/http.conf:1 | exit 1", 'in a server');

### doubtful ones

is($location->("auth_jwt_resource_metadata $resource;"), 'exit 0', 'a good one');
is($location->('auth_jwt_resource_metadata resource=http://127.0.0.1:8080/mcp;'), 'exit 0', 'http on this machine');
like($location->('auth_jwt_resource_metadata resource=http://mcp.example.com/;'),
    qr/^\[warn\] $d has a resource of http: .* in DIR\/http\.conf:8 \| exit 0\z/, 'http');
like($location->("auth_jwt_trust off; auth_jwt_resource_metadata $resource;"),
    qr/^\[warn\] $d in DIR\/http\.conf:8 names no issuer: "auth_jwt_trust" is missing in \S+ \| exit 0\z/, 'no issuer');
like($location->("auth_jwt api; auth_jwt_resource_metadata $resource;"),
    qr/^\[warn\] clients need a token to get the $d in DIR\/http\.conf:8, .* write "auth_jwt off" in that location in \S+ \| exit 0\z/,
    'where tokens are judged');

### the document

configure($t, $issuers . <<'EOF');
    server {
        listen       127.0.0.1:8080;
        server_name  localhost;
        root         html;
        auth_jwt     "r";
        auth_jwt_trust corp corp2 partner;

        location /api { error_page 401 = /all; }
        location /api2 { error_page 401 /all; }
        location = /least { auth_jwt off; auth_jwt_resource_metadata resource=https://mcp.example.com; }
        location = /all {
            auth_jwt off;
            auth_jwt_resource_metadata resource=https://mcp.example.com/mcp?a=b "scopes=read write"
                "name=The \"tools\" \\ é <b>" documentation=https://docs.example.com/;
        }
        location = /partner {
            auth_jwt off;
            auth_jwt_trust partner;
            add_header X-Own added;
            auth_jwt_resource_metadata resource=https://partner.example.com/;
        }
        location /nested/ {
            auth_jwt off;
            auth_jwt_resource_metadata resource=https://nested.example.com/;
            location /nested/inner { }
        }
        location = /denied { auth_jwt off; deny all; auth_jwt_resource_metadata resource=https://mcp.example.com; }
        location = /judged { auth_jwt_resource_metadata resource=https://mcp.example.com; }
        location = /page.html { auth_jwt off; ssi on; }
    }
EOF
run_quietly($t);

my %least = (
    resource => 'https://mcp.example.com',
    authorization_servers => ['https://login.example.com', 'https://partner.example/?a=b&c'],
    bearer_methods_supported => ['header'],
);
my $response = ask('/least');
is(status($response), '200', 'GET');
is_deeply(decode_json(body($response)), \%least, 'the least');
is(join('|', headers($response, 'Content-Type')), 'application/json', 'Content-Type');
is(join('|', headers($response, 'Access-Control-Allow-Origin')), '*', 'pages of other origins may read it');
is(join('|', headers($response, 'Cache-Control')), 'max-age=600', 'Cache-Control');
is(header($response, 'Content-Length'), length body($response), 'Content-Length');
is(join('|', headers($response, 'WWW-Authenticate')), '', 'no challenge');
is(body(ask('/least?a=b', 'Authorization: Bearer x', 'Cookie: a=b', 'Range: bytes=0-1')), body($response), 'whoever asks');

is_deeply(decode_json(body(ask('/all'))), {
    %least,
    resource => 'https://mcp.example.com/mcp?a=b',
    scopes_supported => ['read', 'write'],
    resource_name => "The \"tools\" \\ \x{e9} <b>",
    resource_documentation => 'https://docs.example.com/',
}, 'all members');

my $partner = ask('/partner');
is_deeply(decode_json(body($partner))->{authorization_servers}, ['https://partner.example/?a=b&c'], 'the issuers of the location');
is(header($partner, 'X-Own'), 'added', 'add_header');

### methods

my $s = connection();
my $head = exchange($s, request({ method => 'HEAD' }, '/least'));
is(status($head), '200', 'HEAD');
is(header($head, 'Content-Length'), length body($response), 'HEAD, Content-Length');
is(header($head, 'Content-Type'), 'application/json', 'HEAD, Content-Type');
is(body($head), '', 'HEAD, no body');

my $options = exchange($s, request({ method => 'OPTIONS' }, '/least', 'Origin: https://app.example',
    'Access-Control-Request-Method: GET', 'Access-Control-Request-Headers: mcp-protocol-version'));
is(status($options), '204', 'OPTIONS');
is(header($options, 'Access-Control-Allow-Origin'), '*', 'OPTIONS, origin');
is(header($options, 'Access-Control-Allow-Headers'), '*', 'OPTIONS, headers');
is(header($options, 'Access-Control-Allow-Methods'), 'GET, HEAD', 'OPTIONS, methods');

for my $method (qw/ POST PUT DELETE PATCH /) {
    my $other = exchange($s, request({ method => $method, body => 'x' x 3000 }, '/least'));
    is(status($other), '405', $method);
    is(join('|', headers($other, 'Allow')), 'GET, HEAD, OPTIONS', "$method, Allow");
    is(header($other, 'Access-Control-Allow-Origin'), '*', "$method, origin");
    unlike(body($other), qr/mcp/, "$method, no document");
}
is(body(exchange($s, request('/least'))), body($response), 'the connection stays usable');
is(body(ask({ version => '1.1', method => 'GET', body => 'x' x 100_000 }, '/least')), body($response), 'GET with a body');

### around it

is(status(ask('/denied')), '403', 'access rules of nginx');
is(verdict(ask('/judged')), '401 Bearer realm="r"', 'where tokens are judged, none');
is(status(ask('/judged', bearer(sign($key, '{"iss":"https://login.example.com","aud":"api"}')))), '200', 'and one');
is(status(ask('/nested/')), '200', 'a location with others inside');
is(status(ask('/nested/inner')), '404', 'is not for these');
my $page = ask('/api2');
is(status($page), '401', 'row 32: as an error page, the status');
is_deeply(decode_json(body($page))->{resource}, 'https://mcp.example.com/mcp?a=b', 'as an error page, the document');
is(join('|', headers($page, 'WWW-Authenticate')), 'Bearer realm="r"', 'as an error page, the challenge');
is(status(ask('/api')), '200', 'as an error page with "="');
is(body(ask('/page.html')), body($response) . '|', 'in a page of SSI');
