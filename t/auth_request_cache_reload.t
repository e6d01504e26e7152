#!/usr/bin/perl

# auth_request_cache: verdicts survive a reload, but not a change of the
# configuration on any level of the location. Locations and servers that look
# alike have verdicts of their own (row 30), also if a reload removes or moves
# some of them.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use VerdictService;

# A configuration in parts, each of which can be another one.
my %parts = (
    zone => 'auth_request_cache_zone verdicts:128k;',
    http => <<'EOF',
auth_request_cache       verdicts;
        auth_request_cache_valid any 1h;
        auth_request_cache_key   $http_key;
        auth_request             /auth;
        auth_request_set         $said $upstream_http_x_said;
EOF
    server => '',
    location => '',
    before => '',
    one => 'location /one',
    nested => '',
    name => 'localhost',
);

my @changes = (
    # another value, or another directive, on each level

    [http => 'auth_request_cache_key   $http_key;',
        'auth_request_cache_key   $http_key$arg_a;'],
    [http => 'auth_request             /auth;',
        'auth_request             /auth?x;'],
    [http => '$said $upstream_http_x_said', '$said x$upstream_http_x_said'],
    [http => 'any 1h', 'any 2h'],
    map({ ['http', '', $_] }
        'auth_request_deny_status 404;',
        'auth_request_deny_status 4xx 404;',
        'auth_request_set $more $upstream_http_x_id;',
        'auth_request_require $said;',
        'auth_request_require $said error=403;',
        'auth_request_upstream_headers X-User;',
        'auth_request_client_headers X-User;',
        'auth_request_client_headers X-User on=any;',
        'auth_request_deny_body 1k;',
        'auth_request_on_error 503;',
        'auth_request_body 1k;',
        'auth_request_cache_valid 1h;',
        'auth_request_answer off;',
        'auth_request_cache_valid any 2h until=$said;'),
    map({ my $level = $_; map { [$level, '', $_] }
        'auth_request_deny_status 404;',
        'auth_request_set $said x;',
        'auth_request_require $said;',
    } qw/ server location /),
    [one => 'location /one', 'location = /one'],
    [one => 'location /one', 'location ~ /one'],
    [one => 'location /one', 'location /on'],
    [one => 'location /one', 'location /one { location /one'],
    [name => 'localhost', 'localhost.'],
    [name => 'localhost', 'localhost a.test'],
    [name => 'localhost', 'a.test localhost'],
    [name => 'localhost', '~localhost'],
    [server => '', 'listen 127.0.0.1:8082;'],
);

my $count;
my $t = Test::Nginx->new()->has(qw/ http proxy rewrite /)
    ->plan(37 + 2 * @changes);

configure($t, http_with());
verdict_service($t, 8081);
$t->run();

### verdicts that survive a reload

is(seen(ask('/one', 'Key: a')), '404 MISS /auth 0:', 'before a reload');
is(seen(ask('/one', 'Key: a')), '404 HIT /auth 0:', 'cached');
ok(reload_workers($t), 'reload');
is(seen(ask('/one', 'Key: a')), '404 HIT /auth 0:', 'cached across a reload');
ok(reload_with($t, http_with(before => 'location /before { }')), 'reload');
is(seen(ask('/one', 'Key: a')), '404 HIT /auth 0:',
    'cached after another location was added');

### changes after which there are new verdicts

for my $change (@changes) {
    my ($part, $old, $new) = @$change;
    my $key = 'Key: ' . ++$count;
    my $after = $old eq '' ? $parts{$part} . $new
        : $parts{$part} =~ s/\Q$old\E/$new/r;

    # the change, and then its reverse, after which the cached verdict is of the change
    for my $case ([$after, "changed in $part"], [$parts{$part}, 'and without']) {
        my ($text, $name) = @$case;
        my @had = (cached($key), cached($key));
        reload_with($t, http_with($part => $text));
        is("@had " . cached($key), 'MISS HIT MISS', "$name: $new");
        $key .= 'x';
    }
}

### a zone of another size, or of another name

reload_with($t, http_with());
like(seen(ask('/one', 'Key: a')), qr/ HIT /, 'still cached');
ok(reload_with($t, http_with(zone => 'auth_request_cache_zone verdicts:256k;')),
    'another size');
like(seen(ask('/one', 'Key: a')), qr/ MISS /, 'another size, the zone is empty');
like(seen(ask('/one', 'Key: a')), qr/ HIT /, 'another size, cached again');
ok(reload_with($t, http_with(zone => 'auth_request_cache_zone verdicts:256k;'
    . ' auth_request_cache_zone second:256k;', location => 'auth_request_cache second;')),
    'another zone');
like(seen(ask('/one', 'Key: a')), qr/ MISS /, 'another zone, not cached');

### locations and servers that look alike

ok(reload_with($t, <<'EOF'), 'locations and servers that are alike');
    auth_request_cache_zone verdicts:512k;
    auth_request_cache       verdicts;
    auth_request_cache_valid any 1h;
    auth_request_cache_key   $http_key;
    auth_request             /auth;
    auth_request_set         $said $upstream_http_x_said;
    add_header X-Seen "$auth_request_cache_status $said" always;
    server { listen 127.0.0.1:8080; location ~ /one$ { } location ~* /one$ { } location = /auth { auth_request off; proxy_pass http://127.0.0.1:8081/first; } } server { listen 127.0.0.1:8082; location ~ /one$ { } location = /auth { auth_request off; proxy_pass http://127.0.0.1:8081/second; } }
EOF

for my $had ('MISS', 'HIT') {
    is(seen(ask('/one', 'Key: d')), "404 $had /first 0:", "regex: $had");
    is(seen(ask('/ONE', 'Key: d')), "404 $had /first 0:",
        "regex without case: $had");
    is(seen(ask({ port => 8082 }, '/one', 'Key: d')), "404 $had /second 0:",
        "another server on the same line: $had");
}

### servers that a reload removes or moves

my @names = ('', 'server_name localhost;');

for my $i (0, 1) {
    my %server = map({
        my ($name, $port) = @$_;
        $name => "    server { listen 127.0.0.1:$port; $names[$i] location /one { } location = /auth {"
            . " auth_request off; proxy_pass http://127.0.0.1:8081/$name; } }\n"
    } ['first', 8080], ['second', 8082]);
    my $key = "Key: server $i";
    my $both = sub { join ' ', map { seen(ask({ port => $_ }, '/one', $key)) } 8080, 8082 };
    my $name = $i ? 'one name' : 'no name';

    reload_with($t, http_of(@server{qw/ first second /}));
    is($both->(), '404 MISS /first 0: 404 MISS /second 0:', "two servers with $name");
    reload_with($t, http_of(@server{qw/ second first /}));
    is($both->(), '404 HIT /first 0: 404 HIT /second 0:', "$name, in another order");
    reload_with($t, http_of("\n    # a comment\n", @server{qw/ second first /}));
    is($both->(), '404 HIT /first 0: 404 HIT /second 0:', "$name, on other lines");

    reload_with($t, http_of($server{first}));
    $key = "Key: alone $i";
    is(seen(ask('/one', $key)), '404 MISS /first 0:', "$name, the first server alone");
    reload_with($t, http_of($server{second}));
    is(seen(ask({ port => 8082 }, '/one', $key)), '404 MISS /second 0:',
        "$name, the second server on its line");
    reload_with($t, http_of(@server{qw/ second first /}));
    is($both->(), '404 HIT /first 0: 404 HIT /second 0:', "$name, both servers again");
}

# The order of the addresses is that in which they come first in the whole file.

my $first = 'server { listen 127.0.0.1:8082; server_name a.test; }';
my $several = sub {
    my ($listen, $names) = @_;
    return "server { $listen server_name $names; location /one { }"
        . ' location = /auth { auth_request off; proxy_pass http://127.0.0.1:8081; } }';
};
my ($one, $two) = map { "listen 127.0.0.1:$_;" } 8080, 8082;

reload_with($t, http_of($several->("$one $two", 'localhost ~^b')));
is(seen(ask('/one', 'Key: many')), '404 MISS /auth 0:', 'a server with two addresses');
reload_with($t, http_of($first, $several->("$two $one", '~^b localhost')));
is(seen(ask('/one', 'Key: many')), '404 HIT /auth 0:',
    'two addresses and two names in another order');
reload_with($t, http_of($several->($one, 'localhost ~^b')));
is(seen(ask('/one', 'Key: many')), '404 MISS /auth 0:', 'with one address');

# nginx only warns of two servers with the same names. The default server gets other hosts.

my @twins = map { $several->($_, '""') } $one, 'listen 127.0.0.1:8080 default_server;';
{
    local *STDERR;
    open STDERR, '>', '/dev/null' or die "Can't close stderr: $!\n";
    reload_with($t, http_of(@twins));
}
is(seen(ask('/one', 'Key: twin')), '404 MISS /auth 0:', 'the default server of two');
is(seen(http("GET /one HTTP/1.0\r\nKey: twin\r\n\r\n")), '404 MISS /auth 0:', 'the other one');
is(seen(ask('/one', 'Key: twin')), '404 HIT /auth 0:', 'the default server, again');

### helpers

# What all servers have, and these servers.
sub http_of { return <<"EOF" }
    auth_request_cache_zone verdicts:512k;
    auth_request_cache       verdicts;
    auth_request_cache_valid any 1h;
    auth_request_cache_key   \$http_key;
    auth_request             /auth;
    auth_request_set         \$said \$upstream_http_x_said;
    add_header X-Seen "\$auth_request_cache_status \$said" always;
@_
EOF

# The cache status of a request.
sub cached { return (split ' ', seen(ask('/one', @_)))[1] // '' }

sub http_with {
    my %is = (%parts, @_);
    my $ends = '}' x ($is{one} =~ tr/{//);
    return <<"EOF";
    $is{zone}
    $is{http}
    add_header X-Seen "\$auth_request_cache_status \$said" always;
    server {
        listen       127.0.0.1:8080;
        server_name  $is{name};
        root         html;
        $is{server}
        $is{before}
        $is{one} { $is{location} } $ends
        location /auth { auth_request off; proxy_pass http://127.0.0.1:8081; }
    }
EOF
}
