#!/usr/bin/perl
# A name server for one test: every name has the address 192.0.2.53. Listens on 127.0.0.1 until it is ended.
use strict;
use warnings;
use IO::Socket::INET;

my $socket = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => 53, Proto => 'udp') or die "dns.pl: $!\n";
while (defined(my $from = $socket->recv(my $query, 512))) {
    next if length($query) < 17;
    # Behind the header: the name's labels, then type and class (RFC 1035, section 4).
    my $end = index($query, "\0", 12);
    next if $end < 0;
    my $question = substr($query, 12, $end + 5 - 12);
    my $is_address = unpack('n', substr($question, -4, 2)) == 1;
    my $answer = $is_address ? pack('nnnNna4', 0xc00c, 1, 1, 5, 4, pack('C4', 192, 0, 2, 53)) : '';
    $socket->send(substr($query, 0, 2) . pack('nnnnn', 0x8180, 1, $is_address ? 1 : 0, 0, 0) . $question . $answer);
}
