#!/bin/bash
# Takes away what is left of a test host: every process, its cgroup, its directory. Idempotent; run in a mount namespace
# of its own, or in the host's.
#   discard.sh NAME WORK
set -uo pipefail
name=$1 work=$2

umount -R -l /sys/fs/cgroup 2>/dev/null
mount -t cgroup2 none /sys/fs/cgroup || exit 1
group=/sys/fs/cgroup/$name
if [ -d "$group" ]; then
  echo 1 >"$group/cgroup.kill"
  # The file may go away in between: the host and a later test may both be at it.
  while grep -q '^populated 1' "$group/cgroup.events"; do sleep 0.005; done
  find "$group" -depth -type d -exec rmdir {} +
fi 2>/dev/null
umount -R -l "$work" 2>/dev/null
rm -rf --one-file-system "$work"
