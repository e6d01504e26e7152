#!/usr/bin/perl

# Header lines that a client repeats, behind FastCGI, uwsgi and SCGI: nginx links lines of one name
# to each other (ngx_http_link_multi_headers), once for a request, and joins their values. The links
# must be those of the list that is passed on, also where a module has put another list in its place:
# with others nginx writes beyond its memory (row 41).

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use ParamService;

my %ports = (fastcgi => 8081, uwsgi => 8082, scgi => 8083);
my $t = Test::Nginx->new()->has(qw/ http fastcgi uwsgi scgi proxy rewrite /)->plan(15);

my $locations = join '', map { <<"EOF" } sort keys %ports;
        location /$_/one {
            auth_request /check;
            auth_request_upstream_headers X-User;
            ${_}_pass 127.0.0.1:$ports{$_};
        }
        # nginx has linked the lines already when the second location changes them
        location /$_/two {
            ${_}_intercept_errors on;
            error_page 404 = /$_/one;
            ${_}_param STATUS 404;
            ${_}_pass 127.0.0.1:$ports{$_};
        }
        location /$_/three {
            ${_}_intercept_errors on;
            error_page 404 = /$_/check;
            ${_}_param STATUS 404;
            ${_}_pass 127.0.0.1:$ports{$_};
        }
        location /$_/check {
            auth_request /check/$_;
            auth_request_upstream_headers X-User;
            ${_}_pass 127.0.0.1:$ports{$_};
        }
        location = /check/$_ { internal; ${_}_pass 127.0.0.1:$ports{$_}; }
EOF

configure($t, <<"EOF");
    server {
        listen       127.0.0.1:8084;
        add_header   X-User service;
        location /   { return 204; }
    }
    server {
        listen       127.0.0.1:8080;
        server_name  localhost;
        location = /check { internal; proxy_pass http://127.0.0.1:8084; }
$locations
    }
EOF

param_service($t, $ports{$_}, $_) for sort keys %ports;
$t->run();

my @lines = ('X-User: client', map { "X-Same: $_" } 1 .. 100);
# Before 1.23.0 nginx links no lines, and hands over each of them.
my $same = 'HTTP_X_SAME=' . ($t->has_version('1.23.0') ? join ', ', 1 .. 100 : 100);

for my $protocol (sort keys %ports) {
    my $user = 'HTTP_X_USER=service';
    is(seen(ask("/$protocol/one", @lines)), "$same $user", "$protocol, one location");
    is(seen(ask("/$protocol/two", @lines)), "$same $user", "$protocol, two locations");
    is(seen(ask("/$protocol/check", @lines)), $same, "$protocol, in the check as well");
    is(seen(ask("/$protocol/three", @lines)), $same, "$protocol, two locations and the check");
    is(seen(ask({ method => 'POST', body => 'body' }, "/$protocol/three", @lines)), $same,
        "$protocol, with a body");
}

# The lines with these names that the application got.
sub seen {
    my ($response) = @_;
    my @got = body($response) =~ /^(HTTP_X_(?:SAME|USER)=.*)$/mg;
    return join ' ', @got;
}
