#!/usr/bin/perl

# auth_request together with access and auth_basic: each combination of their
# verdicts, with "satisfy all" and "satisfy any". A challenge is sent with a 401
# and with no other status (row 41).

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use Original;

use Time::HiRes qw/ time /;

# What each of the three says: it is not configured, or
my @access = qw/ - allow deny /;
my @basic = qw/ - good bad missing /;
my @service = qw/ - 204 401 403 500 /;

my @cases = grep { $_ ne '- - -' } map {
    my $access = $_;
    map { my $basic = $_; map { "$access $basic $_" } @service } @basic
} @access;

my $t = Test::Nginx->new()->has(qw/ http access auth_basic proxy rewrite /)
    ->plan(2 * 2 * @cases + 9);

my %directives = (
    allow => 'allow all;',
    deny => 'deny all;',
    basic => 'auth_basic restricted; auth_basic_user_file htpasswd;',
    service => 'auth_request /auth;',
);

# The order of the directives does not matter; the order of the modules does.

my $locations = '';
for my $satisfy (qw/ all any /) {
    for my $access (@access) {
        for my $basic ('-', 'basic') {
            for my $service ('-', 'service') {
                my @set = map { $directives{$_} // () }
                    $service, $basic, $access;
                @set = reverse @set if $satisfy eq 'any';
                $locations .= "location /$satisfy/$access/$basic/$service {\n"
                    . join("\n", "satisfy $satisfy;", @set)
                    . "\nproxy_pass http://127.0.0.1:8081/content;\n}\n";
            }
        }
    }
}

configure($t, <<"EOF");
    server {
        listen       127.0.0.1:8080;
        server_name  localhost;
        $locations
        location /delayed {
            auth_delay 1s;
            auth_request /auth;
        }
        location /delayed/any {
            auth_delay 1s;
            satisfy any;
            deny all;
            auth_request /auth;
        }
        location = /auth {
            proxy_pass http://127.0.0.1:8081/\$http_x_code;
        }
    }
    server {
        listen       127.0.0.1:8081;
        add_header   WWW-Authenticate 'Service one' always;
        add_header   WWW-Authenticate 'Service two' always;
        location = /content { return 200 CONTENT; add_header X-None x; }
        location = /204 { return 204; }
        location = /401 { return 401; }
        location = /403 { return 403; }
        location = /500 { return 500; }
    }
EOF

$t->write_file('htpasswd', "user:{PLAIN}good\n");
$t->run();

for my $satisfy (qw/ all any /) {
    for my $case (@cases) {
        my ($access, $basic, $code) = split / /, $case;
        my $uri = join '/', '', $satisfy, $access,
            $basic eq '-' ? '-' : 'basic', $code eq '-' ? '-' : 'service';
        my $response = response_to($uri, $basic, $code);
        my $name = "$satisfy: access $access, basic $basic, service $code";

        my ($status, @challenges) = expected($satisfy, $access, $basic, $code);
        is(judged($response), join('|', $status, @challenges), $name);
        is($response =~ /CONTENT/ ? 1 : 0, $status == 200 ? 1 : 0,
            "$name, content");
    }
}

### auth_delay

for my $uri ('/delayed', '/delayed/any') {
    my $begin = time;
    is(check($uri, '-', 401), join('|', 401, service_challenges($t, 'Service one', 'Service two')),
        "$uri, delayed response");
    cmp_ok(time - $begin, '>=', 0.9, "$uri, one second");
}

my $begin = time;
is(check('/delayed', '-', 403), '403', 'no delay');
is(check('/delayed', '-', 500), '500', 'no delay');
is(check('/delayed', '-', 204), '404', 'no delay');
cmp_ok(time - $begin, '<', 0.9, 'no delay in total');

# a client that leaves during the delay

http(request('/delayed', 'X-Code: 401'), aborted => 1, sleep => 0.1);
is(check('/delayed', '-', 204), '404', 'after a client that left');

### helpers

# The status and challenges that follow from nginx's documentation and from the order
# access, auth_basic, auth_request.
sub expected {
    my ($satisfy, $access, $basic, $code) = @_;

    my @says = grep { defined } (
        { allow => 'yes', deny => 403 }->{$access},
        { good => 'yes', bad => 401, missing => 401 }->{$basic},
        { 204 => 'yes', 401 => 401, 403 => 403, 500 => 500 }->{$code},
    );

    my @challenges = grep { defined } (
        $basic =~ /bad|missing/ ? 'Basic realm="restricted"' : undef,
        $code eq '401' ? service_challenges($t, 'Service one', 'Service two') : undef,
    );

    if ($satisfy eq 'all') {
        my ($no) = grep { $_ ne 'yes' } @says;
        return 200 unless $no;
        @challenges = $says[0] ne 'yes' && $access eq 'deny' ? ()
            : $basic =~ /bad|missing/ ? $challenges[0] : @challenges;
        return $no == 401 ? (401, @challenges) : $no;
    }

    for my $says (@says) {
        return 200 if $says eq 'yes';
        return $basic =~ /bad|missing/ ? (500, $challenges[0]) : 500
            if $says eq '500';
    }

    return 403 unless grep { $_ eq '401' } @says;
    return (401, @challenges);
}

# Status and challenges of a request with such a password, and such a verdict of the
# service.
sub check {
    return judged(response_to(@_));
}

sub response_to {
    my ($uri, $basic, $code) = @_;
    my $secret = { good => 'dXNlcjpnb29k', bad => 'dXNlcjpiYWQ=' }->{$basic};
    return ask($uri, $secret ? "Authorization: Basic $secret" : (), "X-Code: $code");
}

sub judged {
    my ($response) = @_;
    return join '|', status($response), headers($response, 'WWW-Authenticate');
}
