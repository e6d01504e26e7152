package OidcProvider;

# A real OpenID provider, the npm package oidc-provider (t/data/oidc), and
# certificates for it. Needs node, npm and openssl.

use Auth;
use Exporter qw/ import /;
use File::Copy qw/ copy /;
use File::Path qw/ make_path /;

our @EXPORT = qw/ certificates install_provider /;

# The folder of the provider, whose packages are installed once, as the lock file says.
sub install_provider {
    my $to = '../target/oidc-provider';
    my @files = qw/ package.json package-lock.json provider.mjs /;
    my $lock = slurp('data/oidc/package-lock.json');
    my $done = -e "$to/installed" && slurp("$to/installed") eq $lock;

    make_path($to);
    copy("data/oidc/$_", "$to/$_") or die "$_: $!\n" for @files;
    return $to if $done;

    run("cd $to && npm ci --ignore-scripts --no-audit --no-fund");
    open my $file, '>', "$to/installed" or die "$to/installed: $!\n";
    print $file $lock;
    close $file;
    return $to;
}

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
