package OidcProvider;

# A real OpenID provider, the npm package oidc-provider (t/data/oidc), and
# certificates for it. Needs node, npm, curl and openssl.

use Auth;
use Exporter qw/ import /;
use JSON::PP ();
use MIME::Base64 ();
use NodePackages;
use Test::Nginx::Waiting qw/ stretched /;

our @EXPORT = qw/
    ask_provider certificates claims_of header_of install_provider oidc_client oidc_provider provider_token
/;

my ($url, $authority);

# oidc_provider() runs it with the certificate of these files. The authority is that of the
# file, for the requests of the test itself. Returns the issuer.
sub oidc_provider {
    my ($t, $number, $certificate, $authority_file) = @_;
    my $dir = $t->testdir();
    my $folder = install_provider();
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

# oidc_client() has a client of the provider make these steps (t/data/oidc/client.mjs) with a resource
# server, whose certificate is by the same authority as the provider's. Returns their results.
sub oidc_client {
    my ($resource, $authority_file, $steps) = @_;
    my ($folder, $files) = ('../target/oidc-provider', $authority =~ s/[^\/]*\z//r);
    open my $out, '-|', 'node', '--no-warnings', "$folder/client.mjs", $url, $resource,
        "$files$authority_file.crt", $files, JSON::PP::encode_json($steps) or die "Can't run node: $!\n";
    local $/;
    my $results = <$out>;
    close $out or die "The client has failed\n";
    return JSON::PP::decode_json($results);
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
    open my $out, '-|', 'curl', '-s', '-m', stretched(5), '--cacert', $authority, @arguments
        or die "Can't run curl: $!\n";
    local $/;
    my $text = <$out> // '';
    close $out;
    return $text;
}

# The folder of the provider and its packages.
sub install_provider { return node_folder('data/oidc', 'oidc-provider') }

sub run {
    my ($command) = @_;
    my $said = `($command) 2>&1`;
    die "$command: $said" if $?;
}

# Makes a certificate authority (ca.crt), and a certificate of it for each of these
# names (NAME.crt and NAME.key).
sub certificates {
    my ($dir, @names) = @_;
    run("openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=authority"
        . " -keyout $dir/ca.key -out $dir/ca.crt");
    for my $name (@names) {
        open my $file, '>', "$dir/name" or die "$dir/name: $!\n";
        print $file "subjectAltName=DNS:$name\n";
        close $file;
        run("openssl req -newkey rsa:2048 -nodes -subj /CN=$name"
            . " -keyout $dir/$name.key -out $dir/$name.csr");
        run("openssl x509 -req -in $dir/$name.csr -CA $dir/ca.crt -CAkey $dir/ca.key"
            . " -CAcreateserial -days 2 -extfile $dir/name -out $dir/$name.crt");
    }
}

1;
