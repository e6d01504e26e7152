#!/usr/bin/perl

# crates/nginx-conf-reader reads nginx.conf as nginx does, and finds the server and
# the location that nginx chooses. Random configurations, the same in each run, are
# given to both. The environment variable CONF_READER has the path of the program
# that asks the crate; scripts/build-conf-reader builds it.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use IPC::Open2 qw/ open2 /;

my $READER = $ENV{CONF_READER} // '../target/debug/examples/read-nginx-conf';

my $t = Test::Nginx->new()->has(qw/ http rewrite proxy /)->plan(15);

# A small generator of random numbers: the same on each machine and in each version of Perl.
my $seed = 20_261_129;

sub random {
    my ($bound) = @_;
    $seed = ($seed * 1_103_515_245 + 12_345) % 2**31;
    return int($seed / 2**16) % $bound;
}

sub one_of { return $_[random(scalar @_)] }

### Words

# Inside of "types" nginx takes any words: the first is a content type, the others
# are extensions. For an extension that is there already it prints both, so that its
# words can be seen.
my @pieces = ('a' .. 'd', 'a', ' ', ' ', ' ', ';', ';', "\n", "\t", "\r", '"', '"', "'", '\\', '\\\\',
    '\\n', '\\t', '\\"', '$', '${', '#', '(', ')', ' a}', '"a}"', '";"', "'{'", '"a" ', "'b';", '${a}',
    '{', '}');
my @fixed = (
    'a "b{";', 'a b{;', 'a ${b;', 'a "b"c;', 'a "b")c;', 'a b\\;c;', 'a b\\', 'a "b\\";', "a '\\'';",
    'a # b;', "a # b\n;", 'a b#c;', 'a;;', ';', 'a "" b;', 'a b}c;', 'a b }', 'a $ {', 'a ${{ b;',
    "a b\n", 'a', '"a', '# a', "a 'b", 'a \\t\\r\\n\\x;', 'a "\\t\\q";', 'a b"c"d;', "a\tb\r\nc;",
    'b' x 4095 . ';', 'b' x 4096 . ';', '"' . 'b' x 4094 . '";', '"' . 'b' x 4095 . '";',
    '"' . 'b' x 4096 . '";', "'" . 'b' x 5000 . "';",
    '#' . 'b' x 4095 . "\na;", '#' . 'b' x 4096 . "\na;",
);

my (%agreed, @differ);
my @words = ('a' .. 'd', '"a b"', "'c;'", '"{"', '"\\"}"', "'\\''", 'a"b', 'a#b', 'a}', '${a}b',
    '$a', '"${', '\\;',
    'a\\ b', '\\t', '"\n"', '""', "# d;\n", "\n", '"a")');
my @texts = map { join '', map { one_of(@pieces) } 1 .. 2 + random(12) } 1 .. 250;
push @texts, join(' ', map { one_of(@words) } 1 .. 2 + random(6)) . one_of(';', ' ;', ' a;', "\n;")
    for 1 .. 250;
for my $text (@fixed, @texts) {
    my $http = "types {\n$text\n}\n";
    my $by_nginx = nginx_reads($http);
    my $by_us = we_read($http);
    # nginx reads no further where a brace ends the types, or where a block begins in them.
    next if $by_nginx =~ /unexpected "\{"|unknown directive|directive|is not allowed here/;
    if ($by_nginx eq $by_us) {
        $agreed{ $by_nginx =~ /^error/ ? 'refused' : 'accepted' }++;
    } else {
        push @differ, "$text\n  nginx: $by_nginx\n  we: $by_us";
    }
}
is(join("\n", @differ), '', 'the same words, or the same message with the same line');
cmp_ok($agreed{accepted}, '>', 100, 'many texts that nginx accepts');
cmp_ok($agreed{refused}, '>', 100, 'many texts that nginx refuses');
note(join ', ', map { "$_: $agreed{$_}" } sort keys %agreed);

# "error MESSAGE in line N", or the words of all directives twice.
sub nginx_reads {
    my ($http, $times) = @_;
    write_conf($http x ($times // 2));
    my $dir = $t->testdir();
    my $output = qx{$Test::Nginx::NGINX -t -p $dir/ -c types.conf -e error.log 2>&1};
    $output =~ s/nginx: the configuration file .*\z//s;
    return 'error ' . ($1 =~ s/ in \S+:(\d+)\z/ in line $1/r)
        if $output =~ /nginx: \[(?:emerg|crit)\] (.*)\n/;
    my @words;
    my $old = qr/previous content type: ".*?" in \S*:\d+\n/s;
    while ($output =~ /duplicate extension "(.*?)", content type: "(.*?)", $old/gs) {
        push @words, "$2>$1";
    }
    return join '|', @words;
}

sub we_read {
    my ($http) = @_;
    write_conf("$http$http");
    my $dir = $t->testdir();
    my $output = qx{$READER words $dir/types.conf 2>&1};
    return 'error ' . ($output =~ s/ in \S+:(\d+)\n\z/ in line $1/r) if $?;
    my ($in_types, %seen, @words);
    for my $line (split /\n/, $output) {
        my @line = split / /, $line, -1;
        if ($line eq '}') { $in_types = 0; next }
        if ($line =~ / \{\z/) { $in_types = pack('H*', $line[0]) eq 'types'; next }
        next unless $in_types;
        my ($type, @extensions) = map { pack 'H*', $_ } @line;
        push @words, map { $seen{ lc $_ }++ ? "$type>" . lc $_ : () } @extensions;
    }
    return join '|', @words;
}

sub write_conf {
    my ($http) = @_;
    return $t->write_file('types.conf', "events {}\nhttp {\n$http}\n");
}

### Included files

# Each has the words of its own name, so that the order shows.
my $dir = $t->testdir();
mkdir "$dir/$_" or die "Can't make $_: $!\n" for qw( inc inc/a inc/a-b inc/.c );
for my $name (qw( inc/10.x inc/2.x inc/D.x inc/b.x inc/_.x inc/.h.x inc/y inc/a/1.x inc/a-b/1.x inc/.c/1.x )) {
    $t->write_file($name, "$name $name;\n");
}
my @patterns = ('inc/*.x', 'inc/*/*.x', 'inc/**/1.x', 'inc/?.x', 'inc/[^b].x', 'inc/[!b].x', 'inc/[a-z]*.x',
    'inc/.*.x', 'inc/[B-_].x', 'inc/none*', "$dir/inc/1*", 'inc/*.[xy]', 'inc/y');
my $included = join '', map { qq{types { include "$_"; include "$_"; }\n} } @patterns;
is(we_read($included), nginx_reads($included), 'the same files in the same order');
like(nginx_reads($included), qr{inc/2\.x>inc/2\.x}, 'nginx reads them');
for my $pattern ('inc', 'none', 'inc/*') {
    my $http = "types {\ninclude $pattern;\n}";
    # nginx opens a folder, and then cannot read it.
    my ($by_nginx, $by_us) = map { s/^error p?read\(\)/error open()/r =~ s/directory\).*/directory)/r }
        nginx_reads($http), we_read($http);
    push @differ, "$pattern: nginx $by_nginx, we $by_us" if $by_nginx ne $by_us or $by_us !~ /^error/;
}
is("@differ", '', 'the same message for a file that cannot be read');

### Times

my @units = ('y', 'M', 'w', 'd', 'h', 'm', 's', 'ms', '', ' ');
my @times = ('', ' ', '0', '1h 30m', '1m30s', '30s1m', '5ms', '1 5ms', '99999999999999999999',
    map { join one_of('', '', ' '), map { one_of(0, 1, 7, 30, '') . one_of(@units) } 0 .. random(3) }
        1 .. 120);
my $asked_times = open2(my $our_times, my $to_us, $READER, 'times');
print $to_us map { "$_\n" } @times;
close $to_us;
chomp(my @our_times = <$our_times>);
waitpid $asked_times, 0;

# `expires` has a time in seconds, and `send_timeout` one in milliseconds.
my ($expiring, @expected) = ('');
for my $n (0 .. $#times) {
    my ($seconds, $milliseconds) = $our_times[$n] =~ /^(?:Some\((\d+)\)|None) (?:Some\((\d+)\)|None)$/;
    my $takes = sub { nginx_reads("$_[0] \"$times[$n]\";\n", 1) !~ /^error/ };
    my $by_nginx = join ' ', map { $takes->($_) ? 1 : 0 } 'expires', 'send_timeout';
    my $by_us = join ' ', map { defined $_ ? 1 : 0 } $seconds, $milliseconds;
    push @differ, "$times[$n]: nginx $by_nginx, we $by_us" if $by_nginx ne $by_us;
    next unless defined $seconds;
    push @expected, $seconds;
    $expiring .= "location = /time/$#expected { expires \"$times[$n]\"; return 200; }\n";
}
is(join("\n", @differ), '', 'the same times');

### Servers and locations

my @names = ('a.test', 'b.a.test', '*.a.test', '.b.test', '*.b.a.test', 'a.*', 'a.b.*', '""', '~^a\.',
    '~C', '~t$', '*.test', 'www.a.test', 'B.Test');
my @hosts = ('a.test', 'A.TEST.', 'b.a.test', 'c.b.a.test', 'b.test', 'x.b.test', 'a.x', 'a.b.x', 'c',
    'www.a.test', 'x.test', 'a', 'test');
my $PORTS = 8;

my ($conf, $id) = ('', 0);
for my $port (map { 8080 + $_ } 1 .. $PORTS) {
    my $default = random(4);
    for my $n (0 .. 3) {
        my $is_default = $n == $default ? one_of('', ' default_server') : '';
        my $own_names = join ' ', map { one_of(@names) } 1 .. 1 + random(3);
        my $merge = one_of('', 'merge_slashes off;');
        $conf .= "server { listen 127.0.0.1:$port$is_default; server_name $own_names; $merge\n"
            . locations('', 0) . "}\n";
    }
}

configure($t, "server_names_hash_bucket_size 128;\n$conf
    server { listen 127.0.0.1:8080; $expiring }");
run_quietly($t);

# Locations with different names, each with a "return" that tells it from the others;
# those inside a prefix begin with that prefix.
sub locations {
    my ($prefix, $depth, $in_regex) = @_;
    my ($text, %seen) = ('');
    for (1 .. 2 + random(4)) {
        # nginx takes no others inside a regular expression.
        my $kind = $in_regex ? one_of('~ ', '~* ') : one_of('', '', '', '', '= ', '^~ ', '~ ', '~* ');
        my $is_regex = $kind =~ /^~/;
        my $name = $is_regex
            ? one_of('a', '^/a', 'b$', '\.x$', '/A', '^/[ab]/', '"^/.{2}$"', 'b/')
            : $prefix . join '', ($prefix eq '' ? '/' : ''),
                map { one_of('a', 'b', '/', 'a/', '.x', 'A') } 1 .. random(4);
        next if $seen{$kind =~ /^(?:=|~)/ ? "$kind$name" : $name}++;
        my $pass = $name =~ m{/\z} ? one_of('', 'proxy_pass http://127.0.0.1:1;') : '';
        $pass = '' if $is_regex;
        my $inner = $depth < 2 && $kind ne '= ' ? locations($name, $depth + 1, $is_regex) : '';
        $id++;
        $text .= "location $kind$name { return 200 id$id; $pass\n$inner}\n";
    }
    return $text;
}

my @parts = ('a', 'b', 'A', '/', '//', '.x', './', '../', '%61', '%2f', '%2E', '%3f', '..', 'ab', 'aa',
    '?a', '#', '%');
my @uris = map { '/' . join '', map { one_of(@parts) } 0 .. random(6) } 1 .. 120;

my @max_ages = map { header(ask("/time/$_"), 'Cache-Control') } 0 .. $#expected;
is("@max_ages", join(' ', map { "max-age=$_" } @expected), 'times in seconds')
    or note($expiring);

my @questions;
for my $uri (@uris) {
    push @questions, [8081 + random($PORTS), one_of(@hosts), $uri] for 1 .. 12;
}

my $pid = open2(my $answers, my $asked, $READER, 'choose', $t->testdir() . '/nginx.conf');
print $asked map { '127.0.0.1:' . port($_->[0]) . " $_->[1] $_->[2]\n" } @questions;
close $asked;
chomp(my @by_us = <$answers>);
waitpid $pid, 0;
is($?, 0, 'the crate reads the configuration');
is(scalar @by_us, scalar @questions, 'an answer to each question');

my %outcomes;
my @wrong;
for my $n (0 .. $#questions) {
    my ($port, $host, $uri) = @{ $questions[$n] };
    my $response = ask({ port => $port }, $uri, "Host: $host");
    # Without a location nginx looks for a file.
    my $status = status($response) =~ s/403/404/r;
    my $by_nginx = $status == 200 ? body($response) : $status;
    $outcomes{$status}++;
    push @wrong, "$port $host $uri: nginx $by_nginx, we $by_us[$n]"
        if $by_nginx ne ($by_us[$n] // 'nothing');
}
is(join("\n", @wrong), '', 'the server and the location that nginx chooses');
cmp_ok($outcomes{200}, '>', 400, 'many URIs have a location');
cmp_ok($outcomes{301}, '>', 3, 'some are redirected to the folder');
cmp_ok($outcomes{400}, '>', 40, 'some are not accepted');
cmp_ok($outcomes{404}, '>', 20, 'some have no location');
note(join ', ', map { "$_: $outcomes{$_}" } sort keys %outcomes);

