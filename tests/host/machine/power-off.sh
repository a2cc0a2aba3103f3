#!/bin/bash
# Kills every process of a host's machine, inside the namespace that hold.sh made. Idempotent.
#   power-off.sh NAME
set -euo pipefail
machine=/sys/fs/cgroup/$1/machine
echo 1 >"$machine/cgroup.kill"
until grep -q '^populated 0' "$machine/cgroup.events"; do sleep 0.005; done
find "$machine" -mindepth 1 -depth -type d -exec rmdir {} +
