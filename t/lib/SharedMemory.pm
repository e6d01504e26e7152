package SharedMemory;

# The shared memory of nginx, which a test finds and overwrites. Only root can.

use Auth;
use Exporter qw/ import /;

our @EXPORT = qw/ shared_areas overwrite /;

# shared_areas() returns the areas of shared memory, as address in the master process => size.
sub shared_areas {
    my ($t) = @_;
    my ($master) = $t->read_file('nginx.pid') =~ /(\d+)/;
    open my $maps, '<', "/proc/$master/maps" or die "Can't open maps: $!\n";
    my %areas;
    while (my $line = <$maps>) {
        no warnings 'portable';
        my ($from, $to) = $line =~ /^(\w+)-(\w+) rw-s .*zero/ or next;
        $areas{hex $from} = hex($to) - hex($from);
    }
    return %areas;
}

# overwrite() writes bytes to such an address.
sub overwrite {
    my ($t, $address, $bytes) = @_;
    my ($master) = $t->read_file('nginx.pid') =~ /(\d+)/;
    open my $memory, '+<:raw', "/proc/$master/mem" or die "Can't open mem: $!\n";
    sysseek $memory, $address, 0 or die "Can't seek: $!\n";
    syswrite $memory, $bytes or die "Can't write: $!\n";
}

1;
