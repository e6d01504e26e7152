#!/usr/bin/perl

# examples/sign-in: a person signs in and out with a browser, Chromium, at a real
# OpenID provider; and what others try with the pages of the login service. With
# TEST_NGINX_SCREENSHOTS=FOLDER the pictures of docs/sign-in.md are made anew.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use ForwardAuth qw/ use_conf /;
use NodePackages;

use JSON::PP ();

my $t = Test::Nginx->new()->has(qw/ http rewrite proxy /)->plan(37);

use_conf($t, 'auth-proxy.conf');
my $conf = slurp('../examples/sign-in/sign-in.conf');
my %ports = (3000 => 8081, 3001 => 8082);
$conf =~ s/listen 8080;/listen 127.0.0.1:8080;/ or die 'no listen';
$conf =~ s/127\.0\.0\.1:(3000|3001)\b/127.0.0.1:$ports{$1}/g;
$t->write_file_expand('sign-in.conf', $conf);
configure($t, "include sign-in.conf;\n");
$t->run();

### the services of the example

my $site = 'http://127.0.0.1:' . port(8080);
my $provider = 'http://127.0.0.1:' . port(8083);
my $folder = node_folder('../examples/sign-in', 'sign-in');

service('app.mjs', 8081);
service('login.mjs', 8082);
is(status(ask('/')), 302, 'somebody unknown is sent to sign in');
is(header(ask('/auth/sign-in'), 'Location'), undef, 'without the provider nobody gets further');
is(status(ask('/auth/sign-in')), 503, 'and hears so');
service('provider.mjs', 8083);

### a person with a browser

my $browser = node_folder('data/browser', 'browser');
my $seen = JSON::PP::decode_json(
    `node --no-warnings $browser/sign-in.mjs $site '@{[ $ENV{TEST_NGINX_SCREENSHOTS} // '' ]}' 2>$browser/log`
        || die slurp("$browser/log"));

is($seen->{provider}, 'provider:/interaction', 'is sent to the provider');
is($seen->{consent}, 'provider:/interaction', 'which asks whether the site may know them');
is($seen->{back}, '/reports?year=2026&title=a%26b+c', 'comes back to the page, with its query');
is($seen->{page}, '/reports?year=2026&title=a%26b+c', 'which the application gets as it was');
is("$seen->{user} $seen->{name} $seen->{email}", 'anna anna of the example anna@example.com',
    'the application knows who it is');
is_deeply($seen->{api}, [200, { user => 'anna', email => 'anna@example.com' }],
    'row 25: whatever the page says of itself');
is_deeply($seen->{cookie}, [{ httpOnly => JSON::PP::true, sameSite => 'Lax' }],
    'the cookie is not for scripts, and not for other sites');
is_deeply($seen->{foreign}, ['/auth/signed-out', 1, 'anna'], 'a form of another site signs nobody out');
is($seen->{signing_out}, 'provider:/session/end', 'signs out at the provider, too');
is($seen->{signed_out}, '/auth/signed-out', 'and comes back');
is($seen->{again}, 'provider:/interaction', 'is asked again');
is($seen->{stolen}, 'provider:/interaction', 'the old cookie is worth nothing');

### others

my $sign_in = ask('/a/%2F?b=c&d=%26');
like(header($sign_in, 'Location'), qr{^http://[^/]+\Q/auth/sign-in?to=%2Fa%2F%252F%3Fb%3Dc%26d%3D%2526\E$},
    'the page to come back to is one value');
is(status(ask('/api/me')), 401, 'a program gets 401');
is(status(ask('/auth/check')), 404, 'nobody can ask for the check itself');
is(status(ask("/auth/sign-in?to=$_")), 400, "no way to another site: $_")
    for 'https://evil.example', '//evil.example', '/%5Cevil.example', 'evil', '/%09/evil.example', '/%09/[';

# What nginx takes for a path, and the login service for no address.
is(status(ask($_)), 400, "no address: $_") for '//[/../auth/x', '//a:b/../auth/x';
is(status(ask('/auth/x')), 404, 'and the login service goes on');

# The state of a sign-in is with the browser, sealed.
my ($sealed) = header(ask('/auth/sign-in?to=/' . 'a' x 1900), 'Set-Cookie') =~ /^sign-in=([\w-]+);/;
cmp_ok(length $sealed, '<', 4000, 'a cookie that browsers keep, for a long address as well');
is(length header(ask('/auth/sign-in?to=/' . 'a' x 6000), 'Set-Cookie'),
    length header(ask('/auth/sign-in'), 'Set-Cookie'), 'one that is too long is as good as none');
is(status(ask('/auth/callback?code=a&state=b', "Cookie: sign-in=$sealed")), 403, 'a state that is not that of the cookie');
my $other = $sealed =~ s/(.{40})(.)/$1 . ($2 eq 'A' ? 'B' : 'A')/er;
is(status(ask('/auth/callback?code=a&state=b', "Cookie: sign-in=$_")), 400, 'a cookie of somebody else')
    for $other, 'x', substr($sealed, 0, 30);
is(status(ask('/auth/callback?code=a&state=b')), 400, 'a code that nobody has asked for');
is(status(ask('/auth/sign-out')), 404, 'a link signs nobody out');
is(status(ask('/api/me', "Cookie: session=$_")), 401, "no session: $_") for '', 'x';

# Starts a program of the example.
sub service {
    my ($program, $number) = @_;
    local %ENV = (%ENV, SITE => $site, ISSUER => $provider, HOST => '127.0.0.1', PORT => port($number));
    # Node.js 18 has the global object "crypto" only with the option.
    $t->run_daemon('sh', '-c', 'exec node --no-warnings --experimental-global-webcrypto "$0" >"$0.log" 2>&1',
        "$folder/$program");
    $t->waitforsocket('127.0.0.1:' . port($number));
}
