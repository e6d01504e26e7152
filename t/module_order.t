#!/usr/bin/perl

# nginx places a dynamic module where the module's table of orders says. Without
# that table our handlers would run at another time and the built-in
# auth_request would take our directives, without any sign of it: so this is an
# error.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;

my $t = Test::Nginx->new()->has(qw/ http auth_basic access /)->plan(3);

my ($module) = ($ENV{TEST_NGINX_GLOBALS} || '') =~ /load_module (\S+?);/
    or die 'no load_module in TEST_NGINX_GLOBALS';

# the same module with another name for the table, so that nginx does not find it

(my $without = slurp($module)) =~ s/\0ngx_module_order\0/\0ngx_module_0rder\0/
    or die 'no ngx_module_order';
$t->write_file('unordered.so', $without);

my $conf = <<'EOF';
daemon off;
events {
}
http {
    %%TEST_GLOBALS_HTTP%%
    server {
        listen       127.0.0.1:8080;
        server_name  localhost;
    }
}
EOF

$t->write_file_expand('unordered.conf', "load_module %%TESTDIR%%/unordered.so;\n$conf");
$t->write_file_expand('nginx.conf', "%%TEST_GLOBALS%%\n$conf");

my $binary = $ENV{TEST_NGINX_BINARY} || '/usr/sbin/nginx';
my $dir = $t->testdir();
my $said = `$binary -t -p $dir/ -c unordered.conf -e stderr 2>&1`;

isnt($? >> 8, 0, 'a module in the wrong place is an error');
like($said, qr/\[emerg\] \S+ module "ngx_http_auth_status_module" must come before "ngx_http_auth_request_module" in nginx's list of modules, but has position \d+ after position \d+: load it as a dynamic module, or build nginx with the module order in the file "config" in \S+unordered\.conf:\d+$/m,
    'the error names both modules');

$t->run();
pass('a module in its place starts');
