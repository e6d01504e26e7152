#!/usr/bin/perl

# auth_jwt_trust: a token is verified with the keys of the issuer that it names, and
# with no others; what the block of the issuer requires holds besides. Row 47: the
# key of one issuer signs a token that names another one. Row 33: a token of an
# unknown issuer is refused where tokens are optional. Rows 16 and 45: audience, type
# and profile.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Jose;
use KeyService;

my $corp_iss = 'https://login.corp.example/realms/main';
my $partner_iss = 'https://partner.example';

# All keys have the same kid, so that only the issuer decides which one is tried.
my $corp = jwk('ES256', '--kid', 'a');
my $partner = jwk('ES256', '--kid', 'a');
my $flat = jwk('ES256', '--kid', 'a');

my $t = Test::Nginx->new()->has(qw/ http map rewrite /)->plan(109);

$t->write_file('corp.json', jwks(map { public($_) } $corp));
$t->write_file('partner.json', jwks(map { public($_) } $partner));
$t->write_file('flat.json', jwks(map { public($_) } $flat));

configure($t, <<"EOF");
    auth_jwt_issuer corp {
        issuer    $corp_iss;
        audience  api web;
        key_file  corp.json;
    }

    auth_jwt_issuer partner {
        issuer    $partner_iss;
        audience  api;
        key_file  partner.json;
    }

    auth_jwt_issuer broken { issuer broken; audience api; key_file broken.json; }
    auth_jwt_issuer strict {
        issuer         strict;
        audience       api;
        key_file       corp.json;
        algorithms     ES384 EdDSA;
    }
    auth_jwt_issuer typed { issuer typed; audience api; key_file corp.json; typ at+jwt secevent+jwt; }
    auth_jwt_issuer rfc9068 { issuer rfc9068; audience api; key_file corp.json; profile rfc9068; }
    auth_jwt_issuer young { issuer young; audience api; key_file corp.json; max_age 1m; leeway 10m; }
    auth_jwt_issuer exact { issuer exact; audience api; key_file corp.json; leeway 0; }
    auth_jwt_issuer ruled {
        issuer         ruled;
        audience       api;
        key_file       corp.json;
        require_claim  email_verified eq json=true;
        require_claim  tenant eq \$arg_tenant error=403;
    }
    # Its keys are in hand, so that a token out of the cache takes the shortest way.
    auth_jwt_issuer fetched {
        issuer         fetched;
        audience       api;
        jwks_uri       http://127.0.0.1:8082/fetched;
        require_claim  tenant eq t1 error=403;
    }
    auth_jwt_issuer shared-api { issuer shared; audience api; key_file corp.json; require_claim for eq api; }
    auth_jwt_issuer shared-web { issuer shared; audience web; key_file corp.json; require_claim for eq web; }

    map \$arg_mode \$mode {
        default required;
        optional optional;
        report report;
    }

    server {
        listen       127.0.0.1:8080;
        server_name  localhost;

        auth_jwt            "r";
        auth_jwt_mode       \$mode;
        auth_jwt_trust      corp partner;
        add_header          X-V "<\$jwt_status|\$jwt_verified|\$jwt_claim_sub>" always;

        location /both        { }
        location /corp        { auth_jwt_trust corp; }
        location /partner     { auth_jwt_trust partner; }
        location /flat        { auth_jwt_trust off; auth_jwt_key_file flat.json; auth_jwt_key_file corp.json; }
        location /broken      { auth_jwt_trust broken corp; }
        location /strict      { auth_jwt_trust strict; }
        location /typed       { auth_jwt_trust typed; }
        location /rfc9068     { auth_jwt_trust rfc9068; }
        location /young       { auth_jwt_trust young; }
        location /leeway      { auth_jwt_trust corp exact young; auth_jwt_leeway 5m; }
        location /ruled       { auth_jwt_trust ruled; }
        location /fetched       { auth_jwt_trust fetched; }
        location /fetched-es384 { auth_jwt_trust fetched; auth_jwt_algorithms ES384; }
        location /fetched-young { auth_jwt_trust fetched; auth_jwt_max_age 1m; }
        location /shared      { auth_jwt_trust shared-api shared-web; }
        location /shared-back { auth_jwt_trust shared-web shared-api; }
        location /shared-api  { auth_jwt_trust shared-api; }
        location /shared-web  { auth_jwt_trust shared-web; }
        location /order       {
            auth_jwt_trust         corp young;
            auth_jwt_algorithms    ES384;
            auth_jwt_require_claim v exists;
        }
        location /rules       {
            auth_jwt_require_claim sub eq ann error=403;
            auth_jwt_require_scope read;
            auth_jwt_require       \$arg_yes;
        }
        location /preaccess   { auth_jwt_phase preaccess; }
        location /any         { satisfy any; deny all; }
        location /any-open    { satisfy any; allow all; }
        location /outer/ {
            location /outer/same     { }
            location /outer/other    { auth_jwt_trust partner; }
            location /outer/limited  { limit_except GET { auth_jwt_trust partner; } }
        }
    }
EOF

respond_with($t, 'fetched', keys_response(jwks(public($corp))));
key_service($t, 8082);
run_quietly($t);

# A token for the audience "api".
my $of = sub {
    my ($key, $iss, $more, @options) = @_;
    $more = $more ? ",$more" : '';
    return sign($key, "{\"iss\":\"$iss\",\"aud\":\"api\",\"sub\":\"ann\"$more}", @options);
};

my $bearer = '401 Bearer realm="r", error="invalid_token"';
my $es256 = 'alg "ES256", kid "a"';
my $ok = '404 <ok|1|ann>';

# The issuers of corp and partner, as a log line shows them.
my ($corp_trusted, $partner_trusted) = ("\"corp\" (\"$corp_iss\")", "\"partner\" (\"$partner_iss\")");

# What is refused because of the claim iss.
my $untrusted = sub {
    my ($what, $trusted, $token) = @_;
    return "$bearer <untrusted_issuer|0|> info $what: $trusted; " . ($token // $es256);
};
my $not_that = sub { return $untrusted->("iss \"$_[0]\" is not that of a trusted issuer", $_[1]) };

# What the block with this name does not accept.
my $unmet = sub {
    my ($status, $name, $what, $iss, $token) = @_;
    return "$bearer <$status|0|> info issuer \"$name\": $what; " . ($token // $es256) . ", iss \"$iss\"";
};
my $bad = sub { return "$bearer <bad_signature|0|> info bad signature, algorithm \"ES256\", kid \"a\", keys tried: 1; "
    . "iss \"$_[0]\"" };

### row 47: the key of another issuer

is(outcome($t, '/both', $of->($partner, $corp_iss)), $bad->($corp_iss), 'row 47: key of partner, iss of corp');
is(outcome($t, '/both', $of->($corp, $partner_iss)), $bad->($partner_iss), 'row 47: key of corp, iss of partner');
is(outcome($t, '/both', $of->($flat, $corp_iss)), $bad->($corp_iss), 'row 47: key of nobody, iss of corp');
is(outcome($t, '/flat', $of->($flat, $corp_iss)), $ok, 'row 47: flat key files do not belong to an issuer');

# One token is in the cache, and another one differs in its issuer only.
is(outcome($t, '/both', $of->($partner, $partner_iss)), $ok, 'token of partner') for 'not cached', 'cached';
is(outcome($t, '/corp', $of->($partner, $partner_iss)), $not_that->($partner_iss, $corp_trusted),
    'token of partner, cached, where only corp is trusted');
my $cached = $of->($corp, $corp_iss, '"n":1');
is(outcome($t, '/both', $cached), $ok, "token of corp, $_") for 'not cached', 'cached';
is(outcome($t, '/partner', $cached), $not_that->($corp_iss, $partner_trusted),
    'the same token, cached, where only partner is trusted');
is(outcome($t, '/corp', $cached), $ok, 'the same token, cached, where corp is trusted');
is(outcome($t, '/flat', $cached), $ok, 'the same token with flat key files');
is(outcome($t, '/partner', $cached), $not_that->($corp_iss, $partner_trusted), 'flat key files lend no trust');
my $flat_token = $of->($flat, $corp_iss, '"n":2');
is(outcome($t, '/flat', $flat_token), $ok, 'a token of a flat key file');
is(outcome($t, '/both', $flat_token), $bad->($corp_iss), 'row 47: the same token, cached, under auth_jwt_trust');

### iss

my $both = "$corp_trusted, $partner_trusted";
is(outcome($t, '/both', sign($corp, '{"aud":"api"}')), $untrusted->('claim "iss" is missing, trusted issuers', $both),
    'no iss');
is(outcome($t, '/both', sign($corp, "{\"aud\":\"api\",\"iss\":$_}")),
    $untrusted->('claim "iss" is not a string, trusted issuers', $both), "iss $_")
    for 'null', 'true', '1', "[\"$corp_iss\"]", "{\"$corp_iss\":1}";
is(outcome($t, '/both', $of->($corp, $_)), $not_that->($_, $both), "iss '$_'")
    for '', 'corp', "$corp_iss/", "$corp_iss ", 'https://login.corp.example/realms/mai', uc $corp_iss,
    "$corp_iss,$partner_iss";
is(outcome($t, '/both', $of->($corp, "$corp_iss\\n")), $not_that->("$corp_iss\\x0a", $both), 'iss with a line feed');
is(outcome($t, '/both', sign($corp, "{\"iss\":\"$partner_iss\",\"iss\":\"$corp_iss\",\"aud\":\"api\"}")),
    "$bearer <malformed|0|> info claims set has the name \"iss\" twice; $es256", 'iss twice');
is(outcome($t, '/both', $of->($corp, $corp_iss =~ s{/}{\\/}gr)), $ok, 'iss with escape sequences');

### audience

is(outcome($t, '/both', sign($corp, "{\"iss\":\"$corp_iss\"}")),
    $unmet->('claim_mismatch', 'corp', 'claim "aud" is missing, which audience requires', $corp_iss), 'row 16: no aud');
for my $aud ('null', '""', '"ap"', '"apis"', '["apis","x"]', '[1,true,null]', '{"api":1}') {
    my $shown = $aud =~ s/^"(.*)"$/$1/r =~ s/"/\\"/gr;
    is(outcome($t, '/both', sign($corp, "{\"iss\":\"$corp_iss\",\"aud\":$aud}")),
        $unmet->('claim_mismatch', 'corp', "aud \"$shown\" is not one of its audience: \"api\", \"web\"", $corp_iss),
        "row 16: aud $aud");
}
is(outcome($t, '/both', sign($corp, "{\"iss\":\"$corp_iss\",\"aud\":$_,\"sub\":\"ann\"}")), $ok, "row 16: aud $_")
    for '"web"', '["api"]', '["x",1,"web"]';
is(outcome($t, '/both', sign($partner, "{\"iss\":\"$partner_iss\",\"aud\":\"web\"}")),
    $unmet->('claim_mismatch', 'partner', 'aud "web" is not one of its audience: "api"', $partner_iss),
    'row 16: the audience of another issuer');

### algorithms, typ, profile

is(outcome($t, '/strict', $of->($corp, 'strict')), $unmet->('unsupported_algorithm', 'strict',
    'algorithm "ES256" is not one of its algorithms', 'strict', 'kid "a"'), 'another algorithm');
my @no_typ = ('--raw-header', '{"alg":"ES256","kid":"a"}');
is(outcome($t, '/typed', $of->($corp, 'typed', '', @no_typ)), $unmet->('claim_mismatch', 'typed',
    'header parameter "typ" is missing', 'typed'), 'row 45: no typ');
is(outcome($t, '/typed', $of->($corp, 'typed', '', '--header', '{"typ":"JWT"}')), $unmet->('claim_mismatch', 'typed',
    'typ "JWT" is not "at+jwt", "secevent+jwt"', 'typed'), 'row 45: another typ');
is(outcome($t, '/typed', $of->($corp, 'typed', '', '--header', "{\"typ\":\"$_\"}")), $ok, "row 45: typ $_")
    for 'at+jwt', 'Application/AT+JWT', 'secevent+jwt';

my $access = '"exp":"now+60","client_id":"c","iat":"now","jti":"j"';
my @at = ('--header', '{"typ":"at+jwt"}');
is(outcome($t, '/rfc9068', $of->($corp, 'rfc9068', $access, '--header', '{"typ":"JWT"}')), $unmet->('claim_mismatch',
    'rfc9068', 'typ "JWT" is not "at+jwt", which profile rfc9068 requires; an ID token is no access token', 'rfc9068'), 'row 45: an ID token');
for my $claim (qw/ exp client_id iat jti /) {
    my $without = join ',', grep { !/"$claim"/ } split /,/, $access;
    is(outcome($t, '/rfc9068', $of->($corp, 'rfc9068', $without, @at)), $unmet->('claim_mismatch', 'rfc9068',
        "no access token of RFC 9068: claim \"$claim\" is missing", 'rfc9068'), "row 45: no $claim");
}
is(outcome($t, '/rfc9068', $of->($corp, 'rfc9068', $access =~ s/"c"/1/r, @at)), $unmet->('claim_mismatch', 'rfc9068',
    'no access token of RFC 9068: claim "client_id" is not a string', 'rfc9068'), 'row 45: client_id 1');
is(outcome($t, '/rfc9068', $of->($corp, 'rfc9068', $access, @at)), $ok, "row 45: an access token, $_")
    for 'not cached', 'cached';

### times

my $now = sub { outcome($t, @_) =~ s/(iat|exp) "?\d+"?/$1 T/r =~ s/, \d+ (s ago: .*?);/, N $1;/r };
my $clocks = 'if the clocks of issuer and nginx differ, see auth_jwt_leeway';
my $expired = sub { return "$bearer <expired|0|> info expired: exp T, now N, leeway $_[0]"
    . ($_[0] < 600 ? ", N s ago: $clocks" : '') . "; $es256, iss \"$_[1]\"" };
is($now->('/young', $of->($corp, 'young')), $unmet->('claim_mismatch', 'young',
    'claim "iat" is missing, which max_age requires', 'young'), 'max_age: no iat');
is($now->('/young', $of->($corp, 'young', '"iat":"now-90"')), $unmet->('expired', 'young',
    'too old: iat T, now N, max_age 60', 'young'), 'max_age: too old');
is($now->('/young', $of->($corp, 'young', '"iat":"now+700"')), $unmet->('not_yet_valid', 'young',
    "issued in the future: iat T, now N, leeway 600: $clocks", 'young'), 'max_age: beyond the leeway of the issuer');
is($now->('/young', $of->($corp, 'young', '"iat":"now+500"')), $ok, 'max_age: within the leeway of the issuer');
my $old = $of->($corp, 'young', '"iat":"now","exp":"now-500"');
is($now->('/leeway', $old), $ok, "leeway of the issuer, $_") for 'not cached', 'cached';
is($now->('/leeway', $of->($corp, 'young', '"iat":"now","exp":"now-700"')), $expired->(600, 'young'),
    'beyond the leeway of the issuer');
is($now->('/leeway', $of->($corp, 'exact', '"exp":"now-10"')), $expired->(0, 'exact'), 'leeway 0 of the issuer');
is($now->('/leeway', $of->($corp, $corp_iss, '"exp":"now-200"')), $ok, 'an issuer without leeway has that of the location');
is($now->('/both', $of->($corp, $corp_iss, '"exp":"now-200"')), $expired->(0, $corp_iss), 'no leeway at all');

### require_claim

my $rule = sub { return "<claim_mismatch|0|> info required claim $_[0]; $es256, iss \"ruled\"" };
my $right = '"email_verified":true,"tenant":"t1"';
is(outcome($t, '/ruled?tenant=t1', $of->($corp, 'ruled', '"tenant":"t1"')),
    "$bearer " . $rule->('"email_verified" eq "json=true": it is missing'), 'a rule of the issuer is not met');
is(outcome($t, '/ruled?tenant=t1', $of->($corp, 'ruled', $right)), $ok, 'rules of the issuer are met');
is(outcome($t, '/ruled?tenant=t2', $of->($corp, 'ruled', $right)),
    '403 ' . $rule->('"tenant" eq "$arg_tenant": it is "t1"'),
    'a rule of the issuer with a variable, cached token');

### issuers with one iss

my $for = sub { return sign($corp, "{\"iss\":\"shared\",\"sub\":\"ann\",\"aud\":$_[0],\"for\":\"$_[1]\"}") };
is(outcome($t, '/shared', $for->('"api"', 'api')), $ok, 'aud chooses the first');
is(outcome($t, '/shared', $for->('"web"', 'web')), $ok, 'aud chooses the second');
is(outcome($t, '/shared', $for->('"x"', 'api')), $unmet->('claim_mismatch', 'shared-api',
    'aud "x" is not one of its audience: "api"', 'shared'), 'aud chooses none');
my $wrong_rule = sub { return "$bearer <claim_mismatch|0|> info required claim \"for\" eq \"$_[0]\": "
    . "it is \"$_[1]\"; $es256, iss \"shared\"" };
is(outcome($t, '/shared', $for->('"web"', 'api')), $wrong_rule->('web', 'api'), 'aud chooses what is required');
my $two = $for->('["web","api"]', 'api');
for my $cached ('not cached', 'cached') {
    is(outcome($t, '/shared', $two), $ok, "the first one that fits, $cached");
    is(outcome($t, '/shared-back', $two), $wrong_rule->('web', 'api'), "in another order the other one, $cached");
    is(outcome($t, '/shared-web', $two), $wrong_rule->('web', 'api'), "the only one, $cached");
    is(outcome($t, '/shared-api', $two), $ok, "the other one alone, $cached");
}

### order

is($now->('/order', sign($corp, "{\"iss\":\"$corp_iss\",\"aud\":\"x\",\"exp\":\"now-60\"}")), $expired->(0, $corp_iss), 'times come first');
is(outcome($t, '/order', sign($corp, "{\"iss\":\"$corp_iss\",\"aud\":\"x\"}")), $unmet->('claim_mismatch', 'corp',
    'aud "x" is not one of its audience: "api", "web"', $corp_iss), 'the issuer comes before algorithms');
is(outcome($t, '/order', $of->($corp, $corp_iss)), "$bearer <unsupported_algorithm|0|> info algorithm \"ES256\" is "
    . "not one of auth_jwt_algorithms; kid \"a\", iss \"$corp_iss\"", 'algorithms come before rules');
is(outcome($t, '/rules', $of->($corp, $corp_iss, '"scope":"read"')), "401 Bearer realm=\"r\", error=\"invalid_token\" "
    . "<requirement|0|> info required \$arg_yes is empty or 0; $es256, iss \"$corp_iss\"", 'auth_jwt_require');
my $unruled = $of->($corp, 'fetched', '"iat":"now-90"');
for my $cached ('not cached', 'cached') {
    is(outcome($t, '/fetched-es384', $unruled), "$bearer <unsupported_algorithm|0|> info algorithm \"ES256\" is "
        . 'not one of auth_jwt_algorithms; kid "a", iss "fetched"', "algorithms come before rules of the issuer, $cached");
    is($now->('/fetched-young', $unruled), "$bearer <expired|0|> info too old: iat T, now N, max_age 60; $es256, iss \"fetched\"",
        "max_age comes before rules of the issuer, $cached");
    is(outcome($t, '/fetched', $unruled), '403 <claim_mismatch|0|> info required claim "tenant" eq "t1": it is missing; '
        . "$es256, iss \"fetched\"", "a rule of the issuer alone, $cached");
}
is(outcome($t, '/rules?yes=1', $of->($corp, $corp_iss)), '403 Bearer realm="r", error="insufficient_scope", scope="read" '
    . "<insufficient_scope|0|> info required scope \"read\" is not granted: the token has neither scope nor scp; $es256, iss \"$corp_iss\"", 'scopes');
is(outcome($t, '/rules?yes=1', $of->($corp, $corp_iss, '"scope":"read"')), $ok, 'all that the location requires');

### keys that cannot be had

is(outcome($t, '/broken', $of->($corp, 'broken')), '500 <keys_unavailable|0|> error key file "' . $t->testdir()
    . '/broken.json": No such file or directory (os error 2)', 'no key file');
is(outcome($t, '/broken', $of->($corp, $corp_iss)), $ok, 'one issuer does not take the others down');

### modes, and no token

is(outcome($t, '/both'), '401 Bearer realm="r" <missing|0|> info no token: no "Authorization" header line', 'no token');
is(outcome($t, '/both?mode=optional'), '404 <missing|0|>', 'optional, no token');
is(outcome($t, '/both?mode=optional', $of->($corp, 'x')), $not_that->('x', $both), 'row 33: optional, unknown issuer');
is(outcome($t, '/both?mode=report', $of->($corp, 'x')), "404 <untrusted_issuer|0|> info would refuse: iss \"x\" is not "
    . "that of a trusted issuer: $both; $es256", 'report, unknown issuer');

### phases, and satisfy

is(outcome($t, '/preaccess', $of->($partner, $corp_iss)), $bad->($corp_iss), 'row 47: preaccess');
is(outcome($t, '/preaccess', $of->($corp, $corp_iss)), $ok, 'preaccess');
is(outcome($t, '/any', $of->($partner, $corp_iss)), $bad->($corp_iss), 'row 47: satisfy any');
is(outcome($t, '/any', $of->($corp, $corp_iss)), $ok, 'satisfy any');
is(outcome($t, '/any-open', $of->($partner, $corp_iss)), '404 <|0|>',
    'satisfy any, let in by its address: no claims');

### inheritance

is(outcome($t, '/outer/same', $of->($corp, $corp_iss)), $ok, 'inherited');
is(outcome($t, '/outer/other', $of->($corp, $corp_iss)), $not_that->($corp_iss, $partner_trusted),
    'an inner directive replaces the outer one');
is(outcome($t, '/outer/limited', $of->($corp, $corp_iss)), $ok, 'limit_except, the method outside of it');
is(verdict(ask({ method => 'POST', body => '' }, '/outer/limited', bearer($of->($corp, $corp_iss)))), $bearer,
    'limit_except, another method');
