# Which units are to be stopped, started, restarted, reloaded and left alone, by the rules of switch-to-configuration-ng
# (collect_unit_changes, handle_modified_unit).
package Plan;
use strict;
use warnings;
use Units;

my $old_units = '/etc/systemd/system';
my $lists = '/run/nixos';

# $new_units: the directory of the generation's units. $active: what runs, as Systemd.pm tells it. $is_dry: nothing is recorded.
# The answer has sets of unit names, among them `quiet`: those that nobody wants to read about.
sub new {
    my ($class, $systemd, $new_units, $active, $is_dry) = @_;
    my $self = bless {
        systemd => $systemd,
        new_units => $new_units,
        active => $active,
        is_dry => $is_dry,
        stop => {},
        skip => {},
        quiet => {},
    }, $class;
    # What is to be started, restarted and reloaded is also in files, so that the next run goes on where this one was killed.
    $self->{$_} = {map { ($_ => 1) } recorded($_)} for qw(start restart reload);
    $self->consider($_) for grep { $self->is_managed($_) } sort keys %$active;
    return $self;
}

sub recorded {
    my ($list) = @_;
    open my $lines, '<', "$lists/$list-list" or return;
    chomp(my @units = <$lines>);
    return grep { $_ ne '' } @units;
}

sub want {
    my ($self, $list, $unit) = @_;
    $self->{$list}{$unit} = 1;
    return if $self->{is_dry};
    open my $file, '>>', "$lists/$list-list" or die "$lists/$list-list: $!\n";
    print $file "$unit\n";
    return;
}

sub forget {
    my ($self, $list, $unit) = @_;
    delete $self->{$list}{$unit} or return;
    return if $self->{is_dry};
    my @left = grep { $_ ne $unit } recorded($list);
    open my $file, '>', "$lists/$list-list" or die "$lists/$list-list: $!\n";
    print $file map { "$_\n" } @left;
    return;
}

# All of a list has been done.
sub finish {
    my ($list) = @_;
    unlink "$lists/$list-list";
    return;
}

# --- Files of units --------------------------------------------------------------------------------------------------

# The file of a unit in a directory, or of the template that it is an instance of.
sub base_file {
    my ($self, $directory, $unit) = @_;
    return "$directory/$1@.$2"
      if $unit =~ /^(.*)@[^.]*\.(.*)$/ && !-e "$old_units/$unit" && !-e "$self->{new_units}/$unit";
    return "$directory/$unit";
}

sub read_unit {
    my ($self, $directory, $unit) = @_;
    my $base = $self->base_file($directory, $unit);
    my $own = "$directory/$unit";
    return Units::read_files($base, drop_ins($base), $base eq $own ? () : drop_ins($own));
}

sub drop_ins {
    my ($file) = @_;
    opendir my $directory, "$file.d" or return;
    return map { "$file.d/$_" } sort grep { /^[^.].*\.conf$/ } readdir $directory;
}

sub is_gone {
    my ($file) = @_;
    my @file = stat $file or return 1;
    my @null = stat '/dev/null';
    return $file[0] == $null[0] && $file[1] == $null[1];
}

# --- Rules -----------------------------------------------------------------------------------------------------------

# Whether a unit runs and is NixOS's: transient ones, Debian's own and those in /run are left alone.
sub is_managed {
    my ($self, $unit) = @_;
    my ($state, $object) = @{$self->{active}{$unit}}{qw(state object)};
    return $state =~ /^(?:active|activating)$/
      && -e $self->base_file($old_units, $unit)
      && index($self->{systemd}->property($object, 'Unit', 'FragmentPath'), $old_units) == 0;
}

sub consider {
    my ($self, $unit) = @_;
    my $old = $self->read_unit($old_units, $unit);
    if (is_gone($self->base_file($self->{new_units}, $unit))) {
        $self->{stop}{$unit} = 1 if Units::is_set($old, 'Unit', 'X-StopOnRemoval');
        return;
    }
    my $new = $self->read_unit($self->{new_units}, $unit);
    if ($unit =~ /\.target$/) { return $self->consider_target($unit, $new) }
    my $verdict = Units::compare($old, $new);
    if ($verdict eq 'restart') { $self->consider_changed($unit, $new) }
    elsif ($verdict eq 'reload' && !$self->{restart}{$unit}) { $self->want('reload', $unit) }
    return;
}

# Every target is started again, which starts what it newly wants.
sub consider_target {
    my ($self, $unit, $new) = @_;
    return if $unit =~ /^(?:suspend|hibernate|hybrid-sleep)\.target$/;
    if (!Units::is_set($new, 'Unit', 'RefuseManualStart') && !Units::is_set($new, 'Unit', 'X-OnlyManualStart')) {
        $self->want('start', $unit);
        $self->{quiet}{$unit} = 1;
    }
    $self->{stop}{$unit} = 1 if Units::is_set($new, 'Unit', 'X-StopOnReconfiguration');
    return;
}

sub consider_changed {
    my ($self, $unit, $new) = @_;
    return if $unit =~ /\.(?:path|slice|socket)$/;
    if ($unit =~ /\.mount$/) { return $self->want($unit =~ /^(?:-|nix)\.mount$/ ? 'reload' : 'restart', $unit) }
    if (Units::is_set($new, 'Service', 'X-ReloadIfChanged') && !$self->{restart}{$unit} && !$self->{stop}{$unit}) {
        return $self->want('reload', $unit);
    }
    if (  !Units::is_set($new, 'Service', 'X-RestartIfChanged')
        || Units::is_set($new, 'Unit', 'RefuseManualStop')
        || Units::is_set($new, 'Unit', 'X-OnlyManualStart'))
    {
        $self->{skip}{$unit} = 1;
        return;
    }
    if ($unit !~ /\.service$/ || !Units::is_set($new, 'Service', 'X-StopIfChanged')) { $self->want('restart', $unit) }
    else { $self->stop_and_start($unit, $new) }
    $self->forget('reload', $unit);
    return;
}

# A service that is started by sockets is stopped with them, and they are started instead of it.
sub stop_and_start {
    my ($self, $unit, $new) = @_;
    my $base = $unit =~ s/\.service$//r;
    $base =~ s/@[^@]*$// if !-e "$self->{new_units}/$unit";
    my @sockets = Units::sockets($new);
    my $by_socket = 0;
    for my $socket (@sockets ? @sockets : "$base.socket") {
        my $is_there = -e "$self->{new_units}/$socket";
        $by_socket = 1 if $is_there;
        next if !$self->{active}{$socket};
        $self->{stop}{$socket} = 1;
        $self->want('start', $socket) if $is_there;
    }
    $self->want('start', $unit) if !$by_socket || Units::is_set($new, 'Service', 'X-NotSocketActivated');
    $self->{stop}{$unit} = 1;
    return;
}

1;
