#!/bin/sh
# Waits until this boot is known to be a good one (NixOS: daruma-boot-complete.service, which boot-complete.target requires; see
# modules/boot.nix). Only then does systemd take the boot loader's counter off the entry that was booted.
#
#   boot-complete PROVEN CURRENT BOOTED
#
# PROVEN: the file in which watchd names the generation that it has found good since the boot (proven-file.ts). CURRENT, BOOTED:
# links to the system that runs and to the one that was booted. Exits with 0 once PROVEN names the one that was booted, and with 1
# as soon as another one runs: its agents say nothing about the entry. How long it waits is for its unit to limit.
set -u

[ $# -eq 3 ] || {
  echo 'usage: boot-complete PROVEN CURRENT BOOTED' >&2
  exit 2
}
proven=$1 current=$2 booted=$3

# A switch in the middle of a boot that has been judged, by a generation that did not ask us, starts what is new of targets.
if systemctl --quiet is-active boot-complete.target; then exit 0; fi

booted=$(readlink -f -- "$booted") || {
  echo "daruma: nothing says which generation was booted: no $3" >&2
  exit 1
}
while :; do
  running=$(readlink -f -- "$current") || running='nothing that can be found'
  if [ "$running" != "$booted" ]; then
    echo "daruma: $booted was booted, and $running runs: the boot cannot be judged any more" >&2
    exit 1
  fi
  path=''
  if [ -r "$proven" ]; then read -r path <"$proven"; fi
  if [ "$path" = "$booted" ]; then exit 0; fi
  sleep 1
done
