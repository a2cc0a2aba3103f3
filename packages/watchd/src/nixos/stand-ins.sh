#!/bin/sh
# Before the agents start: puts the settings that stood in for theirs before the boot in force again. What is in /run is gone with
# the boot; watchd keeps a copy of each drop-in (stand-in-files.ts), and later sees to it that they are what it wants.
#
#   stand-ins [STATE [UNITS [RUNTIME]]]
#
# STATE: the copies, NAME.conf. UNITS: the units of this generation. RUNTIME: where systemd looks for drop-ins.
#
# A copy says in its first line for which definition of the agent it was made. Where the generation has another one, or has not
# got the agent, or where the generation that the settings come from is gone, it is passed over: watchd will remove it.
set -u

state=${1:-/var/lib/daruma/watchd/stand-ins} units=${2:-/etc/systemd/system} runtime=${3:-/run/systemd/system}
changed=''

for copy in "$state"/*.conf; do
  [ -f "$copy" ] || continue
  name=${copy##*/}
  name=${name%.conf}
  unit=daruma-agent-$name.service
  read -r hash word version kind declared source <"$copy" || continue
  [ "$hash $word $version" = '# daruma-stand-in 1' ] || continue
  [ -e "$source" ] || continue
  [ -r "$units/$unit" ] || continue
  own=''
  while read -r line; do
    case $line in *"DARUMA_DIGEST=$declared"*) own=yes ;; esac
  done <"$units/$unit"
  [ -n "$own" ] || continue
  if mkdir -p "$runtime/$unit.d" && cp "$copy" "$runtime/$unit.d/.50-daruma.conf.new" &&
    mv "$runtime/$unit.d/.50-daruma.conf.new" "$runtime/$unit.d/50-daruma.conf"; then
    echo "daruma: agent $name runs with other settings than its generation declares ($kind)"
    changed=yes
  fi
done

if [ -n "$changed" ]; then exec systemctl daemon-reload; fi
exit 0
