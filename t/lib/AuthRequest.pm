package AuthRequest;

# What auth_request says in error.log.

use Auth;
use Exporter qw/ import /;

our @EXPORT = qw/ undecided /;

# Why a response with this status is an error, and what such a status often means.
sub undecided {
    my ($status) = @_;
    my %advice = (
        map({ $_ => 'auth_request_deny_status passes redirects on to clients' }
            301, 302, 303, 307, 308),
        404 => 'no location has this URI, or nothing is at the address in its proxy_pass',
        405 => 'the service is asked by GET',
        429 => 'auth_request_deny_status passes it on to clients',
    );
    return join '; ', 'neither allows nor denies', $advice{$status} // ();
}

1;
