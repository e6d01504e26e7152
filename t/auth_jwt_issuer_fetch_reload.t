#!/usr/bin/perl

# A reload while the keys of issuers are stale: the new workers have them fetched at once. Only after
# a start the fetches of many issuers are spread. Other times hold at once, and a pause after failures
# does not outlive the configuration that failed.

use FindBin;
use lib "$FindBin::Bin/lib";
use Auth;
use AuthJwt;
use KeyService;
use Jose;
use List::Util qw/ max min /;
use Time::HiRes qw/ sleep stat /;

my $t = Test::Nginx->new()->has(qw/ http /)->plan(15);

my @names = map { "issuer$_" } 1 .. 10;
my $blocks = join '', map {
    "auth_jwt_issuer $_ { issuer $_; audience api; jwks_uri http://127.0.0.1:8082/$_; refresh 3s; }\n"
} @names;
configure($t, <<"EOF", 'worker_processes 2;');
    $blocks
    server {
        listen       127.0.0.1:8080;
        server_name  localhost;

        location / {
            auth_jwt        "r";
            auth_jwt_trust  @names;
            empty_gif;
        }
    }
EOF

my $keys = jwks(public(jwk('ES256')));
respond_with($t, $_, keys_response($keys)) for @names;
key_service($t, 8082);
$t->run();

is(scalar(grep { wait_asked($t, $_, 1) } @names), 10, 'all issuers are asked');
# The first fetches are spread over two seconds, so that none is on its way before the third has passed. Then nobody looks
# any more, and the keys go stale.
sleep 0.3;
my @old = workers($t);
kill 'STOP', @old;
sleep 3.3;
forget($t, $_) for @names;
kill 'HUP', $t->read_file('nginx.pid') =~ /(\d+)/;
is(scalar(grep { wait_asked($t, $_, 1) } @names), 10, 'all are asked after a reload');
my @times = map { (stat($t->testdir() . "/request.$_"))[9] } @names;
cmp_ok(max(@times) - min(@times), '<', 0.7, 'at once');
kill 'CONT', @old;
is(wait_until(sub { !grep { kill 0, $_ } @old }), 1, 'old workers end');

### other times

my ($old_key, $new_key) = map { jwk('ES256', '--kid', $_) } qw/ old new /;
my $conf = sub {
    my ($name, $directives) = @_;
    return <<"EOF";
    auth_jwt_issuer $name { issuer $name; audience api; jwks_uri http://127.0.0.1:8082/$name; $directives }

    server {
        listen       127.0.0.1:8080;
        server_name  localhost;

        location / {
            auth_jwt        "r";
            auth_jwt_trust  $name;
            add_header      X-Status "\$jwt_status" always;
            empty_gif;
        }
    }
EOF
};
my $verdict = sub {
    my ($name, $key) = @_;
    return jwt_status(get('/', sign($key, "{\"iss\":\"$name\",\"aud\":\"api\",\"sub\":\"ann\"}")));
};

respond_with($t, 'long', keys_response(jwks(public($old_key))));
reload_with($t, $conf->('long', 'refresh 1h;'), 'worker_processes 2;');
is($verdict->('long', $old_key), '200 ok', 'keys that are fresh for an hour');
respond_with($t, 'long', keys_response(jwks(public($new_key))));
reload_with($t, $conf->('long', 'refresh 3s; stale 2s;'), 'worker_processes 2;');
is(wait_until(sub { $verdict->('long', $old_key) eq '401 unknown_key' }), 1, 'are fresh for three seconds after a reload');
is($verdict->('long', $new_key), '200 ok', 'and are fetched anew');
respond_with($t, 'long', keys_response('', 503));
reload_with($t, $conf->('long', 'refresh 1s; stale 0;'), 'worker_processes 2;');
is(wait_until(sub { $verdict->('long', $new_key) eq '500 keys_unavailable' }), 1, 'and so is the time of use');

### the pause after failures

respond_with($t, 'down', keys_response('', 503));
reload_with($t, $conf->('down', ''), 'worker_processes 2;');
is($verdict->('down', $old_key), '500 keys_unavailable', 'an issuer that is down');
is(wait_asked($t, 'down', 4), 4, 'an issuer fails four times');
# The next pause takes eight seconds.
reload_with($t, $conf->('down', 'connect_timeout 5s;'), 'worker_processes 2;');
is(wait_asked($t, 'down', 5), 5, 'it is asked at once after a reload');
sleep 2.5;
is(asked($t, 'down'), 5, 'by one worker, and the pause is as long as before');
respond_with($t, 'down', keys_response(jwks(public($old_key))));
is($verdict->('down', $old_key), '500 keys_unavailable', 'nobody asks it in the pause');
reload_with($t, $conf->('down', 'connect_timeout 6s;'), 'worker_processes 2;');
is($verdict->('down', $old_key), '200 ok', 'it is there after one more reload');
is(asked($t, 'down'), 6, 'and was asked once');
