#!/usr/bin/perl

# Each difference to nginx's built-in module that a test may name has a row in
# docs/dev/differences.md and a test that asserts it.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use Original;

my ($section) = slurp('../docs/dev/differences.md')
    =~ /^## From nginx's built-in auth_request module\n(.*?)^## /ms;
my @rows = grep { !/^(?:difference|---)$/ } $section =~ /^\| ?([^|]+?) ?\|/mg;
my @names = sort keys %Original::DIFFERENCES;

is(join("\n", sort @rows), join("\n", @names), 'a row for each difference');

my $tests = join '', map { slurp($_) } glob('*.t'), 'lib/Original.pm';
is(join("\n", grep { $tests !~ /['"]\Q$_\E['"](?! =>)/ } @names), '',
    'a test for each difference');

done_testing();
