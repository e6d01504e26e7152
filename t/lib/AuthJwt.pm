package AuthJwt;

# Requests with a token, and what auth_jwt makes of them: the response, the
# variables, and the lines of auth_jwt in error.log.

use Auth;
use Exporter qw/ import /;

our @EXPORT = qw/ get has_ml_dsa jwt_logged jwt_status outcome variables verdict /;

# The response to a GET with this bearer token, if any, and more header lines.
sub get {
    my ($uri, $token, @lines) = @_;
    return ask($uri, @lines, bearer($token));
}

# Whether the module verifies ML-DSA: with ring it does not (docs/dev/decisions.md).
sub has_ml_dsa { return ($ENV{TEST_NGINX_CRYPTO} // '') ne 'ring' }

# The status of a response, and behind it all challenges: "401 Basic realm="a" +
# Bearer realm="b"".
sub verdict {
    my ($response) = @_;
    my @challenges = headers($response, 'WWW-Authenticate');
    return join ' ', status($response), join(' + ', @challenges) || ();
}

# The values of variables that a location shows by `add_header X-V`.
sub variables {
    my ($response) = @_;
    return header($response, 'X-V') // 'no variables';
}

# What becomes of a token: verdict, variables and error.log, in which the time of
# the check is "N".
sub outcome {
    my ($t, $uri, $token) = @_;
    jwt_logged($t);
    my $response = get($uri, $token);
    my $log = jwt_logged($t) =~ s/now \d+/now N/r;
    return join ' ', verdict($response), variables($response), $log || ();
}

# The status of a response and the value of $jwt_status, which a location shows
# by `add_header X-Status` as the first word.
sub jwt_status {
    my ($response) = @_;
    my ($jwt_status) = (header($response, 'X-Status') // '') =~ /^(\w+)/;
    return status($response) . ' ' . ($jwt_status // '-');
}

# What auth_jwt has logged for requests since the last call, one line each as
# "info no token".
sub jwt_logged {
    my ($t) = @_;
    return logged($t, qr/^\w+ auth_jwt: /) =~ s/^\w+ \Kauth_jwt: //gmr;
}

1;
