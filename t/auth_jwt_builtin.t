#!/usr/bin/perl

# Should nginx get an auth_jwt module of its own, then this module takes its
# directives and variables over, as it does those of the built-in auth_request.
# The stand-in is a dynamic module, which nginx puts where a built-in one would
# be. A dynamic one of others, which comes last, is refused.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use Jose;

use File::Basename qw/ dirname /;

my $t = Test::Nginx->new()->has(qw/ http rewrite auth_basic /)->plan(16);

my ($module) = ($ENV{TEST_NGINX_GLOBALS} // '') =~ /load_module\s+([^;]+);/
    or BAIL_OUT('no load_module in TEST_NGINX_GLOBALS: use scripts/test');
my ($build, $source) = split /\n/, slurp(dirname($module) . '/nginx');

my $key = jwk('RS256');
$t->write_file('keys.json', jwks(public($key)));
my $token = sign($key, '{"sub":"anna","exp":"now+600"}');

take_over('ngx_http_auth_basic_module', '0', 'between the built-in modules');
take_over('ngx_http_auth_request_module', 'NGX_HTTP_VAR_CHANGEABLE',
    'before the built-in auth_request');
take_over('ngx_http_rewrite_module', 'NGX_HTTP_VAR_NOCACHEABLE', 'before all of them');

compile('', 'NGX_HTTP_VAR_CHANGEABLE');
{
    local $ENV{TEST_NGINX_GLOBALS} = with_stand_in();
    is(config_test($t, ''),
        '[emerg] the duplicate "jwt_payload" variable in DIR/nginx.conf:13 | exit 1',
        'a module of others that comes last is refused');
}

# Starts nginx with the stand-in before the given module, and asks it.
sub take_over {
    my ($next, $flags, $where) = @_;
    compile($next, $flags);

    local $ENV{TEST_NGINX_GLOBALS} = with_stand_in();
    configure($t, <<'EOF');
        auth_jwt_claim_set  $name sub;
        auth_jwt_header_set $algorithm alg;

        server {
            listen       127.0.0.1:8080;
            server_name  localhost;

            auth_jwt            "r";
            auth_jwt_key_file   keys.json;
            auth_jwt_leeway     1m;
            add_header X-V "$name $algorithm $jwt_claim_sub $jwt_header_alg payload:$jwt_payload $jwt_other" always;

            location /page { }
            location /claim { auth_jwt_require $jwt_claim_admin; }
        }
EOF
    $t->run();

    is(verdict(get('/page')), '401 Bearer realm="r"', "$where: no token");
    is(verdict(get('/page', $token =~ s/.{9}$/AAAAAAAAA/r)),
        '401 Bearer realm="r", error="invalid_token"', "$where: a forged token");
    is(verdict(get('/claim', $token)), '401 Bearer realm="r", error="invalid_token"',
        "$where: a rule");
    is(status(get('/page', $token)), 404, "$where: a token");
    is(variables(get('/page', $token)), 'anna RS256 anna RS256 payload: built-in',
        "$where: the variables, and those that only the built-in module has");

    $t->stop();
}

sub with_stand_in {
    return 'load_module ' . $t->testdir() . "/builtin.so; $ENV{TEST_NGINX_GLOBALS}";
}

# Compiles the stand-in as nginx's makefile compiles nginx.
sub compile {
    my ($next, $flags) = @_;
    my $dir = $t->testdir();
    open my $makefile, '>', "$dir/Makefile" or die "Can't create Makefile: $!\n";
    print $makefile <<"EOF";
include $build/Makefile
builtin:
	\$(CC) \$(CFLAGS) -fPIC -shared -Wno-unused-parameter '-DORDER="$next"' -DFLAGS=$flags \$(ALL_INCS) \\
	    -o $dir/builtin.so $FindBin::Bin/auth_jwt_builtin.c
EOF
    close $makefile;
    my $made = `make -s -C $source -f $dir/Makefile builtin 2>&1`;
    die "the stand-in: $made" if $?;
}
