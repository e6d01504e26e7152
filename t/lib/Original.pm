package Original;

# For tests that also run on nginx's built-in auth_request module instead of
# ours, which is what `scripts/test-nginx --original` does. Where the two differ on
# purpose, a test asserts what each of them does and names the difference, which
# docs/dev/differences.md explains.

use Auth;
use Exporter qw/ import /;

our @EXPORT = qw/ differs original service_challenges without_body /;

# The differences that a test may name. t/differences.t holds them against the
# documentation.
our %DIFFERENCES = (
    '$content_length in the check' => 'the original gives the service the length of the client',
    'URI without a slash' => 'the original does not warn of it when it starts',
    'arguments in the URI' => 'ours splits the URI at "?", the original asks for a path with "?"',
    'client_max_body_size in the check' => 'the original applies it to the length of the client',
    'body of the check' => 'ours sends no body and no length to the service',
    'connection after a body' => 'ours reads the body, so that the connection can be used again',
    'further directives' => 'the original has auth_request and auth_request_set only',
    'log of errors' => 'ours adds the URI and the reason',
    'replaced denial' => 'the original lets in what X-Accel-Redirect makes of a denial',
    'several challenges' => 'the original copies only the first before nginx 1.23.0',
    'switching protocols' => 'ours responds with 500, the original closes the connection',
    'warnings' => 'the original says nothing about locations that are asked',
    'variables in the URI' => 'the original takes the URI as it is written',
);

# Whether the built-in module is under test.
sub original { return $ENV{TEST_NGINX_ORIGINAL} ? 1 : 0 }

# What is expected of the module under test, of ours or of the original.
sub differs {
    my ($difference, $ours, $original) = @_;
    die "unknown difference \"$difference\"\n" unless $DIFFERENCES{$difference};
    note("differs on purpose: $difference") if original();
    return original() ? $original : $ours;
}

# Of these WWW-Authenticate values of the service, those that the client gets.
sub service_challenges {
    my ($t, @values) = @_;
    return @values if @values < 2 or $t->has_version('1.23.0');
    return @{ differs('several challenges', \@values, [$values[0]]) };
}

# Writes without-body.conf, for the location that is asked: what the original needs
# in order to send no body to the service, and nothing for ours.
sub without_body {
    my ($t) = @_;
    $t->write_file('without-body.conf', differs('body of the check', '',
        "proxy_pass_request_body off;\nproxy_set_header Content-Length '';\n"));
}

1;
