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
# Since the boot: the users that rules were loaded for, each with its number, which outlives its name.
users=/run/daruma-egress-wall/users

printed() { nft --stateless list table inet daruma_egress 2>/dev/null; }

# The users that the rules name, between spaces.
ruled() {
  printf ' '
  while read -r meta skuid user _; do
    [ "$meta $skuid" = "meta skuid" ] || continue
    user=${user#\"}
    printf '%s ' "${user%\"}"
  done <"$rules"
}

# Whether the current generation has what a user is for.
declared() {
  case $1 in
  da-*) [ -e "/etc/systemd/system/daruma-agent-${1#da-}.service" ] ;;
  dr-*) [ -e "/etc/systemd/system/daruma-routine-${1#dr-}@.service" ] ;;
  esac
}

# `UID USER` of those that $1 names, and of those that had rules before and are declared no more.
remembered() {
  while IFS=: read -r user _ uid _; do
    case $1 in *" $user "*) echo "$uid $user" ;; esac
  done </etc/passwd
  [ -s "$users" ] || return 0
  while read -r uid user; do
    case $1 in *" $user "*) continue ;; esac
    declared "$user" || echo "$uid $user"
  done <"$users"
}

# A run outlives the generation that declared it, and its rules do not: who is in $2 and none of $1 reaches nothing.
held() {
  # No here-document: some shells write it to /tmp, where nothing can be written.
  printf 'add %s\n' \
    "chain inet daruma_egress held" \
    "rule inet daruma_egress held ct direction reply accept" \
    "rule inet daruma_egress held meta l4proto tcp reject with tcp reset" \
    "rule inet daruma_egress held reject with icmpx admin-prohibited"
  while read -r uid user; do
    case $1 in *" $user "*) continue ;; esac
    # By number: its name may be gone.
    echo "insert rule inet daruma_egress output meta skuid $uid goto held"
  done <"$2"
}

# One transaction, as the rules are by themselves.
load() {
  names=$(ruled) && remembered "$names" >"$users.new" &&
    { cat "$rules" && held "$names" "$users.new"; } >"$loaded.rules" && nft --file "$loaded.rules" &&
    mv "$users.new" "$users" && printed >"$loaded.new" && [ -s "$loaded.new" ] && mv "$loaded.new" "$loaded"
}

# Who has rules and is declared has ended before this. Whoever is held has not.
unload() {
  rm -f "$loaded"
  remembered ' ' >"$users.new" && mv "$users.new" "$users" || return
  {
    echo "table inet daruma_egress"
    echo "delete table inet daruma_egress"
    if [ -s "$users" ]; then
      echo "table inet daruma_egress {"
      echo "  chain output { type filter hook output priority -10; policy accept; }"
      echo "}"
      held ' ' "$users"
    fi
  } >"$loaded.rules" && nft --file "$loaded.rules"
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
unload) unload ;;
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
