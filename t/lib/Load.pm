package Load;

# Clients that make requests all the time while a test does something to nginx, each in a process of
# its own; and a configuration with each kind of shared memory, for such clients.

use Auth;
use AuthJwt;
use Exporter qw/ import /;
use Jose;
use KeyService;
use POSIX ();
use Time::HiRes qw/ sleep /;
use VerdictService;

our @EXPORT = qw/ load_conf load_services load_token start_load stop_load wrong_outcomes /;

### What is asked for ##########################################################

my ($good, $forged);

# load_services($t) runs an authorization service and the issuer "one", and makes their key and the
# key file. load_token(%claims) returns a token of the issuer, with more claims as JSON.
my $key;
sub load_services {
    my ($t) = @_;
    $key = jwk('ES256', '--kid', 'k');
    $t->write_file('keys.json', jwks(public($key)));
    verdict_service($t, 8081);
    respond_with($t, 'one', keys_response(jwks(public($key))));
    key_service($t, 8082);
    $good = load_token();
    $forged = $good =~ s/\.[^.]+\z/'.' . 'A' x 86/er;
    return;
}

sub load_token {
    my %claims = (iss => '"one"', aud => '"api"', @_);
    return sign($key, '{' . join(',', map { "\"$_\":$claims{$_}" } sort keys %claims) . '}');
}

# load_conf(%is) returns what configure() takes: four workers, verdicts that are cached, an issuer,
# used proofs and counters. It is of a configuration with another name (verdicts) and size (size) of
# the zone of verdicts, another size of that of proofs (dpop), more directives (more), zones in the
# reverse order (reversed), verdicts that are not cached (uncached), and more locations (locations).
# The main context has the directives of main besides.
sub load_conf {
    my %is = (verdicts => 'verdicts', size => '32k', dpop => '64k', more => '', locations => '', main => '', @_);
    my @zones = ("auth_request_cache_zone $is{verdicts}:$is{size};", "auth_jwt_dpop_zone $is{dpop};", $is{more},
        'auth_jwt_issuer one { issuer one; audience api; jwks_uri http://127.0.0.1:8082/one; }');
    @zones = reverse @zones if $is{reversed};
    my $cache = $is{uncached} ? '' : "auth_request_cache $is{verdicts};";
    return (<<"EOC", "worker_processes 4; $is{main}");
    error_log %%TESTDIR%%/error.log info;
    access_log off;
    @{[ join "\n    ", @zones ]}
    server {
        listen       127.0.0.1:8080;
        server_name  localhost;
        auth_jwt_key_file keys.json;

        location = /status { auth_status; }
        location = /file { auth_status_zone load; auth_jwt "r"; empty_gif; }
        location = /issuer { auth_jwt "r"; auth_jwt_trust one; empty_gif; }
        location = /verdict {
            auth_request             /auth;
            $cache
            auth_request_cache_key   \$http_key;
            auth_request_cache_valid any 1h;
            auth_request_set         \$said \$upstream_http_x_said;
            add_header               X-Seen "\$auth_request_cache_status \$said" always;
            empty_gif;
        }
        location = /auth { internal; proxy_pass http://127.0.0.1:8081/\$http_key; }
        location = /x {
            auth_jwt "r";
            auth_jwt_binding dpop required;
            auth_jwt_dpop_nonce on;
            auth_jwt_dpop_url http://localhost\$request_uri;
            empty_gif;
        }
        $is{locations}
    }
EOC
}

my @KINDS = (
    sub { my $is = status(get('/file', $good)); $is eq '200' ? 'counted' : "file: $is" },
    sub { my $is = status(get('/file', $forged)); $is eq '401' ? 'right' : "file, forged: $is" },
    sub { my $is = status(get('/issuer', $good)); $is eq '200' ? 'right' : "issuer: $is" },
    sub { my $is = status(get('/issuer', $forged)); $is eq '401' ? 'right' : "issuer, forged: $is" },
    map { sub {
        # More verdicts than a zone of 32k has room for.
        my $name = 'k' . int rand 300;
        my $seen = seen(ask('/verdict', "Key: $name"));
        return $seen =~ m!^200 (\w*) ?/$name 0:$! ? "right $1" : "verdict of $name: $seen";
    } } 1 .. 3,
);

### Clients ###################################################################

# start_load($count) starts so many clients, which ask for all of that.
sub start_load {
    my ($count) = @_;
    return map { _start($_) } 1 .. $count;
}

# stop_load(@clients) ends them, and returns how often they had which outcome: "counted" for an
# accepted request that the counters of the zone "load" have, "right HIT" for a verdict from the
# cache, "right" for another one that is right, anything else for what is wrong.
sub stop_load {
    my @clients = @_;
    kill 'TERM', map { $_->{pid} } @clients;
    my %count;
    for my $client (@clients) {
        my $pipe = $client->{pipe};
        while (my $line = <$pipe>) {
            $count{$2} += $1 if $line =~ /^(\d+) (.*)/;
        }
        # This waits for the process.
        close $pipe;
    }
    return %count;
}

# wrong_outcomes(%count) returns those that are wrong, as one text.
sub wrong_outcomes {
    my %count = @_;
    return join ', ', map { "$count{$_} times $_" } grep { !/^(?:counted|right.*)$/ } sort keys %count;
}

sub _start {
    my ($number) = @_;
    my $pid = open(my $pipe, '-|') // die "Can't fork: $!\n";
    return { pid => $pid, pipe => $pipe } if $pid;

    my ($stopped, %count);
    local $SIG{TERM} = sub { $stopped = 1 };
    srand $number;
    for (my $call = $number; !$stopped; $call++) {
        my $outcome = eval { $KINDS[$call % @KINDS]->() } // "died: $@";
        $count{ $outcome =~ s/\n/ /gr }++;
        # Other tests run as well.
        sleep 0.01;
    }
    print map { "$count{$_} $_\n" } keys %count;
    close STDOUT;
    POSIX::_exit(0);
}

1;
