#!/usr/bin/perl

# docs/troubleshooting.md: its directives are run as they stand there, and its example of a line in
# error.log is one that nginx writes. scripts/check-messages compares the page with the sources.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Docs;
use Jose;

my $t = Test::Nginx->new()->has(qw/ http proxy rewrite /)->plan(16);
my $dir = $t->testdir();

# The blocks of the page, in their order.
my ($levels, $access_log, $header, $renamed, $health) = map { $_->{text} } nginx_blocks('docs/troubleshooting.md');
my ($example) = map { $_->{text} } grep { $_->{language} eq 'text' } code_blocks('docs/troubleshooting.md');
like($health // '', qr{^location = /healthz }, 'the last block of directives');

my $key = jwk('RS256', '--kid', 'new');
$t->write_file('keys.json', jwks('--public', $key));

# Files of the test, a free port, and a level for error.log that the harness does not need.
my ($error_log, $log_level) = $levels =~ /^(error_log .*?;).*\n(auth_jwt_log_level .*?;)/;
my $here = sub { $_[0] =~ s{/var/log/nginx}{$dir}gr =~ s/listen +8080/listen 127.0.0.1:8080/r };
my ($format, $directives) = $access_log =~ /^(log_format .*?;)\n\nserver \{\n(.*)\}\n/s;

configure($t, <<EOF);
    $format
    server {
        ${\ $here->($directives) }
        server_name  api.example.com;
        root         html;

        location /debug/ { $header }
        location /info/  { ${\ $here->($error_log =~ s/error\.log/info.log/r) } }
        location /level/ { $log_level error_log $dir/level.log; }
        location /silent/ { error_log $dir/silent.log; }
        location /renamed/ { $renamed }
        location /report/ { auth_jwt_mode report; }
        location /service/ { auth_jwt off; auth_request /check; }
        location = /check { internal; return 403; }
        $health
    }
EOF

run_quietly($t);

### where refusals can be seen

my $other = sign(jwk('RS256', '--kid', 'old'), '{"iss":"https://id.example.com"}');
my $no_token = 'auth_jwt: no token: no "Authorization" header line';
get('/silent/');
is(slurp("$dir/silent.log"), '', 'error.log as it is by default: nothing');
get('/info/');
like(slurp("$dir/info.log"), qr/ \[info\] .* $no_token, client: /, 'error_log with the level info');
get('/level/');
like(slurp("$dir/level.log"), qr/ \[error\] .* $no_token, client: /, 'auth_jwt_log_level error');

get('/x', $other);
ask('/service/x');
my $accessed = slurp("$dir/auth.log");
like($accessed, qr{^127\.0\.0\.1 "GET /x HTTP/1\.0" 401 jwt=unknown_key service=-$}m, 'access log, a token');
like($accessed, qr{^127\.0\.0\.1 "GET /service/x HTTP/1\.0" 403 jwt=disabled service=403$}m, 'access log, a denial');

is(header(get('/debug/', $other), 'X-Auth-Debug'), 'unknown_key ', 'response header');
jwt_logged($t);
is(status(get('/report/', $other)), '404', 'report lets everybody in');
like(jwt_logged($t), qr/^info would refuse: no key with kid "old" /, 'and says what would be');
is(status(ask('/healthz')), '204', 'health checks');

### the example of a line

jwt_logged($t);
ask({ version => '1.1' }, '/', bearer($other), 'Host: api.example.com');
my ($line) = reverse grep { /auth_jwt: no key/ } split /\n/, $t->read_file('error.log');
my $plain = sub {
    return $_[0] =~ s/^\d+\/\d+\/\d+ \d+:\d+:\d+ /DATE /r =~ s/ \d+#\d+: \*\d+ / ID /r =~ s/client: [\d.]+/client: C/r
        =~ s/\s+\z//r;
};
like($example, qr/^\d{4}\/\d\d\/\d\d \d\d:\d\d:\d\d \[info\] \d+#\d+: \*\d+ auth_jwt: /, 'the page has a line of error.log');
is($plain->($line // ''), $plain->($example), 'the example of a line');
is(() = $example =~ /"old"/g, 1, 'the kid is there once');
is(status(get('/x', sign($key, '{}'))), '404', 'a good token');

### a token in another header line

my $line_of = 'X-Forwarded-Access-Token: ' . sign($key, '{}');
jwt_logged($t);
ask('/x', $line_of);
is(jwt_logged($t), 'info no token: no "Authorization" header line, but "X-Forwarded-Access-Token" may hold one',
    'a gateway renames the header');
is(status(ask('/renamed/x', $line_of)), '404', 'the cure');
