#!/usr/bin/perl

# scripts/layout-flags: of the flags of an nginx build, those that the module has
# to be compiled with as well.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;

use Cwd ();
use File::Temp qw/ tempdir /;

my $dir = tempdir(CLEANUP => 1);
my $script = Cwd::realpath('../scripts/layout-flags');

sub flags {
    my ($cflags) = @_;
    open my $file, '>', "$dir/Makefile" or die "Can't write $dir/Makefile: $!\n";
    print $file "\nCC =\tcc\nCFLAGS = $cflags\nCPP =\tcc -E\nLINK =\t\$(CC)\n";
    close $file;
    my @flags = split /\n/, `$script $dir/Makefile`;
    return join ' | ', @flags;
}

sub for_bindgen {
    flags(@_);
    return `$script --bindgen $dir/Makefile`;
}

is(flags(' -pipe  -O -W -Wall -Wpointer-arith -Wno-unused-parameter -Werror -g '), '',
    "nginx's own flags");
is(flags('-g -O2 -fPIC -fstack-protector-strong -flto=auto -fsanitize=address -I src/x'), '',
    'flags that change no layout');
is(flags('-O2 -fshort-enums -fpack-struct=4 -funsigned-char -m32 -std=gnu99'),
    '-fshort-enums | -fpack-struct=4 | -funsigned-char | -m32 | -std=gnu99', 'flags that do');
is(flags('-DNGX_DEBUG_PALLOC=1 -D _FILE_OFFSET_BITS=64 -UNDEBUG -U NGX_X'),
    '-DNGX_DEBUG_PALLOC=1 | -D_FILE_OFFSET_BITS=64 | -UNDEBUG | -UNGX_X', 'macros');
is(flags(q{-DA='"two words"' -DB=\"b\" -D 'C=c d'}),
    '-DA="two words" | -DB="b" | -DC=c d', 'macros with quotes and spaces');
is(flags('-include /x/limits.h -isystem /opt/include -imacros m.h'),
    '-include | /x/limits.h | -isystem | /opt/include | -imacros | m.h', 'headers');

is(for_bindgen('-O2'), "\n", 'nothing for bindgen');
is(for_bindgen('-DA=1 -UB -fshort-enums -include x.h'), "-UB -fshort-enums -include x.h\n",
    'for bindgen, without macros');

done_testing();
