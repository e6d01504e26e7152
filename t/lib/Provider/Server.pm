package Provider::Server;

# The process behind Provider: reads its behaviour from NAME.state, and writes what happens to
# NAME.events.

use warnings;
use strict;

use IO::Compress::Gzip ();
use IO::Select ();
use IO::Socket::INET ();
use IO::Socket::SSL ();
use JSON::PP ();
use POSIX ();
use Socket qw/ MSG_PEEK SOL_SOCKET SO_LINGER /;
use Time::HiRes qw/ sleep time /;

my $LARGE = 200 * 1024 * 1024;
# Nothing hangs for longer, so that no process is left over.
my $PATIENCE = 60;

my $json = JSON::PP->new()->canonical();
my ($dir, $name, $url, $path, $plain, $state, $parent);

# Serves connections in parallel, each in a process of its own, until it gets a SIGTERM.
sub serve {
    my $port;
    ($dir, $name, $port, $url, $path, $plain) = @_;

    my (%children, $listener);
    local $SIG{TERM} = sub { kill 'KILL', keys %children; exit 0 };
    local $SIG{CHLD} = 'IGNORE';
    local $SIG{PIPE} = 'IGNORE';
    $parent = $$;

    while (1) {
        _read_state();
        if ($state->{down}) {
            kill 'KILL', keys %children;
            %children = ();
            undef $listener;
            _note_listening(0);
            sleep 0.01;
            next;
        }
        $listener //= IO::Socket::INET->new(Proto => 'tcp', LocalAddr => "127.0.0.1:$port",
            Listen => 128, ReuseAddr => 1) or die "Can't listen: $!\n";
        _note_listening(1);
        IO::Select->new($listener)->can_read(0.05) or next;
        my $client = $listener->accept() or next;
        my $pid = fork() // die "Can't fork: $!\n";
        if ($pid) {
            $children{$pid} = 1;
            next;
        }
        $SIG{TERM} = 'DEFAULT';
        close $listener;
        eval { _connection($client); 1 } or warn $@;
        POSIX::_exit(0);
    }
}

### A connection ##############################################################

sub _connection {
    my ($client) = @_;
    $client->autoflush(1);
    _event('connect');
    _read_state();

    my $handshake = $state->{handshake};
    if ($handshake eq 'hang') {
        _wait_while($client, sub { $state->{handshake} eq 'hang' });
        return;
    }
    if ($handshake eq 'close') {
        # with a ClientHello that nobody has read, the end would be an RST
        sysread $client, my $hello, 65_536;
        return;
    }
    return _reset($client) if $handshake eq 'reset';
    if ($handshake eq 'garbage') {
        print $client "SSH-2.0-OpenSSH_9.2\r\n";
        return;
    }

    if ($plain) {
        recv $client, my $first, 1, MSG_PEEK;
        # as servers do: a ClientHello is no HTTP
        return _send($client, 400, [], 'no HTTP') if $first eq "\x16";
    } else {
        my $authority = $state->{client_authority};
        my $tls = IO::Socket::SSL->start_SSL($client,
            SSL_server => 1,
            SSL_cert_file => "$dir/$state->{certificate}.crt",
            SSL_key_file => "$dir/$state->{certificate}.key",
            $state->{tls_version} ? (SSL_version => $state->{tls_version}, SSL_cipher_list => 'ALL:@SECLEVEL=0') : (),
            $authority ? (SSL_ca_file => "$dir/$authority.crt",
                SSL_verify_mode => IO::Socket::SSL::SSL_VERIFY_PEER()
                    | IO::Socket::SSL::SSL_VERIFY_FAIL_IF_NO_PEER_CERT())
                : (SSL_verify_mode => IO::Socket::SSL::SSL_VERIFY_NONE()),
        );
        return _event('no handshake', $IO::Socket::SSL::SSL_ERROR) unless $tls;
        _event('handshake', $tls->get_servername() // '');
        $client = $tls;
    }

    while (defined(my $head = _read_head($client))) {
        _respond($client, $head) or last;
    }
    $client->close();
}

sub _read_head {
    my ($client) = @_;
    my $head = '';
    while (defined(my $line = <$client>)) {
        $head .= $line;
        return $head if $line =~ /^\r?\n\z/;
    }
    return;
}

### A request #################################################################

sub _respond {
    my ($client, $head) = @_;
    my ($uri) = $head =~ /^\S+ (\S+)/;
    my $tenant = $state->{tenants} && $uri =~ s!^(/t\d+)(?=/)!! ? $1 : '';
    my $what = _kind($uri);
    _event($what, $head, time);
    _read_state();
    my $keeps_alive = $head !~ /^Connection: close/mi && $head =~ /^\S+ \S+ HTTP\/1\.1/;

    if ($what eq 'other') {
        return _send($client, 404, [], 'no such document', $keeps_alive);
    }

    if ($state->{$what} eq 'hang') {
        _hang($client, $what, 'hang') or return 0;
    }
    my $document = $what eq 'jwks' ? $state->{keys} // '{"keys":[]}' : $json->encode(_document($tenant));
    my $lines = $state->{"${what}_lines"};
    my ($behaviour, $value) = split / /, $state->{$what}, 2;
    $behaviour = 'good' if $behaviour eq 'redirect' && $uri =~ /^\/moved/;
    my $length = length $document;

    if ($behaviour eq 'good') {
        return _send($client, 200, ['Content-Type: application/json', @$lines], $document, $keeps_alive);
    } elsif ($behaviour eq 'hang_after_header') {
        print $client "HTTP/1.1 200 OK\r\nContent-Length: $length\r\n\r\n";
        _hang($client, $what, 'hang_after_header') and print $client $document;
    } elsif ($behaviour eq 'trickle') {
        for my $byte (split //, "HTTP/1.1 200 OK\r\nContent-Length: $length\r\n\r\n$document") {
            print $client $byte or last;
            sleep 0.1;
        }
    } elsif ($behaviour eq 'close') {
        return 0;
    } elsif ($behaviour eq 'reset') {
        _reset($client);
    } elsif ($behaviour eq 'garbage') {
        print $client "\0\1\2 no HTTP\r\n\r\n";
    } elsif ($behaviour eq 'html') {
        return _send($client, 200, ['Content-Type: text/html'], '<!DOCTYPE html><p>Sign in', $keeps_alive);
    } elsif ($behaviour eq 'half') {
        print $client "HTTP/1.1 200 OK\r\nContent-Length: $length\r\n\r\n", substr $document, 0, $length / 2;
    } elsif ($behaviour eq 'half_chunked') {
        my $half = substr $document, 0, $length / 2;
        printf $client "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n", length $half, $half;
    } elsif ($behaviour eq 'large') {
        print $client "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        _send_large($client, sub { sprintf "%x\r\n%s\r\n", length $_[0], $_[0] });
        print $client "0\r\n\r\n";
    } elsif ($behaviour eq 'large_length') {
        print $client "HTTP/1.1 200 OK\r\nContent-Length: $LARGE\r\n\r\n";
        _send_large($client, sub { $_[0] });
    } elsif ($behaviour eq 'endless_header') {
        print $client "HTTP/1.1 200 OK\r\n";
        my $sent = 0;
        while ($sent < $LARGE and print $client "X-Padding-$sent: " . 'x' x 4000 . "\r\n") {
            $sent += 4000;
        }
        _event('sent', $sent);
    } elsif ($behaviour eq 'gzip') {
        IO::Compress::Gzip::gzip(\$document, \my $gzip);
        return _send($client, 200, ['Content-Encoding: gzip'], $gzip, $keeps_alive);
    } elsif ($behaviour eq 'redirect') {
        return _send($client, 302, ["Location: $value"], '', $keeps_alive);
    } elsif ($behaviour eq 'status') {
        return _send($client, $value, $lines, 'the provider has a problem', $keeps_alive);
    } else {
        die "unknown behaviour $behaviour\n";
    }
    return 0;
}

# Which document a URI is: "discovery", "jwks" or "other".
sub _kind {
    my ($uri) = @_;
    my $metadata = $state->{metadata};
    # a slash at the end of the issuer is not doubled
    my $base = $path =~ s!/\z!!r;
    return 'jwks' if $uri =~ /^(?:\/moved)?\/jwks(?:\?|\z)/;
    return 'discovery' if $metadata =~ /^(?:openid|both)\z/ && $uri =~ m!^(?:/moved)?\Q$base\E/\.well-known/openid-configuration\z!
        or $metadata =~ /^(?:oauth|both)\z/ && $uri eq "/.well-known/oauth-authorization-server$base";
    return 'other';
}

sub _document {
    my ($tenant) = @_;
    my %document = (
        issuer => "$state->{issuer}$tenant",
        jwks_uri => "$url$tenant/jwks",
        authorization_endpoint => "$url/authorize",
        token_endpoint => "$url/token",
        response_types_supported => ['code'],
        subject_types_supported => ['public'],
        id_token_signing_alg_values_supported => ['ES256'],
        %{ $state->{members} },
    );
    return { map { defined $document{$_} ? ($_ => $document{$_}) : () } keys %document };
}

sub _send {
    my ($client, $status, $lines, $body, $keeps_alive) = @_;
    my @lines = ("HTTP/1.1 $status Test", @$lines, 'Content-Length: ' . length $body,
        $keeps_alive ? () : 'Connection: close');
    print $client join "\r\n", @lines, '', $body;
    return $keeps_alive;
}

sub _send_large {
    my ($client, $frame) = @_;
    my ($sent, $piece) = (0, ' ' x 65_536);
    while ($sent < $LARGE and print $client $frame->($piece)) {
        $sent += length $piece;
    }
    _event('sent', $sent);
}

# Waits while this is the behaviour, and returns whether the client is still there.
sub _hang {
    my ($client, $what, $behaviour) = @_;
    _event('hangs', $what);
    return _wait_while($client, sub { $state->{$what} eq $behaviour });
}

sub _wait_while {
    my ($client, $condition) = @_;
    my $end = time + $PATIENCE;
    my $select = IO::Select->new($client);
    while ($condition->() and time < $end and getppid() == $parent) {
        # nothing but a ClientHello and the end of the connection can come
        if ($select->can_read(0.01) and !CORE::sysread $client, my $data, 65_536) {
            _event('left');
            return 0;
        }
        _read_state();
    }
    return 1;
}

# Closes the connection by RST.
sub _reset {
    my ($client) = @_;
    setsockopt $client, SOL_SOCKET, SO_LINGER, pack 'ii', 1, 0;
    POSIX::close(fileno $client);
}

### Files #####################################################################

my $read = '';

# The file is a new one whenever it changes.
sub _read_state {
    open my $file, '<:raw', "$dir/$name.state" or return;
    local $/;
    my $text = <$file>;
    # two changes within a second may have the same inode and time
    return if $read eq $text;
    $state = $json->decode($text);
    $read = $text;
}

# By one write, because several processes may do so at a time.
sub _event {
    open my $file, '>>:raw', "$dir/$name.events" or return;
    syswrite $file, $json->encode([@_]) . "\n";
}

my $noted = '';

sub _note_listening {
    my ($listens) = @_;
    return if $noted eq $listens;
    open my $file, '>:raw', "$dir/$name.listening.new" or return;
    print $file $listens;
    close $file;
    rename "$dir/$name.listening.new", "$dir/$name.listening";
    $noted = $listens;
}

1;
