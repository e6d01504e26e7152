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

# The key of a client, for ES256.
sub dpop_client { return jwk('ES256', '--no-alg') }

# The thumbprint of an EC key (RFC 7638).
sub thumbprint {
    my $jwk = decode_json($_[0]);
    return encode_base64url(sha256(qq({"crv":"$jwk->{crv}","kty":"EC","x":"$jwk->{x}","y":"$jwk->{y}"})));
}

# A proof of a client for a request: dpop_proof($client, $token, 'GET', 'http://localhost/x').
# Claims may be changed, as JSON, or left out with undef, as in nonce => '"a"'; and so
# may the header parameters jwk and typ, which are no claims.
sub dpop_proof {
    my ($client, $token, $method, $url, %change) = @_;
    my $jwk = delete $change{jwk} // public($client);
    my $typ = delete $change{typ} // 'dpop+jwt';
    my %claims = (htm => "\"$method\"", htu => "\"$url\"", iat => '"now"', jti => '"' . ++$jti . '"',
        ath => '"' . encode_base64url(sha256($token)) . '"', %change);
    my $claims = join ',', map { "\"$_\":$claims{$_}" } grep { defined $claims{$_} } sort keys %claims;
    return sign($client, "{$claims}", '--alg', 'ES256', '--raw-header', "{\"typ\":\"$typ\",\"alg\":\"ES256\",\"jwk\":$jwk}");
}

1;
