#!/usr/bin/perl

# auth_status: the page, and what is counted of tokens.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Jose;
use Metrics;

use JSON::PP ();

my $t = Test::Nginx->new()->has(qw/ http rewrite access /)->plan(43);

my $key = jwk('HS256', '--kid', 'a');
$t->write_file('keys.json', $key);
$t->write_file('other.json', jwk('HS256', '--kid', 'b'));

configure($t, <<'EOF');
    auth_jwt_key_file keys.json;
    error_page 404 =200 /empty;

    server {
        listen       127.0.0.1:8080;
        server_name  localhost;
        add_header X-Status "$jwt_status" always;

        location = /status { auth_status; }
        location = /json { auth_status json; }
        location = /denied { deny all; auth_status; }
        location = /protected { auth_jwt status; auth_status_zone protected; auth_status; }
        location = /empty { internal; return 200; }

        location /plain { auth_jwt realm; }
        location /api {
            auth_status_zone api;
            auth_jwt realm;
            location /api/inner { }
            location /api/own { auth_status_zone "own \"name\" \\ of café"; }
            location /api/require { auth_jwt_require $jwt_claim_x; }
            location /api/optional { auth_jwt_mode optional; }
            location /api/report { auth_jwt_mode report; }
            location /api/mode { auth_jwt_mode $arg_mode; }
            location /api/off { auth_jwt off; }
            location /api/no_file { auth_jwt_key_file no.json; }
            location /api/preaccess { auth_jwt_phase preaccess; }
            location /api/moved { error_page 401 = /api/inner; }
        }
        location /any { auth_status_zone any; satisfy any; allow all; auth_jwt realm; }
        location /headers { auth_status_zone headers; auth_jwt realm; auth_jwt_upstream_header X-A sub; }
    }
    server {
        listen       127.0.0.1:8081;
        server_name  status;
        auth_status;
        auth_status_zone status;
        location /other { return 204; }
    }

EOF

run_quietly($t);

my $good = sign($key, '{"sub":"user"}');
my $expired = sign($key, '{"exp":1}');
my $forged = with_part($good, 1, sub { s/user/root/ });

###############################################################################

### the page

my $r = ask('/status');
is(status($r), 200, 'page');
is(header($r, 'Content-Type'), 'text/plain; version=0.0.4', 'page, Content-Type');
is(header($r, 'Cache-Control'), 'no-store', 'page, Cache-Control');
is(header($r, 'Content-Length'), length body($r), 'page, Content-Length');
my ($version) = slurp('../Cargo.toml') =~ /^version = "(.*)"/m;
is(join(' | ', grep { !/^jwt_key_file_/ } split / \| /, counted('')), "build_info{version=$version} 1 | " . 'counters_created_timestamp_seconds '
    . metric('nginx_auth_counters_created_timestamp_seconds'), 'nothing has been counted');

my $head = ask({ method => 'HEAD' }, '/status');
is($head =~ s/^(?:Date|Connection).*?\r\n//mgr, $r =~ s/\r\n\r\n\K.*//sr =~ s/^(?:Date|Connection).*?\r\n//mgr,
    'HEAD, the same header');
is(body($head), '', 'HEAD, no body');
for my $method (qw/ POST PUT DELETE OPTIONS /) {
    $r = ask({ method => $method, body => 'x=1' }, '/status');
    is(join(' ', status($r), header($r, 'Allow') // '-'), '405 GET, HEAD', $method);
}
is(status(ask('/denied')), 403, 'allow and deny hold for the page');
is(status(ask({ port => 8081 }, '/')), 200, 'the page of a server');
like(body(ask({ port => 8081 }, '/any/path')), qr/^# HELP nginx_auth_build_info /, 'for all paths');
is(status(ask({ port => 8081 }, '/other')), 204, 'but those of locations');

### what is counted

get('/plain', $good) for 1 .. 3;
get('/plain', $_) for undef, $expired, $forged, $forged, 'text';
is(counted('jwt_requests_total'), join(' | ', map { "jwt_requests_total{$_" }
    'status=bad_signature,result=refused} 2', 'status=expired,result=refused} 1',
    'status=malformed,result=refused} 1', 'status=missing,result=refused} 1',
    'status=ok,result=accepted} 3'), 'by status, where there is no name');
is(counted('jwt_token_cache_lookups_total'), 'jwt_token_cache_lookups_total{result=hit} 2 | '
    . 'jwt_token_cache_lookups_total{result=miss} 3', 'the token cache');

my $zone = sub {
    my ($name, @requests) = @_;
    my %before = metrics();
    $_->() for @requests;
    my %after = metrics();
    my @changed = grep { $after{$_} ne ($before{$_} // 0) } sort keys %after;
    return join ' | ', map { my $more = $after{$_} - ($before{$_} // 0);
        /^nginx_auth_jwt_requests_total\{zone="\Q$name\E",status="(\w+)",result="(\w+)"/ ? "$1 $2 $more"
            : /token_cache|key_file/ ? () : "$_ $more" } @changed;
};
my $get = sub { my @args = @_; sub { get(@args) } };
is($zone->('api', $get->('/api', $good)), 'ok accepted 1', 'by name');
is($zone->('api', $get->('/api/inner', $good)), 'ok accepted 1', 'an inner level inherits the name');
is($zone->('own \\"name\\" \\\\ of café', $get->('/api/own', $good)), 'ok accepted 1', 'or has another one');
is($zone->('api', $get->('/api/require', $good)), 'requirement refused 1', 'a requirement');
is($zone->('api', $get->('/api/optional')), 'missing passed 1', 'no token, let in');
is($zone->('api', $get->('/api/optional', $forged)), 'bad_signature refused 1', 'a bad one, refused');
is($zone->('api', $get->('/api/report')), 'missing passed 1', 'report, no token');
is($zone->('api', $get->('/api/report', $expired)), 'expired passed 1', 'report, a bad one');
is($zone->('api', $get->('/api/report', $good)), 'ok accepted 1', 'report, a good one');
is($zone->('api', $get->('/api/mode?mode=off', $good)), 'disabled passed 1', 'auth_jwt_mode off');
is($zone->('api', $get->('/api/mode?mode=x', $good)), 'keys_unavailable refused 1', 'a mode that there is not');
is($zone->('api', $get->('/api/off', $good)), '', 'auth_jwt off');
is($zone->('api', $get->('/api/no_file', $good)), 'keys_unavailable refused 1', 'no keys');
is($zone->('api', $get->('/api/preaccess', $good)), 'ok accepted 1', 'preaccess, once');
is($zone->('api', $get->('/api/moved')), 'missing refused 2', 'an error page that is judged as well');
is($zone->('any', $get->('/any')), '', 'satisfy any, let in by another module');
is($zone->('any', $get->('/plain/missing', $good)), 'nginx_auth_jwt_requests_total{zone="",status="ok",result="accepted"} 1',
    'another zone');
is($zone->('headers', $get->('/headers', $good)), 'ok accepted 1', 'with headers for upstreams');
is($zone->('api', ($get->('/api', $good)) x 50, ($get->('/api', $expired)) x 30), 'expired refused 30 | ok accepted 50',
    'many');

### a page that is itself protected

is(verdict(get('/protected')), '401 Bearer realm="status"', 'no token, no page');
like(body(get('/protected', $good)), qr/^nginx_auth_jwt_requests_total\{zone="protected",status="ok",result="accepted"\} 1$/m,
    'a page counts the request for it');
unlike(body(get('/protected', $good)), qr/user|"a"|root|127\.0\.0\.1/, 'row 62: nothing of a user, token or key');

### JSON

$r = ask('/json');
is(join(' ', status($r), header($r, 'Content-Type')), '200 application/json', 'JSON');
my $json = JSON::PP::decode_json(body($r));
my %text = metrics();
my %same;
for my $name (keys %$json) {
    like($name, qr/^nginx_auth_/, 'a name') if $name !~ /^nginx_auth_/;
    for my $sample (@{ $json->{$name}{samples} }) {
        my %labels = %{ $sample->{labels} };
        my $labels = join ',', map { my $v = $labels{$_} =~ s/(["\\])/\\$1/gr; utf8::encode($v); "$_=\"$v\"" }
            grep { exists $labels{$_} } qw/ version zone status result error file /;
        $labels = "{$labels}" if length $labels;
        if (exists $sample->{value}) {
            $same{"$name$labels"} = $sample->{value};
            next;
        }
        $same{"${name}_$_$labels"} = $sample->{$_} for qw/ sum count /;
        for my $bucket (@{ $sample->{buckets} }) {
            my $le = $bucket->{le} == int $bucket->{le} ? int $bucket->{le} : $bucket->{le};
            $same{"${name}_bucket" . $labels =~ s/\}$/,le="$le"}/r} = $bucket->{count};
        }
        $same{"${name}_bucket" . $labels =~ s/\}$/,le="+Inf"}/r} = $sample->{count};
    }
}
is_deeply(\%same, \%text, 'has the same numbers');
is(join(' ', sort keys %{ $json->{nginx_auth_jwt_requests_total} }), 'help samples type', 'and says what they are');
is(header(ask({ method => 'HEAD' }, '/json'), 'Content-Length'), length body($r), 'JSON, HEAD');
