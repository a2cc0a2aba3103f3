#!/bin/bash
# The ground a test host stands on: a mount namespace (made by the caller, `unshare -m`) with a cgroup tree of its own
# and a disk that starts as the layers below it. Says "ready" on stdout, and takes everything away again when its stdin ends:
# that is when the test closes it, or when the test is gone, however it went.
#   hold.sh NAME WORK STORAGE LOWER
# NAME: of the cgroup. WORK: an empty directory. STORAGE: memory or disk, where what the host writes goes.
# LOWER: read-only layers in overlayfs's notation, the topmost first.
set -euo pipefail
name=$1 work=$2 storage=$3 lower=$4
trap '' INT TERM HUP PIPE

# Machines differ in what is mounted here (version 1, both, nothing); systemd in the host wants version 2 alone.
umount -R -l /sys/fs/cgroup 2>/dev/null || true
mount -t cgroup2 none /sys/fs/cgroup
group=/sys/fs/cgroup/$name
origin=/sys/fs/cgroup$(sed -n 's/^0:://p' /proc/self/cgroup)

take_away() {
  echo $$ >"$origin/cgroup.procs"
  exec "$(dirname "$0")/discard.sh" "$name" "$work"
}
trap take_away EXIT

mkdir "$group" "$group"/{hold,machine,exec}
echo $$ >"$group/hold/cgroup.procs"
# Where the machine offers controllers, hand them down; where it does not, limits do nothing in the host.
for controller in $(cat "$group/cgroup.controllers"); do
  echo "+$controller" >"$group/cgroup.subtree_control" || true
done

mkdir -p /run/systemd/nspawn
mount -t tmpfs none /run/systemd/nspawn

if [ "$storage" = memory ]; then mount -t tmpfs none "$work"; fi
mkdir "$work"/{changes,scratch,root}
mount -t overlay overlay "$work/root" -o "lowerdir=$lower,upperdir=$work/changes,workdir=$work/scratch"

echo ready
cat >/dev/null
