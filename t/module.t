#!/usr/bin/perl

# Tests for the shared object itself: the symbols that it exports and the
# libraries that it needs.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;

my ($module) = ($ENV{TEST_NGINX_GLOBALS} // '') =~ /load_module\s+([^;]+);/
    or BAIL_OUT('no load_module in TEST_NGINX_GLOBALS: use scripts/test');
my $nginx = $ENV{TEST_NGINX_BINARY} // '/usr/sbin/nginx';

# nginx loads modules with RTLD_GLOBAL: any other symbol could take the place
# of one of nginx's, or of another module's

my @symbols = sort `nm -D --defined-only $module` =~ /^\S+ \w (\S+)$/mg;
is_deeply(\@symbols, [qw/
    ngx_http_auth_capture_filter_module ngx_http_auth_status_module
    ngx_http_auth_subrequest_module ngx_http_auth_token_module
    ngx_module_names ngx_module_order ngx_modules
/], 'exports only what nginx looks for');

my $dynamic = `readelf -d $module`;
unlike($dynamic, qr/\((?:RPATH|RUNPATH)\)/, 'no path of the build machine');

# libssl is there for one call, by which the crate openssl initializes both libraries

my @needed = $dynamic =~ /\(NEEDED\).*\[(.*?)\.so/g;
my @others = grep { !/^(?:libc|libm|libgcc_s|libcrypto|libssl|ld-linux-.*)$/ }
    @needed;
is("@others", '', 'needs only the system and OpenSSL');

# two copies of OpenSSL in one process would not share state or objects

is(openssl($module), openssl($nginx), "nginx's OpenSSL");

unlike(slurp($module), qr/injected fault/, 'the module has no fault injection');

done_testing();

sub openssl {
    my ($file) = @_;
    return join ' ', sort `ldd $file` =~ /^\s*lib(?:crypto|ssl)\S* => (\S+)/mg;
}
