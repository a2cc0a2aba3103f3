# The activation script of the stand-in, called as `activate TOPLEVEL`: accounts, /etc, the generation's own snippets and
# then, at the very end, /run/current-system. As in NixOS it goes on after a failure and tells of it with its exit status.
# Set by the caller: USERS (a table) and, where the generation has any, SNIPPETS (a script).
use strict;
use warnings;
use Accounts;
use Files;

$ENV{PATH} = '/usr/sbin:/usr/bin';
umask 0022;
my ($toplevel) = @ARGV;
my $status = 0;

sub attempt {
    my ($step) = @_;
    return if eval { $step->(); 1 };
    print STDERR $@;
    $status = 1;
    return;
}

# --- /etc ------------------------------------------------------------------------------------------------------------

# Paths below a directory, without it, of what `wanted` says yes to. Links are not followed.
sub find {
    my ($root, $below, $wanted) = @_;
    opendir my $directory, "$root/$below" or return;
    my @found;
    for (sort grep { !/^\.\.?$/ } readdir $directory) {
        my $path = $below eq '' ? $_ : "$below/$_";
        push @found, $path if $wanted->("$root/$path");
        push @found, find($root, $path, $wanted) if !-l "$root/$path" && -d _;
    }
    return @found;
}

# /etc/static is this generation's /etc; what it has is linked from /etc through it, and links to what it does not have
# any more are removed.
sub link_etc {
    Files::replace_link("$toplevel/etc", '/etc/static');
    my %linked;
    for my $name (find('/etc', '', sub { (readlink($_[0]) // '') =~ m{^/etc/static/} })) {
        if (-e "/etc/$name") { $linked{$name} = readlink "/etc/$name" }
        else { unlink "/etc/$name" }
    }
    for my $name (find('/etc/static', '', sub { -l $_[0] || -f _ })) {
        next if ($linked{$name} // '') eq "/etc/static/$name";
        attempt(
            sub {
                Files::make_directories("/etc/$1") if $name =~ m{^(.*)/};
                Files::replace_link("/etc/static/$name", "/etc/$name");
            });
    }
    return;
}

# ---------------------------------------------------------------------------------------------------------------------

attempt(sub { Accounts::update($ENV{USERS}) });
attempt(\&link_etc);
if (defined $ENV{SNIPPETS}) { system($ENV{SNIPPETS}, $toplevel) == 0 or $status = 1 }
attempt(sub { Files::replace_link(Files::resolved($toplevel), '/run/current-system') });
attempt(sub { Files::replace_link('/run/current-system', '/nix/var/nix/gcroots/current-system') });
exit $status;
