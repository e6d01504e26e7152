package Dpop;

# Clients that prove with each request that they have a key (DPoP, RFC 9449), and what becomes of
# their requests.

use Auth;
use AuthJwt;
use Exporter qw/ import /;
use Jose;

use Digest::SHA qw/ sha256 /;
use JSON::PP qw/ decode_json /;
use MIME::Base64 qw/ encode_base64url /;

our @EXPORT = qw/ dpop_outcome dpop_proof thumbprint /;

my $jti = 0;

# The thumbprint of an EC key (RFC 7638).
sub thumbprint {
    my $jwk = decode_json($_[0]);
    return encode_base64url(sha256(qq({"crv":"$jwk->{crv}","kty":"EC","x":"$jwk->{x}","y":"$jwk->{y}"})));
}

# dpop_proof($key, $token) is a proof for GET http://localhost/x. What is changed besides is JSON:
# claims (undef leaves one out) and, in the header, jwk, typ and alg. `header` is all of the
# header, signer is another key for the signature.
sub dpop_proof {
    my ($key, $token, %change) = @_;
    my ($signer, $jwk) = (delete $change{signer} // $key, delete $change{jwk} // public($key));
    my ($typ, $alg) = (delete $change{typ} // '"dpop+jwt"', delete $change{alg} // '"ES256"');
    my $header = delete $change{header} // "{\"typ\":$typ,\"alg\":$alg,\"jwk\":$jwk}";
    my %claims = (htm => '"GET"', htu => '"http://localhost/x"', iat => '"now"', jti => '"' . ++$jti . '"',
        ath => '"' . encode_base64url(sha256($token)) . '"', %change);
    my $claims = join ',', map { "\"$_\":$claims{$_}" } grep { defined $claims{$_} } sort keys %claims;
    return sign($signer, "{$claims}", '--alg', 'ES256', '--raw-header', $header);
}

# The verdict of a response, the variables and the log line, without what differs from run to run:
# the list of algorithms and times.
sub dpop_outcome {
    my ($t, $response) = @_;
    my $algs = qr/algs="RS256 RS384[^"]* ES256 [^"]*"/;
    return join(' ', verdict($response), variables($response), jwt_logged($t) || ()) =~ s/$algs/algs="A"/gr
        =~ s/now \d+/now N/r =~ s/iat "[^"]*"/iat I/r;
}

1;
