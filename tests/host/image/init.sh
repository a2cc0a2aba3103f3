#!/bin/bash
# PID 1 until systemd takes over: the boot loader and stage 2 of NixOS. It activates the generation that the boot
# loader's configuration names, as the machine starts, and marks it as the booted one. A machine that has never been
# deployed to has none.
set -u
export PATH=/usr/sbin:/usr/bin

entry=$(sed -n 's/^default //p' /boot/loader/loader.conf 2>/dev/null)
toplevel=$(sed -n 's/^toplevel //p' "/boot/loader/entries/$entry" 2>/dev/null)
if [ -n "$toplevel" ]; then
  "$toplevel/activate" "$toplevel" || echo "stage 2: activation of $toplevel failed" >&2
  ln -sfn "$toplevel" /run/booted-system
fi
exec /usr/lib/systemd/systemd
