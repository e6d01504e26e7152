#!/usr/bin/perl

# auth_request: a service behind FastCGI, uwsgi or SCGI gets no parameter that
# announces a body which the check does not send.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use ParamService;

my %ports = (fastcgi => 8081, uwsgi => 8082, scgi => 8084);
my $t = Test::Nginx->new()->has(qw/ http fastcgi uwsgi scgi /)->plan(30);

my $locations = join '', map {
    my $to = "${_}_pass 127.0.0.1:$ports{$_};";
    <<"EOF";
        location /$_ { auth_request /auth/$_; auth_request_set \$told \$upstream_http_x_names; $to }
        location /auth/$_ { internal; $to }
EOF
} sort keys %ports;

configure($t, <<"EOF");
    # besides HTTP_* of each header line, what a variable shows of the client's line
    fastcgi_param LENGTH \$http_content_length;
    uwsgi_param LENGTH \$http_content_length;
    scgi_param LENGTH \$http_content_length;
    scgi_param CONTENT_LENGTH \$content_length;
    server {
        listen       127.0.0.1:8080;
        server_name  localhost;
        add_header   X-Check "\$told [\$http_content_length]" always;
$locations
    }
EOF

param_service($t, $ports{$_}, $_) for sort keys %ports;
$t->run();

my @cases = (
    # a request, and what the application gets; the check gets the names HTTP_X_A and LENGTH

    [{ method => 'POST', body => 'body' }, [], 'HTTP_CONTENT_LENGTH=4 HTTP_X_A=1 LENGTH=4', '[4]'],
    [{ method => 'POST', chunks => ['body'] }, [], 'HTTP_TRANSFER_ENCODING=chunked HTTP_X_A=1 LENGTH=', '[]'],
    [{ method => 'POST', body => 'body', version => '1.1' }, ['expect: 100-continue'],
        'HTTP_CONTENT_LENGTH=4 HTTP_EXPECT=100-continue HTTP_X_A=1 LENGTH=4', '[4]'],
    [{ method => 'POST', body => '' }, [], 'HTTP_CONTENT_LENGTH=0 HTTP_X_A=1 LENGTH=0', '[0]'],
    [{}, [], 'HTTP_X_A=1 LENGTH=', '[]'],
);

for my $protocol (sort keys %ports) {
    for my $case (@cases) {
        my ($options, $lines, $application, $length) = @$case;
        my $name = join ' ', $protocol, @$lines, map { ref ? 'chunks' : $_ } %$options{sort keys %$options};
        my $response = ask({ %$options }, "/$protocol", 'X-A: 1', @$lines);
        $response =~ s/^HTTP\S+ 100 .*?\r\n\r\n//s;
        my ($told, $shown) = header($response, 'X-Check') =~ /^(.*) (\[.*)/;
        is(announcing(split / /, $told), 'HTTP_X_A LENGTH', "$name, check");
        is(announcing(split /\n/, body($response)) . " $shown", "$application $length",
            "$name, application");
    }
}

# Those of the parameters that announce a body, and some that each request has.
sub announcing {
    return join ' ', grep { /^(?:HTTP_(?:CONTENT_LENGTH|TRANSFER_ENCODING|EXPECT|X_A)|LENGTH)\b/ } @_;
}
