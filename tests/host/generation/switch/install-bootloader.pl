# A boot loader made of files, as systemd-boot's builder keeps them: an entry for each generation of the system profile,
# and a default. The default is set only to a generation that is in the profile: another toplevel gets no entry, and the
# machine boots what it booted before. image/init.sh reads it.
#   install-bootloader.pl TOPLEVEL
use strict;
use warnings;
use Files;

my $profiles = '/nix/var/nix/profiles';
my $loader = '/boot/loader';

my $toplevel = Files::resolved($ARGV[0]);
Files::make_directories("$loader/entries");

my ($default, $newest) = ('', 0);
my @files;
my %keep;
for my $link (names($profiles)) {
    my ($number) = $link =~ /^system-(\d+)-link$/ or next;
    my $entry = "nixos-generation-$number.conf";
    my $path = Files::resolved("$profiles/$link");
    $keep{$entry} = 1;
    push @files, ["$loader/entries/$entry", "toplevel $path\n"];
    ($default, $newest) = ($entry, $number) if $path eq $toplevel && $number > $newest;
}
push @files, ["$loader/loader.conf", "default $default\n"] if $default ne '';

# What there is already is left as it is. What is new is on the disk before it is in place, and the default is the last.
my @new = grep { (Files::content($$_[0]) // '') ne $$_[1] } @files;
Files::write_new(@$_) for @new;
run('sync', map { "$$_[0].new" } @new) if @new;
for (@new) { rename "$$_[0].new", $$_[0] or die "$$_[0]: $!\n" }
for my $entry (names("$loader/entries")) {
    unlink "$loader/entries/$entry" if $entry =~ /\.conf$/ && !$keep{$entry};
}
run('sync', '--file-system', $loader);

sub names {
    my ($path) = @_;
    opendir my $directory, $path or die "$path: $!\n";
    return sort grep { !/^\.\.?$/ } readdir $directory;
}

sub run { system(@_) == 0 or die "$_[0] failed\n" }
