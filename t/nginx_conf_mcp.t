#!/usr/bin/perl

# nginx-conf/mcp-resource.conf, with a real OpenID provider, the npm package oidc-provider. The test
# is an MCP client that knows nothing but the URL of the server: it is refused, finds the metadata
# (RFC 9728), the provider, and its token endpoint, gets a token (RFC 8707) and comes back.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Certificates;
use ForwardAuth;
use Jose;
use OidcProvider;

use JSON::PP qw/ decode_json encode_json /;

my $t = Test::Nginx->new()->has(qw/ http http_ssl proxy rewrite /)->plan(41);
certificate_authority($t, 'ca');
certificate($t, 'localhost', ['localhost'], authority => 'ca');
my $issuer = oidc_provider($t, 8443, 'localhost', 'ca');

use_conf($t, 'mcp-resource.conf', 'listen 8080;' => 'listen 127.0.0.1:8080;', '127.0.0.1:9000' => '127.0.0.1:8090',
    'https://login.example.com;' => "$issuer; ssl_trusted_certificate ca.crt;");
configure($t, "    include mcp-resource.conf;\n");
application($t, 8090);
run_quietly($t);

# What a user configures in the client. The server has this name only in the test.
my $resource = 'https://mcp.example.com/mcp';
my $call = '{"jsonrpc":"2.0","id":1,"method":"tools/list"}';

### 401

my $refused = call();
is(status($refused), '401', 'without a token');
my $challenge = header($refused, 'WWW-Authenticate');
is($challenge, 'Bearer realm="mcp", resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource/mcp", scope="mcp:tools"',
    'the challenge says where the metadata is, and which scope to ask for');
is(got($refused), '', 'the application got nothing');

### metadata

my ($place) = $challenge =~ /resource_metadata="([^"]*)"/;
my $response = ask_resource($place);
is(status($response), '200', 'the metadata');
is(header($response, 'Content-Type'), 'application/json', 'is JSON');
is(header($response, 'Access-Control-Allow-Origin'), '*', 'for pages as well');
my $metadata = decode_json(body($response));
is_deeply($metadata, {
    resource => $resource,
    authorization_servers => [$issuer],
    scopes_supported => ['mcp:tools'],
    bearer_methods_supported => ['header'],
    resource_name => 'Tools of Example',
}, 'what it says');
# RFC 9728 section 3.3: a client does not believe metadata for another resource
is($metadata->{resource}, $resource, 'it is for the URL that the user has configured');
# a client that got no resource_metadata looks here (RFC 9728 section 3.1)
is($place, $resource =~ s!(https://[^/]*)!$1/.well-known/oauth-protected-resource!r, 'it is where clients look by themselves');

### the provider

my $server = decode_json(ask_provider("$metadata->{authorization_servers}[0]/.well-known/openid-configuration"));
is($server->{issuer}, $metadata->{authorization_servers}[0], 'the provider');
my @to = (resource => $metadata->{resource}, endpoint => $server->{token_endpoint});
my ($scope) = $challenge =~ /scope="([^"]*)"/;
is($scope, join(' ', @{ $metadata->{scopes_supported} }), 'the scopes in both places');
my $token = provider_token(@to, scope => $scope);
is_deeply([@{ claims_of($token) }{qw/ aud scope /}], [$resource, 'mcp:tools'], 'a token for the resource');

### 200

# nginx may still be fetching the keys
wait_until(sub { status(call($token)) ne '500' });
my $answer = call($token, 'X-User: mallory', 'Mcp-Session-Id: 7');
is(status($answer), '200', 'with the token');
my $got = got($answer);
like($got, qr!^POST /mcp HTTP!, 'the application got the call');
is(header_values($got, 'x-user'), claims_of($token)->{sub}, 'and who it is from');
is(header_values($got, 'authorization'), '', 'and not the token');
is(header_values($got, 'mcp-session-id'), '7', 'and the header of MCP');
like($got, qr/\Q$call\E\z/, 'and the body');

### refused

my $less = provider_token(@to);
$response = call($less);
is(status($response), '403', 'a token without the scope');
is(header($response, 'WWW-Authenticate'),
    'Bearer realm="mcp", error="insufficient_scope", scope="mcp:tools", resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource/mcp"',
    'the challenge names the scope, and where to get it');
is(got($response), '', 'the application got nothing');
is(status(call(provider_token(@to, scope => 'read'))), '403', 'a token with another scope');

my $claims = claims_of($token);
my $forger = jwk('ES256', '--kid', header_of($token)->{kid});
for my $case (
    ['for another resource', provider_token(@to, resource => 'https://other.example.com/mcp', scope => 'mcp:tools')],
    ['for the same host', provider_token(@to, resource => 'https://mcp.example.com', scope => 'mcp:tools')],
    ['that is forged', sign($forger, encode_json($claims))],
    ['of another issuer', sign($forger, encode_json({ %$claims, iss => 'https://mallory.example' }))],
    ['with more scopes than it had', with_part($less, 1, sub { s/\}\z/,"scope":"mcp:tools"}/ })],
    ['that is none', 'abc'],
) {
    my ($name, $bad) = @$case;
    $response = call($bad);
    is(status($response), '401', "a token $name");
    like(header($response, 'WWW-Authenticate'), qr/^Bearer realm="mcp", error="invalid_token", resource_metadata="/, "a token $name, challenge");
    is(got($response), '', "a token $name, the application got nothing");
}
is(status(ask({ method => 'DELETE' }, '/.well-known/oauth-protected-resource/mcp', bearer($token))), '405', 'metadata is only read');

###############################################################################

sub call {
    my ($token, @lines) = @_;
    return ask({ method => 'POST', body => $call }, '/mcp', 'Host: mcp.example.com', 'Content-Type: application/json',
        'Accept: application/json, text/event-stream', @lines, bearer($token));
}

# Gets a URL of the resource.
sub ask_resource {
    my ($url) = @_;
    my ($path) = $url =~ m!^https://mcp\.example\.com(/.*)! or die "$url is not of the resource\n";
    return ask($path, 'Host: mcp.example.com', 'MCP-Protocol-Version: 2026-07-28');
}
