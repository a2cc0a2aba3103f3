#!/bin/bash
# Boots the disk of a test host in a virtual machine, with a kernel of its own, and shows what it writes to its console. Ends when
# the machine is off.
#   boot.sh DISK KERNEL SCRATCH
# DISK: its root directory. All of it is the machine's first file system, in memory: that takes no driver of a disk. SCRATCH: an
# empty directory for it.
set -euo pipefail
disk=$1 kernel=$2 scratch=$3
here=$(cd "$(dirname "$0")" && pwd)
archive() { cpio --create --format=newc --quiet "$@"; }

(cd "$disk" && find . -xdev -print0 | archive --null) >"$scratch/disk"
# The kernel unpacks one archive after the other.
install -m 755 "$here/init.sh" "$scratch/virtual-machine-init"
(cd "$scratch" && echo virtual-machine-init | archive) >>"$scratch/disk"

# Without KVM, which a machine that is itself virtual mostly has not, or not one that works. Fifty times slower, and enough.
exec qemu-system-x86_64 -accel tcg,thread=multi -cpu max -smp 2 -m 2560 -display none -no-reboot -nic none \
  -serial stdio -monitor none -kernel "$kernel" -initrd "$scratch/disk" \
  -append 'console=ttyS0 quiet panic=-1 rdinit=/virtual-machine-init'
