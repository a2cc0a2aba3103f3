# Stands in for switch-to-configuration-ng of NixOS: the same order, the same exit codes, the same judgement about units.
# Called by bin/switch-to-configuration of a generation, which sets OUT, TOPLEVEL, INSTALL_BOOTLOADER and PRE_SWITCH_CHECK.
# Left out, because this host has none of it: file systems and swaps of /etc/fstab, another systemd (and so re-executing
# PID 1), user units, restarts asked for by activation scripts (gone in NixOS 26.11).
#
#   0    done                           2    the activation script failed (unless 4 follows)
#   1    refused, or gave up half way   4    active, but a unit failed or waits to be restarted after a failure
#   11   another switch holds the lock  100  needs a reboot
use strict;
use warnings;
use Files;
use Plan;
use Systemd;

my ($lock_exclusive, $lock_at_once) = (2, 4);
# Priorities for syslog, of facility "user".
my ($info, $error) = (14, 11);
# The time that the real one gives to units that die at once: it waits until it has heard nothing for so long.
my $settle_seconds = 0.25;

$ENV{PATH} = '/usr/sbin:/usr/bin';
$SIG{PIPE} = sub { };
my ($action) = @ARGV;
my ($out, $toplevel) = @ENV{qw(OUT TOPLEVEL)};

sub say { print STDERR "@_\n" }
sub refuse { say($_[1]); exit $_[0] }

if (($action // '') !~ /^(?:check|switch|boot|test|dry-activate)$/) {
    refuse(1, <<'TEXT' =~ s/\n$//r);
Usage: switch-to-configuration [check|switch|boot|test|dry-activate]
check:        run pre-switch checks and exit
switch:       make the configuration the boot default and activate now
boot:         make the configuration the boot default
test:         activate the configuration, but don't make it the boot default
dry-activate: show what would be done if this configuration were activated
TEXT
}
refuse(1, 'Error: switch-to-configuration must be run as the root user') if $> != 0;
$ENV{NIXOS_ACTION} = $action;

# What goes wrong in none of the ways that have a number of their own.
eval { main(); 1 } or refuse(1, "Error: $@" =~ s/\n$//r);

# The steps of a switch, in the order of the real one.
sub main {
    # 2: ENOENT, the errno of the failed look-up.
    refuse(2, 'This is not a NixOS installation!') if !-f '/etc/NIXOS';
    my $lock = lock_switches();

    if (($ENV{NIXOS_NO_CHECK} // '') ne '1' && !runs_well(split(' ', $ENV{PRE_SWITCH_CHECK}), $toplevel, $action)) {
        refuse(1, 'Pre-switch checks failed');
    }
    exit 0 if $action eq 'check';
    if ($action =~ /^(?:switch|boot)$/ && !runs_well(split(' ', $ENV{INSTALL_BOOTLOADER}), $toplevel)) {
        refuse(1, 'Failed to install bootloader');
    }
    if (($ENV{NIXOS_NO_SYNC} // '') ne '1') { runs_well('sync', '--file-system', '/nix/store') }
    exit 0 if $action eq 'boot';
    if (version_of('/run/current-system') ne version_of($toplevel)) { refuse(100, <<'TEXT' =~ s/\n$//r) }
Warning: the new NixOS configuration has an 'init' that is
incompatible with the current configuration.  The new configuration
won't take effect until you reboot the system.
TEXT

    my $systemd = Systemd->new;
    my $before = $systemd->units;
    my $plan = Plan->new($systemd, "$toplevel/etc/systemd/system", $before, $action eq 'dry-activate');
    tell_only($plan) if $action eq 'dry-activate';
    note($info, "switching to system configuration $toplevel");
    my $exit_code = carry_out($systemd, $plan);
    select undef, undef, undef, $settle_seconds;
    $exit_code = 4 if has_failed_units($systemd, $before, $plan);
    if ($exit_code == 0) { note($info, "finished switching to system configuration $toplevel") }
    else { note($error, "switching to system configuration $toplevel failed (status $exit_code)") }
    exit $exit_code;
}

# Held for as long as what is returned. Nothing that is started here inherits the descriptor, or it would go on holding it.
sub lock_switches {
    Files::make_directories('/run/nixos');
    chmod 0755, '/run/nixos';
    my $path = '/run/nixos/switch-to-configuration.lock';
    open my $lock, '>>', $path or die "$path: $!\n";
    # 11: EAGAIN.
    flock $lock, $lock_exclusive | $lock_at_once or refuse(11, 'Could not acquire lock');
    return $lock;
}

sub version_of { return Files::content("$_[0]/init-interface-version") // '' }

sub runs_well { return system(@_) == 0 }

# To the journal, as syslog(3) does it.
sub note {
    my ($priority, $text) = @_;
    my ($af_unix, $sock_dgram) = (1, 2);
    socket my $log, $af_unix, $sock_dgram, 0 or return;
    send $log, "<$priority>nixos: $text", 0, pack 'S a108', $af_unix, '/dev/log';
    return;
}

# Says the names of a set, sorted, without those that nobody wants to read about.
sub tell_of {
    my ($what, $plan, $set) = @_;
    my @shown = sort { lc $a cmp lc $b } grep { !$plan->{quiet}{$_} } keys %$set;
    say("$what: " . join ', ', @shown) if @shown;
    return;
}

sub tell_only {
    my ($plan) = @_;
    tell_of('would stop the following units', $plan, $plan->{stop});
    tell_of('would NOT stop the following changed units', $plan, $plan->{skip});
    say('would activate the configuration...');
    for (qw(reload restart start)) { tell_of("would $_ the following units", $plan, $plan->{$_}) }
    exit 0;
}

# --- The switch ------------------------------------------------------------------------------------------------------

# Returns the exit code so far.
sub carry_out {
    my ($systemd, $plan) = @_;
    my $exit_code = 0;
    tell_of('stopping the following units', $plan, $plan->{stop});
    # What cannot be stopped because there is no such unit has stopped.
    run_jobs($systemd, 'stop', keys %{$plan->{stop}});
    tell_of('NOT restarting the following changed units', $plan, $plan->{skip});

    say('activating the configuration...');
    if (!runs_well("$out/activate", $out)) {
        say('Failed to run activate script');
        $exit_code = 2;
    }

    # systemd counts restarts and start limits anew from here on.
    $systemd->reset_failed;
    eval { $systemd->reload; 1 } or refuse(1, 'Error: systemd daemon reload failed');

    say('restarting sysinit-reactivation.target');
    run_jobs($systemd, 'restart', 'sysinit-reactivation.target') or $exit_code = 4;

    # What was to be reloaded may have been stopped with something that it requires.
    for my $unit (keys %{$plan->{reload}}) {
        next if $systemd->is_active($unit);
        $plan->want('start', $unit) if -e "$toplevel/etc/systemd/system/$unit";
        $plan->forget('reload', $unit);
    }
    for my $step (['reload', 'reloading'], ['restart', 'restarting'], ['start', 'starting']) {
        my ($verb, $doing) = @$step;
        tell_of("$doing the following units", $plan, $plan->{$verb});
        run_jobs($systemd, $verb, sort keys %{$plan->{$verb}}) or $exit_code = 4;
        Plan::finish($verb);
    }
    for ($systemd->failed_jobs) {
        say("Failed to $$_[0] $$_[1]");
        $exit_code = 4;
    }
    return $exit_code;
}

# One job for each unit, all at once, and waits for them. Whether systemd has taken them all; how they end is judged later.
sub run_jobs {
    my ($systemd, $verb, @units) = @_;
    my $is_well = 1;
    for my $unit (@units) {
        my $why = $systemd->submit($verb, $unit);
        next if $why eq '' || $verb eq 'stop';
        say("Failed to $verb $unit: $why");
        $is_well = 0;
    }
    $systemd->wait_for_jobs;
    return $is_well;
}

# --- The verdict -----------------------------------------------------------------------------------------------------

sub has_failed_units {
    my ($systemd, $before, $plan) = @_;
    my $units = $systemd->units;
    my (%failed, %started);
    for my $name (keys %$units) {
        my ($state, $substate, $object) = @{$units->{$name}}{qw(state substate object)};
        if ($state eq 'failed') { $failed{$name} = 1 }
        elsif ($substate eq 'auto-restart'
            && $name =~ /\.service$/
            && $systemd->property($object, 'Service', 'ExecMainStatus') != 0)
        {
            $failed{$name} = 1;
        } elsif (!$before->{$name} && $name !~ /\.scope$/) { $started{$name} = 1 }
    }
    tell_of('the following new units were started', $plan, \%started);
    return 0 if !%failed;
    tell_of('warning: the following units failed', $plan, \%failed);
    runs_well('systemctl', 'status', '--no-pager', '--full', '--', sort keys %failed);
    return 1;
}
