# What a switch asks of systemd: which units there are, and jobs for them, each a transaction of its own, as with
# switch-to-configuration-ng.
package Systemd;
use strict;
use warnings;
use Bus;

my $manager = '/org/freedesktop/systemd1';
my $interface = 'org.freedesktop.systemd1';
# systemd's own limits.
my ($call_seconds, $reload_seconds) = (25, 180);
my %methods = (
    start => 'StartUnit',
    stop => 'StopUnit',
    restart => 'RestartUnit',
    reload => 'ReloadUnit',
);

sub new {
    my ($class) = @_;
    my $self = bless {bus => Bus->new('/run/systemd/private'), waiting => {}, finished => []}, $class;
    $self->{bus}->listen_with(
        sub {
            my ($member, $message) = @_;
            return if $member ne 'JobRemoved';
            my (undef, $job, $unit, $result) = Bus::values_of($message);
            my $verb = delete $self->{waiting}{$job} // return;
            push @{$self->{finished}}, [$verb, $unit, $result];
        });
    return $self;
}

sub call {
    my ($self, $member, @arguments) = @_;
    return $self->{bus}->call($call_seconds, $manager, "$interface.Manager", $member, @arguments);
}

# Units that are not inactive, by name: state, substate, object. Other names of a unit are left out.
sub units {
    my ($self) = @_;
    my ($list) = $self->call('ListUnits');
    my %units;
    for (@$list) {
        my ($name, undef, undef, $state, $substate, $following, $object) = @$_;
        next if $following ne '' || $state eq 'inactive';
        $units{$name} = {state => $state, substate => $substate, object => $object};
    }
    return \%units;
}

# A property of a unit, as in: property($object, 'Service', 'ExecMainStatus').
sub property {
    my ($self, $object, $kind, $name) = @_;
    my ($value) =
      $self->{bus}->call($call_seconds, $object, 'org.freedesktop.DBus.Properties', 'Get', "$interface.$kind", $name);
    return $value;
}

# Of a unit that need not be loaded.
sub is_active {
    my ($self, $unit) = @_;
    my $state = eval { $self->property($self->call('GetUnit', $unit), 'Unit', 'ActiveState') } // '';
    return $state =~ /^(?:active|activating|reloading)$/;
}

# Submits a job. Returns why there is none; empty if there is one.
sub submit {
    my ($self, $verb, $unit) = @_;
    my ($job) = eval { $self->call($methods{$verb}, $unit, 'replace') } or return $@ =~ s/\n$//r;
    $self->{waiting}{$job} = $verb;
    return '';
}

sub wait_for_jobs {
    my ($self) = @_;
    $self->{bus}->process while %{$self->{waiting}};
    return;
}

# Verb and unit of each job that did not end well, since the beginning.
sub failed_jobs {
    my ($self) = @_;
    return grep { $$_[2] =~ /^(?:timeout|failed|dependency)$/ } @{$self->{finished}};
}

sub reset_failed { return $_[0]->call('ResetFailed') }

# Answered when it is done.
sub reload { return $_[0]{bus}->call($reload_seconds, $manager, "$interface.Manager", 'Reload') }

1;
