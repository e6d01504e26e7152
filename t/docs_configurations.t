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

use feature qw/ state /;

my $t = Test::Nginx->new()->has(qw/ http http_ssl http_v2 access auth_basic geo grpc limit_req map proxy realip rewrite /);
my $d = $t->testdir();

my @pages = map { s!^\.\./!!r } glob '../*.md ../docs/*.md ../docs/*/*.md ../t/*.md ../examples/*/*.md';
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
    push @files, { names => {}, trusted => {}, blocks => 0, http => '', main => '' };
    add($files[-1], $parts);
}
$t->plan(scalar @files);

certificate_authority($t, 'ca');
certificate($t, 'server', ['localhost'], authority => 'ca');
use_conf($t, $_) for map { s!.*/!!r } glob '../nginx-conf/auth-proxy.conf';

# Pages name files that a reader has yet to write. docs/providers.md says why cognito has no
# audience. "listen ... http2" is what nginx 1.22 knows, and 1.28 as well.
my $expected = qr/: No such file or directory \(os error 2\)|"cognito" has no "audience"|"listen [.]{3} http2"/;
for my $file (@files) {
    my $http = "ssl_certificate $d/server.crt; ssl_certificate_key $d/server.key;\n$file->{http}";
    # Fragments may trust issuers whose blocks they do not show.
    $http .= "auth_jwt_issuer $_ { issuer https://$_.example; audience x; key_file keys.json; }\n"
        for grep { !$file->{names}{"issuer $_"} } sort keys %{ $file->{trusted} };
    my @said = split / \| /, config_test($t, $http, $file->{main});
    is(join("\n", grep { !/$expected/ } @said), 'exit 0', "nginx loads $file->{blocks} configurations at once");
}

###############################################################################

sub add {
    my ($file, $parts) = @_;
    $file->{blocks}++;
    $file->{names}{$_} = 1 for @{ $parts->{names} };
    $file->{trusted}{$_} = 1 for @{ $parts->{trusted} };
    $file->{$_} .= $parts->{$_} for qw/ http main /;
    return;
}

# A block in files of its own, whose names tell the page and the line of the block: the directives
# that include them, and the names that it defines.
sub parts {
    my ($block) = @_;
    my @statements = statements($block->{text});
    my ($whole) = map { $_->[1] } grep { $_->[0] eq 'http' } @statements;
    my %text = (main => '', http => '', server => '', location => '');
    my %names;
    if ($whole) {
        $names{http} = 1;
        ($text{http}) = $whole =~ /\A\S+\s*\{(.*)\}\z/s;
        $names{$_} = 1 for map { defined_by(@$_) } statements($text{http});
    }
    for (@statements) {
        my ($name, $text) = @$_;
        next if $name =~ /\A(?:http|events|load_module)\z/;
        $text =~ s/\}\z/missing_check($text) . '}'/e if $name eq 'server';
        my $context = $whole ? 'main' : $in_http{$name} ? 'http' : $in_server{$name} ? 'server' : 'location';
        $text{$context} .= "$text\n";
        $names{$_} = 1 for $context eq 'http' ? defined_by($name, $text) : ();
    }
    $text{server} .= $text{server} ? $text{location} : "location / {\n$text{location}}\n" if $text{location};
    $text{server} .= missing($text{server}) if $text{server};
    $text{http} .= "server {\n$text{server}}\n" if $text{server};

    my @trusted = grep { $_ ne 'off' } map { split } $block->{text} =~ /\bauth_jwt_trust\s+([^;]+);/g;
    my %parts = (names => [sort keys %names], trusted => \@trusted);
    for (qw/ main http /) {
        my $file = $block->{page} =~ tr!/!-!r . "-line-$block->{line}.$_";
        $t->write_file($file, here($text{$_}));
        $parts{$_} = qq{    include "$file";\n};
    }
    return \%parts;
}

# What a fragment of a server leaves out: the token that its rules are about, and the location that
# auth_request asks.
sub missing {
    my ($text) = @_;
    my $missing = '';
    if ($text =~ /\bauth_jwt/) {
        $missing .= "auth_jwt x;\n" unless $text =~ /\bauth_jwt\s/;
        $missing .= "auth_jwt_key_file keys.json;\n" unless $text =~ /\bauth_jwt_(?:key_|trust\s)/;
    }
    return $missing . missing_check($text);
}

sub missing_check {
    my ($text) = @_;
    return '' unless $text =~ /\bauth_request\s+(\/\w+)/ && $text !~ /\blocation\s+=\s+$1\b/;
    return "location = $1 { internal; auth_jwt off; auth_request off; proxy_pass http://127.0.0.1; }\n";
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
sub here {
    my ($text) = @_;
    state $port = 20_000;
    $text =~ s/^(\s*server\s*\{)(?!(?:(?!^server).)*?\blisten\s)/$1 listen 443 ssl;/gms;
    $text =~ s/(\blisten\s+)[^\s;]+/"${1}127.0.0.1:" . $port++/ge;
    $text =~ s{(\b(?:proxy|grpc)_pass\s+\w+://)[a-z][\w.-]*}{${1}127.0.0.1}g;
    $text =~ s/(\bauth_jwt_issuer\s+\S+\s*\{)((?:(?!^\s*(?:resolver|key_file)\s)[^}])*\})/$1 resolver 127.0.0.1;$2/gm;
    $text =~ s{(\bssl_certificate_key\s+)[^;]+}{$1$d/server.key}g;
    $text =~ s{(\bssl_certificate\s+)[^;]+}{$1$d/server.crt}g;
    $text =~ s{(\b\w*ssl_(?:client|trusted)_certificate\s+)[^;]+}{$1$d/ca.crt}g;
    $text =~ s{/var/(?:log|lib|cache)/nginx[\w-]*}{$d}g;
    return $text;
}
