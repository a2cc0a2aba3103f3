# A connection to systemd, and as much of D-Bus as a switch needs: calls whose arguments are strings, and their answers. On the
# private socket, where systemd tells every client what happens to jobs; that the calls do not go through a broker changes nothing.
package Bus;
use strict;
use warnings;

my ($af_unix, $sock_stream) = (1, 1);
my ($method_call, $method_return, $error_reply, $signal) = (1, 2, 3, 4);
# Codes of the fields of a header.
my ($path_field, $interface_field, $member_field, $error_field, $reply_field, $signature_field) = (1, 2, 3, 4, 5, 8);

sub new {
    my ($class, $path) = @_;
    socket my $socket, $af_unix, $sock_stream, 0 or die "socket: $!\n";
    connect $socket, pack 'S a108', $af_unix, $path or die "$path: $!\n";
    my $self = bless {socket => $socket, serial => 0, received => '', heard => sub { }}, $class;
    # 30 is the user, "0" in hexadecimal digits.
    $self->send("\0AUTH EXTERNAL 30\r\nBEGIN\r\n");
    $self->receive() until $self->{received} =~ s/^(.*)\r\n//;
    die "systemd does not let us in: $1\n" if $1 !~ /^OK /;
    return $self;
}

# Who is told of signals: called with the member and the message.
sub listen_with {
    my ($self, $heard) = @_;
    $self->{heard} = $heard;
    return;
}

# Calls a method with strings. Returns the values of the answer; dies with what systemd says, or after so many seconds.
sub call {
    my ($self, $within, $path, $interface, $member, @arguments) = @_;
    my $serial = ++$self->{serial};
    my $body = '';
    $body .= padding($body, 4) . pack 'V/a* x', $_ for @arguments;
    my $fields = '';
    for (
        [$path_field, 'o', 'V', $path],
        [$interface_field, 's', 'V', $interface],
        [$member_field, 's', 'V', $member],
        [$signature_field, 'g', 'C', 's' x @arguments]
      )
    {
        my ($code, $type, $size, $value) = @$_;
        $fields .= padding($fields, 8) . pack "C C/a* x $size/a* x", $code, $type, $value;
    }
    my $header = pack 'a C3 V2 V/a*', 'l', $method_call, 0, 1, length $body, $serial, $fields;
    $self->send($header . padding($header, 8) . $body);
    my $deadline = time + $within;
    while (1) {
        my $message = $self->process($deadline) // next;
        next if $message->{fields}{$reply_field} != $serial;
        return values_of($message) if $message->{type} == $method_return;
        my ($text) = values_of($message);
        die +($text // $message->{fields}{$error_field}) . "\n";
    }
}

# Waits for one message. An answer is returned, a signal told of.
sub process {
    my ($self, $deadline) = @_;
    my $message = $self->message($deadline);
    return $message if $message->{type} == $method_return || $message->{type} == $error_reply;
    $self->{heard}->($message->{fields}{$member_field}, $message) if $message->{type} == $signal;
    return;
}

# Takes one message from the socket. Its body is not read yet.
sub message {
    my ($self, $deadline) = @_;
    my $length = 16;
    while (1) {
        if (length $self->{received} >= 16) {
            my ($body, $fields) = unpack 'x4 V x4 V', $self->{received};
            $length = 16 + $fields + -$fields % 8 + $body;
            last if length $self->{received} >= $length;
        }
        $self->receive($deadline);
    }
    my $in = {bytes => substr($self->{received}, 0, $length, ''), at => 12};
    my $type = unpack 'x C', $in->{bytes};
    my ($fields) = take($in, \(my $signature = 'a(yv)'));
    align($in, 8);
    return {type => $type, fields => {map { @$_ } @$fields}, in => $in};
}

# Reads the body of a message.
sub values_of {
    my ($message) = @_;
    my $signature = $message->{fields}{$signature_field} // '';
    my @values;
    push @values, take($message->{in}, \$signature) while $signature ne '';
    return @values;
}

sub send {
    my ($self, $bytes) = @_;
    while ($bytes ne '') {
        my $count = syswrite $self->{socket}, $bytes or die "systemd: $!\n";
        substr $bytes, 0, $count, '';
    }
    return;
}

sub receive {
    my ($self, $deadline) = @_;
    if (defined $deadline) {
        vec(my $readable = '', fileno $self->{socket}, 1) = 1;
        my $left = $deadline - time;
        die "no answer from systemd\n" if $left < 0 || !select $readable, undef, undef, $left;
    }
    my $count = sysread $self->{socket}, $self->{received}, 65_536, length $self->{received};
    die 'systemd has gone away' . (defined $count ? '' : ": $!") . "\n" unless $count;
    return;
}

# --- Values ----------------------------------------------------------------------------------------------------------

# Size, which is its alignment, and format.
my %numbers = (
    y => [1, 'C'],
    b => [4, 'V'],
    i => [4, 'l<'],
    u => [4, 'V'],
    x => [8, 'q<'],
    t => [8, 'Q<'],
);
my $one_type = qr/^(a*(?:[a-z]|(\((?:[^()]|(?2))*\))))/;

# Takes one value from the bytes, and its type from the beginning of the signature.
sub take {
    my ($in, $signature) = @_;
    my $type = substr $$signature, 0, 1, '';
    if (my $number = $numbers{$type}) { return number($in, @$number) }
    if ($type eq 's' || $type eq 'o') { return text($in, number($in, 4, 'V')) }
    if ($type eq 'g') { return text($in, number($in, 1, 'C')) }
    if ($type eq 'v') { return take($in, \(my $of = text($in, number($in, 1, 'C')))) }
    my @values;
    if ($type eq '(') {
        align($in, 8);
        push @values, take($in, $signature) while substr($$signature, 0, 1) ne ')';
        substr $$signature, 0, 1, '';
    } elsif ($type eq 'a' && $$signature =~ s/$one_type//) {
        my $of = $1;
        my $size = number($in, 4, 'V');
        align($in, $of =~ /^[(xt]/ ? 8 : $of =~ /^[yg]/ ? 1 : 4);
        my $end = $in->{at} + $size;
        push @values, take($in, \(my $each = $of)) while $in->{at} < $end;
    } else {
        die "systemd says what a switch does not understand: $type$$signature\n";
    }
    return \@values;
}

sub number {
    my ($in, $size, $format) = @_;
    align($in, $size);
    my $value = unpack $format, substr $in->{bytes}, $in->{at}, $size;
    $in->{at} += $size;
    return $value;
}

sub text {
    my ($in, $length) = @_;
    my $value = substr $in->{bytes}, $in->{at}, $length;
    $in->{at} += $length + 1;
    return $value;
}

sub align {
    my ($in, $to) = @_;
    $in->{at} += -$in->{at} % $to;
    return;
}

sub padding {
    my ($bytes, $to) = @_;
    return "\0" x (-length($bytes) % $to);
}

1;
