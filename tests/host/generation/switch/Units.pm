# Unit files of two generations: what they say, and how they differ, by the rules of switch-to-configuration-ng.
package Units;
use strict;
use warnings;

# Of [Unit], what can change without any consequence for what runs.
my %ignored = map { ("Unit\n$_" => 1) } qw(X-Reload-Triggers Description Documentation OnFailure OnSuccess OnFailureJobMode
  IgnoreOnIsolate StopWhenUnneeded RefuseManualStart RefuseManualStop AllowIsolate CollectMode SourcePath);

# Keys by which a unit says how a switch is to treat it, and what holds if it does not.
our %defaults = (
    "Service\nX-ReloadIfChanged" => 0,
    "Service\nX-RestartIfChanged" => 1,
    "Service\nX-StopIfChanged" => 1,
    "Service\nX-NotSocketActivated" => 0,
    "Unit\nRefuseManualStart" => 0,
    "Unit\nRefuseManualStop" => 0,
    "Unit\nX-OnlyManualStart" => 0,
    "Unit\nX-StopOnReconfiguration" => 0,
    "Unit\nX-StopOnRemoval" => 1,
);

# What the files say, a unit and then its drop-ins: "Section\nKey" -> values.
sub read_files {
    my %unit;
    for my $file (@_) {
        open my $lines, '<', $file or next;
        my $section = '';
        while (<$lines>) {
            s/^[ \t]+//;
            s/[ \t\r\n]+$//;
            if (/^\[(.*)\]$/) {
                $section = $1;
            } elsif ($section ne '' && $section ne 'Install' && /^([^#;=][^=]*?)[ \t]*=[ \t]*(.*)$/) {
                # An empty value takes back what was set before.
                if ($2 eq '') { $unit{"$section\n$1"} = [] }
                else { push @{$unit{"$section\n$1"}}, $2 }
            }
        }
    }
    return \%unit;
}

# Whether a key of %defaults is set. The last value counts, and what is not true is false.
sub is_set {
    my ($unit, $section, $key) = @_;
    my $value = ($unit->{"$section\n$key"} // [])->[-1];
    return $defaults{"$section\n$key"} if !defined $value;
    return $value =~ /^(?:1|yes|true|on)$/ ? 1 : 0;
}

# What a unit names in Sockets=.
sub sockets {
    my ($unit) = @_;
    return map { split } @{$unit->{"Service\nSockets"} // []};
}

# What it takes to make the old unit the new one: nothing ("equal"), "reload" or "restart".
sub compare {
    my ($old, $new) = @_;
    my $worst = 'equal';
    for my $key (keys %{{%$old, %$new}}) {
        next if $old->{$key} && $new->{$key} && join("\n", @{$old->{$key}}) eq join("\n", @{$new->{$key}});
        my $each = change($key, $old, $new);
        return $each if $each eq 'restart';
        $worst = $each if $each eq 'reload';
    }
    return $worst;
}

# What it takes to apply a setting that was changed, added or removed.
sub change {
    my ($key, $old, $new) = @_;
    return $new->{$key} ? 'reload' : 'equal' if $key eq "Unit\nX-Reload-Triggers" || $key eq "Service\nExecReload";
    return 'equal' if $ignored{$key};
    return 'reload' if $key eq "Mount\nOptions" && $old->{$key} && $new->{$key};
    return 'restart';
}

1;
