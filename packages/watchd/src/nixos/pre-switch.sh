#!/bin/sh
# A check before a switch (NixOS: system.preSwitchChecks). It is of the generation that is to be switched to, and asks watchd's
# last will whether that one was rolled back from.
#
#   pre-switch TOPLEVEL ACTION GATES
#
# TOPLEVEL: the generation. ACTION: of switch-to-configuration. GATES: the file that gates.ts describes. Exits with 1 to refuse
# it, and with 0 for all else: a check that cannot tell lets pass. Where another generation has an agent that a rollback was
# about, unchanged, it only warns.
#
# It never vetoes a rollback of ours: rollback.sh says so in DARUMA_ROLLBACK, and chooses no quarantined target anyway.
set -u

[ $# -eq 3 ] || {
  echo 'usage: pre-switch TOPLEVEL ACTION GATES' >&2
  exit 0
}
toplevel=$(readlink -f -- "$1") || toplevel=$1
action=$2 gates=$3

if [ -n "${DARUMA_ROLLBACK:-}" ] || [ ! -r "$gates" ]; then exit 0; fi

# Without its last line the file says nothing.
quarantined='' broke='' whole=''
first=yes
while read -r word a b c; do
  if [ "$first" = yes ]; then
    [ "$word $a" = 'daruma-gates 1' ] || exit 0
    first=no
    continue
  fi
  case $word in
    quarantined) if [ "$a" = "$toplevel" ]; then quarantined=yes; fi ;;
    broke) broke="$broke$a $b $c
" ;;
    end) whole=yes ;;
  esac
done <"$gates"
[ "$whole" = yes ] || exit 0

if [ "$quarantined" = yes ]; then
  echo "daruma: $toplevel was rolled back from, and is quarantined." >&2
  if [ "$action" = dry-activate ]; then exit 0; fi
  echo 'daruma: find its number with `agentctl generations`; if you vouch for it, `agentctl generations allow N`.' >&2
  exit 1
fi

manifest=''
if [ -r "$toplevel/etc/daruma/host.json" ]; then read -r manifest <"$toplevel/etc/daruma/host.json"; fi
printf '%s' "$broke" | while read -r agent digest path; do
  case $manifest in
    *"\"digest\":\"$digest\""*)
      echo "daruma: warning: agent $agent is here as it was in $path, which was rolled back from because of it." >&2
      ;;
  esac
done
exit 0
