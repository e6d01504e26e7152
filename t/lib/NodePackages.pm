package NodePackages;

# Programs for Node.js and the npm packages that they need.

use Auth;
use Exporter qw/ import /;
use Fcntl qw/ LOCK_EX /;
use File::Copy qw/ copy /;
use File::Path qw/ make_path /;

our @EXPORT = qw/ node_folder /;

# node_folder('data/oidc', 'oidc-provider') returns the folder target/oidc-provider, in which are the
# programs of the first folder and the packages of its package-lock.json, which are installed once.
sub node_folder {
    my ($from, $name) = @_;
    my $to = "../target/$name";

    make_path($to);
    # tests run at the same time
    open my $one, '>', "$to/lock" or die "$to/lock: $!\n";
    flock $one, LOCK_EX or die "flock: $!\n";
    for (glob "$from/*.mjs $from/package.json $from/package-lock.json") {
        copy($_, $to) or die "$_: $!\n";
    }

    my $lock = slurp("$from/package-lock.json");
    return $to if -e "$to/installed" && slurp("$to/installed") eq $lock;
    my $said = `cd $to && npm ci --ignore-scripts --no-audit --no-fund 2>&1`;
    die "npm ci in $to: $said" if $?;
    open my $file, '>', "$to/installed" or die "$to/installed: $!\n";
    print $file $lock;
    close $file or die "$to/installed: $!\n";
    return $to;
}

1;
