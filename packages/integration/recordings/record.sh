#!/bin/sh
# record.sh NAME COMMAND...: records COMMAND with perf and the kernel's own account of each of its processes, as
# NAME.perf-script.txt.gz and NAME.vmpte.txt in the current folder. Needs perf, gcc and root.
set -e
name=$1; shift
work=$(mktemp -d)
gcc -O1 -fno-builtin -shared -fPIC -o "$work/account.so" "$(dirname "$0")/account.c"
events=
for call in mmap munmap mprotect mremap brk madvise clone clone3 fork vfork execve; do
  for end in enter exit; do
    [ -d "/sys/kernel/tracing/events/syscalls/sys_${end}_$call" ] && events=$events,syscalls:sys_${end}_$call
  done
done
events=${events#,},syscalls:sys_enter_exit_group,exceptions:page_fault_user,exceptions:page_fault_kernel
events=$events,sched:sched_process_fork,sched:sched_process_exec,sched:sched_process_exit,sched:sched_switch
rm -f "$name.vmpte.txt"
VMPTE_FILE=$PWD/$name.vmpte.txt LD_PRELOAD=$work/account.so perf record -m 2048 -o "$work/perf.data" -e "$events" -- "$@"
perf script -i "$work/perf.data" | gzip -9n > "$name.perf-script.txt.gz"
rm -r "$work"
