package Introspection;

# The configurations of nginx-conf/ that ask an authorization server about tokens
# (RFC 7662), with such a server, and the tests that both have to pass.

use Auth;
use Exporter qw/ import /;
use ForwardAuth;

our @EXPORT = qw/ introspection_counts opaque_tokens_are_judged run_introspection /;

my @ANSWERS = (
    # a token, what the authorization server says of it, the status with which it is
    # refused, error= of the challenge

    ['inactive', '{"active":false}', 401, 'invalid_token'],
    ['no-object', '[{"active":true}]', 503],
    ['string', '{"active":"true",%GOOD%}', 401, 'invalid_token'],
    ['number', '{"active":1,%GOOD%}', 401, 'invalid_token'],
    ['null', '{"active":null,%GOOD%}', 401, 'invalid_token'],
    ['not-there', '{%GOOD%}', 401, 'invalid_token'],
    ['other-case', '{"Active":true,%GOOD%}', 401, 'invalid_token'],
    ['twice', '{"active":false,"active":true,%GOOD%}', 503],
    ['twice-escaped', '{"active":false,"\u0061ctive":true,%GOOD%}', 503],
    ['cut', '{"active":true,%GOOD%', 503],
    ['garbage', 'active', 503],
    ['empty', '', 503],
    ['too-large', '{"active":true,"x":"' . 'x' x 20_000 . '",%GOOD%}', 503],
    ['html', '{"active":true,%GOOD%}', 503, undef, 'text/html'],
    ['signed', 'e30.e30.e30', 503, undef, 'application/token-introspection+jwt'],
    ['bound', '{"active":true,"cnf":{"jkt":"x"},%GOOD%}', 401, 'invalid_token'],
    ['no-aud', '{"active":true,"sub":"bob","scope":"orders.read"}', 401, 'invalid_token'],
    map({ ["aud-$_->[0]", qq({"active":true,"sub":"bob","scope":"orders.read","aud":$_->[1]}), 401, 'invalid_token'] }
        ['null', 'null'], ['other', '"https://other.example.com"'], ['longer', '"https://api.example.com.evil"'],
        ['before', '"xhttps://api.example.com"'], ['others', '["a","https://api.example.com.evil"]'],
        ['joined', '"a,https://api.example.com"'], ['quoted', '"a,\"https://api.example.com\",b"'],
        ['in-array', '["a,\"https://api.example.com\",b"]'], ['dot', '"https://apixexample.com"'],
        ['nested', '{"https://api.example.com":1}']),
    map({ ["scope-$_->[0]", qq({"active":true,"sub":"bob","aud":"https://api.example.com","scope":$_->[1]}), 403,
        'insufficient_scope'] }
        ['none', '""'], ['other', '"orders.write"'], ['longer', '"orders.readx orders.read-all"'],
        ['case', '"Orders.Read"'], ['dot', '"orders-read"'], ['null', 'null']),
);
my @GOOD = (
    ['good', '{"active":true,%GOOD%}'],
    ['array', '{"active":true,"sub":"bob","client_id":"app","scope":"x orders.read y","aud":["https://a.example",'
        . '"https://api.example.com"]}'],
    ['array-first', '{"active":true,"sub":"bob","client_id":"app","scope":"orders.read y","aud":["https://api.example.com",'
        . '"https://a.example"]}'],
    ['spaces', '{ "active" : true , "aud" : [ "https://api.example.com" ] , "scope" : "orders.read" , "sub" : "bob" }'],
    ['a+b/c==', '{"active":true,%GOOD%}'],
    ['._~-', '{"active":true,%GOOD%}'],
);
my $MEMBERS = '"sub":"bob","client_id":"app","scope":"orders.read","aud":"https://api.example.com"';


my %said = map { $_->[0] => [$_->[1] =~ s/%GOOD%/$MEMBERS/r, $_->[4]] } @ANSWERS, @GOOD;
$said{"expires-$_"} = ["{\"active\":true,\"exp\":" . (time + $_) . ",$MEMBERS}"] for -5, 600;

# Writes the configuration, with ports of the test, and runs the authorization server
# and the application.
sub run_introspection {
    my ($t, $name) = @_;
    use_conf($t, $name, 'listen 8080' => 'listen 127.0.0.1:8080', '127.0.0.1:9000' => '127.0.0.1:8090',
        'https://id.example.com/introspect' => 'http://127.0.0.1:8091/introspect');
    $t->write_file('introspection-client.conf', "proxy_set_header Authorization \"Basic YXBpOnNlY3JldA==\";\n");
    configure($t, "    include $name;\n");
    authority($t, 8091, \&_answer);
    application($t, 8090);
    run_quietly($t);
}

sub _answer {
    my ($head, $body) = @_;
    my ($token) = ($body // '') =~ /^token=([^&]*)&token_type_hint=access_token$/ or return 400;
    $token =~ s/%([0-9A-F]{2})/chr hex $1/ge;
    my $type = 'Content-Type: application/json';
    return 401, ['WWW-Authenticate: Basic realm="as"', $type], '{"active":true}' if $token eq 'wrong-password';
    return $1, [$type], "{\"active\":true,$MEMBERS}" if $token =~ /^status-(\d+)/;
    select undef, undef, undef, 4 if $token eq 'slow';
    my ($answer, $other_type) = @{ $said{$token} // ['{"active":false}'] };
    return 200, [$other_type ? "Content-Type: $other_type" : $type, 'Cache-Control: no-store', 'X-User: service'],
        $answer;
}

# How many tests opaque_tokens_are_judged() makes.
sub introspection_counts { return 23 + 4 * @ANSWERS + 14 + 10 * @GOOD + 12 }

sub opaque_tokens_are_judged {
    my ($t) = @_;
    my $ask = sub { ask('/a', @_) };

    # no token

    for my $lines ([], ['Authorization: Basic YTpi'], ['Authorization: Bearer'], ['Authorization: Bearer a b'],
        ["Authorization: Bearer a\tb"], ['Authorization: Bearer a&token=good'], ['Authorization: Bearer a%20b'],
        ['Authorization: good'], ['Authorization: Bearer a"'], ['Cookie: good'])
    {
        my $r = $ask->(@$lines);
        is(status($r), 401, "no token: @$lines");
        like(header_values($r, 'WWW-Authenticate'), qr/^Bearer realm="api"(?:, error="invalid_token")?$/,
            "no token, challenge: @$lines");
    }
    # nginx itself refuses two lines
    is(status($ask->(bearer('good'), bearer('good'))), 400, 'row 42: two tokens');
    is(scalar requests($t, 8091), 0, 'no token, nobody is asked');
    is(status(ask('/introspect', bearer('good'))), 404, 'the location of the question is internal');

    # tokens that are refused

    for my $case (@ANSWERS) {
        my ($token, undef, $status, $error) = @$case;
        for my $try (1, 2) {
            my $r = $ask->(bearer($token));
            is(status($r), $status, "$token, request $try");
            my $challenge = !$error ? '' : qq(Bearer realm="api", error="$error")
                . ($error eq 'insufficient_scope' ? ', scope="orders.read"' : '');
            is(header_values($r, 'WWW-Authenticate'), $challenge, "$token, challenge, request $try");
        }
    }
    is(status($ask->(bearer("status-$_"))), 503, "row 31: the authorization server says $_")
        for 204, 206, 302, 304, 400, 401, 403, 404, 429, 500, 503;
    my $r = $ask->(bearer('wrong-password'));
    is(status($r), 503, 'wrong password of this API');
    is(header_values($r, 'WWW-Authenticate'), '', 'wrong password of this API, no challenge');
    is(status($ask->(bearer('slow'))), 503, 'row 31: a slow authorization server');

    # good tokens

    for my $case (@GOOD) {
        my ($token) = @$case;
        requests($t, 8091);
        $r = $ask->(bearer($token), 'X-User: mallory', 'X_User: mallory', 'X-Secret: x', 'Cookie: c=d');
        is(status($r), 200, $token);
        is(header_values(got($r), 'x-user'), 'bob', "$token, user");
        is(header_values(got($r), 'authorization'), '', "$token, not to the application");
        unlike($r, qr/mallory/, "row 25: $token, no line of the client's own");
        is(header_values($r, 'WWW-Authenticate'), '', "$token, no challenge");
        my ($asked) = requests($t, 8091);
        like($asked, qr!^POST /introspect !, "$token, the question");
        unlike($asked, qr/x-secret|c=d|bearer|mallory/i, "row 27: $token, no line of the client is part of it");
        like($asked, qr/^authorization: Basic YXBpOnNlY3JldA==$/m, "$token, client authentication");
        is(header_values(got($ask->(bearer($token))), 'x-user'), 'bob', "$token, again");
        is(scalar requests($t, 8091), 0, "$token, again: out of the cache");
    }

    # the application's own refusals have no challenge of ours

    for my $status (401, 403) {
        $r = $ask->(bearer('good'), "X-Status: $status");
        is(status($r) . header_values($r, 'WWW-Authenticate'), $status, "the application says $status");
    }

    # exp

    requests($t, 8091);
    is(status($ask->(bearer('expires--5'))), 200, 'the authorization server decides about exp') for 1, 2;
    is(scalar requests($t, 8091), 2, 'row 30: a verdict without time is not kept');
    is(status($ask->(bearer('expires-600'))), 200, 'exp in ten minutes') for 1, 2;
    is(scalar requests($t, 8091), 1, 'a verdict with time is kept');
    is(status(ask('/healthz')), 204, 'health check');

    # the authorization server is gone

    $t->stop_daemons();
    application($t, 8090);
    is(status($ask->(bearer('unknown'))), 503, 'row 31: no authorization server');
    is(status($ask->(bearer('good'))), 200, 'no authorization server, out of the cache');
    is(status($ask->()), 401, 'no authorization server, no token');
}

1;
