package Metrics;

# What the page of auth_status says.

use Auth;
use Exporter qw/ import /;

our @EXPORT = qw/ counted metric metrics series /;

# series() returns the values in the text of a page, by "name{label="value",...}".
sub series {
    my ($text) = @_;
    return map { /^([^#\s]\S*(?:\{.*\})?) (\S+)$/ ? ($1 => $2) : () } split /\n/, $text;
}

# metrics() returns those of the page that nginx has at this URI.
sub metrics {
    my ($uri) = @_;
    return series(body(ask($uri // '/status')));
}

# metric() returns one of them, by its name with its labels.
sub metric {
    my ($name, $uri) = @_;
    my %value = metrics($uri);
    return $value{$name};
}

# counted() returns the values that are not 0 and whose name begins so, behind
# "nginx_auth_". They are sorted, without quotes, and without the label zone if that
# is empty: "jwt_requests_total{status=ok,result=accepted} 2 | ...".
sub counted {
    my ($name, $uri) = @_;
    my %value = metrics($uri);
    my @names = grep { /^nginx_auth_\Q$name/ and $value{$_} } sort keys %value;
    return join ' | ', map {
        my $shown = s/^nginx_auth_//r =~ s/zone="",?//r =~ s/\{\}//r =~ tr/"//dr;
        "$shown $value{$_}";
    } @names;
}

1;
