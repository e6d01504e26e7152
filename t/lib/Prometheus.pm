package Prometheus;

# A real Prometheus, and promtool. scripts/prometheus has them downloaded where the
# machine has none.

use Auth;
use Exporter qw/ import /;
use JSON::PP ();

our @EXPORT = qw/ ask_prometheus prometheus promtool /;

my $folder;

sub _folder {
    $folder //= do { chomp(my $path = `../scripts/prometheus`); die "no prometheus\n" if $? or $path eq ''; $path };
    return $folder;
}

# promtool() returns what it says, and its exit code behind that, if it is not 0.
# Text for its input may come first, as a reference.
sub promtool {
    my $input = ref $_[0] eq 'SCALAR' ? shift : \'';
    my ($t, @args) = @_;
    my $dir = $t->testdir();
    $t->write_file('promtool.in', $$input);
    my $command = join ' ', map { "'$_'" } _folder() . '/promtool', @args;
    my $output = qx{$command <$dir/promtool.in 2>&1};
    return $output . ($? ? 'exit ' . ($? >> 8) : '');
}

# prometheus() runs it with this file in the test directory, and returns when it
# responds. It listens on one of the test's ports.
sub prometheus {
    my ($t, $number, $file) = @_;
    my $dir = $t->testdir();
    my $program = _folder() . '/prometheus';
    my $address = '127.0.0.1:' . port($number);
    $t->run_daemon(sub {
        open STDOUT, '>', "$dir/prometheus.log" or die "Can't write prometheus.log: $!\n";
        open STDERR, '>&', \*STDOUT or die "Can't dup: $!\n";
        exec $program, "--config.file=$dir/$file", "--storage.tsdb.path=$dir/tsdb", "--web.listen-address=$address",
            '--log.level=warn' or die "Can't run $program: $!\n";
    });
    wait_until(sub { ask({ port => $number }, '/-/ready') =~ /^HTTP\S+ 200/ })
        or die 'Prometheus is not ready: ', $t->read_file('prometheus.log');
}

# ask_prometheus() returns the data of a response of its API. With an expression,
# that is the list of the values that the expression has now.
sub ask_prometheus {
    my ($number, $what) = @_;
    my $uri = $what =~ m{^/} ? $what
        : '/api/v1/query?query=' . $what =~ s/([^\w.-])/sprintf '%%%02x', ord $1/ger;
    my $answer = eval { JSON::PP::decode_json(body(ask({ port => $number }, $uri))) } // return;
    die "$what: $answer->{error}\n" if $answer->{status} ne 'success';
    return $what =~ m{^/} ? $answer->{data} : [map { $_->{value}[1] } @{ $answer->{data}{result} }];
}

1;
