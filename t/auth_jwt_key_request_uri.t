#!/usr/bin/perl

# auth_jwt_key_request with variables that the client controls: a token that is
# not verified yet must not choose where its keys come from (rows 3, 39).

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Jose;
use KeyService;

# Issuers, and what the service is asked for; none: nothing.

my @issuers = (
    ['..', undef, 'contains ".." at byte 7 of its value'],
    ['../evil', undef, 'contains ".." at byte 7 of its value'],
    ['a/../../evil', undef, 'contains ".." at byte 9 of its value'],
    ['a/..', undef, 'contains ".." at byte 9 of its value'],
    ['a/..;x/evil', undef, 'contains ".." at byte 9 of its value'],
    ['a/../../../../internal', undef, 'contains ".." at byte 9 of its value'],
    ['..?x', undef, 'contains ".." at byte 7 of its value'],
    ["a\r\nX-Evil: 1", '/jwks/', 'emptied'],
    ["a HTTP/1.0\r\n\r\nGET /evil", '/jwks/',
        'emptied'],
    ["a\nb", '/jwks/', 'emptied'],
    ['@evil', '/jwks/@evil'],
    ['//evil/x', '/jwks///evil/x'],
    ['http://evil/', '/jwks/http://evil/'],
    ['a#b', '/jwks/a%23b'],
    ['a%2e%2e', '/jwks/a%252e%252e'],
    ['%2e%2e/evil', '/jwks/%252e%252e/evil'],
    ['..%2fevil', '/jwks/..%252fevil'],
    ['a?b', '/jwks/a?b'],
    ['a?b?c', '/jwks/a?b?c'],
    ["a?b c#d", '/jwks/a?b%20c%23d'],
    ['a b', undef, 'contains a space at byte 8 of its value'],
    ["a\tb", '/jwks/', 'emptied'],
    ["\x{c3}\x{bc}", '/jwks/%C3%BC'],
    ['', '/jwks/'],
    ['"quoted"', '/jwks/%22quoted%22'],
);

my $t = Test::Nginx->new()->has(qw/ http proxy rewrite map /)
    ->plan(3 * @issuers + 27);

configure($t, <<'EOF');
    map $jwt_claim_iss $issuer {
        https://a.example  a;
        https://b.example  b;
    }
    map $issuer $uri_of_issuer {
        a        /allowed/a;
        b        /allowed/b;
        default  "";
    }

    server {
        listen       127.0.0.1:8080;
        server_name  localhost;

        auth_jwt     "r";
        root         html;
        add_header   X-Status $jwt_status always;

        location /issuer/ { auth_jwt_key_request /jwks/$jwt_claim_iss; }
        location /args/   { auth_jwt_key_request /jwks/args?iss=$jwt_claim_iss; }
        location /decoded/ { auth_jwt_key_request /jwks$uri; }
        location /whole/  { auth_jwt_key_request $arg_uri; }
        location /mapped/ { auth_jwt_key_request $uri_of_issuer; }
        location /relative/ { auth_jwt_key_request jwks; }
        location /jku/    { auth_jwt_key_request /jwks/own; }

        location /jwks/   { proxy_pass http://127.0.0.1:8081; }
        location /allowed/ { proxy_pass http://127.0.0.1:8081; }
        location /internal { auth_jwt off; proxy_pass http://127.0.0.1:8081/evil; }
    }

EOF

my $evil = jwk('ES256', '--kid', 'evil');
my $key = jwk('ES256', '--kid', 'a');
respond_with($t, $_, keys_response(jwks(public($evil)))) for qw/ evil internal /;
respond_with($t, $_, keys_response(jwks(public($key)))) for qw/ jwks allowed /;
key_service($t, 8081);
run_quietly($t);

for my $case (@issuers) {
    my ($issuer, $asked, $reason) = @$case;
    my $shown = $issuer =~ s/([^ -~])/sprintf '\\x%02x', ord $1/ger;
    my $before = asked($t, 'jwks');
    my $token = sign($evil, claims($issuer));

    is(jwt_status(get('/issuer/', $token)), defined $asked ? '401 unknown_key'
        : '500 keys_unavailable', "issuer $shown");
    my $question = asked($t, 'jwks') > $before
        ? last_request($t, 'jwks') =~ s/ HTTP.*//sr : '';
    is($question, defined $asked ? "GET $asked" : '', "issuer $shown, URI of the key request");
    my $emptied = $reason && $reason eq 'emptied'
        ? "warn a value in the token contains a control character, the variable is empty\n" : '';
    like(jwt_logged($t), $reason && !$emptied
        ? qr/^error key request: the URI "\/jwks\/\$jwt_claim_iss" \Q$reason\E\z/
        : qr/^${emptied}info no key with kid "evil" for ES256: [^\r\n]*\z/, "issuer $shown, log");
}
is(asked($t, 'evil'), 0, "never the attacker's keys");
is(asked($t, 'internal'), 0, 'never the keys of another location');

is(jwt_status(get('/issuer/', sign($key, claims('x')))), '404 ok', 'good token');
is(jwt_status(get('/args/', sign($key, claims('x y#&a=b?')))), '404 ok', 'in arguments');
like(last_request($t, 'jwks'),
    qr!^GET /jwks/args\?iss=x%20y%23&a=b\? HTTP!, 'in arguments, asked for');

is(jwt_status(get('/decoded/a%0d%0aX-Evil:%20b%23', sign($key, '{}'))), '500 keys_unavailable',
    'decoded URI of the request');
is(jwt_logged($t) =~ s/.*\n//sr, 'error key request: the URI "/jwks$uri"'
    . ' contains a control character at byte 16 of its value', 'decoded URI of the request, log');
is(jwt_status(get('/decoded/a%23b', sign($key, '{}'))), '404 ok', 'decoded URI that is safe');
like(last_request($t, 'jwks'), qr!^GET /jwks/decoded/a%23b HTTP!, 'decoded URI, encoded again');
jwt_logged($t);

### the whole URI

for my $uri ('', 'evil', 'http://127.0.0.1/', '?a', '@evil') {
    is(jwt_status(get("/whole/?uri=$uri", sign($key, '{}'))), '500 keys_unavailable',
        "whole URI \"$uri\"");
    is(jwt_logged($t), 'error key request: the URI "$arg_uri" does not begin with "/"',
        "whole URI \"$uri\", log");
}

### a map that chooses the URI, which is what the documentation recommends

is(jwt_status(get('/mapped/', sign($key, claims("https://$_.example")))), '404 ok', "map, $_")
    for qw/ a b /;
is(jwt_status(get('/mapped/', sign($evil, claims('https://a.example')))), '401 unknown_key',
    'map, forged');
jwt_logged($t);
is(jwt_status(get('/mapped/', sign($evil, claims('https://evil.example')))),
    '500 keys_unavailable', 'map, unknown issuer');
is(jwt_logged($t), 'error key request: the URI "$uri_of_issuer" does not begin with "/"',
    'map, unknown issuer, log');

### a constant URI that is wrong

is(jwt_status(get('/relative/', sign($key, '{}'))), '500 keys_unavailable', 'no leading slash');
jwt_logged($t);

# row 4: key addresses in the token's header
my $before = asked($t, 'jwks');
my $port = port(8081);
is(jwt_status(get('/jku/', sign($evil, '{}', '--header',
    qq({"jku":"http://127.0.0.1:$port/evil","x5u":"http://127.0.0.1:$port/evil"})))),
    '401 unknown_key', 'row 4: jku and x5u');
is(asked($t, 'evil') . ' ' . (asked($t, 'jwks') - $before), '0 1',
    'row 4: no request to jku or x5u');

###############################################################################

sub claims {
    my ($issuer) = @_;
    my $quoted = $issuer =~ s/([\\"\x00-\x1f])/sprintf '\\u%04x', ord $1/ger;
    return qq({"iss":"$quoted","exp":"now+300"});
}
