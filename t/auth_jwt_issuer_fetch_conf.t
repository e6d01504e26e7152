#!/usr/bin/perl

# Messages for wrong directives of auth_jwt_issuer that are about fetching keys.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use Jose;

my $t = Test::Nginx->new()->has(qw/ http http_ssl /)->plan(90);
my $dir = $t->testdir();

system("openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=a -keyout $dir/a.key -out $dir/a.crt"
    . " >/dev/null 2>&1") == 0 or die "openssl failed\n";
system("openssl genrsa -aes128 -passout pass:x -out $dir/locked.key 2048 >/dev/null 2>&1") == 0
    or die "openssl failed\n";
system("openssl genrsa -out $dir/other.key 2048 >/dev/null 2>&1") == 0 or die "openssl failed\n";
$t->write_file('a.jwk', public(jwk('ES256')));
$t->write_file('empty', '');

# What nginx -t says of a block with these directives, in line 2 of http.conf, for an
# issuer whose server needs no resolver.
my $block = sub {
    my ($directives, $issuer) = @_;
    $issuer //= 'https://127.0.0.1:1/x';
    return config_test($t, "auth_jwt_issuer corp { issuer $issuer; audience api;\n$directives\n}");
};
my $at = sub {
    my ($line, $message) = @_;
    return "[emerg] $message in DIR/http.conf:$line | exit 1";
};
# An error of the block as a whole.
my $whole = sub { return $at->(3, "auth_jwt_issuer \"corp\" $_[0]") };

my $ok = 'exit 0';
my $number = 'invalid number of arguments in';
my $no_document = 'so it has no discovery document: jwks_uri or key_file has to say where the keys are';
my $insecure = 'is not https: what comes over http may be anybody\'s keys, see insecure';

my $warned = 'which is not https: whoever is on the way can give keys in the name of the issuer '
    . 'in DIR/http.conf:3 | exit 0';
my $leads = 'auth_jwt_issuer "corp" has "discovery insecure": if the discovery document leads to http, whoever is '
    . 'on the way can give keys in the name of the issuer in DIR/http.conf:3 | exit 0';

### where the keys are

is($block->(''), $ok, 'an issuer with a server');
is($block->('', 'corp'), $whole->("has the issuer \"corp\", which does not begin with \"https://\" or \"http://\", $no_document"),
    'an issuer that is no URL');
is($block->('', 'https://127.0.0.1/?a'), $whole->("has the issuer \"https://127.0.0.1/?a\", which has a \"?\", $no_document"),
    'an issuer with a query');
is($block->('', 'http://192.0.2.1/'), $whole->("has the issuer \"http://192.0.2.1/\", which $insecure"), 'http');
is($block->('discovery insecure;', 'http://192.0.2.1/'), '[warn] auth_jwt_issuer "corp" asks '
    . "\"http://192.0.2.1/.well-known/openid-configuration\", $warned", 'http, insecure');
is($block->('discovery insecure;', 'https://192.0.2.1/'), "[warn] $leads", 'https, insecure');
is($block->('discovery https://192.0.2.1/d insecure;', 'corp'), "[warn] $leads", 'discovery https, insecure');
is($block->('discovery insecure;', 'http://127.0.0.1:1/'), "[warn] $leads", 'http on this machine, insecure');
is($block->('discovery https://127.0.0.1/d insecure;', 'corp'), "[warn] $leads", 'discovery on this machine, insecure');
is($block->('jwks_uri http://127.0.0.1/d insecure;', 'corp'), $ok, 'jwks_uri on this machine, insecure');
is($block->('', 'http://127.0.0.1:1'), $ok, 'http on this machine');
is($block->('discovery;'), $ok, 'discovery');
is($block->('discovery https://127.0.0.1/d;', 'corp'), $ok, 'discovery url');
is($block->('discovery http://192.0.2.1/d;', 'corp'), $at->(2, "discovery \"http://192.0.2.1/d\" $insecure"),
    'discovery http');
is($block->('discovery http://192.0.2.1/d insecure;', 'corp'), '[warn] discovery "http://192.0.2.1/d" is not https: '
    . 'whoever is on the way can give keys in the name of the issuer in DIR/http.conf:2 | exit 0',
    'discovery http, insecure');
is($block->('discovery ftp://a/;'), $at->(2, 'discovery "ftp://a/" does not begin with "https://" or "http://"'),
    'discovery ftp');
is($block->('discovery https://127.0.0.1/d more;'), $at->(2, 'invalid parameter "more" in "discovery" directive, it must be "insecure"'), 'discovery url more');
is($block->('discovery a b c;'), $at->(2, "$number \"discovery\" directive"), 'discovery a b c');
is($block->("discovery;\ndiscovery;"), $at->(3, '"discovery" directive is duplicate'), 'discovery twice');
is($block->('jwks_uri https://127.0.0.1/;', 'corp'), $ok, 'jwks_uri');
is($block->('jwks_uri http://unix:/run/a:/keys;', 'corp'), $ok, 'jwks_uri, a socket');
is($block->('jwks_uri;'), $at->(2, "$number \"jwks_uri\" directive"), 'jwks_uri without a value');
is($block->('jwks_uri /keys;'), $at->(2, 'jwks_uri "/keys" does not begin with "https://" or "http://"'),
    'jwks_uri /keys');
is($block->('jwks_uri http://192.0.2.1/;'), $at->(2, "jwks_uri \"http://192.0.2.1/\" $insecure"), 'jwks_uri http');
is($block->('jwks_uri http://192.0.2.1/ insecure;'), '[warn] jwks_uri "http://192.0.2.1/" is not https: '
    . 'whoever is on the way can give keys in the name of the issuer in DIR/http.conf:2 | exit 0',
    'jwks_uri http, insecure');
is($block->('jwks_uri https://127.0.0.1/ secure;'), $at->(2, 'invalid parameter "secure" in "jwks_uri" directive, it must be "insecure"'), 'jwks_uri url secure');
is($block->("jwks_uri https://127.0.0.1/;\njwks_uri https://127.0.0.1/;"),
    $at->(3, '"jwks_uri" directive is duplicate'), 'jwks_uri twice');
is($block->('jwks_uri https://127.0.0.1/; discovery;'), $whole->('has both "discovery" and "jwks_uri"'),
    'jwks_uri and discovery');
is($block->('key_file a.jwk; jwks_uri https://127.0.0.1/;'), $whole->('has both "key_file" and "jwks_uri"'),
    'key_file and jwks_uri');
is($block->('refresh 1m; key_file a.jwk;'), $whole->('has both "key_file" and "refresh"'), 'key_file and refresh');
like($block->('jwks_uri https://nowhere.invalid/;'), qr/^\[emerg\] auth_jwt_issuer "corp" needs the address of the host "nowhere\.invalid", which the system does not know now \(.*\): with "resolver" workers ask for it in DIR/,
    'a host that nobody knows');
is($block->('jwks_uri https://nowhere.invalid/; resolver 127.0.0.1:1;'), $ok, 'with a resolver');
is($block->('jwks_uri https://nowhere.invalid/; proxy http://127.0.0.1:1;'), $ok, 'with a proxy');

is($block->('jwks_uri https://127.0.0.1/k$x;'), $at->(2, 'invalid value "https://127.0.0.1/k$x" in "jwks_uri" directive, '
    . 'it must not have variables'), 'jwks_uri with a variable');
is($block->('discovery https://127.0.0.1/$x;'), $at->(2, 'invalid value "https://127.0.0.1/$x" in "discovery" directive, '
    . 'it must not have variables'), 'discovery with a variable');

### row 37: no password in a log

my $user = 'has a user name in front of the host';
is($block->('jwks_uri https://u:secret@127.0.0.1/d;'), $at->(2, "jwks_uri \"https://127.0.0.1/d\" $user"), 'jwks_uri');
is($block->('discovery https://u:secret@127.0.0.1/d;'), $at->(2, "discovery \"https://127.0.0.1/d\" $user"),
    'discovery');
is($block->('jwks_uri https://u:secret@127.0.0.1/#d;'), $at->(2, 'jwks_uri "https://127.0.0.1/#d" has a "#"'),
    'jwks_uri, another error');
is($block->('', 'https://u:secret@127.0.0.1/x'), $whole->("has the issuer \"https://127.0.0.1/x\", which $user, $no_document"),
    'issuer');
is($block->('jwks_uri https://u:secret@127.0.0.1/$x;'), $at->(2, 'invalid value "https://127.0.0.1/$x" in "jwks_uri" '
    . 'directive, it must not have variables'), 'jwks_uri with a variable');
is($block->('proxy http://u:se$cret@127.0.0.1:1;'), $at->(2, 'invalid value "http://127.0.0.1:1" in "proxy" directive, '
    . 'it must not have variables'), 'proxy with a variable');
is($block->('jwks_uri https://127.0.0.1/ https://u:secret@127.0.0.1/;'), $at->(2, 'invalid parameter "https://127.0.0.1/" '
    . 'in "jwks_uri" directive, it must be "insecure"'), 'a second URL');
is($block->('discovery https://127.0.0.1/ https://u:secret@127.0.0.1/;'), $at->(2, 'invalid parameter '
    . '"https://127.0.0.1/" in "discovery" directive, it must be "insecure"'), 'a second URL of discovery');

### times

for my $name (qw/ refresh connect_timeout read_timeout /) {
    is($block->("$name 10s;"), $ok, $name);
    is($block->("$name 0;"), $at->(2, "invalid value \"0\" in \"$name\" directive, it must be a time, and more than 0"),
        "$name 0");
    is($block->("$name x;"), $at->(2, "invalid value \"x\" in \"$name\" directive, it must be a time, as in 10m or 500ms"), "$name x");
    is($block->("$name 1s;\n$name 1s;"), $at->(3, "\"$name\" directive is duplicate"), "$name twice");
}
is($block->('stale 0;'), $ok, 'stale 0');
is($block->('stale x;'), $at->(2, 'invalid value "x" in "stale" directive, it must be a time, as in 10m or 500ms'), 'stale x');

### resolver

is($block->('resolver valid=1s;'), $at->(2, 'no name servers defined'), 'resolver without a name server');
is($block->('resolver 127.0.0.1 valid=x;'), $at->(2, 'invalid parameter: valid=x'), 'resolver valid=x');
is($block->("resolver 127.0.0.1;\nresolver 127.0.0.1;"), $at->(3, '"resolver" directive is duplicate'),
    'resolver twice');

### TLS

is($block->('ssl_trusted_certificate a.crt; ssl_certificate a.crt; ssl_certificate_key a.key; ssl_name a;'), $ok,
    'certificates and a name');
my $tls = 'has TLS settings that fail:';
is($block->('ssl_trusted_certificate none.crt;'), $whole->("$tls cannot read \"DIR/none.crt\": "
    . 'No such file or directory (os error 2)'), 'no such file');
is($block->('ssl_trusted_certificate empty;'), $whole->("$tls no certificate in \"DIR/empty\": it has to be a PEM file"),
    'no certificate');
is($block->('ssl_certificate a.crt;'), $whole->('has "ssl_certificate" but no "ssl_certificate_key"'), 'no key');
is($block->('ssl_certificate_key a.key;'), $whole->('has "ssl_certificate_key" but no "ssl_certificate"'),
    'a key only');
is($block->('ssl_certificate a.crt; ssl_certificate_key other.key;'), $whole->("$tls the private key in "
    . '"DIR/other.key" does not belong to the certificate in "DIR/a.crt"'), 'another key');
is($block->('ssl_certificate a.crt; ssl_certificate_key locked.key;'), $whole->("$tls the private key in "
    . '"DIR/locked.key" is encrypted: it has to be stored without a password, in a file that only the owner may '
    . 'read'), 'a key with a password');
is($block->('ssl_verify off;'), '[warn] auth_jwt_issuer "corp" has "ssl_verify off": whoever is on the way to '
    . 'the issuer can give keys in its name in DIR/http.conf:3 | exit 0', 'ssl_verify off');
is($block->('ssl_verify maybe;'), $at->(2, 'invalid value "maybe" in "ssl_verify" directive, it must be "on" or "off"'),
    'ssl_verify maybe');
is($block->('ssl_name "";'), $at->(2, 'invalid value "" in "ssl_name" directive, it must not be empty'), 'no name');
is($block->('ssl_name $host;'), $at->(2, 'invalid value "$host" in "ssl_name" directive, it must not have variables'),
    'a name with a variable');

### proxy

is($block->('proxy http://user:secret@127.0.0.1:1;'), $ok, 'a proxy');
is($block->('proxy https://user:secret@127.0.0.1:1;'), $at->(2, 'proxy "https://127.0.0.1:1" has the scheme https: '
    . 'only proxies that are reached by http:// are supported'), 'a proxy by https; row 37: no password in a log');
is($block->('proxy 127.0.0.1:1;'), $at->(2, 'proxy "127.0.0.1:1" does not begin with "https://" or "http://"'),
    'a proxy without a scheme');

# By a proxy on another machine, 127.0.0.1 is that machine, and the way there is a network.
my $by_proxy = 'is http, and the proxy is on another machine: whoever is on the way can give keys, see insecure';
my $socket = 'is a Unix socket, to which no proxy connects';
my $remote = 'proxy http://192.0.2.9:3128;';
is($block->("jwks_uri http://127.0.0.1/k;\n$remote"), $at->(4, "auth_jwt_issuer \"corp\" has the jwks_uri \"http://127.0.0.1/k\", which $by_proxy"),
    'jwks_uri http on this machine, by a proxy');
is($block->($remote, 'http://127.0.0.1:1'), $whole->("has the issuer \"http://127.0.0.1:1\", which $by_proxy"),
    'an issuer of http on this machine, by a proxy');
is($block->("discovery http://127.0.0.1/d; $remote", 'corp'), $whole->("has the discovery document \"http://127.0.0.1/d\", which $by_proxy"),
    'discovery http on this machine, by a proxy');
is($block->("jwks_uri http://127.0.0.1/k insecure; $remote"), "[warn] auth_jwt_issuer \"corp\" asks \"http://127.0.0.1/k\", $warned",
    'insecure');
is($block->("discovery insecure; $remote", 'http://127.0.0.1:1'), '[warn] auth_jwt_issuer "corp" asks '
    . "\"http://127.0.0.1:1/.well-known/openid-configuration\", $warned", 'discovery insecure');
is($block->("discovery https://127.0.0.1/d insecure; $remote", 'corp'), "[warn] $leads", 'discovery https, insecure');
is($block->("jwks_uri https://127.0.0.1/k; $remote"), $ok, 'https');
is($block->("jwks_uri http://127.0.0.1/k; proxy http://127.0.0.1:1;"), $ok, 'a proxy on this machine');
is($block->("jwks_uri http://127.0.0.1/k; proxy http://unix:/run/p;"), $ok, 'a proxy on a socket');
for my $proxy ($remote, 'proxy http://127.0.0.1:1;') {
    is($block->("jwks_uri http://unix:/run/a:/keys insecure; $proxy"), $whole->("has the jwks_uri \"http://unix:/run/a:/keys\", which $socket"),
        "a socket by $proxy");
}
is($block->("discovery https://unix:/run/a:/d; $remote", 'corp'), $whole->("has the discovery document \"https://unix:/run/a:/d\", which $socket"),
    'discovery, a socket by a proxy');

### state_path

is($block->("state_path $dir/state;"), $ok, 'state_path');
is($block->('state_path "";'), $at->(2, 'invalid value "" in "state_path" directive, it must not be empty'),
    'state_path without a name');
is($block->("state_path $dir/state;\nstate_path $dir/other;"), $at->(3, '"state_path" directive is duplicate'),
    'state_path twice');
is($block->("state_path $dir/a.jwk/state;"), "[emerg] mkdir() \"DIR/a.jwk/state\" failed (20: Not a directory) | exit 1",
    'a folder that cannot be made');
