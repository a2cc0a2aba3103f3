#!/bin/sh
# The wall around agents, as rules of the kernel: loads it, takes it away, and watches that it stays.
#   egress-wall load | unload | watch
# What was loaded is remembered as the kernel prints it, so that a rule that somebody changed counts like one that is gone.
# What stood in its place is kept beside it, for watchd, which tells of it and takes it away.
set -u
rules=/etc/daruma/egress.nft
loaded=/run/daruma-egress-wall/loaded
found=/run/daruma-egress-wall/found
# Well within the second in which a table that was flushed has to be back.
pause=0.3

printed() { nft --stateless list table inet daruma_egress 2>/dev/null; }

load() {
  nft --file "$rules" && printed >"$loaded.new" && [ -s "$loaded.new" ] && mv "$loaded.new" "$loaded"
}

stands() { [ -s "$loaded" ] && [ "$(printed)" = "$(cat "$loaded")" ]; }

case ${1-} in
load) load ;;
unload) nft delete table inet daruma_egress 2>/dev/null || true ;;
watch)
  while sleep "$pause"; do
    stands && continue
    was=$(printed)
    # A switch may be loading new rules this very moment; loading them twice does no harm.
    if load; then
      [ "$was" != "$(cat "$loaded")" ] || continue
      printf '%s\n' "$was" >"$found.new" && mv "$found.new" "$found"
      echo "the wall was changed from outside, and stands again" >&2
    else
      # Agents need it: stopping it stops them first.
      echo "the wall cannot be put back: stopping the agents behind it" >&2
      systemctl --no-block stop daruma-egress-wall.service
    fi
  done
  ;;
*)
  echo "usage: egress-wall load | unload | watch" >&2
  exit 2
  ;;
esac
