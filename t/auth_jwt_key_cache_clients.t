#!/usr/bin/perl

# auth_jwt_key_request, with and without auth_jwt_key_cache: many clients during
# one fetch, and clients that leave during it (row 6).

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Http2;
use Jose;
use KeyService;
use Test::Nginx::Raw;

use Time::HiRes qw/ sleep /;

my $t = Test::Nginx->new()
    ->has(qw/ http http_v2 proxy rewrite stub_status /)->plan(46);

$t->write_file_expand('http2.conf', listen_http2($t));

configure($t, <<'EOF');
    server {
        listen       127.0.0.1:8080;
        include      http2.conf;

        auth_jwt     "r";
        root         html;
        add_header   X-Answer "$jwt_status $own" always;
        # who the client says it is, also where nobody believes it
        set          $own $jwt_claim_sub;
        auth_jwt_key_cache 1h refresh=off;

        location /none/    { auth_jwt_key_request /keys?none; auth_jwt_key_cache 0; }
        location /cached/  { auth_jwt_key_request /keys?cached; }
        location /failing/ { auth_jwt_key_request /keys?failing; }
        location /left/    { auth_jwt_key_request /keys?left; }
        location /alone/   { auth_jwt_key_request /keys?alone; }
        location /two/     { auth_jwt_key_request /keys?two1; auth_jwt_key_request /keys?two2; }
        location /reload/  { auth_jwt_key_request /keys?reload; }
        location /streams/ { auth_jwt_key_request /keys?streams; }
        location /closed/  { auth_jwt_key_request /keys?closed; }
        location /reset/   { auth_jwt_key_request /keys?reset; }
        location = /keys   { proxy_pass http://127.0.0.1:8081/$args; }
        location = /status { auth_jwt off; stub_status; }
        location = /alive  { auth_jwt off; return 200 $pid; }
    }

EOF

my $key = jwk('ES256', '--kid', 'a');
my $other = jwk('ES256', '--kid', 'a');
my $unknown = jwk('ES256', '--kid', 'b');
my @signers = ($key, $other, jwk('HS256', '--kid', 'a'), $unknown);
my @kinds = ('404 ok', '401 bad_signature', '401 unknown_key', '401 unknown_key');
my @tokens = map {
    my $kind = $_ % 4;
    sign($signers[$kind], qq({"sub":"$_","exp":"now+300"}))
} 0 .. 199;

my $keys = keys_response(jwks(public($key)));
respond_with($t, $_, $keys) for qw/ none cached left alone two1 two2 reload streams reset closed /;
respond_with($t, 'failing', keys_response('', 503));
key_service($t, 8081);
run_quietly($t);
my $pid = body(get('/alive'));

### 200 clients at once

for my $case (['none', 200], ['cached', 1], ['two', 1]) {
    my ($name, $fetches) = @$case;
    my $source = $name eq 'two' ? 'two1' : $name;
    hold($t, $source);
    my @clients = start("/$name/", @tokens);
    is(wait_asked($t, $source, $fetches), $fetches, "$name, fetches");
    is(wait_until(sub { active() == 201 }), 1,
        "$name, all clients are connected");
    sleep 1;
    is(asked($t, $source), $fetches, "$name, fetches after a second");
    go_on($t, $source);
    is(wrong(\@kinds, responses_to(@clients)), '', "$name, each client has its own response");
    @clients = ();
    is(connections_left(), 1, "$name, all connections are closed");
}
is(asked($t, 'two2'), 1, 'the second of two sources is fetched once');

### a fetch that fails

hold($t, 'failing');
my @clients = start('/failing/', @tokens[0 .. 49]);
wait_asked($t, 'failing', 1);
wait_until(sub { active() == 51 });
jwt_logged($t);
go_on($t, 'failing');
is(wrong(['500 keys_unavailable'], responses_to(@clients)), '', 'failed, each 500');
is(asked($t, 'failing'), 1, 'failed, one fetch');
is(scalar(grep { $_ eq 'error key request "/keys?failing": HTTP status 503' }
    split /\n/, jwt_logged($t)), 50, 'failed, log');

# at once in the pause, without a fetch
@clients = start('/failing/', @tokens[0 .. 19]);
is(wrong(['500 keys_unavailable'], responses_to(@clients)), '', 'paused, each 500');
is(asked($t, 'failing'), 1, 'paused, no fetch');
@clients = ();

### clients that leave

# the client that began the fetch, and every other one that waits (row 49)
hold($t, 'left');
my @first = start('/left/', $tokens[0]);
is(wait_asked($t, 'left', 1), 1, 'the first client has the keys fetched');
my @stay = start('/left/', @tokens[0 .. 19]);
my @leave = start('/left/', @tokens[0 .. 19]);
wait_until(sub { active() == 42 });
@first = @leave = ();
is(wait_until(sub { active() == 21 }), 1, 'the first client and others leave');
go_on($t, 'left');
is(wrong(\@kinds, responses_to(@stay)), '', 'the clients that stay have their own responses');
is(asked($t, 'left'), 1, 'one fetch');
@stay = ();
is(connections_left(), 1, 'all connections are closed');

# all clients: the keys are fetched all the same
hold($t, 'alone');
@first = start('/alone/', $tokens[0]);
wait_asked($t, 'alone', 1);
@first = ();
is(connections_left(), 1, 'the only client leaves');
go_on($t, 'alone');
is(wrong(\@kinds, responses_to(start('/alone/', @tokens[0 .. 3]))), '', 'the next clients');
is(asked($t, 'alone'), 1, 'the fetch of the client that left was for them');

# all clients, without a cache
hold($t, 'none');
my $asked = asked($t, 'none');
@leave = start('/none/', @tokens[0 .. 19]);
is(wait_asked($t, 'none', $asked + 20), $asked + 20, 'without a cache each request fetches');
@leave = ();
is(connections_left(), 1, 'all connections are closed when all clients leave');
go_on($t, 'none');

### HTTP/2

hold($t, 'streams');
my $s = http2_connection();
$s->print(join '', map { http2_request(2 * $_ + 1, '/streams/', authorization => "Bearer $tokens[$_]") } 0 .. 39);
my @beside = start('/streams/', @tokens[0 .. 3]);
is(wait_asked($t, 'streams', 1), 1, 'streams, one fetch');
is(wait_until(sub { active() == 6 }), 1, 'streams, HTTP/1 clients are connected');
go_on($t, 'streams');
my %status = http2_statuses($s, 40);
is(join(' ', map { $status{2 * $_ + 1} // '-' } 0 .. 39),
    join(' ', (404, 401, 401, 401) x 10), 'streams, each has its own response');
is(wrong(\@kinds, responses_to(@beside)), '', 'streams, HTTP/1 clients have their own responses');
is(asked($t, 'streams'), 1, 'streams, still one fetch');

# the first stream, which fetches, and every other stream are reset
hold($t, 'reset');
$s = http2_connection();
$s->print(http2_request(1, '/reset/', authorization => "Bearer $tokens[0]"));
wait_asked($t, 'reset', 1);
$s->print(join '', map { http2_request(2 * $_ + 1, '/reset/', authorization => "Bearer $tokens[$_ & ~1]") } 1 .. 20);
$s->print(http2_request(101, '/cached/', authorization => "Bearer $tokens[0]"));
http2_statuses($s, 1);
$s->print(http2_reset(map { 4 * $_ + 1 } 0 .. 10));
$s->print(http2_request(103, '/cached/', authorization => "Bearer $tokens[0]"));
is({ http2_statuses($s, 1) }->{103}, 404, 'a stream beside those that are reset');
go_on($t, 'reset');
%status = http2_statuses($s, 10);
is(join(' ', map { $status{4 * $_ + 3} // '-' } 0 .. 9),
    join(' ', (404, 401) x 5), 'the streams that were not reset have their responses');
undef $s;
@beside = ();
is(connections_left(), 1, 'streams, all connections are closed');

# a whole HTTP/2 connection is closed
hold($t, 'closed');
$s = http2_connection();
$s->print(join '', map { http2_request(2 * $_ + 1, '/closed/', authorization => "Bearer $tokens[0]") } 0 .. 9);
wait_asked($t, 'closed', 1);
my @waiting = start('/closed/', @tokens[0 .. 3]);
wait_until(sub { active() == 6 });
undef $s;
go_on($t, 'closed');
is(wrong(\@kinds, responses_to(@waiting)), '', 'other clients, after an HTTP/2 connection was closed');
@waiting = ();
is(connections_left(), 1, 'closed, all connections are closed');

### a reload

is(body(get('/alive')), $pid, 'the worker did not end');
hold($t, 'reload');
my @old = start('/reload/', @tokens[0 .. 9]);
wait_asked($t, 'reload', 1);
wait_until(sub { active() == 11 });
$t->reload();
is(wait_until(sub { body(get('/alive')) ne $pid }), 1, 'reloaded');
# before that the old worker may still accept a connection
wait_until(sub {
    $t->read_file('error.log') =~ / $pid#\d+: gracefully shutting down/
});
my @new = start('/reload/', @tokens[0 .. 9]);
is(wait_asked($t, 'reload', 2), 2, 'the new worker fetches for itself');
go_on($t, 'reload');
is(wrong(\@kinds, responses_to(@old), responses_to(@new)), '', 'responses of both workers');
@old = @new = ();
is(wait_until(sub { !kill 0, $pid }), 1, 'the old worker ends');

###############################################################################

sub start {
    my ($uri, @with) = @_;
    return map {
        my $s = connection();
        $s->print(request($uri, bearer($_)));
        $s
    } @with;
}

# How many connections nginx has, including the one of this request.
sub active { get('/status') =~ /Active connections: (\d+)/ ? $1 : 0 }

# The responses as "404 ok 17": status, $jwt_status and the claim sub.
sub responses_to {
    return map {
        my $response = read_response($_);
        join ' ', status($response), header($response, 'X-Answer') // '-';
    } @_;
}

# The responses that are wrong for tokens 0, 1, 2 ..., which may start again at 0.
sub wrong {
    my ($kinds, @responses) = @_;
    my ($n, @wrong) = 0;
    for my $response (@responses) {
        $n = 0 if $response =~ / 0$/;
        my $expected = $kinds->[$n % @$kinds] . " $n";
        push @wrong, "$response, not $expected" if $response ne $expected;
        $n++;
    }
    return join "\n", @wrong;
}
