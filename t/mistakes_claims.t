#!/usr/bin/perl

# Mistakes about what a token says: of which issuer it is, for whom it was made, and what it grants.
# The token is good. The line in error.log has what the token says beside what the configuration
# wants, so that the difference can be seen.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Jose;

my $t = Test::Nginx->new()->has(qw/ http /)->plan(29);

my $key = jwk('RS256', '--kid', 'a');
$t->write_file('keys.json', jwks('--public', $key));

my $app = '11111111-2222-3333-4444-555555555555';
my $tenant = '99999999-8888-7777-6666-000000000000';
my $realm = 'https://sso.example.com/realms/main';

configure($t, <<"EOF");
    auth_jwt_issuer keycloak { issuer $realm; audience api; key_file keys.json; }
    auth_jwt_issuer entra {
        issuer    https://login.microsoftonline.com/$tenant/v2.0;
        audience  $app;
        key_file  keys.json;
    }
    auth_jwt_issuer google {
        issuer    https://accounts.google.com;
        audience  api.example.com;
        key_file  keys.json;
        profile   rfc9068;
    }

    server {
        listen       127.0.0.1:8080;
        server_name  localhost;
        root         html;
        auth_jwt          "r";
        auth_jwt_key_file keys.json;

        location /keycloak/ { auth_jwt_trust keycloak; }
        location /entra/    { auth_jwt_trust entra; }
        location /google/   { auth_jwt_trust google; }
        location /two/      { auth_jwt_trust entra keycloak; }

        location /flat/ {
            location /flat/v2    { auth_jwt_require_claim iss eq https://login.microsoftonline.com/$tenant/v2.0; }
            location /flat/aud   { auth_jwt_require_claim aud any $app; }
            location /flat/slash { auth_jwt_require_claim aud any https://api.example.com; }
            location /flat/whole { auth_jwt_require_claim aud eq api; }
            location /flat/path  { auth_jwt_require_claim realm_access.roles any admin; }
            location /flat/words { auth_jwt_require_claim roles any admin; }
            location /flat/true  { auth_jwt_require_claim email_verified eq true; }
            location /flat/json  { auth_jwt_require_claim email_verified eq json=true; }
            location /flat/scope { auth_jwt_require_scope read; }
            location /flat/plus  { auth_jwt_require \$jwt_claim_email_verified; }
        }
    }
EOF

# nginx -t warns of what cannot be meant.
is(config_test($t) =~ s/ in DIR\/nginx\.conf:\d+//gr, '[warn] "realm_access.roles" is one name; a path begins with a '
    . 'dot, as in .realm_access.roles, and ."realm_access.roles" is for this name | [warn] "true" is a text, and never '
    . 'the same as the JSON value; write json=... for that | exit 0', 'nginx -t');
run_quietly($t);

my $bad = '401 Bearer realm="r", error="invalid_token" info';
my $about = '; alg "RS256", kid "a"';

# The verdict on a token with these claims, and the line.
my $told = sub {
    my ($uri, $claims, @options) = @_;
    jwt_logged($t);
    my $verdict = verdict(get($uri, sign($key, $claims, @options)));
    return join ' ', $verdict, jwt_logged($t) || ();
};
my $untrusted = sub { "$bad iss \"$_[0]\" is not that of a trusted issuer: $_[1]$about" };
my $of = sub { "{\"iss\":\"$_[0]\",\"aud\":$_[1],\"azp\":\"web\"}" };

### Keycloak behind another name, another scheme, an older path

my $keycloak = "\"keycloak\" (\"$realm\")";
for my $iss ('http://keycloak:8080/realms/main', 'http://sso.example.com/realms/main', "$realm/",
    'https://sso.example.com/auth/realms/main', 'https://sso.example.com/realms/Main')
{
    is($told->('/keycloak/', $of->($iss, '"api"')), $untrusted->($iss, $keycloak), "Keycloak, iss $iss");
}
is($told->('/keycloak/', $of->($realm, '"api"')), '404', 'Keycloak, the cure');
is($told->('/keycloak/', $of->($realm, '"account"')), "$bad issuer \"keycloak\": aud \"account\" is not one of its "
    . "audience: \"api\"$about, iss \"$realm\"", 'Keycloak, aud "account"');
is($told->('/keycloak/', $of->($realm, '["account","web"]')), "$bad issuer \"keycloak\": aud "
    . "\"[\\\"account\\\",\\\"web\\\"]\" is not one of its audience: \"api\"$about, iss \"$realm\"", 'Keycloak, two of others');
is($told->('/keycloak/', "{\"iss\":\"$realm\",\"azp\":\"api\"}"), "$bad issuer \"keycloak\": claim \"aud\" is missing, "
    . "which audience requires$about, iss \"$realm\"", 'Keycloak, the name is in azp');

### Entra ID: tokens of version 1 and 2

my $v1 = "https://sts.windows.net/$tenant/";
my $v2 = "https://login.microsoftonline.com/$tenant/v2.0";
is($told->('/entra/', $of->($v1, "\"api://$app\"")), $untrusted->($v1, "\"entra\" (\"$v2\")"), 'Entra ID, version 1');
is($told->('/two/', $of->($v1, "\"$app\"")), $untrusted->($v1, "\"entra\" (\"$v2\"), $keycloak"),
    'Entra ID, version 1, two issuers');
is($told->('/entra/', $of->($v2, "\"api://$app\"")), "$bad issuer \"entra\": aud \"api://$app\" is not one of its "
    . "audience: \"$app\"$about, iss \"$v2\"", 'Entra ID, the audience of version 1');
is($told->('/entra/', $of->($v2, "\"$app\"")), '404', 'Entra ID, version 2');
is($told->('/flat/v2', $of->($v1, '"x"')), "$bad required claim \"iss\" eq \"$v2\": it is \"$v1\"$about, iss \"$v1\"",
    'Entra ID, a rule on iss');
is($told->('/flat/aud', "{\"aud\":\"api://$app\"}"), "$bad required claim \"aud\" any \"$app\": it is "
    . "\"api://$app\"$about", 'Entra ID, a rule on aud');

### an ID token as an access token

my $google = 'https://accounts.google.com';
is($told->('/google/', $of->($google, '"api.example.com"')), "$bad issuer \"google\": typ \"JWT\" is not \"at+jwt\", "
    . "which profile rfc9068 requires; an ID token is no access token$about, iss \"$google\"", 'Google, an ID token');
is($told->('/google/', $of->($google, '"123.apps.googleusercontent.com"')), "$bad issuer \"google\": aud "
    . "\"123.apps.googleusercontent.com\" is not one of its audience: \"api.example.com\"$about, iss \"$google\"",
    'Google, the audience of another application');

### audiences and rules

is($told->('/flat/slash', '{"aud":"https://api.example.com/"}'), "$bad required claim \"aud\" any "
    . "\"https://api.example.com\": it is \"https://api.example.com/\"$about", 'a slash at the end');
is($told->('/flat/whole', '{"aud":["api","web"]}'), "$bad required claim \"aud\" eq \"api\": it is the array "
    . "\"[\\\"api\\\",\\\"web\\\"]\"; \"any\" compares its elements$about", 'eq with an array');
is($told->('/flat/path', '{"realm_access":{"roles":["admin"]}}'), "$bad required claim \"realm_access.roles\" any "
    . "\"admin\": it is missing$about", 'a path without a dot in front');
is($told->('/flat/words', '{"roles":"admin user"}'), "$bad required claim \"roles\" any \"admin\": it is "
    . "\"admin user\"$about", 'words in place of an array');
is($told->('/flat/true', '{"email_verified":true}'), "$bad required claim \"email_verified\" eq \"true\": it is the "
    . "JSON value \"true\"$about", 'text in place of a JSON value');
is($told->('/flat/plus', '{"email_verified":false}'), '404', 'auth_jwt_require takes false for a value');
is($told->('/flat/json', '{"email_verified":false}'), "$bad required claim \"email_verified\" eq \"json=true\": it is "
    . "the JSON value \"false\"$about", 'auth_jwt_require_claim, the cure');

### scopes

my $scope = '403 Bearer realm="r", error="insufficient_scope", scope="read" info required scope "read" is not granted:';
is($told->('/flat/scope', '{"scope":"openid Read"}'), "$scope scope is \"openid Read\"$about", 'another scope');
is($told->('/flat/scope', '{"scp":["User.Read"]}'), "$scope scp is \"[\\\"User.Read\\\"]\"$about", 'scp');
is($told->('/flat/scope', '{"permissions":["read"]}'), "$scope the token has neither scope nor scp$about",
    'permissions in another claim');
is($told->('/flat/scope', '{"scope":"openid read"}'), '404', 'the scope');
