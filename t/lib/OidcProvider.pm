package OidcProvider;

# A real OpenID provider, the npm package oidc-provider, on a port of the test: it issues access
# tokens by client_credentials. Needs node and npm. The provider of t/data/oidc/provider.mjs says
# what else it can do.

use Auth;
use Certificates;
use Exporter qw/ import /;
use JSON::PP ();
use MIME::Base64 ();

use Fcntl qw/ LOCK_EX /;
use File::Copy qw/ copy /;
use File::Path qw/ make_path /;

our @EXPORT = qw/ ask_provider claims_of header_of oidc_provider provider_token /;

my ($url, $authority);

# oidc_provider() starts it with the certificate of these files. The authority is that of the
# file, for the requests of the test itself. Returns the issuer.
sub oidc_provider {
    my ($t, $number, $certificate, $authority_file) = @_;
    my $dir = $t->testdir();
    my $folder = _install();
    $url = 'https://localhost:' . port($number);
    $authority = "$dir/$authority_file.crt";
    $t->run_daemon('node', '--no-warnings', "$folder/provider.mjs", port($number),
        "$dir/$certificate.crt", "$dir/$certificate.key");
    wait_until(sub { _curl("$url/jwks") ne '' }) or die "Can't start the provider\n";
    return $url;
}

# ask_provider() returns the body of its response to a GET, or to a POST of a form.
sub ask_provider {
    my ($uri, $form) = @_;
    my $body = _curl($uri =~ /^https:/ ? $uri : "$url$uri", defined $form ? ('-d', $form) : ());
    die "no response to $uri\n" if $body eq '';
    return $body;
}

# provider_token() returns an access token. The options are resource, scope, and endpoint (the
# URL of the token endpoint).
sub provider_token {
    my (%options) = @_;
    my $form = 'grant_type=client_credentials&client_id=app&client_secret=secret'
        . '&resource=' . ($options{resource} // 'https://api.example.com')
        . (defined $options{scope} ? "&scope=$options{scope}" : '');
    my $response = JSON::PP::decode_json(ask_provider($options{endpoint} // '/token', $form));
    return $response->{access_token} // die "no token: $response->{error}\n";
}

# The JOSE header and the claims of a token.
sub header_of { return _part($_[0], 0) }
sub claims_of { return _part($_[0], 1) }

sub _part {
    my ($token, $n) = @_;
    return JSON::PP::decode_json(MIME::Base64::decode_base64url((split /\./, $token)[$n]));
}

sub _curl {
    my (@arguments) = @_;
    open my $out, '-|', 'curl', '-s', '-m', '5', '--cacert', $authority, @arguments
        or die "Can't run curl: $!\n";
    local $/;
    my $text = <$out> // '';
    close $out;
    return $text;
}

# The folder of the provider, whose packages are installed once, as the lock file says.
sub _install {
    my $to = '../target/oidc-provider';
    my $lock = slurp('data/oidc/package-lock.json');

    make_path($to);
    # tests run at the same time
    open my $one, '>', "$to/lock" or die "$to/lock: $!\n";
    flock $one, LOCK_EX or die "flock: $!\n";
    copy("data/oidc/$_", "$to/$_") or die "$_: $!\n"
        for qw/ package.json package-lock.json provider.mjs /;
    return $to if -e "$to/installed" && slurp("$to/installed") eq $lock;

    my $said = `(cd $to && npm ci --ignore-scripts --no-audit --no-fund) 2>&1`;
    die "npm ci: $said" if $?;
    open my $file, '>', "$to/installed" or die "$to/installed: $!\n";
    print $file $lock;
    close $file;
    return $to;
}

1;
