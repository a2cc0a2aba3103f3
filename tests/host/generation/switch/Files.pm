# What programs of a generation do to files.
package Files;
use strict;
use warnings;

# The whole file; undefined if there is none.
sub content {
    my ($path) = @_;
    open my $file, '<', $path or return;
    local $/ = undef;
    return <$file>;
}

sub make_directories {
    my ($path) = @_;
    return if -d $path;
    make_directories($1) if $path =~ m{^(.+)/[^/]+$};
    mkdir $path or die "$path: $!\n";
    return;
}

# Where a path leads that is a link, perhaps to another one.
sub resolved {
    my ($path) = @_;
    while (defined(my $target = readlink $path)) {
        $path = $target =~ m{^/} ? $target : $path =~ s{[^/]*$}{$target}r;
    }
    return $path;
}

# Makes a link, at once in place of what there was.
sub replace_link {
    my ($target, $path) = @_;
    unlink "$path.new";
    symlink $target, "$path.new" or die "$path.new: $!\n";
    rename "$path.new", $path or die "$path: $!\n";
    return;
}

# Writes a file, at once in place of what there was.
sub replace {
    my ($path, $content) = @_;
    write_new($path, $content);
    rename "$path.new", $path or die "$path: $!\n";
    return;
}

# The first half of `replace`.
sub write_new {
    my ($path, $content) = @_;
    open my $file, '>', "$path.new" or die "$path.new: $!\n";
    print $file $content;
    close $file or die "$path.new: $!\n";
    return;
}

1;
