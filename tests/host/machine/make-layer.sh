#!/bin/bash
# Runs shell commands on a copy of a host's disk, without booting it, and keeps what they change below /nix, /usr and /boot
# as a layer for other hosts. Run under `unshare -m`.
#   make-layer.sh LOWER OUTPUT REPOSITORY PAYLOAD COMMANDS
# LOWER: read-only layers in overlayfs's notation. PAYLOAD: the directory that is to be /payload.
set -euo pipefail
lower=$1 output=$2 repository=$3 payload=$4 commands=$5

scratch=$(mktemp -d)
trap 'umount -R -l "$scratch"; rmdir "$scratch"' EXIT
mount -t tmpfs -o mode=755 none "$scratch"
mkdir "$scratch"/{changes,scratch,root}
root=$scratch/root
mount -t overlay overlay "$root" -o "lowerdir=$lower,upperdir=$scratch/changes,workdir=$scratch/scratch"
mkdir -p "$root"/opt/daruma/{modules,tests/host} "$root/payload"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount --bind "$repository/modules" "$root/opt/daruma/modules"
mount --bind "$repository/tests/host" "$root/opt/daruma/tests/host"
mount --bind "$payload" "$root/payload"

env -i PATH=/usr/sbin:/usr/bin HOME=/root chroot "$root" /bin/bash -euo pipefail -c "$commands"

mkdir "$output"
for directory in nix usr boot; do
  if [ -d "$scratch/changes/$directory" ]; then cp -a "$scratch/changes/$directory" "$output/"; fi
done
