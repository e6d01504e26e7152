package Issuers;

# Blocks of auth_jwt_issuer for providers of the test, tokens of these, and what nginx logs about
# them.

use Auth;
use AuthJwt;
use Exporter qw/ import /;
use Jose;
use JSON::PP ();
use Provider;

our @EXPORT = qw/ await_issuer fetch_logged issuer_block token_of /;

# issuer_block() returns the block with this name for a provider whose certificate is good.
# The lines are further members. One of them that begins with the name of a member takes the
# place of the one that would be there.
sub issuer_block {
    my ($name, $provider, @lines) = @_;
    my %own = (
        issuer => $provider->issuer(),
        audience => 'api',
        ssl_trusted_certificate => 'ca.crt',
    );
    delete @own{ map { /^(\w+)/ } @lines };
    # http has no certificate
    delete $own{ssl_trusted_certificate} if $provider->issuer() =~ /^http:/;
    my @members = (map({ "$_ $own{$_};" } sort keys %own), @lines);
    my $block = join "\n", "auth_jwt_issuer $name {", map({ "    $_" } grep { length } @members), "}\n";
    # the library of the tests takes 127.0.0.1:8nnn for a number of theirs, and not for the port
    my ($port, $number) = ($provider->port_and_number());
    return $block =~ s/127\.0\.0\.1:$port\b/127.0.0.1:%%PORT_$number%%/gr;
}

# token_of() returns a token of the provider, signed with the key, with changes of its claims.
# undef takes a claim away.
sub token_of {
    my ($provider, $key, %changes) = @_;
    my %claims = (iss => $provider->issuer(), aud => 'api', sub => 'alice', exp => time + 300,
        %changes);
    delete @claims{ grep { !defined $claims{$_} } keys %claims };
    return sign($key, JSON::PP->new()->canonical()->encode(\%claims));
}

# await_issuer() waits until a token has this verdict, as jwt_status() shows it, and returns the
# last one.
sub await_issuer {
    my ($uri, $token, $wanted) = @_;
    my $status = '';
    wait_longer(sub { ($status = jwt_status(get($uri, $token))) eq $wanted });
    return $status;
}

my %read;       # test directory -> how much of error.log was read

# fetch_logged() returns what nginx has logged about issuers since the last call, for no client:
# lines of the form `warn issuer "corp": ...`. With a pattern, it waits for a line that matches,
# and returns only those that do.
sub fetch_logged {
    my ($t, $pattern) = @_;
    my $from = $read{ $t->testdir() } // 0;
    my @lines;
    wait_longer(sub {
        my $log = $t->read_file('error.log');
        $read{ $t->testdir() } = length $log;
        @lines = grep { $_ =~ ($pattern // qr//) }
            substr($log, $from) =~ /^\S+ \S+ \[((?!debug)\w+\] \d+#\d+: (?:auth_jwt: )?issuer ".*)$/mg;
        return @lines || !defined $pattern;
    });
    return join "\n", map { s/\] \d+#\d+: (?:auth_jwt: )?/ /r } @lines;
}

# forget_log() is for a test that removes error.log.
sub forget_log {
    my ($t) = @_;
    delete $read{ $t->testdir() };
}

1;
