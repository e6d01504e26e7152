#!/usr/bin/perl

# docs/start.md: its configuration runs and its commands are run as they stand there, but for files
# and ports, and say what the page says. Needs curl.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use Docs;

my $t = Test::Nginx->new()->has(qw/ http proxy rewrite /)->plan(7);
my $d = $t->testdir();
my $command = $ENV{NGINX_AUTH} // Cwd::realpath('../target/debug/nginx-auth');

# The blocks behind the installation, in their order.
my @blocks = grep { $_->{heading} !~ /Install/ } code_blocks('docs/start.md');
my ($keys, $restart, @asked) = grep { $_->{language} eq 'sh' } @blocks;
my ($conf) = grep { $_->{language} eq 'nginx' } @blocks;
my @said = map { $_->{text} } grep { $_->{language} eq 'text' } @blocks;
is($restart->{text}, "nginx -t && systemctl restart nginx\n", 'nginx is restarted by now');

my ($token) = here($keys->{text}) =~ /^(token=.*)$/m or die "no token\n";
is(sh(here($keys->{text})) =~ s/^kid ".*"\n//mr, '', 'a key and a token');

configure($t, here($conf->{text} =~ s/(listen +)8080/${1}127.0.0.1:8080/r =~ s/127\.0\.0\.1:9000/127.0.0.1:8081/gr));
$t->run();

my ($old) = map { here($_->{text}) =~ /^(old=.*)$/m } @asked;
for my $question (@asked) {
    my ($name) = $question->{text} =~ /^(.*)$/m;
    my $answer = sh("$token\n$old\n" . here($question->{text}));
    if ($name =~ /explain/) { like($answer, qr/^refused: .*expired/m, $name) }
    else { is($answer =~ s/now \d+/now N/r, shift(@said) =~ s/now \d+/now N/r, $name) }
}

# What these commands print.
sub sh {
    my ($commands) = @_;
    $t->write_file('commands', $commands);
    return qx{cd $d && sh commands 2>&1} =~ s/\r//gr;
}

# The text with files and ports of the test. The harness replaces the ports of a configuration.
sub here {
    my ($text) = @_;
    my $proxy = port(8080);
    return $text =~ s{/etc/nginx/}{$d/}gr =~ s{/var/log/nginx/}{$d/}gr =~ s{\bnginx-auth (?=token|explain)}{$command }gr
        =~ s{http://127\.0\.0\.1:8080}{http://127.0.0.1:$proxy}gr;
}
