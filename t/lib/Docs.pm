package Docs;

# The code blocks of the repository's Markdown pages.

use warnings;
use strict;

use Auth qw/ slurp /;

use Exporter qw/ import /;
our @EXPORT = qw/ code_blocks nginx_blocks statements /;

# code_blocks('docs/keys.md') returns the fenced blocks of a page in their order. Each has page, line
# (of the fence), heading (above the block), language, word (what stands behind the language) and text.
sub code_blocks {
    my ($page) = @_;
    my (@blocks, $block);
    my ($heading, $line, $indentation) = ('', 0, '');
    for (split /^/, slurp("../$page")) {
        $line++;
        if ($block) {
            if (/^\s*```$/) { push @blocks, $block; undef $block }
            else { $block->{text} .= s/^$indentation//r }
        } elsif (/^( *)```(\S*) *(.*)$/) {
            $indentation = $1;
            $block = { page => $page, line => $line, heading => $heading, language => $2, word => $3, text => '' };
        } elsif (/^#+ +(.*?) *$/) {
            $heading = $1;
        }
    }
    die "$page:$block->{line}: a code block without an end\n" if $block;
    return @blocks;
}

# Those of them that are configurations for this module.
sub nginx_blocks {
    my ($page) = @_;
    return grep { $_->{language} eq 'nginx' && $_->{word} ne 'other' } code_blocks($page);
}

# The grammar of nginx.conf. A word may have quotes and number signs inside.
my $GRAMMAR = qr/
    (?(DEFINE)
        (?<blank> (?: \s | \#[^\n]* )*+ )
        (?<word>  "(?: [^"\\] | \\. )*+" | '(?: [^'\\] | \\. )*+'
                | (?! ["'\#] ) (?: \$\{ | \\. | [^\s;{}\\] )++ )
        (?<block> \{ (?: (?&blank) (?: (?&word) | ; | (?&block) ) )*+ (?&blank) \} )
    )
/xs;

# The top-level statements of a configuration, as pairs of the directive and the whole text. Comments
# between them are left out.
sub statements {
    my ($text) = @_;
    my @statements;
    push @statements, [$2, $1]
        while $text =~ / \G (?&blank) ( ((?&word)) (?: (?&blank) (?&word) )*+ (?&blank) (?: ; | (?&block) ) ) $GRAMMAR /gcxs;
    my $rest = substr $text, pos($text) // 0;
    die "this is no statement of nginx.conf: $rest\n" if $rest =~ s/^\s*#.*//mgr =~ /\S/;
    return @statements;
}

1;
