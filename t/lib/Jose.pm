package Jose;

# Keys and tokens, made from readable JSON. They come from the program in
# crates/test-tokens, which shares no code with the module under test. The environment
# variable JOSE has the path of the built program; the default is in target/debug.

use warnings;
use strict;

use Digest::SHA qw/ hmac_sha256 /;
use Exporter qw/ import /;
use File::Basename qw/ dirname /;
use IPC::Open2 qw/ open2 /;
use JSON::PP ();
use MIME::Base64 qw/ encode_base64url decode_base64url /;
use Test::More qw//;

our @EXPORT = qw/ encrypt jwk jwks public sign signed_by with_part /;

our $TOOL = $ENV{JOSE}
    // dirname(__FILE__) . '/../../target/debug/test-tokens';

my ($pid, $results, $commands);

# A new private key: jwk('ES256', '--kid', 'a'). The program's own comment has
# all options.
sub jwk { return _ask('key', @_) }

# A key without its private members.
sub public { return _ask('public', @_) }

# A set of keys.
sub jwks { return _ask('jwks', @_) }

# A token signed with the key: sign($key, '{"sub":"a","exp":"now+300"}'). More
# options: '--alg', '--header', '--raw-header', '--no-kid'.
sub sign {
    my ($key, $payload, @options) = @_;
    return _ask('sign', '--key', $key, @options, $payload);
}

# A JWE around claims or a token: encrypt($key, '{"sub":"a"}', '--enc', 'A128GCM').
# '--header' adds header parameters and can replace any of them.
sub encrypt {
    my ($key, $content, @options) = @_;
    return _ask('encrypt', '--key', $key, @options, $content);
}

# An HS256 token over any bytes, with any bytes as the secret.
sub signed_by {
    my ($secret, $header, $payload) = @_;
    my $message = join '.', map { encode_base64url($_) } $header, $payload;
    return "$message." . encode_base64url(hmac_sha256($message, $secret));
}

# The token with one part (0 header, 1 payload, 2 signature; of a JWE 1 encrypted
# key, 2 initialization vector, 3 ciphertext, 4 tag) changed by the
# function, which gets the decoded bytes in $_.
sub with_part {
    my ($token, $part, $change) = @_;
    my @parts = split /\./, $token, -1;
    local $_ = decode_base64url($parts[$part]);
    $change->();
    $parts[$part] = encode_base64url($_);
    return join '.', @parts;
}

sub _ask {
    my (@arguments) = @_;

    unless ($pid) {
        Test::More::BAIL_OUT("no $TOOL: cargo build -p test-tokens, or set JOSE")
            unless -x $TOOL;
        $pid = open2($results, $commands, $TOOL, 'batch');
    }

    my @texts = map { _characters($_) } @arguments;
    print $commands JSON::PP::encode_json(\@texts), "\n";
    my $result = <$results> // die "jose ended\n";
    chomp $result;
    die "jose @arguments: $result\n" if $result =~ /^error: /;
    return $result;
}

# What is not ASCII in a test file is UTF-8.
sub _characters {
    my ($text) = @_;
    utf8::decode($text);
    return $text;
}

my $owner = $$;

END {
    if ($pid and $$ == $owner) {
        local $?;
        # Closing the pipe does not end the program while a service, which was
        # forked later, has the pipe open as well.
        kill TERM => $pid;
        waitpid $pid, 0;
    }
}

1;
