package Dpop;

# Clients that make DPoP proofs (RFC 9449).

use warnings;
use strict;

use Digest::SHA qw/ sha256 /;
use Exporter qw/ import /;
use JSON::PP qw/ decode_json /;
use Jose;
use MIME::Base64 qw/ encode_base64url /;

our @EXPORT = qw/ dpop_client dpop_proof thumbprint /;

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

# A proof of a client for a request: dpop_proof($client, $token, 'GET', 'http://localhost/x').
# Claims may be changed, as JSON, or left out with undef, as in nonce => '"a"'; and so
# may the header parameters jwk, typ and alg, which are no claims.
sub dpop_proof {
    my ($client, $token, $method, $url, %change) = @_;
    my $jwk = delete $change{jwk} // public($client);
    my $typ = delete $change{typ} // 'dpop+jwt';
    my $alg = delete $change{alg} // 'ES256';
    my %claims = (htm => "\"$method\"", htu => "\"$url\"", iat => '"now"', jti => '"' . ++$jti . '"',
        ath => '"' . encode_base64url(sha256($token)) . '"', %change);
    my $claims = join ',', map { "\"$_\":$claims{$_}" } grep { defined $claims{$_} } sort keys %claims;
    return sign($client, "{$claims}", '--alg', $alg, '--raw-header', "{\"typ\":\"$typ\",\"alg\":\"$alg\",\"jwk\":$jwk}");
}

1;
