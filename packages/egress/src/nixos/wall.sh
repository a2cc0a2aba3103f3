#!/bin/sh
# The wall around agents, as rules of the kernel: loads it, takes it away, and watches that it stays.
#   egress-wall load | unload | watch
# What was loaded is remembered as the kernel prints it, so that a rule that somebody changed counts like one that is gone.
# What stood in its place is kept beside it, for watchd, which tells of it and takes it away.
set -u
rules=/etc/daruma/egress.nft
loaded=/run/daruma-egress-wall/loaded
# The kernel tells of changes, also of those that it could not tell in full. For the case that nobody hears it: seconds between two looks.
tick=5
# A table that was flushed has to be back within a second, also while the one who listens has just ended.
again=0.5
# Of a burst of changes the first and the last are looked at.
rest=0.1
found=/run/daruma-egress-wall/found

printed() { nft --stateless list table inet daruma_egress 2>/dev/null; }

load() {
  nft --file "$rules" && printed >"$loaded.new" && [ -s "$loaded.new" ] && mv "$loaded.new" "$loaded"
}

stands() { [ -s "$loaded" ] && [ "$(printed)" = "$(cat "$loaded")" ]; }

# Listens to the kernel, and signals $1 for whatever changes: signals that come at once are one.
listen() {
  trap - USR1 TERM
  while :; do
    # What changed before it could listen has been told to nobody.
    (sleep "$rest" && kill -USR1 "$1") &
    nft monitor ruleset 2>/dev/null | while read -r _; do kill -USR1 "$1"; done
    sleep "$again"
  done
}

# Puts back what is not as it was loaded.
keep() {
  stands && return
  was=$(printed)
  # A switch may be loading new rules this very moment; loading them twice does no harm.
  if load; then
    [ "$was" != "$(cat "$loaded")" ] || return
    printf '%s\n' "$was" >"$found.new" && mv "$found.new" "$found"
    echo "the wall was changed from outside, and stands again" >&2
  else
    # Agents need it: stopping it stops them first.
    echo "the wall cannot be put back: stopping the agents behind it" >&2
    systemctl --no-block stop daruma-egress-wall.service
  fi
}

case ${1-} in
load) load ;;
unload) nft delete table inet daruma_egress 2>/dev/null || true ;;
watch)
  trap 'changed=yes' USR1
  trap 'exit 0' TERM
  listener='' changed=yes
  while :; do
    if [ -z "$listener" ] || ! kill -0 "$listener" 2>/dev/null; then
      listen $$ &
      listener=$!
    fi
    if [ "$changed" = yes ]; then sleep "$rest"; fi
    changed=no
    keep
    if [ "$changed" = no ]; then
      sleep "$tick" &
      wait $!
    fi
  done
  ;;
*)
  echo "usage: egress-wall load | unload | watch" >&2
  exit 2
  ;;
esac
