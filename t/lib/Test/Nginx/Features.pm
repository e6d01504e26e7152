package Test::Nginx::Features;

# The features of the nginx under test and of this machine: has() and similar
# methods, which Test::Nginx inherits.

use warnings;
use strict;

use File::Basename qw/ basename dirname /;
use File::Spec;
use Test::More qw//;


# Modules that ./configure builds unless it has an option against it.
my %UNLESS = (
    http => '--without-http',
    cache => '--without-http-cache',
    pcre => '--without-pcre',
    map({ $_ => "--without-http_${_}_module" } qw/
        access auth_basic autoindex browser charset empty_gif fastcgi geo grpc
        gzip limit_conn limit_req map memcached mirror proxy referer rewrite
        scgi split_clients ssi upstream_hash upstream_ip_hash
        upstream_keepalive upstream_least_conn upstream_random upstream_zone
        userid uwsgi
    /),
    map({ $_ => "--without-mail_${_}_module" } qw/ imap pop3 smtp /),
    map({ $_ => "--without-${_}_module" } qw/
        stream_access stream_geo stream_limit_conn stream_map stream_pass
        stream_return stream_set stream_split_clients stream_upstream_hash
        stream_upstream_least_conn stream_upstream_random stream_upstream_zone
    /),
);

# Skips the whole file unless nginx and this machine have all the features.
sub has {
    my ($self, @features) = @_;

    for my $feature (@features) {
        Test::More::plan(skip_all => "no $feature available")
            unless $self->has_module($feature) or $self->has_feature($feature);
    }

    return $self;
}

# Whether nginx has a module or option. Anything but a short name is a pattern for the
# output of nginx -V. A dynamic module has to be loaded.
sub has_module {
    my ($self, $feature) = @_;
    my $args = $self->_configured();

    return 0 if $feature =~ /^stream_/ and $args !~ /--with-stream(?!\S)/;
    return 0 if $feature =~ /^(?:imap|pop3|smtp|mail_.*)$/
        and $args !~ /--with-mail(?!\S)/;

    if (my $option = $UNLESS{$feature}) {
        return $args =~ /$option(?!\S)/ ? 0 : 1;
    }

    return $args =~ /TLS SNI support enabled/ ? 1 : 0 if $feature eq 'sni';
    return $args =~ /$feature/ ? 1 : 0 unless $feature =~ /^[a-z][a-z0-9_]*$/;

    return 1 if $args =~ /--with-(?:http_)?$feature(?:_module)?(?!\S)/;
    return 1 if $args =~ /--add-module=\S*$feature/;
    return 1 if $feature =~ /^auth_(?:jwt|request)$/
        and grep { /nginx_auth|auth_jwt/ } _loaded_modules();
    return 0;
}

# The output of nginx -V, in which the dynamic modules that will be loaded look like
# static ones and the others are left out.
sub _configured {
    my ($self) = @_;

    return $self->{_configured} //= do {
        my $args = $self->_version_text();
        $args =~ s{--with-(\S+)=dynamic}
            {$self->_dynamic_module($1) ? "--with-$1" : ''}ge;
        $args;
    };
}

sub _version_text {
    my ($self) = @_;
    return $self->{_configure_args} //= `$Test::Nginx::NGINX -V 2>&1`;
}

# The file of a dynamic module by its name in ./configure, if it is there.
sub _dynamic_module {
    my ($self, $name) = @_;

    $name =~ s/_module$//;
    my $file = 'ngx_' . ($name eq 'http_xslt' ? 'http_xslt_filter' : $name)
        . '_module.so';

    return $file if grep { $_ eq $file } _loaded_modules();

    my $dir = $ENV{TEST_NGINX_MODULES} // dirname($Test::Nginx::NGINX);
    my $path = File::Spec->rel2abs($file, $dir);
    return -e $path ? $path : undef;
}

# load_module for each dynamic module of nginx's own whose file is there, sorted by
# name, so that stream comes before stream_geoip.
sub test_globals_modules {
    my ($self) = @_;

    my @names = sort $self->_version_text() =~ /--with-(\S+)=dynamic/g;
    my @paths = grep { defined and m{/} }
        map { $self->_dynamic_module($_) } @names;

    return join '', map { "load_module $_;\n" } @paths;
}

# The file names of the modules that the caller loads.
sub _loaded_modules {
    my $globals = $ENV{TEST_NGINX_GLOBALS} // '';
    return map { basename($_) } $globals =~ /load_module\s+["']?([^"';]+)/g;
}

# Whether this machine has a feature: Perl's, or a version of the TLS library.
sub has_feature {
    my ($self, $feature) = @_;

    return 1 if $feature =~ /^(?:shmem|symlink|udp|unix)$/;

    if ($feature =~ /^socket_ssl(?:_(\w+))?$/) {
        return 0 unless eval { require IO::Socket::SSL };
        my %able = (
            '' => sub { 1 },
            alpn => sub { IO::Socket::SSL->can_alpn() },
            reused => sub { IO::Socket::SSL->can('get_session_reused') },
            sni => sub { IO::Socket::SSL->can_client_sni() },
            sslversion => sub { IO::Socket::SSL->can('get_sslversion') },
        );
        my $check = $able{$1 // ''} or return 0;
        return eval { $check->() } ? 1 : 0;
    }

    if ($feature =~ /^(openssl|libressl):([\d.]+[a-z]*)$/) {
        my ($library, $need) = ($1, $2);
        return 0 unless $self->_version_text() =~ /with $library (\S+)/i;
        return _at_least($1, $need);
    }

    if ($feature eq 'cryptx') {
        return eval { require Crypt::Misc; Crypt::Misc->VERSION('0.067'); 1 }
            ? 1 : 0;
    }

    return 0;
}

# Whether nginx is of this version or a later one.
sub has_version {
    my ($self, $need) = @_;
    my ($have) = $self->_version_text() =~ m{nginx version: \S+?/([\d.]+)};
    return _at_least($have // '0', $need);
}

# Compares versions like 1.0.2k: numbers by value, then letters.
sub _at_least {
    my ($have, $need) = map {
        [map { /\d/ ? $_ : ord } /\d+|[a-z]/g]
    } @_;

    for my $i (0 .. $#$need) {
        my $order = ($have->[$i] // 0) <=> $need->[$i];
        return $order > 0 ? 1 : 0 if $order;
    }

    return 1;
}

# Skips the whole file unless the program is in the PATH.
sub has_daemon {
    my ($self, $program) = @_;
    Test::More::plan(skip_all => "$program not found")
        unless grep { -x "$_/$program" } File::Spec->path();
    return $self;
}

1;
