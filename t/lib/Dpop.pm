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

our @EXPORT = qw/ dpop_client dpop_outcome dpop_proof thumbprint /;

my $jti = 0;

# The key of a client, for ES256 or another algorithm.
sub dpop_client { return jwk($_[0] // 'ES256', '--no-alg') }

# The members of a key that its thumbprint is over (RFC 7638 section 3.2, RFC 8037 section 2).
my %MEMBERS = (EC => [qw/ crv kty x y /], OKP => [qw/ crv kty x /], RSA => [qw/ e kty n /]);

# The thumbprint of a key.
sub thumbprint {
    my $jwk = decode_json($_[0]);
    my $canonical = join ',', map { "\"$_\":\"$jwk->{$_}\"" } @{ $MEMBERS{$jwk->{kty}} };
    return encode_base64url(sha256("{$canonical}"));
}

# dpop_proof($key, $token) is a proof for GET http://localhost/x. What is changed besides is JSON:
# claims (undef leaves one out) and, in the header, jwk, typ and alg. `header` is all of the
# header, signer is another key for the signature, and made_by its algorithm, ES256 by default.
sub dpop_proof {
    my ($key, $token, %change) = @_;
    my ($signer, $jwk) = (delete $change{signer} // $key, delete $change{jwk} // public($key));
    my ($typ, $alg) = (delete $change{typ} // '"dpop+jwt"', delete $change{alg} // '"ES256"');
    my $made_by = delete $change{made_by} // 'ES256';
    my $header = delete $change{header} // "{\"typ\":$typ,\"alg\":$alg,\"jwk\":$jwk}";
    my %claims = (htm => '"GET"', htu => '"http://localhost/x"', iat => '"now"', jti => '"' . ++$jti . '"',
        ath => '"' . encode_base64url(sha256($token)) . '"', %change);
    my $claims = join ',', map { "\"$_\":$claims{$_}" } grep { defined $claims{$_} } sort keys %claims;
    return sign($signer, "{$claims}", '--alg', $made_by, '--raw-header', $header);
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
