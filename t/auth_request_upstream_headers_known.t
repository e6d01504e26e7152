#!/usr/bin/perl

# auth_request_upstream_headers names lines for which nginx has variables of its own,
# such as $http_user_agent: before the check they have no value, after it that of the
# service.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use Test::Nginx::Raw;

my @names = qw/ User-Agent Referer Via X-Forwarded-For Cookie /;
my $values = join ' ', map { '[$http_' . lc($_) =~ tr/-/_/r . ']' } @names;

my $t = Test::Nginx->new()->has(qw/ http proxy rewrite ssi gzip map /)->plan(23);

configure($t, <<"EOF");
    auth_request_cache_zone verdicts:1m;
    log_format values '\$request_uri $values';
    access_log %%TESTDIR%%/values.log values;
    default_type text/html;

    server {
        listen       127.0.0.1:8080;
        server_name  localhost;
        root         %%TESTDIR%%;
        auth_request /auth;
        proxy_set_header X-Values "$values";

        location / {
            auth_request_upstream_headers @names;
            proxy_pass http://127.0.0.1:8082;
        }
        location /early {
            set \$early "$values";
            auth_request_upstream_headers @names;
            proxy_set_header X-Early "\$early";
            proxy_set_header X-Values "$values";
            proxy_pass http://127.0.0.1:8082;
        }
        location /cached {
            auth_request_upstream_headers @names;
            auth_request_cache verdicts;
            auth_request_cache_key \$http_key;
            auth_request_cache_valid 1h;
            proxy_pass http://127.0.0.1:8082;
        }
        location /added {
            auth_request /auth-added;
            auth_request_upstream_headers X-Forwarded-For;
            proxy_set_header X-Values \$proxy_add_x_forwarded_for;
            proxy_pass http://127.0.0.1:8082;
        }
        location /one {
            auth_request_upstream_headers User-Agent;
            proxy_pass http://127.0.0.1:8082;
        }
        location /ssi.html {
            ssi on;
            auth_request off;
            add_header X-Values "$values";
        }
        location /included {
            auth_request_upstream_headers X-Forwarded-For Cookie;
            proxy_set_header X-Values "$values";
            proxy_pass http://127.0.0.1:8082;
        }
        location /plain { proxy_pass http://127.0.0.1:8082; }
        location = /auth {
            internal;
            proxy_set_header X-Values "$values";
            proxy_pass http://127.0.0.1:8081;
        }
        location = /auth-added {
            internal;
            proxy_set_header X-Values \$proxy_add_x_forwarded_for;
            proxy_pass http://127.0.0.1:8081;
        }
    }
EOF

$t->write_file('ssi.html', '<!--#include virtual="/plain" --><!--#include virtual="/included" -->'
    . '<!--#include virtual="/plain" -->');

my $d = $t->testdir();
service($t, 8081, sub {
    my ($client, $head) = @_;
    my @say = $head =~ /^X-Say: (.*)\r/mgi;
    append("$d/told", shown($head) . "\n");
    print $client "HTTP/1.1 200 X\r\n" . join('', map { "$_\r\n" } @say) . "Content-Length: 0\r\n\r\n";
    return 0;
});
service($t, 8082, sub {
    my ($client, $head) = @_;
    my $got = shown($head);
    my ($early) = $head =~ /^X-Early: (.*)\r/mi;
    $got .= " early $early" if defined $early;
    print $client "HTTP/1.1 200 X\r\nContent-Length: " . length($got) . "\r\n\r\n$got";
    return 0;
});
$t->run();

my @mine = map { "$_: mine" } @names;
my @said = map { "X-Say: $_: theirs" } @names;
my ($none, $all_mine, $all_theirs) = map { join ' ', ("[$_]") x @names } '', 'mine', 'theirs';
my $credentials = '[] [] [] [] [mine]';
# nginx writes "-" for no value into the log
my $dashes = join ' ', ('[-]') x @names;

### before the check none, after it those of the service

for my $uri ('/', '/early') {
    my $early = $uri eq '/early' ? " early $all_mine" : '';
    is(body(ask($uri, @mine)), "$none;$early", "$uri: none of the client's");
    is(told(), "$credentials; Cookie: mine", "$uri: before the check, none but the credentials");
    is(body(ask($uri, @mine, @said)), "$all_theirs; " . join(', ', map { "$_: theirs" } @names) . $early,
        "$uri: after the check those of the service");
    told();
    $early = " early $none" if $early;
    is(body(ask($uri, @said)), "$all_theirs; " . join(', ', map { "$_: theirs" } @names) . $early,
        "$uri: where the client has sent none");
    told();
}

is(body(ask('/', @mine, 'X-Say: Referer: theirs')), '[] [theirs] [] [] []; Referer: theirs', 'one of them');
is(body(ask('/', 'X-Say: X-Forwarded-For: a', 'X-Say: X-Forwarded-For: b')),
    '[] [] [] [a, b] []; X-Forwarded-For: a, X-Forwarded-For: b', 'two lines');
is(body(ask('/one', @mine)), join(' ', '[]', ('[mine]') x 4) . '; ' . join(', ', map { "$_: mine" } @names[1 .. 4]),
    'a name that the location does not have');
is(body(ask('/one', @mine, 'X-Say: User-Agent: theirs')),
    join(' ', '[theirs]', ('[mine]') x 4) . '; ' . join(', ', 'User-Agent: theirs', map { "$_: mine" } @names[1 .. 4]),
    'one that it has');
is(body(ask('/plain', @mine)), "$all_mine; " . join(', ', map { "$_: mine" } @names), 'a location without names');
told();

### a verdict from the cache

for my $what ('miss', 'hit') {
    is(body(ask('/cached', 'Key: a', @mine, @said)), "$all_theirs; " . join(', ', map { "$_: theirs" } @names),
        "cache: $what");
}
is(told(), "$credentials; Cookie: mine", 'cache: one check');

### $proxy_add_x_forwarded_for

is(body(ask('/added', 'X-Forwarded-For: mine')), '127.0.0.1;', '$proxy_add_x_forwarded_for: none');
is(body(ask('/added', 'X-Forwarded-For: mine', 'X-Say: X-Forwarded-For: theirs')),
    'theirs, 127.0.0.1; X-Forwarded-For: theirs', '$proxy_add_x_forwarded_for: that of the service');
is(told(), "127.0.0.1;\n127.0.0.1;", '$proxy_add_x_forwarded_for: in the check');

### subrequests: the lines of the request that includes them stay

my $mine = "$all_mine; " . join(', ', map { "$_: mine" } @names);
my $included = '[mine] [mine] [mine] [] []; User-Agent: mine, Referer: mine, Via: mine';
is(body(ask('/ssi.html', @mine)), "$mine$included$mine", 'includes');
is(body(ask('/ssi.html', @mine, 'X-Forwarded-For: two')),
    join('', map { s/(X-Forwarded-For: mine)/$1, X-Forwarded-For: two/r =~ s/^(\[mine\] ){3}\K\[mine\]/[mine, two]/r }
        $mine, $included, $mine), 'includes, two lines');

### the log

$t->stop();
my $log = $t->read_file('values.log');
is(join("\n", (split /\n/, $log)[0 .. 2]), join("\n", map { "/ $_" } $dashes, $all_theirs, $all_theirs), 'log');
is(join("\n", grep { m!^/ssi! } split /\n/, $log), "/ssi.html $all_mine\n/ssi.html "
    . $all_mine =~ s/^(\[mine\] ){3}\K\[mine\]/[mine, two]/r, 'log of a request with subrequests');

###############################################################################

# The line X-Values, and the lines with such a name in their order.
sub shown {
    my ($head) = @_;
    my ($values) = $head =~ /^X-Values: (.*)\r/mi;
    my $names = join '|', @names;
    my %order = map { $names[$_] => $_ } 0 .. $#names;
    my @lines = sort { $order{$a =~ s/:.*//r} <=> $order{$b =~ s/:.*//r} } $head =~ /^((?:$names): .*)\r/mg;
    return ($values // '') . ';' . join ',', map { " $_" } @lines;
}

sub told {
    my $told = -e "$d/told" ? $t->read_file('told') =~ s/\n\z//r : '';
    unlink "$d/told";
    return $told;
}
