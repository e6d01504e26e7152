#!/usr/bin/perl

# auth_status and auth_status_zone: what nginx says of wrong configurations.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;

my $t = Test::Nginx->new()->has(qw/ http proxy rewrite /)->plan(23);

my $ok = 'the configuration file DIR/nginx.conf syntax is ok';
my $conf = sub {
    my ($server, $http) = @_;
    return config_test($t, ($http // '') . "\nserver { listen 127.0.0.1:8080; $server }") =~ s/ in DIR\S*( \|)/$1/r;
};

is($conf->('location /s { auth_status; }'), 'exit 0', 'text');
is($conf->('location /s { auth_status json; }'), 'exit 0', 'JSON');
is($conf->('auth_status;'), 'exit 0', 'a server');
is($conf->('location /s { auth_status xml; }'),
    '[emerg] invalid parameter "xml" in "auth_status" directive, it must be "json" | exit 1', 'another format');
is($conf->('location /s { auth_status json json; }'),
    '[emerg] invalid number of arguments in "auth_status" directive | exit 1', 'two arguments');
is($conf->('', 'auth_status;'), '[emerg] "auth_status" directive is not allowed here | exit 1', 'http');
is($conf->('location /s { limit_except GET { auth_status; } }'),
    '[emerg] "auth_status" directive is not allowed here | exit 1', 'limit_except');
is($conf->('location /s { auth_status; auth_status json; }'), '[emerg] "auth_status" directive is duplicate | exit 1',
    'twice');
is($conf->('location /s { proxy_pass http://127.0.0.1:8081; auth_status; }'),
    '[emerg] "auth_status" stands where another directive responds to the requests, such as proxy_pass | exit 1',
    'behind proxy_pass');
is($conf->('location /s { auth_status; proxy_pass http://127.0.0.1:8081; }'),
    '[emerg] "auth_status" has no effect: another directive of the location, such as proxy_pass, responds to the '
    . 'requests | exit 1', 'before proxy_pass');

is($conf->('auth_status_zone a; location /s { auth_status_zone b; }', 'auth_status_zone c;'), 'exit 0', 'names, no page');
is($conf->('auth_status_zone a; auth_status_zone b;'), '[emerg] "auth_status_zone" directive is duplicate | exit 1',
    'two names');
is($conf->('auth_status_zone "";'),
    '[emerg] invalid value "" in "auth_status_zone" directive, it must not be empty | exit 1', 'an empty name');
is($conf->('auth_status_zone a$uri;'),
    '[emerg] invalid value "a$uri" in "auth_status_zone" directive, it must not have variables | exit 1', 'row 62: a variable');
is($conf->("auth_status_zone \"a\tb\";"),
    '[emerg] invalid value "a\x09b" in "auth_status_zone" directive, it must not have control characters | exit 1',
    'a tab');
is($conf->("auth_status_zone \"a\xff\";"),
    '[emerg] invalid value "a\xff" in "auth_status_zone" directive, it must be in UTF-8 | exit 1', 'no UTF-8');
is($conf->('auth_status_zone a b;'),
    '[emerg] invalid number of arguments in "auth_status_zone" directive | exit 1', 'two arguments');
is($conf->('location /s { limit_except GET { auth_status_zone a; } }'),
    '[emerg] "auth_status_zone" directive is not allowed here | exit 1', 'limit_except');
is($conf->('if ($uri) { auth_status_zone a; }'), '[emerg] "auth_status_zone" directive is not allowed here | exit 1', 'if');

# one group is for the requests without a name

my $names = sub { join '', map { "location /$_ { auth_status_zone zone$_; }\n" } 1 .. $_[0] };
is($conf->('location /s { auth_status; }' . $names->(255)), 'exit 0', '255 names');
is($conf->('location /s { auth_status; }' . $names->(256)),
    '[emerg] auth_status: there are more than 256 names of auth_status_zone, auth_jwt_issuer, key files and key '
    . 'requests to count for | exit 1', '256 names');
is($conf->($names->(256)), 'exit 0', '256 names, and no page');
is($conf->('location /s { auth_status; }' . join '', map { "location /$_ { auth_status_zone same; }\n" } 1 .. 300),
    'exit 0', 'one name in many places');
