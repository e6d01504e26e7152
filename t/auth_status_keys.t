#!/usr/bin/perl

# auth_status: what is counted of the sources of keys, and of the token cache.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Jose;
use KeyService;
use Metrics;

my $t = Test::Nginx->new()->has(qw/ http proxy rewrite map /)->plan(34);

my ($old, $new, $weak) = (map({ jwk('RS256', '--kid', $_) } qw/ old new /), '{"kty":"x"}');
my $dir = $t->testdir();
$t->write_file('keys.json', public($old));
$t->write_file('variable-1.json', public($old));

my $http = <<'EOF';
    auth_jwt_issuer one { issuer one; audience api; jwks_uri http://127.0.0.1:8082/one; }
    auth_jwt_issuer "two \"2\"" { issuer two; audience api; jwks_uri http://127.0.0.1:8082/two; }
    auth_jwt_issuer file { issuer file; audience api; key_file keys.json; }
    add_header X-Worker $pid always;
    server {
        listen       127.0.0.1:8080 reuseport;
        server_name  localhost;
        location = /status { auth_status; }
        location /trust { auth_jwt r; auth_jwt_trust one "two \"2\"" file; }
        location /file { auth_jwt r; auth_jwt_key_file keys.json; }
        location /missing { auth_jwt r; auth_jwt_key_file missing.json; }
        location /stale { auth_jwt r; auth_jwt_key_file stale.json; auth_jwt_key_cache 1ms stale=1h; }
        location /named { auth_jwt r; auth_jwt_key_file variable-$arg_n.json; }
        location /each { auth_jwt r; auth_jwt_key_request /keys/each; }
        location /cached { auth_jwt r; auth_jwt_key_request /keys/cached; auth_jwt_key_cache 1h; }
        location /asked { auth_jwt r; auth_jwt_key_request /keys/$arg_n; }
        location /keys { internal; rewrite ^/keys(.*) $1 break; proxy_pass http://127.0.0.1:8082; }
    }

EOF

$t->write_file('stale.json', public($old));
configure($t, $http, 'worker_processes 4;');
my $set = jwks(public($old), public($new), $weak);
respond_with($t, $_, keys_response($set)) for qw/ one each cached /;
respond_with($t, 'two', keys_response('no', 503));
key_service($t, 8082);
my $before = time;
run_quietly($t);

my $of = sub {
    my ($key, $iss) = @_;
    return sign($key, "{\"iss\":\"$iss\",\"aud\":\"api\",\"sub\":\"ann\"}");
};
my $good = $of->($old, 'one');

# The series of one source, and whether a time in it is one of this test.
my $source = sub {
    my ($kind, $label, $name) = @_;
    my %value = metrics();
    my @series = grep { /^nginx_auth_jwt_${kind}_/ and index($_, qq({$label="$name")) >= 0 and !/_duration_/ } sort keys %value;
    return join ' | ', map {
        my $shown = $value{$_};
        $shown = $shown >= $before && $shown <= time ? 'now' : "at $shown" if /timestamp/ and $shown;
        s/^nginx_auth_jwt_${kind}_//r =~ s/\{.*result="(\w+)".*/ $1/r =~ s/\{.*//r . " $shown";
    } @series;
};
my $by_all_workers = sub {
    my ($uri, $token) = @_;
    my (%workers, $sent);
    wait_until(sub {
        my $r = get($uri, $token);
        $sent++;
        $workers{header($r, 'X-Worker') // ''} = 1;
        return keys %workers == 4;
    });
    return ($sent, scalar keys %workers);
};

###############################################################################

### issuers

is(wait_until(sub { (metric('nginx_auth_jwt_issuer_fetches_total{issuer="one",result="success"}') // 0) == 1 }), 1,
    'an issuer is fetched at the start');
is($source->('issuer', 'issuer', 'one'), 'fetches_total failure 0 | fetches_total success 1 | keys 2 | '
    . 'last_success_timestamp_seconds now', 'its keys');
my $duration = 'nginx_auth_jwt_issuer_fetch_duration_seconds_count{issuer=';
is(metric($duration . '"one"}'), 1, 'how long it took');
my ($sent, $workers) = $by_all_workers->('/trust', $good);
is($workers, 4, 'used by all workers');
is(metric($duration . '"one"}'), 1, 'which did not fetch');
my $two = 'two \\"2\\"';
is(wait_until(sub { (metric(qq(nginx_auth_jwt_issuer_fetches_total{issuer="$two",result="failure"})) // 0) >= 1 }), 1,
    'one that fails');
like($source->('issuer', 'issuer', $two), qr/^fetches_total failure [1-9]\d* \| fetches_total success 0 \| keys 0 \| last_success_timestamp_seconds 0$/,
    'has no keys');
respond_with($t, 'two', keys_response(public($new)));
is(wait_until(sub { get('/trust', $of->($new, 'two')) =~ /^HTTP\S+ 404/ }), 1, 'until it has some');
like($source->('issuer', 'issuer', $two), qr/success 1 \| keys 1 \| last_success_timestamp_seconds now$/, 'a success');
is($source->('issuer', 'issuer', 'file'), '', 'an issuer with a file is shown as that file');

### key files

is($source->('key_file', 'file', "$dir/keys.json"), 'failures_total 0 | keys 1 | loaded_timestamp_seconds now | '
    . 'versions_total 1', 'a file');
$by_all_workers->('/file', $good);
is($source->('key_file', 'file', "$dir/keys.json"), 'failures_total 0 | keys 1 | loaded_timestamp_seconds now | '
    . 'versions_total 1', 'which all workers have');
replace_file($t, 'keys.json', $set);
(undef, $workers) = $by_all_workers->('/file', $of->($new, 'x'));
is($workers, 4, 'another file, read by four workers');
is($source->('key_file', 'file', "$dir/keys.json"), 'failures_total 0 | keys 2 | loaded_timestamp_seconds now | '
    . 'versions_total 2', 'is one version more');
is($source->('key_file', 'file', "$dir/missing.json"), 'failures_total 0 | keys 0 | loaded_timestamp_seconds 0 | '
    . 'versions_total 0', 'a file that is not there');
get('/missing', $good) for 1 .. 3;
like($source->('key_file', 'file', "$dir/missing.json"), qr/^failures_total 3 /, 'and that requests need');
replace_file($t, 'stale.json', 'no keys');
is(wait_until(sub { get('/stale', $good); (metric(qq(nginx_auth_jwt_key_file_failures_total{file="$dir/stale.json"})) // 0) >= 1 }), 1,
    'a bad file in place of a good one');
like($source->('key_file', 'file', "$dir/stale.json"), qr/ keys 1 \| loaded_timestamp_seconds now \| versions_total 1$/,
    'the keys in force are those of before');
is(status(get('/named?n=1', $good)), 404, 'a file that a request names');
unlike(body(ask('/status')), qr/variable/, 'row 62: a file that a request names is not shown');

### key requests

is($source->('key_request', 'uri', '/keys/each'), 'fetches_total failure 0 | fetches_total success 0 | keys 0 | '
    . 'last_success_timestamp_seconds 0', 'a key request');
get('/each', $of->($old, $_)) for 1 .. 3;
is($source->('key_request', 'uri', '/keys/each'), 'fetches_total failure 0 | fetches_total success 3 | keys 2 | '
    . 'last_success_timestamp_seconds now', 'for each request');
respond_with($t, 'each', keys_response('no', 404));
get('/each', $of->($old, 4));
like($source->('key_request', 'uri', '/keys/each'), qr/^fetches_total failure 1 \| fetches_total success 3 \| keys 2 /, 'fails');
($sent, $workers) = $by_all_workers->('/cached', $good);
is($source->('key_request', 'uri', '/keys/cached'), "fetches_total failure 0 | fetches_total success $workers | keys 2 | "
    . 'last_success_timestamp_seconds now', 'once for each worker');
is(metric('nginx_auth_jwt_key_request_fetch_duration_seconds_count{uri="/keys/cached"}'), 4, 'how long it took');
get('/asked?n=secret', $good);
is($source->('key_request', 'uri', '/keys/$arg_n'), 'fetches_total failure 1 | fetches_total success 0 | keys 0 | '
    . 'last_success_timestamp_seconds 0', 'a URI with variables, as it is configured');
unlike(body(ask('/status')), qr/secret/, 'row 62: a URI not as clients make it');

### a reload

my %values = metrics();
my @kept = grep { /_(?:issuer|key_file|key_request)_/ and !/"two/ } sort keys %values;
cmp_ok(scalar @kept, '>=', 50, 'there is something to keep');
is(reload_workers($t), 1, 'a reload');
my %now = metrics();
# The keys of the file that is bad now are gone with the workers that had them.
is_deeply({ map { $_ => $now{$_} } @kept }, { map { $_ => $values{$_} } @kept }, 'keeps all of it');

### the token cache

my $entries = sub { metric('nginx_auth_jwt_token_cache_entries') };
is($entries->(), 0, 'new workers have no tokens');
($sent, $workers) = $by_all_workers->('/file', $good);
is($entries->(), 4, 'each worker has one');
get('/file', $_) for $good, 'garbage', sign(jwk('RS256', '--kid', 'old'), '{}');
is($entries->(), 4, 'no more');
my %seen;
wait_until(sub { my $r = get('/file', $of->($old, 'more')); $seen{header($r, 'X-Worker')} = 1; keys %seen == 2 });
is($entries->(), 6, 'two have one more');
