#!/usr/bin/perl

# Messages for wrong configurations of auth_jwt_issuer and auth_jwt_trust.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Jose;

my $t = Test::Nginx->new()->has(qw/ http rewrite map /)->plan(102);

my $key = jwk('ES256', '--kid', 'a');
$t->write_file('a.jwk', public($key));
$t->write_file('secret.jwk', jwk('A256KW', '--kid', 'b'));

# What nginx -t says with these directives in http {}.
my $http = sub { return config_test($t, $_[0]) };

# The same in a block, in line 2 of http.conf.
my $block = sub { return $http->("auth_jwt_issuer corp {\n$_[0]\n}") };

# The same in a location, in line 4 of http.conf. There are the issuers corp and partner.
my $issuers = <<'EOF';
auth_jwt_issuer corp { issuer https://corp.example; audience api; key_file a.jwk; }
auth_jwt_issuer partner { issuer https://partner.example; audience api; key_file a.jwk; }
EOF
my $location = sub {
    my ($directives, $server, $http_level) = @_;
    $server //= '';
    $http_level //= '';
    return $http->("$http_level server { listen 127.0.0.1:1; $server\nlocation / {\n\n$directives\n}}\n$issuers");
};

my $at = sub {
    my ($line, $message) = @_;
    return "[emerg] $message in DIR/http.conf:$line | exit 1";
};

# What is found when nginx has read http {}: nginx adds its last line.
my $at_end = sub {
    my ($level, $message) = @_;
    my $end = () = $t->read_file('nginx.conf') =~ /^.*$/mg;
    $end -= 1;
    return "[$level] $message in DIR/nginx.conf:$end | " . ($level eq 'emerg' ? 'exit 1' : '');
};

my $ok = 'exit 0';
my $needed = 'issuer https://corp.example; audience api; key_file a.jwk;';
my $members = 'issuer, audience, key_file, algorithms, leeway, max_age, typ, profile, require_claim, discovery, '
    . 'jwks_uri, refresh, stale, resolver, ssl_trusted_certificate, ssl_certificate, ssl_certificate_key, ssl_name, '
    . 'ssl_verify, connect_timeout, read_timeout, proxy, state_path';
my $number = 'invalid number of arguments in';

### the block itself

is($http->('auth_jwt_issuer corp;'), $at->(1, 'directive "auth_jwt_issuer" has no opening "{"'), 'no block');
is($http->("auth_jwt_issuer { $needed }"), $at->(1, "$number \"auth_jwt_issuer\" directive"), 'no name');
is($http->("auth_jwt_issuer a b { $needed }"), $at->(1, "$number \"auth_jwt_issuer\" directive"), 'two names');
is($http->("auth_jwt_issuer '' { $needed }"),
    $at->(1, 'invalid value "" in "auth_jwt_issuer" directive, it must not be empty'), 'an empty name');
is($http->("auth_jwt_issuer off { $needed }"), $at->(1, 'invalid value "off" in "auth_jwt_issuer" directive, '
    . '"auth_jwt_trust off" has another meaning'), 'the name "off"');
is($http->("auth_jwt_issuer \$host { $needed }"), $at->(1, 'invalid value "$host" in "auth_jwt_issuer" directive, '
    . 'it must not have variables'), 'a name with a variable');
is($http->("auth_jwt_issuer \xff { $needed }"), $at->(1, 'invalid value "\xff" in "auth_jwt_issuer" directive, '
    . 'it must be in UTF-8'), 'a name that is no UTF-8');
is($http->("server { auth_jwt_issuer a { $needed } }"),
    $at->(1, '"auth_jwt_issuer" directive is not allowed here'), 'server');
is($http->("server { location / { auth_jwt_issuer a { $needed } } }"),
    $at->(1, '"auth_jwt_issuer" directive is not allowed here'), 'location');
is($http->("auth_jwt_issuer a { $needed }\nauth_jwt_issuer a { issuer x; audience b; key_file a.jwk; }"),
    $at->(2, 'duplicate auth_jwt_issuer "a"'), 'two blocks of one name');
my $fetched = 'auth_jwt_issuer a { issuer %s; audience b; jwks_uri http://127.0.0.1:1/; }';
is($http->(sprintf "$fetched\n$fetched", 'x', 'y'), $at->(2, 'duplicate auth_jwt_issuer "a"'),
    'two blocks of one name with fetched keys');
is($block->("foo bar;"), $at->(2, "unknown directive \"foo\" in this block, which may have: $members"),
    'an unknown directive');
is($block->("auth_jwt_leeway 1s;"), $at->(2,
    "unknown directive \"auth_jwt_leeway\" in this block, which may have: $members"), 'a directive of a level');
is($block->("issuer a { }"), $at->(2, 'unexpected "{"'), 'a block in the block');
is($block->("$needed\naudience b;"), $at->(3, '"audience" directive is duplicate'), 'a directive twice');
is($http->("auth_jwt_issuer corp { $needed"),
    $at->(2, 'unexpected end of file, expecting "}"'), 'no closing brace');

### include

$t->write_file('members.inc', "issuer https://corp.example;\naudience api;\n");
$t->write_file('key-file.inc', 'key_file a.jwk;');
$t->write_file('wrong.inc', "\nfoo bar;\n");
is($block->('include members.inc; include key-*.inc;'), $ok, 'include');
is($block->("include members.inc;\nissuer b;"), $at->(3, '"issuer" directive is duplicate'),
    'include counts as what is in it');
is($block->('include wrong.inc;'),
    "[emerg] unknown directive \"foo\" in this block, which may have: $members in DIR/wrong.inc:2 | exit 1",
    'an unknown directive in an included file');
is($block->('include;'), $at->(2, "unknown directive \"include\" in this block, which may have: $members"),
    'include without a file');
like($block->('include nowhere.inc;'), qr{^\[emerg\] open\(\) "DIR/nowhere.inc" failed .* in DIR/http.conf:2},
    'include of nothing');

### what is missing

is($block->('audience api; key_file a.jwk;'),
    $at->(3, 'auth_jwt_issuer "corp" has no "issuer", which iss must be'), 'no issuer');
is($block->('issuer corp; audience api;'), $at->(3, 'auth_jwt_issuer "corp" has the issuer "corp", which does not '
    . 'begin with "https://" or "http://", so it has no discovery document: jwks_uri or key_file has to say where '
    . 'the keys are'), 'no keys');
is($block->(''), $at->(3, 'auth_jwt_issuer "corp" has no "issuer", which iss must be'), 'nothing');
is($block->('issuer https://corp.example; key_file a.jwk;'),
    '[warn] auth_jwt_issuer "corp" has no "audience": tokens that the issuer has made for others are accepted '
    . 'in DIR/http.conf:3 | exit 0', 'no audience');
is($block->('issuer https://corp.example; key_file a.jwk; profile rfc9068;'),
    $at->(3, 'auth_jwt_issuer "corp" has no "audience", which "profile rfc9068" requires (RFC 9068 section 4)'),
    'no audience, rfc9068');
is($block->("$needed profile rfc9068; typ at+jwt;"), $at->(3, 'auth_jwt_issuer "corp" has both "typ" and '
    . '"profile rfc9068", which requires "typ at+jwt"'), 'typ and rfc9068');

### each directive

my $value = sub {
    my ($name, $value, $must) = @_;
    return $at->(2, "invalid value \"$value\" in \"$name\" directive, $must");
};
for my $name (qw/ issuer audience key_file algorithms leeway max_age typ profile require_claim /) {
    is($block->("$name;"), $at->(2, "$number \"$name\" directive"), "$name without an argument");
}
for my $name (qw/ issuer key_file leeway max_age profile /) {
    is($block->("$name a b;"), $at->(2, "$number \"$name\" directive"), "$name with two arguments");
    next if $name eq 'profile';
    my $good = $name =~ /e$|leeway/ ? '1s' : 'a.jwk';
    $good = 'a.jwk' if $name eq 'key_file';
    is($block->("$name $good; $name $good;"), $at->(2, "\"$name\" directive is duplicate"), "$name twice");
}
is($block->('profile rfc9068; profile rfc9068;'), $at->(2, '"profile" directive is duplicate'), 'profile twice');
is($block->('algorithms ES256; algorithms ES256;'), $at->(2, '"algorithms" directive is duplicate'),
    'algorithms twice');
is($block->('typ a; typ a;'), $at->(2, '"typ" directive is duplicate'), 'typ twice');

for my $name (qw/ issuer audience key_file /) {
    is($block->("$name '';"), $value->($name, '', 'it must not be empty'), "$name empty");
    is($block->("$name a\$host;"), $value->($name, 'a$host', 'it must not have variables'),
        "$name with a variable");
}
is($block->('audience api $host;'), $value->('audience', '$host', 'it must not have variables'),
    'the second audience with a variable');
like($block->('algorithms ES256 none;'), qr/^\[emerg\] invalid value "none" in "algorithms" directive, it must be one of HS256, /,
    'algorithms none');
like($block->('algorithms RSA-OAEP;'),
    qr/^\[emerg\] invalid value "RSA-OAEP" in "algorithms" directive, it must be one of HS256, [^|]*ES256K[^|]* in DIR/,
    'an algorithm for encryption');
my $seconds = 'it must be a time in whole seconds, as in 30s or 1h';
is($block->('leeway 500ms;'), $value->('leeway', '500ms', $seconds), 'leeway in milliseconds');
is($block->('leeway -1;'), $value->('leeway', '-1', $seconds), 'a negative leeway');
is($block->('max_age 0;'), $value->('max_age', '0', 'it must be more than 0'), 'max_age 0');
is($block->('max_age x;'), $value->('max_age', 'x', $seconds), 'max_age that is no time');
is($block->('typ "a b";'), $value->('typ', 'a b', 'it must be a media type, such as "at+jwt"'),
    'typ with a space');
is($block->('typ at+jwt $host;'), $value->('typ', '$host', 'it must be a media type, such as "at+jwt"'),
    'typ with a variable');
is($block->('profile at+jwt;'), $value->('profile', 'at+jwt', 'it must be "rfc9068"'), 'an unknown profile');
is($block->('require_claim a;'), $at->(2, "$number \"require_claim\" directive"), 'a rule without an operator');
like($block->('require_claim a like b;'), qr/^\[emerg\] invalid operator "like" in "require_claim" directive, /,
    'a rule with an unknown operator');
is($block->("$needed require_claim a eq \$nobody;"), '[emerg] unknown "nobody" variable | exit 1',
    'a rule with an unknown variable');
is($block->("$needed algorithms ES256 EdDSA; leeway 1M; max_age 1d; typ JWT application/at+jwt; "
    . 'require_claim a eq b; require_claim c any $arg_c d error=403;'), $ok, 'everything right');
is($block->("$needed profile rfc9068; audience"), $at->(3, 'unexpected "}"'), 'an unfinished directive');

### keys

is($block->('issuer https://corp.example; audience api; key_file none.jwk;'),
    '[warn] key file "DIR/none.jwk": No such file or directory (os error 2) in DIR/http.conf:2 | exit 0',
    'a key file that is not there');
is($block->('issuer https://corp.example; audience api; key_file secret.jwk;'),
    '[warn] issuer "corp": key file "DIR/secret.jwk": no key of this set verifies signatures: key 0, kid "b" '
    . 'is for A256KW only in DIR/http.conf:3 | exit 0', 'a key file that verifies nothing');

### two issuers with one "issuer"

my $two = sub {
    my ($first, $second) = map { $_ ? "audience $_;" : '' } @_;
    my $said = $http->("auth_jwt_issuer a { issuer x; key_file a.jwk; $first }\n"
        . "auth_jwt_issuer b { issuer x; key_file a.jwk; $second }");
    return $said =~ s/\[warn\].*? \| //gr;
};
my $overlap = $at->(2, 'auth_jwt_issuer "b" has the "issuer" of "a": both need an "audience", with no value in common');
is($two->('api', 'web'), $ok, 'their audiences differ');
is($two->('api web', 'app web'), $overlap, 'their audiences have a value in common');
is($two->('api', ''), $overlap, 'the second has no audience');
is($two->('', 'api'), $overlap, 'the first has no audience');
is($two->('', ''), $overlap, 'none has an audience');

### auth_jwt_trust

is($location->('auth_jwt_trust;'), $at->(4, "$number \"auth_jwt_trust\" directive"), 'trust nobody');
is($location->('auth_jwt_trust corp; auth_jwt_trust partner;'), $at->(4, '"auth_jwt_trust" directive is duplicate'),
    'trust twice');
is($location->('auth_jwt_trust corp corp;'), $at->(4, 'duplicate issuer "corp" in "auth_jwt_trust"'),
    'an issuer twice');
is($location->('auth_jwt_trust corp off;'), $at->(4, 'invalid value "off" in "auth_jwt_trust" directive, '
    . 'no name may stand beside it'), 'off beside a name');
my $nobody = $location->('auth_jwt a; auth_jwt_trust corp nobody;');
is($nobody, $at_end->('emerg', '"auth_jwt_trust" in DIR/http.conf:4 names the issuer "nobody", and there is no '
    . 'such auth_jwt_issuer; there are "corp", "partner"'), 'an unknown issuer');
is($http->('auth_jwt_trust corp; server { auth_jwt_trust off; }'), $at_end->('emerg', '"auth_jwt_trust" in '
    . 'DIR/http.conf:1 names the issuer "corp", and there is no such auth_jwt_issuer'),
    'an unknown issuer, and all servers have another value');
is($location->('auth_jwt a; auth_jwt_trust corp partner;'), $ok, 'blocks further down');
is($location->('auth_jwt a; auth_jwt_trust off;', '', 'auth_jwt_trust corp;'), $at_end->('warn',
    'no auth_jwt_key_file or auth_jwt_key_request for "auth_jwt" in DIR/http.conf:4, every request is refused')
    . 'exit 0', 'off, and no keys');
is($location->('auth_jwt a;', '', 'auth_jwt_trust corp;'), $ok, 'http');
is($location->('auth_jwt a;', 'auth_jwt_trust corp;'), $ok, 'server');
is($location->('auth_jwt a; auth_jwt_trust corp; limit_except GET { auth_jwt_trust partner; }'), $ok, 'limit_except');

### what does not go with auth_jwt_trust

my $conflict = sub {
    my ($line, $what) = @_;
    return $at_end->('emerg', "\"auth_jwt_trust\" in DIR/http.conf:$line $what");
};
my $keys = 'has the keys of issuers verify tokens: "auth_jwt_key_file" or "auth_jwt_key_request" beside it is for '
    . '"auth_jwt_type nested"; remove it, or write "auth_jwt_trust off"';
my $unsigned = 'needs a signature of the issuer, which tokens with "auth_jwt_type encrypted" do not have; see '
    . '"auth_jwt_type nested"';

is($location->('auth_jwt a; auth_jwt_trust corp; auth_jwt_key_file a.jwk;'), $conflict->(4, $keys), 'a key file');
is($location->('auth_jwt a; auth_jwt_trust corp; auth_jwt_key_request /keys;'), $conflict->(4, $keys),
    'a key request');
is($location->('auth_jwt a; auth_jwt_key_file a.jwk;', 'auth_jwt_trust corp;'), $conflict->(1, $keys),
    'a key file, and issuers of the server');
is($location->('auth_jwt a;', 'auth_jwt_trust corp; auth_jwt_key_file a.jwk;'), $conflict->(1, $keys),
    'both of the server');
is($location->('auth_jwt a;', '', 'auth_jwt_trust corp; auth_jwt_key_file a.jwk;'), $conflict->(1, $keys),
    'both of http');
is($location->('auth_jwt a; auth_jwt_trust corp; location /a { auth_jwt_key_file a.jwk; }',
    'auth_jwt_key_file a.jwk;'), $conflict->(4, $keys), 'a key file in a location inside');
is($location->('auth_jwt a; auth_jwt_trust corp; location /a { }', 'auth_jwt_key_file a.jwk;'), $ok,
    'the key file of the server');
is($location->('auth_jwt a; auth_jwt_trust off; auth_jwt_key_file a.jwk;', 'auth_jwt_trust corp;'), $ok,
    'a key file, and off');
is($location->('auth_jwt_trust corp; auth_jwt_key_file a.jwk;') =~ s/ in DIR\/nginx\.conf:\d+//r, '[warn] "auth_jwt_trust" in '
    . "location \"/\" requires nothing without \"auth_jwt\", every request is served | $ok", 'both, and auth_jwt is off');
is($location->('auth_jwt a; auth_jwt_trust corp; auth_jwt_type encrypted; auth_jwt_key_file secret.jwk;'),
    $conflict->(4, $unsigned), 'encrypted');
is($location->('auth_jwt a; auth_jwt_type encrypted;', 'auth_jwt_trust corp;'), $conflict->(1, $unsigned),
    'encrypted, and issuers of the server');
is($location->('auth_jwt a; auth_jwt_trust corp; auth_jwt_type nested; auth_jwt_key_file secret.jwk;'), $ok,
    'nested, with a key that decrypts');
is($location->('auth_jwt a; auth_jwt_trust corp; auth_jwt_type nested;'), $at_end->('warn',
    'no auth_jwt_key_file or auth_jwt_key_request for "auth_jwt" in DIR/http.conf:4, every request is refused')
    . 'exit 0', 'nested, without a key that decrypts');
is($location->('auth_jwt a; auth_jwt_trust corp; auth_jwt_type nested; auth_jwt_key_file a.jwk;'),
    $at_end->('warn', 'key file "DIR/a.jwk": no key of this set decrypts tokens: key 0, kid "a" is for '
    . 'ES256 only') . 'exit 0', 'nested, with a key that does not decrypt');
like($location->('auth_jwt a; auth_jwt_trust corp; auth_jwt_verify_signature off;'),
    qr/\| \[emerg\] "auth_jwt_trust" in DIR\/http.conf:4 needs signatures, and "auth_jwt_verify_signature" is off in /,
    'auth_jwt_verify_signature off');
