# Runs commands in a test host for the test: started once a boot, inside all of the host's namespaces. To go in anew for each
# command costs more than most of them do. One process without modules, for the same reason: a fork copies its page tables.
#   commands.pl SOCKET
# Ends at once, and leaves behind what listens: nsenter(1), which waits outside, stops for good when a host that shuts down stops
# all processes (systemd-shutdown does).
#
# A connection is one command. Request: "SECONDS ARGUMENTS VARIABLES BYTES\n", then that many NUL-terminated arguments and
# NAME=VALUE variables, then that many bytes of standard input. Answer: "EXIT LATE OUT ERR\n", then that many bytes of stdout and
# stderr. EXIT is 128 and the signal's number for what a signal has ended; LATE is 1 where it was ended for its time.
use strict;
use warnings;

# From the end of the time to the signal that cannot be ignored.
my $grace_seconds = 5;
my ($af_unix, $sock_stream, $wnohang) = (1, 1, 1);

my ($path) = @ARGV;
socket my $server, $af_unix, $sock_stream, 0 or die "socket: $!\n";
bind $server, pack('S a108', $af_unix, $path) or die "$path: $!\n";
listen $server, 64 or die "$path: $!\n";
# The end of a command wakes whoever waits for the next one.
pipe my $wake, my $waker or die "pipe: $!\n";
exit 0 if fork // die "fork: $!\n";
setpgrp;
open $_, '+<', '/dev/null' or die "/dev/null: $!\n" for *STDIN, *STDOUT, *STDERR;
$SIG{CHLD} = sub { syswrite $waker, '.' };

# By process: where its answer goes, what it has said, and when it is ended.
my %running;
while (1) {
    my $readable = '';
    vec($readable, fileno $_, 1) = 1 for $server, $wake;
    # A signal that comes just before the wait does not end it.
    my $found = select $readable, undef, undef, %running ? 0.1 : undef;
    if ($found > 0 && vec $readable, fileno $wake, 1) { sysread $wake, my $ignored, 64 }
    if ($found > 0 && vec $readable, fileno $server, 1) {
        my $connection;
        start($connection) if accept $connection, $server;
    }
    while ((my $pid = waitpid -1, $wnohang) > 0) {
        my $command = delete $running{$pid} or next;
        answer($command, $? & 127 ? 128 + ($? & 127) : $? >> 8);
    }
    for my $pid (keys %running) {
        my $command = $running{$pid};
        next if $command->{deadline} > time;
        kill $command->{late} ? 'KILL' : 'TERM', -$pid;
        $command->{late} = 1;
        $command->{deadline} = time + $grace_seconds;
    }
}

sub start {
    my ($connection) = @_;
    my ($seconds, $arguments, $variables, $bytes) = split ' ', <$connection> // return;
    my @words;
    {
        local $/ = "\0";
        for (1 .. $arguments + $variables) {
            my $word = <$connection> // return;
            chomp $word;
            push @words, $word;
        }
    }
    my @argv = splice @words, 0, $arguments;
    my ($in, $out, $err) = map { scratch() } 1 .. 3;
    if ($bytes > 0) {
        (read($connection, my $input, $bytes) // 0) == $bytes or return;
        print $in $input;
        seek $in, 0, 0;
    }
    my $pid = fork // die "fork: $!\n";
    if ($pid == 0) {
        @SIG{'CHLD', 'FPE'} = ('DEFAULT') x 2;
        setpgrp;
        open STDIN, '<&', $in;
        open STDOUT, '>>&', $out;
        open STDERR, '>>&', $err;
        %ENV = map { split /=/, $_, 2 } @words;
        exec { $argv[0] } @argv or print STDERR "$argv[0]: $!\n";
        exit 127;
    }
    $running{$pid} =
      { connection => $connection, out => $out, err => $err, late => 0, deadline => time + $seconds };
}

sub answer {
    my ($command, $exit) = @_;
    my @said = map { text($_) } @$command{'out', 'err'};
    my $connection = $command->{connection};
    local $SIG{PIPE} = 'IGNORE';
    print $connection join(' ', $exit, $command->{late}, map { length } @said), "\n", @said;
    close $connection;
}

# Appended to: who opens /dev/stdout anew begins where the others are.
sub scratch {
    open my $file, '+>>', undef or die "a file without a name: $!\n";
    binmode $file;
    select((select($file), $| = 1)[0]);
    return $file;
}

# What a child that stays behind may still write is not waited for.
sub text {
    my ($file) = @_;
    seek $file, 0, 0;
    local $/ = undef;
    return <$file> // '';
}
