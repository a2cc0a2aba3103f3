#!/bin/bash
# Boots the machine of a test host, inside the namespace that hold.sh made, and stays as long as it runs.
#   boot.sh NAME WORK HOSTNAME REPOSITORY
set -euo pipefail
name=$1 work=$2 hostname=$3 repository=$4

# Its own cgroup first: hosts that share one share /payload, and kill each other's units.
echo $$ >"/sys/fs/cgroup/$name/machine/cgroup.procs"
export SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1
exec systemd-nspawn --quiet --settings=no --register=no --keep-unit --private-network \
  --directory="$work/root" --machine="$hostname" --hostname="$hostname" --kill-signal=SIGRTMIN+3 \
  --link-journal=no --resolv-conf=off --timezone=off --console=read-only \
  --bind-ro="$repository/modules:/opt/daruma/modules" \
  --bind-ro="$repository/tests/host:/opt/daruma/tests/host" \
  /usr/lib/test-host/init
