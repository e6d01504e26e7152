#!/usr/bin/perl

# Messages for wrong configurations of auth_request_cache,
# auth_request_cache_zone, auth_request_cache_key and auth_request_cache_valid.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;

my $code = 'it must be a code from 200 to 599, 2xx, 3xx, 4xx, 5xx or any';
my $no_key = '"auth_request_cache" in DIR/http.conf:1 requires '
    . '"auth_request_cache_key": without it one user would get another user\'s verdict';

my @wrong = (
    # directives in http {}, and the message

    map({ my $name = $_; (
        map({ ["$_ { $name x; }", qq{"$name" directive is not allowed here}] }
            'server { location / { if ($uri)', 'server { if ($uri)',
            'server { location / { limit_except GET', 'upstream u'),
        ["$name;", qq{invalid number of arguments in "$name" directive}],
    ) } qw/ auth_request_cache auth_request_cache_key auth_request_cache_valid /),
    map({ ["auth_request_cache$_ a b;",
        qq{invalid number of arguments in "auth_request_cache$_" directive}] }
        '', '_zone'),
    map({ ["$_ { auth_request_cache_zone a:1m; }",
        '"auth_request_cache_zone" directive is not allowed here'] }
        'server', 'server { location /'),
    ['auth_request_cache_zone;',
        'invalid number of arguments in "auth_request_cache_zone" directive'],

    # zones

    map({ my $zone = $_; map { ["auth_request_cache_zone $zone;", $_] }
        qq{invalid zone size "$zone"} } 'a', 'a:', 'a:x', 'a:-1', 'a:1.5m', 'a:1mb',
        'a:99999999999999999999', ':', 'a:1m:', 'a:1g', 'a: 1m' =~ s/ /x/r),
    ['auth_request_cache_zone "";', 'invalid zone size ""'],
    ['auth_request_cache_zone :1m;', 'invalid zone name ""'],
    map({ ["auth_request_cache_zone $_;", qq{zone "$_" is too small}] }
        'a:0', 'a:1', 'a:4k', 'a:31k', 'a:32767'),
    ['auth_request_cache_zone a:1m; auth_request_cache_zone a:1m;',
        'duplicate zone "a"'],
    ['auth_request_cache_zone a:1m; auth_request_cache_zone a:2m;',
        qr/the size \d+ of shared memory zone "a" conflicts with already declared size \d+/],
    ['limit_req_zone $uri zone=a:1m rate=1r/s; auth_request_cache_zone a:1m;',
        qr/the shared memory zone "a" is already declared for a different use/],
    ['auth_request_cache_zone a:1m; limit_req_zone $uri zone=a:1m rate=1r/s;',
        qr/the shared memory zone "a" is already declared for a different use/],
    ['limit_req_zone $uri zone=a:1m rate=1r/s; auth_request_cache a;',
        qr/the shared memory zone "a" is already declared for a different use/],
    map({ ["$_ auth_request_cache_key x;",
        '"auth_request_cache" in DIR/http.conf:1 names the zone "a", which no '
            . '"auth_request_cache_zone" defines'] }
        'auth_request_cache a; auth_request /a; server { }',
        'auth_request_cache_zone A:1m; server { auth_request_cache a; }',
        'auth_request_cache_zone b:1m; server { location / { auth_request_cache a; } }',
        'server { location / { location /a { auth_request_cache a; } } }'),
    ['auth_request_cache "";', 'invalid zone name ""'],

    # the zone of a location

    ['auth_request_cache off; auth_request_cache off;',
        '"auth_request_cache" directive is duplicate'],
    ['auth_request_cache_zone a:1m; auth_request_cache a; auth_request_cache off;',
        '"auth_request_cache" directive is duplicate'],

    # keys

    ['auth_request_cache_key a; auth_request_cache_key a;',
        '"auth_request_cache_key" directive is duplicate'],
    ['auth_request_cache_key $undefined_one;', 'unknown "undefined_one" variable'],
    ['auth_request_cache_key $;', 'invalid variable name'],
    ['auth_request_cache_key a $;', 'invalid variable name'],
    ['auth_request_cache_key "${a";', 'the closing bracket in "a" variable is missing'],
    map({ ["auth_request_cache_zone a:1m; $_", $no_key] }
        'auth_request /a; auth_request_cache a; server { }',
        'auth_request_cache a; server { auth_request /a; }',
        'server { auth_request_cache a; location / { auth_request /a; } }',
        'server { auth_request /a; location / { auth_request_cache a; } }',
        'server { auth_request /a; auth_request_cache_key x;
            location / { location /a { auth_request_cache a; } } }
            server { auth_request_cache a; location / { auth_request /b; } }'
            =~ s/\s+/ /gr),

    # times and codes

    map({ my ($bad) = /(\S*)$/; $bad =~ tr/"//d; ["auth_request_cache_valid $_;",
        "invalid value \"$bad\" in \"auth_request_cache_valid\" directive, it must be a time in whole seconds, "
            . 'as in 30s or 1h'] }
        'x', '1x', '-1', '1.5', '""', '500ms', '1s500ms', '403 x', 'any any',
        '1M1y', '200 1500ms', '99999999999999999999'),
    map({ my ($bad) = /(\S*)$/; ["auth_request_cache_valid $_ 1m;",
        qq{invalid value "$bad" in "auth_request_cache_valid" directive, $code}] }
        '20', '2000', '100', '1xx', '199', '600', '6xx', '0xx', 'xx', '2x', '2xxx',
        '2XX', 'Any', 'all', '-200', '+20', '200 abc', 'any 101', '0200', '2.0'),

    # the end

    map({ ["auth_request_cache_valid 1m until=$_;", qq{invalid variable name "$_" in "auth_request_cache_valid" }
        . 'directive, it must be "$" and a name'] } '', 'x', '1700000000', 'auth_answer_exp', '$'),
    ['auth_request_cache_valid 1m until=$undefined_one;', 'unknown "undefined_one" variable'],
    ['auth_request_cache_valid until=$uri;', '"auth_request_cache_valid" directive has no time'],
    ['auth_request_cache_valid until=$uri 1m;', 'invalid value "until=$uri" in "auth_request_cache_valid" '
        . "directive, $code"],
    ['auth_request_cache_valid 1m until=$uri until=$uri;', 'invalid value "until=$uri" in '
        . '"auth_request_cache_valid" directive, it must be a time in whole seconds, as in 30s or 1h'],
);

my @fine = (
    'auth_request_cache_zone a:32k;',
    'auth_request_cache_zone a:1m; auth_request_cache_zone b:1m;',
    'server { auth_request_cache a; } auth_request_cache_key $uri; auth_request /a;'
        . ' auth_request_cache_zone a:1m;',
    'auth_request_cache_zone off:1m; auth_request_cache off; auth_request /a;',
    'auth_request_cache_zone a:1m; auth_request_cache a;',
    'auth_request_cache_zone a:1m; auth_request_cache a; server { auth_request off; }',
    'auth_request_cache_zone a:1m; auth_request_cache a; server {'
        . ' auth_request_cache off; location / { auth_request /a; } }',
    'auth_request_cache_zone a:1m; auth_request_cache a; server {'
        . ' auth_request_cache_key $uri; location / { auth_request /a; } }',
    'auth_request_cache_valid 1m until=$auth_answer_exp; auth_request_cache_valid any 1m until=$uri;',
    'auth_request_cache_valid 0; auth_request_cache_valid 1; auth_request_cache_valid 1m 30s;'
        =~ s/1m 30s/"1m 30s"/r,
    'auth_request_cache_valid 200 2xx any 403 599 1M;',
    'auth_request_cache_valid any 52w; auth_request_cache_valid 200;',
    'server { location / { auth_request_cache_key "$uri|$args"; } }',
    'auth_request_cache_key $uri x $args "";',
);

my $t = Test::Nginx->new()->has(qw/ http limit_req rewrite /)
    ->plan(2 * @wrong + @fine);

for my $case (@wrong) {
    my ($conf, $message) = @$case;
    $conf .= ' }' x (($conf =~ tr/{//) - ($conf =~ tr/}//));
    my $said = config_test($t, $conf);
    # errors that nginx finds at the end of http {} have its line, or none
    my $place = $message =~ /^unknown "/ ? '' : $message =~ /DIR/ ? qr! in DIR/nginx.conf:\d+!
        : qr! in DIR/http.conf:1!;
    $message = ref $message ? $message : qr/\Q$message\E/;

    like($said, qr/^\[emerg\] $message$place \| exit 1\z/, $conf);
    is(() = $said =~ /\[(?:emerg|alert|crit|error|warn)\]/g, 1, 'one line');
}

is(config_test($t, s/server \{/server { location = \/a { internal; }/r), 'exit 0', $_) for @fine;
