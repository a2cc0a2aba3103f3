#!/bin/bash
# Makes the image in memory, where dpkg's many syncs cost nothing, and writes it to stdout as a tar archive. Run under
# `unshare -m`: whatever is mounted goes away with the process, finished or not. What it does is told on stderr.
set -euo pipefail
scratch=$(mktemp -d)
trap 'umount -R -l "$scratch"; rmdir "$scratch"' EXIT
mount -t tmpfs -o size=3g,mode=755 none "$scratch"
exec 3>&1 >&2

"$(dirname "$0")/recipe.sh" "$scratch"
# debootstrap may leave /proc mounted.
tar --directory="$scratch" --one-file-system --numeric-owner --xattrs --create --file=- . >&3
