# Makes the accounts of a generation, as NixOS's update-users-groups does for users that are declared: those of an earlier
# generation that are not declared any more are removed, and one that comes back gets the same number again.
package Accounts;
use strict;
use warnings;
use Files;

my $state = '/var/lib/nixos';

# Numbers of system accounts are given out downwards, below those that Debian uses, and never to another name.
my $first_number = 899;

# $table: a file with lines of "group NAME" and "user NAME <tab> GROUP <tab> HOME <tab> DESCRIPTION", separated by tabs.
sub update {
    my ($table) = @_;
    my @rows = map { [split /\t/] } split /\n/, Files::content($table) // die "$table: $!\n";
    my %gone = map { ($_ => 1) } split /\n/, Files::content("$state/declared") // '';
    return if !@rows && !%gone;
    Files::make_directories($state);
    my $numbers = read_numbers();
    my $passwd = without('/etc/passwd', \%gone);
    my $group = without('/etc/group', \%gone);
    for (@rows) {
        my ($kind, $name, $group_name, $home, $description) = @$_;
        my $number = number_of($numbers, $group_name // $name);
        if ($kind eq 'group') { $group .= "$name:x:$number:\n" }
        else {
            my $own = number_of($numbers, $name);
            $passwd .= join(':', $name, 'x', $own, $number, $description // '', $home, '/usr/sbin/nologin') . "\n";
        }
    }
    Files::replace("$state/ids", join '', map { "$_ $numbers->{$_}\n" } sort keys %$numbers);
    Files::replace('/etc/group', $group);
    Files::replace('/etc/passwd', $passwd);
    Files::replace("$state/declared", join '', map { "$$_[1]\n" } @rows);
    return;
}

sub read_numbers {
    return {map { split / / } split /\n/, Files::content("$state/ids") // ''};
}

sub number_of {
    my ($numbers, $name) = @_;
    my ($least) = sort { $a <=> $b } values %$numbers;
    $numbers->{$name} //= defined $least ? $least - 1 : $first_number;
    return $numbers->{$name};
}

# A file of accounts without those of earlier generations.
sub without {
    my ($file, $gone) = @_;
    my $content = Files::content($file) // die "$file: $!\n";
    return join '', grep { !$gone->{(split /:/)[0]} } split /^/, $content;
}

1;
