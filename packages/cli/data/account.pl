#!/usr/bin/perl
# account.pl ACCOUNT UNREAD COMMAND...: runs COMMAND and writes to ACCOUNT what the kernel has of each process that it makes, and that
# ends by exit(): a line `pid ppid name VmPTE VmRSS minor-faults`, sizes in kB. Processes whose account could not be read go to UNREAD.
#
# It is a tracer: the kernel stops a thread that exits while it still has its address space (PTRACE_EVENT_EXIT, ptrace(2)), until its
# /proc files have been read. Nothing else stops, so that the workload runs as it is. perl is on every system that has perf, and its
# syscall() reaches ptrace without a compiler.
use strict;
use warnings;
use POSIX ();

# Of the machines that kpkeys knows: arch/x86/entry/syscalls/syscall_64.tbl, include/uapi/asm-generic/unistd.h.
my %PTRACE = (x86_64 => 101, aarch64 => 117);

# include/uapi/linux/ptrace.h
use constant { PTRACE_CONT => 7, PTRACE_SEIZE => 0x4206, PTRACE_LISTEN => 0x4208 };
use constant { EVENT_EXIT => 6, EVENT_STOP => 128 };
use constant OPTIONS => 1 << 1 | 1 << 2 | 1 << 3 | 1 << EVENT_EXIT;    # fork, vfork, clone, exit
use constant WALL => 0x40000000;                                       # __WALL: threads too

my $ptrace = $PTRACE{ (POSIX::uname())[4] } // die "account.pl: not a machine that is known\n";
my ($account, $unread, @command) = @ARGV;
open(my $read,   '>', $account) or die "account.pl: $account: $!\n";
open(my $failed, '>', $unread)  or die "account.pl: $unread: $!\n";
$_->autoflush(1) for $read, $failed;

# The command waits until it is traced.
pipe(my $go, my $ready) or die "account.pl: pipe: $!\n";
my $root = fork() // die "account.pl: fork: $!\n";
if ($root == 0) {
    close $ready;
    sysread $go, my $byte, 1 or POSIX::_exit(126);
    exec { $command[0] } @command or POSIX::_exit(127);
}
close $go;
syscall($ptrace, PTRACE_SEIZE, $root, 0, OPTIONS) == 0 or die "account.pl: ptrace: $!\n";
$SIG{$_} = 'IGNORE' for qw(INT QUIT);    # Ctrl-C is the command's to handle.
syswrite $ready, '.';

my %accounts;    # the last account of each process, by its pid
my %threads;     # threads that are not the first of their process
my $status = 0;
while (1) {
    my $pid = waitpid(-1, WALL);
    next if $pid < 0 && $!{EINTR};
    last if $pid < 0;
    my $state = ${^CHILD_ERROR_NATIVE};
    if (($state & 0xff) == 0x7f) { stopped($pid, $state >> 8 & 0xff, $state >> 16); next }
    # What the command left running goes on untraced.
    if ($pid == $root) { $status = $state; last }
    ended($pid, $state);
}
close $read   or die "account.pl: $account: $!\n";
close $failed or die "account.pl: $unread: $!\n";
my $signal = $status & 0x7f;
kill($signal, $$) if $signal != 0;
exit($signal == 0 ? $status >> 8 : 128 + $signal);

# A thread stopped: at its exit, with its process, or before a signal reaches it.
sub stopped {
    my ($pid, $signal, $event) = @_;
    note($pid) if $event == EVENT_EXIT;
    my $stays = $event == EVENT_STOP && $signal != POSIX::SIGTRAP();
    syscall($ptrace, $stays ? PTRACE_LISTEN : PTRACE_CONT, $pid, 0, $event == 0 ? $signal : 0);
}

# Keeps the account of the process of a thread that exits: the last one is that of its last thread.
sub note {
    my ($pid) = @_;
    my %field = content("/proc/$pid/status") =~ /^(\w+):[ \t]*(.*?)(?: kB)?$/mg;
    my ($minor) = content("/proc/$pid/stat") =~ /^.*\) \S+(?: \S+){6} (\d+)/s;
    return if grep { !defined } @field{qw(Tgid PPid Name VmPTE VmRSS)}, $minor;
    $threads{$pid} = 1 if $field{Tgid} != $pid;
    $accounts{ $field{Tgid} } = "$field{Tgid} $field{PPid} $field{Name} $field{VmPTE} $field{VmRSS} $minor";
}

# Writes the account of a process whose last thread has ended, unless a signal ended it: that is no exit().
sub ended {
    my ($pid, $state) = @_;
    return if delete $threads{$pid};
    my $line = delete $accounts{$pid};
    return if ($state & 0x7f) != 0;
    if   (defined $line) { print {$read} "$line\n" }
    else                 { print {$failed} "$pid\n" }
}

sub content {
    my ($path) = @_;
    open(my $file, '<', $path) or return '';
    local $/;
    return <$file> // '';
}
