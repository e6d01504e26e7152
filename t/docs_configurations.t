#!/usr/bin/perl

# Each ```nginx block of each Markdown page is a configuration that nginx loads. A fragment is put
# where its directives belong, so that a page shows no more than it talks about. "```nginx other" is
# a configuration of another product.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use Certificates;
use Docs;
use ForwardAuth qw/ use_conf /;

my $t = Test::Nginx->new()->has(qw/ http http_ssl http_v2 access auth_basic geo grpc limit_req map proxy realip rewrite /);
my $d = $t->testdir();

my @pages = grep { $_ ne '' } split /\n/, qx{cd .. && git ls-files --cached --others --exclude-standard -- '*.md'};
my @blocks = map { nginx_blocks($_) } @pages;

# What stands in http{} only, and in server{} but in no location. Everything else may be in a location.
my %in_http = map { $_ => 1 } qw/ auth_jwt_claim_set auth_jwt_dpop_zone auth_jwt_header_set auth_jwt_issuer
    auth_jwt_token_cache auth_request_cache_zone geo limit_conn_zone limit_req_zone log_format map
    map_hash_bucket_size proxy_cache_path server split_clients upstream /;
my %in_server = map { $_ => 1 } qw/ large_client_header_buffers listen location server_name
    ssl_certificate ssl_certificate_key ssl_client_certificate ssl_protocols ssl_verify_client underscores_in_headers /;

# Blocks that define nothing twice share one nginx.conf.
my @files;
BLOCK: for my $block (@blocks) {
    my $parts = parts($block);
    for my $file (@files) {
        next if grep { $file->{names}{$_} } @{ $parts->{names} };
        add($file, $parts);
        next BLOCK;
    }
    push @files, { names => {}, http => '', main => '' };
    add($files[-1], $parts);
}
$t->plan(scalar @files);

certificate_authority($t, 'ca');
certificate($t, 'server', ['localhost'], authority => 'ca');
use_conf($t, $_) for map { s!.*/!!r } glob '../nginx-conf/auth-proxy.conf';
for (@files) {
    my $said = config_test($t, $_->{http}, $_->{main});
    print "# $_\n" for split / \| /, $said;
    like($said, qr/(?:^| \| )exit 0\z/, "nginx loads $_->{of}");
}

###############################################################################

sub add {
    my ($file, $parts) = @_;
    $file->{names}{$_} = 1 for @{ $parts->{names} };
    $file->{$_} .= $parts->{$_} for qw/ http main /;
    $file->{of} = join ', ', $file->{of} // (), $parts->{of};
    return;
}

# The statements of a block by the context that they belong to, and the names that it defines.
sub parts {
    my ($block) = @_;
    my $of = "$block->{page}:$block->{line}";
    my @statements = statements($block->{text});
    my ($whole) = map { $_->[1] } grep { $_->[0] eq 'http' } @statements;
    my %text = (main => '', http => '', server => '', location => '');
    my %names;
    if ($whole) {
        $names{'http'} = 1;
        ($text{http}) = $whole =~ /\A\S+\s*\{(.*)\}\z/s;
    }
    for (@statements) {
        my ($name, $text) = @$_;
        my $context = $in_http{$name} ? 'http' : $in_server{$name} ? 'server' : 'location';
        if ($whole) {
            next if $name =~ /\A(?:http|events|load_module)\z/;
            $context = 'main';
        }
        $text{$context} .= "$text\n";
        $names{$_} = 1 for $context eq 'http' ? defined_by($name, $text) : ();
    }
    $text{server} .= $text{server} =~ /\S/ ? $text{location} : "location / {\n$text{location}}\n" if $text{location};
    $text{http} .= "server {\n$text{server}}\n" if $text{server};
    return { of => $of, names => [sort keys %names], main => here($text{main}, $of), http => "# $of\n" . here($text{http}, $of) };
}

# What no second statement of the same nginx.conf may define.
sub defined_by {
    my ($name, $text) = @_;
    return () if $name eq 'server';
    return ("issuer $1", "url $2") if $text =~ /\Aauth_jwt_issuer\s+(\S+).*?\bissuer\s+(\S+);/s;
    return "zone $1" if $text =~ /(?:zone=|_zone\s+)(\w+):/;
    return "variable $1" if $name =~ /\A(?:geo|map|split_clients)\z/ && $text =~ /(\$\w+)\s*\{/;
    return "variable $1" if $text =~ /\Aauth_jwt_\w+_set\s+(\$\w+)/;
    return "$name $1" if $text =~ /\A(?:log_format|upstream)\s+(\S+)/;
    return $name;
}

# The text with addresses and files of this machine. No name is resolved.
my $port;
BEGIN { $port = 20_000 }
sub here {
    my ($text) = @_;
    $port++;
    $text =~ s/(\blisten\s+)[^\s;]+/${1}127.0.0.1:$port/g;
    $text =~ s{(\b(?:proxy|grpc)_pass\s+\w+://)[a-z][\w.-]*}{${1}127.0.0.1}g;
    $text =~ s/(\bauth_jwt_issuer\s+\S+\s*\{)((?:(?!^\s*(?:resolver|key_file)\s)[^}])*\})/$1 resolver 127.0.0.1;$2/gm;
    $text =~ s{(\bssl_certificate_key\s+)[^;]+}{$1$d/server.key}g;
    $text =~ s{(\bssl_certificate\s+)[^;]+}{$1$d/server.crt}g;
    $text =~ s{(\b\w*ssl_(?:client|trusted)_certificate\s+)[^;]+}{$1$d/ca.crt}g;
    $text =~ s{/var/(?:log|lib|cache)/nginx[\w-]*}{$d}g;
    return $text;
}
