#!/usr/bin/perl

# docs/providers.md: nginx loads each block as it stands there, and lets in the tokens that the page
# says are right for it, and no others.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Docs;
use Certificates;
use Jose;

use JSON::PP ();

my ($example, @blocks) = map { $_->{text} } nginx_blocks('docs/providers.md');
my %block = map { $_->[1] =~ /\Aauth_jwt_issuer (\S+)/ ? ($1 => "$_->[1]\n") : () } map { statements($_) } @blocks;

# What the tokens of each provider are like: the claims of one that is let in, and changes of it
# that are not. undef takes a claim away.
my $tenant = '11111111-2222-3333-4444-555555555555';
my $api = 'aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee';
my %tokens = (
    keycloak => [
        { iss => 'https://login.example.com/realms/main', aud => ['api', 'account'], typ => 'Bearer', azp => 'app' },
        ['the realm as it is new', { aud => 'account' }], ['no audience', { aud => undef }],
        ['an ID token', { typ => 'ID', aud => 'api' }], ['another realm', { iss => 'https://login.example.com/realms/other' }],
    ],
    auth0 => [
        { iss => 'https://example.eu.auth0.com/', aud => ['https://api.example.com', 'https://example.eu.auth0.com/userinfo'] },
        ['no slash', { iss => 'https://example.eu.auth0.com' }], ['an ID token', { aud => 'AbCdEf' }],
    ],
    okta => [
        { iss => 'https://example.okta.com/oauth2/default', aud => 'api://default', scp => ['read'], cid => 'app' },
        ['the org authorization server', { iss => 'https://example.okta.com', aud => 'https://example.okta.com' }],
        ['an ID token', { aud => 'app' }],
    ],
    entra => [
        { iss => "https://login.microsoftonline.com/$tenant/v2.0", aud => $api, tid => $tenant, ver => '2.0' },
        ['another tenant', { iss => 'https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0' }],
        ['version 1', { iss => "https://sts.windows.net/$tenant/", aud => "api://$api" }],
        ['the placeholder', { iss => 'https://login.microsoftonline.com/{tenantid}/v2.0' }],
        ['Microsoft Graph', { aud => '00000003-0000-0000-c000-000000000000' }],
    ],
    'entra-v1' => [
        { iss => "https://sts.windows.net/$tenant/", aud => "api://$api", ver => '1.0' },
        ['version 2', { iss => "https://login.microsoftonline.com/$tenant/v2.0" }], ['no slash', { iss => "https://sts.windows.net/$tenant" }],
    ],
    cognito => [
        { iss => 'https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbCdEfGhI', token_use => 'access', client_id => '2example23456789' },
        ['an ID token', { token_use => 'id', client_id => undef, aud => '2example23456789' }],
        ['another application', { client_id => '3example23456789' }],
        ['another pool', { iss => 'https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_Other' }],
    ],
    google => [
        { iss => 'https://accounts.google.com', aud => '1234567890-abcdef.apps.googleusercontent.com', hd => 'example.com' },
        ['a private account', { hd => undef }], ['another application', { aud => '1-x.apps.googleusercontent.com' }],
        ['an old client', { iss => 'accounts.google.com' }],
    ],
    authgear => [
        { iss => 'https://my-project.authgear.cloud', aud => ['https://my-project.authgear.cloud'], client_id => '497d841ea22f33d3' },
        ['another application', { client_id => 'x' }], ['an ID token', { aud => ['497d841ea22f33d3'], client_id => undef }],
    ],
    gitlab => [
        { iss => 'https://gitlab.com', aud => 'https://api.example.com', project_path => 'group/project', ref_protected => 'true' },
        ['another project', { project_path => 'mallory/project' }], ['a branch that is not protected', { ref_protected => 'false' }],
        ['another audience', { aud => 'https://vault.example.com' }],
    ],
    github => [
        { iss => 'https://token.actions.githubusercontent.com', aud => 'https://api.example.com', repository_id => '123456789', ref => 'refs/heads/main' },
        ['another repository', { repository_id => '123456780' }], ['another branch', { ref => 'refs/heads/main2' }],
        ['a pull request', { ref => 'refs/pull/1/merge' }], ['the default audience', { aud => 'https://github.com/octo-org' }],
    ],
    kubernetes => [
        { iss => 'https://kubernetes.default.svc.cluster.local', aud => ['api'], sub => 'system:serviceaccount:web:jobs' },
        ['the token of every pod', { aud => ['https://kubernetes.default.svc.cluster.local'] }],
        ['another account', { sub => 'system:serviceaccount:web:default' }],
    ],
);

my $refused = 0;
$refused += @{ $tokens{$_} } - 1 for keys %tokens;
my $t = Test::Nginx->new()->has(qw/ http /)->plan(3 + 2 * keys(%tokens) + 2 * $refused);

is(join(' ', sort keys %block), join(' ', sort keys %tokens), 'each block has tokens here');

### all blocks load, and the example in front

is(loaded($example =~ s/listen 8080/listen 127.0.0.1:8080/r), 'exit 0', 'the example loads');

certificate_authority($t, 'ca');
my $all = join '', map { $block{$_} } sort keys %block;
my $cluster = '/var/run/secrets/kubernetes.io/serviceaccount/ca.crt';
$all =~ s/\Q$cluster\E/%%TESTDIR%%\/ca.crt/ or die "no $cluster\n";
like(loaded($all), qr/^\[warn\] [^|]*"cognito"[^|]*audience[^|]* \| exit 0\z/,
    'all blocks load, and only cognito has no audience');

### and let in the right tokens

my $key = jwk('ES256', '--kid', 'a');
$t->write_file('keys.json', jwks(public($key)));
my $judged = '';
for my $name (sort keys %block) {
    my $block = $block{$name} =~ s/^ *(?:discovery|jwks_uri|ssl_\w+) .*\n//mgr =~ s/\{\n/{\n key_file keys.json;\n/r;
    $judged .= "$block server { listen 127.0.0.1:8080; server_name $name;"
        . " root html; location / { auth_jwt api; auth_jwt_trust $name; add_header X-Status \$jwt_status always; } }\n";
}
configure($t, $judged);
run_quietly($t);

for my $name (sort keys %tokens) {
    my ($claims, @others) = @{ $tokens{$name} };
    is(jwt_status(send_token($name, $claims)), '404 ok', "$name: a good token");
    is(jwt_status(send_token($name, $claims, jwk('ES256', '--kid', 'a'))), '401 bad_signature', "$name: another key");
    for my $other (@others) {
        my ($kind, $changes) = @$other;
        my $status = jwt_status(send_token($name, { %$claims, %$changes }));
        is($status =~ s/ .*//r, '401', "$name: $kind");
        my $is_of_issuer = !$changes->{iss};
        like($status, $is_of_issuer ? qr/ claim_mismatch\z/ : qr/ untrusted_issuer\z/, "$name: $kind, why");
    }
}

###############################################################################

# What nginx -t says. Without a resolver nginx would resolve the names when it reads them.
sub loaded {
    my ($conf) = @_;
    return config_test($t, $conf =~ s/(auth_jwt_issuer \S+ \{\n)/$1resolver 127.0.0.1;\n/gr);
}

sub send_token {
    my ($name, $claims, $signer) = @_;
    my %own = (sub => 'alice', exp => time + 300, %$claims);
    delete @own{ grep { !defined $own{$_} } keys %own };
    return get('/a', sign($signer // $key, JSON::PP::encode_json(\%own)), "Host: $name");
}
