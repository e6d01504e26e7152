package Test::Nginx::Waiting;

# How long a test waits for what has to come. It works with either library.

use warnings;
use strict;

use Exporter qw/ import /;

our @EXPORT_OK = qw/ stretched /;

# Returns the number of seconds, or of tries, times TEST_NGINX_SLOW: how many times slower than usual
# nginx is, as it is under valgrind. It is for waiting that ends early when the thing comes.
sub stretched { return int($_[0] * ($ENV{TEST_NGINX_SLOW} || 1)) }

1;
