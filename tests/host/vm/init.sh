#!/bin/bash
# The first program of a virtual machine: makes ready what systemd-nspawn gives a host from the start, and becomes the boot loader and
# stage 2 that every test host begins with.
set -eu
export PATH=/usr/sbin:/usr/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mount -t tmpfs -o mode=755 tmpfs /run
ln -sfn /proc/self/fd /dev/fd
exec /usr/lib/test-host/init
