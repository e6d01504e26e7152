#!/usr/bin/perl

# nginx-conf/status.conf, examples/monitoring and a real Prometheus: the page is what
# it expects, it reads it, and the rules and the dashboard name what is there.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use ForwardAuth qw/ use_conf /;
use Jose;
use Metrics;
use Prometheus;

use IO::Socket::INET;
use JSON::PP ();

my $t = Test::Nginx->new()->has(qw/ http proxy rewrite access /);

my $examples = '../examples/monitoring';
my $dashboard = JSON::PP::decode_json(slurp("$examples/grafana-dashboard.json"));
my @panels = grep { $_->{type} ne 'row' } @{ $dashboard->{panels} };
my @expressions = map { $_->{expr} } map { @{ $_->{targets} } } @panels;
my @rules = slurp("$examples/alerts.yml") =~ /^      - alert: (\w+)$/mg;
$t->plan(28 + @expressions);

my $explained = slurp('../docs/monitoring.md');
my ($log_format) = $explained =~ /^(log_format .*?;)$/ms or die "no log_format in docs/monitoring.md\n";

my $key = jwk('HS256', '--kid', 'a');
$t->write_file('keys.json', $key);
use_conf($t, 'status.conf', '127.0.0.1:9145' => '127.0.0.1:8081');
configure($t, <<"EOF" . <<'EOF');
    $log_format
EOF
    access_log %%TESTDIR%%/auth.log auth;
    include status.conf;
    auth_jwt_issuer corp { issuer https://corp.example; audience api; jwks_uri http://127.0.0.1:8080/keys.json; }
    server {
        listen       127.0.0.1:8080;
        server_name  localhost;
        location / { auth_jwt r; auth_jwt_key_file keys.json; auth_status_zone "a \"quoted\" \\ name"; }
        location /request { auth_jwt r; auth_jwt_key_request /keys.json; auth_status_zone request; }
        location /trust { auth_jwt r; auth_jwt_trust corp; auth_status_zone trust; }
        location /checked { auth_request /check; auth_status_zone checked; }
        location = /check { internal; return 204; }
        location = /keys.json { root %%TESTDIR%%; }
    }

EOF

run_quietly($t);
my $good = sign($key, '{"sub":"user"}');
get('/', $good) for 1 .. 5;
get('/request', $good);
get('/checked') for 1 .. 3;

###############################################################################

### status.conf

my $page = ask({ port => 8081 }, '/metrics');
is(status($page), 200, 'status.conf, the page');
is(header($page, 'Content-Type'), 'text/plain; version=0.0.4', 'is text');
is(header(ask({ port => 8081 }, '/json'), 'Content-Type'), 'application/json', 'and JSON');
is(status(ask({ port => 8081 }, '/other')), 404, 'nothing else');
my $stranger = IO::Socket::INET->new(PeerAddr => '127.0.0.1:' . port(8081), LocalAddr => '127.0.0.2') or die "Can't connect: $!\n";
print $stranger "GET /metrics HTTP/1.0\r\n\r\n";
is(status(join '', <$stranger>), 403, 'nothing for others');

### promtool

my $text = body($page);
is(promtool(\$text, $t, 'check', 'metrics'), '', 'promtool has nothing to say of the page');
my $bad = "nginx_auth_x 1\n";
isnt(promtool(\$bad, $t, 'check', 'metrics'), '', 'as it has of one without HELP and TYPE');
like(promtool($t, 'check', 'config', "$examples/prometheus.yml"), qr/^(?!.*exit).* SUCCESS: .* is valid prometheus config/s,
    'prometheus.yml');
is(scalar @rules, 12, 'rules');
like(promtool($t, 'check', 'rules', "$examples/alerts.yml"), qr/SUCCESS: 12 rules found\n\n?\z/, 'are valid');
like(promtool($t, 'test', 'rules', 'data/monitoring/alerts_test.yml'), qr/SUCCESS\n\n?\z/, 'and alert when they should');

# each alert is in a test, and explained

my $tests = slurp('data/monitoring/alerts_test.yml');
is(join(' ', grep { $tests !~ /"$_"/ } @rules), '', 'each alert has a test');
is(join(' ', $explained =~ /^\| (NginxAuth\w+) \|/mg), join(' ', @rules), 'and a row in docs/monitoring.md');

### names

my %known = map { s/\{.*//r => 1 } keys %{ { series($text) } };
my $unknown = sub { my %seen; return join ' ', sort grep { !$known{$_} && !$seen{$_}++ } map { /\b(nginx_auth_\w+)/g } @_ };
is($unknown->(slurp("$examples/alerts.yml") =~ s/^ *(?:#|- name:).*//mgr), '', 'the rules name metrics of the page');
my $queries = join ' ', map { $_->{definition} // () } @{ $dashboard->{templating}{list} };
is($unknown->(@expressions, $queries), '', 'so does the dashboard');
is($unknown->($explained), '', 'so does docs/monitoring.md');
is($unknown->($tests), '', 'so does the test of the rules');
my ($metrics) = slurp('../docs/reference.md') =~ /^## Metrics\n(.*?)(?=^## |\z)/ms;
my %documented = map { $_ => 1 } $metrics =~ /^\| `(nginx_auth_\w+)` \|/mg;
my @families = $text =~ /^# TYPE (\S+) /mg;
is(join(' ', sort keys %documented), join(' ', sort @families), 'docs/reference.md has a row for each metric');
my $shown = join ' ', @expressions;
is(join(' ', grep { $shown !~ /\b$_/ } @families), '', 'the dashboard shows each metric');

### the dashboard

my %ids = map { $_->{id} => 1 } @{ $dashboard->{panels} };
is(scalar keys %ids, scalar @{ $dashboard->{panels} }, 'each panel has a number of its own');
my %places = map { join(' ', @{ $_->{gridPos} }{qw/ x y /}) => 1 } @{ $dashboard->{panels} };
is(scalar keys %places, scalar @{ $dashboard->{panels} }, 'and a place of its own');

### the examples of docs/monitoring.md

get('/', sign($key, '{"sub":"late","exp":1}'));
is(wait_until(sub { $t->read_file('auth.log') =~ m!"GET /" 401 jwt=expired sub="late" auth=- cache=-$!m }), 1, 'log_format');
my ($filter) = $explained =~ /\| jq -c '(.*?)'$/ms;
$t->write_file('page.json', body(ask({ port => 8081 }, '/json')));
$t->write_file('filter.jq', $filter);
my $dir = $t->testdir();
is(`jq -c -f $dir/filter.jq $dir/page.json`,
    '{"labels":{"result":"refused","status":"expired","zone":"a \\"quoted\\" \\\\ name"},"value":1}' . "\n", 'jq');

### Prometheus

$t->write_file('alerts.yml', slurp("$examples/alerts.yml"));
my $config = slurp("$examples/prometheus.yml");
$config =~ s/127\.0\.0\.1:9145/127.0.0.1:8081/ or die "no address in prometheus.yml\n";
$config =~ s/15s/1s/g == 2 or die "no intervals in prometheus.yml\n";
$t->write_file_expand('prometheus.yml', $config);
prometheus($t, 8090, 'prometheus.yml');

my $value = sub { my ($query) = @_; my $values; return sub { join(' ', @{ ask_prometheus(8090, $query) // [] }) } };
my $accepted = $value->('nginx_auth_jwt_requests_total{zone="a \"quoted\" \\\\ name",status="ok",result="accepted"}');
is(wait_until(sub { $accepted->() eq '5' }), 1, 'Prometheus reads the page');
is($value->('up{job="nginx-auth"}')->(), 1, 'and has no complaints');
is($value->('sum(nginx_auth_request_checks_total)')->(), 3, 'a sum over all zones is about all requests');
is($value->('histogram_quantile(0.5, sum by (le) (nginx_auth_request_duration_seconds_bucket)) <= bool 0.005')->(), 1,
    'a quantile of a histogram');
my $rules;
wait_until(sub {
    $rules = join ' ', map { "$_->{name} $_->{health}" } map { @{ $_->{rules} } } @{ (ask_prometheus(8090, '/api/v1/rules') // {})->{groups} // [] };
    return $rules && $rules !~ /unknown/;
});
is($rules, join(' ', map { "$_ ok" } @rules), 'all rules are evaluated');
for my $expression (@expressions) {
    my $query = $expression =~ s/\$__rate_interval/5m/gr =~ s/\$(?:instance|zone)/.*/gr;
    is(ref eval { ask_prometheus(8090, $query) }, 'ARRAY', $expression);
}
