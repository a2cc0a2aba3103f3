#!/bin/sh
# daruma-watchd cannot stay up: systemd has given up on it, and its OnFailure= unit runs this. Goes by the rules of the
# policy core where they can be told from files, and takes the system back with the program that watchd itself uses. Where
# a rule forbids that, it says so as loudly as the journal can.
#
#   watchd-failed [--state DIRECTORY] [--gcroots DIRECTORY] [--rollback PROGRAM] [--watchd UNIT]
#                 [--held DIRECTORY] [--profile LINK] [--current-system LINK] [--store DIRECTORY] [--wait-seconds N]
#
# Reads STATE/gates, which watchd keeps there for this moment (gates.ts), the known-good links in GCROOTS (known-good.ts)
# and the two generations. Leaves STATE/failed/ID.record, which watchd puts into the ledger once it is back (failures.ts),
# and beside it ID.result, written by the rollback.
#
# Exits with 0 when it has done what is right, be it nothing; 1 when a rollback did not come about; 2 for wrong arguments.
# Needs coreutils, Nix and systemd on PATH, and nothing else.
set -u
# Store paths are put into lists of words; none of them may be taken for a pattern.
set -f

unit=nixos-rebuild-switch-to-configuration.service
# EX_TEMPFAIL of sysexits(3): the fault lies outside.
temporary_failure=75
# Hashing a whole system takes a while on a slow disk.
verify_seconds=900

state=/var/lib/daruma/watchd
gcroots=/nix/var/nix/gcroots/daruma
rollback=/etc/daruma/bin/rollback
watchd=daruma-watchd.service
# A file for each agent that watchd was keeping systemd from restarting.
held=/run/daruma/held
profile=/nix/var/nix/profiles/system
current_link=/run/current-system
store=/nix/store
wait_seconds=1800

id="failed-$(date +%s)-$$"
current='' target='' result='' why=''
known_good='' gates_complete=no gates_budget='' spent=0 barred='' pending_id='' pending_target=''

parse_arguments() {
  while [ $# -gt 0 ]; do
    case ${2:-} in
      '' | *[!A-Za-z0-9+._?=/@:-]*) set -- --unusable x ;;
    esac
    case $1 in
      --state) state=$2 ;;
      --gcroots) gcroots=$2 ;;
      --rollback) rollback=$2 ;;
      --watchd) watchd=$2 ;;
      --held) held=$2 ;;
      --profile) profile=$2 ;;
      --current-system) current_link=$2 ;;
      --store) store=$2 ;;
      --wait-seconds) wait_seconds=$2 ;;
      *)
        printf 'watchd-failed: an option is not known, or its value is missing or unusable\n' >&2
        exit 2
        ;;
    esac
    shift 2
  done
  case $wait_seconds in
    *[!0-9]*)
      printf 'watchd-failed: --wait-seconds must be a whole number\n' >&2
      exit 2
      ;;
  esac
}

# ---------------------------------------------------------------------------------------------------------------------

say() {
  printf 'watchd-failed: %s\n' "$1" >&2
}

# systemd takes the prefix for the priority, here `crit` (sd-daemon(3)).
alert() {
  printf '<2>daruma: %s\n' "$1" >&2
}

because() {
  say "$1"
  why="${why}why $1
"
}

# Nothing that is read from a file is believed to be a store path before it looks like one.
is_store_path() {
  case $1 in
    *[!A-Za-z0-9+._?=/-]*) return 1 ;;
  esac
  case ${1#"$store"/} in
    '' | "$1" | */*) return 1 ;;
  esac
}

among() {
  wanted=$1
  shift
  for each in "$@"; do
    if [ "$each" = "$wanted" ]; then return 0; fi
  done
  return 1
}

state_of() {
  systemctl show --property=ActiveState --value -- "$1"
}

# Somebody's switch may be what has just started watchd; the system is judged once it has settled.
wait_for_switch() {
  waited=0
  while :; do
    case $(state_of "$unit") in
      inactive | failed) return 0 ;;
    esac
    if [ "$waited" -ge "$wait_seconds" ]; then return 1; fi
    waited=$((waited + 1))
    sleep 1
  done
}

watchd_is_up() {
  case $(state_of "$watchd") in
    active | activating | reloading) return 0 ;;
  esac
  return 1
}

# ---------------------------------------------------------------------------------------------------------------------

# What the last watchd that worked has left for this moment. Words that are not known come from a later release.
read_gates() {
  [ -f "$state/gates" ] || return 0
  first=yes
  while read -r word one two three; do
    if [ "$first" = yes ]; then
      [ "$word $one" = 'daruma-gates 1' ] || return 0
      first=no
    fi
    case $word in
      budget) gates_budget=$one ;;
      spent) if [ "$two" = "$current" ]; then spent=$one; fi ;;
      quarantined | rejected) barred="$barred $one" ;;
      rollback)
        if [ "$two" = "$current" ]; then
          pending_id=$one
          pending_target=$three
        fi
        ;;
      end) gates_complete=yes ;;
    esac
  done <"$state/gates"
}

# Leaves the store paths of the known-good generations in `known_good`, newest promotion first. The order is in the names: no clock
# can turn it round.
read_known_good() {
  set +f
  known_good=$(
    for link in "$gcroots"/known-good-*; do
      order=${link##*/known-good-}
      order=${order%%-*}
      case $order in
        '' | *[!0-9]*) continue ;;
      esac
      printf '%s %s\n' "$order" "$(readlink -- "$link")"
    done | sort -rn | while read -r order path; do printf '%s\n' "$path"; done
  )
  set -f
}

# Of records with suffix $1, whether one tells of a rollback away from what is current; with `any`, whether there is one.
has_record() {
  found=no
  set +f
  for record in "$state/failed/"*."$1"; do
    [ -f "$record" ] || continue
    if [ "${2:-}" = any ]; then found=yes; fi
    decision=''
    while read -r word value; do
      case $word in
        decision) decision=$value ;;
        from) if [ "$decision" = rollback ] && [ "$value" = "$current" ]; then found=yes; fi ;;
      esac
    done <"$record"
  done
  set -f
  [ "$found" = yes ]
}

# The budget that the current generation declares. A manifest that cannot be read may be why watchd fails: then the one
# that held before counts. A JSON string cannot hold a bare quote, so no line but the member itself can begin like this.
budget() {
  number=''
  for member in $(tr -d ' \t\n' <"$current/etc/daruma/host.json" | tr '{},' '\n'); do
    case $member in
      '"rollbackBudget":'*) number=${member#*:} ;;
    esac
  done
  case $number in
    '' | *[!0-9]*) number=$gates_budget ;;
  esac
  case $number in
    '' | *[!0-9]*) number=0 ;;
  esac
  printf '%s' "$number"
}

# All that a generation gives to watchd: its unit (which names its program by store path), its manifest, its own programs.
# The manifest is part of every deploy. A watchd that came up and was ended because it hung has read it: a host that is too
# busy is the likelier cause, and no other manifest helps against that.
fingerprint() {
  manifest=$1/etc/daruma/host.json
  if [ "${MONITOR_SERVICE_RESULT:-}" = watchdog ]; then manifest=''; fi
  set +f
  given=$1
  {
    set --
    for file in "$given/etc/systemd/system/$watchd" "$given/etc/systemd/system/$watchd.d/"*.conf "$manifest"; do
      if [ -f "$file" ]; then set -- "$@" "$file"; fi
    done
    if [ $# -gt 0 ]; then cat -- "$@"; fi
    for file in "$given/etc/daruma/bin/"*; do
      if [ -e "$file" ]; then readlink -f -- "$file"; fi
    done
  } | sha256sum
  set -f
}

# Every hash in the closure, as watchd does it before it goes back.
is_whole() {
  paths=$(timeout --kill-after=10 "$verify_seconds" nix-store -qR "$1") || return 1
  # shellcheck disable=SC2086 # One word a path.
  timeout --kill-after=10 "$verify_seconds" nix-store --verify-path $paths
}

# ---------------------------------------------------------------------------------------------------------------------

# The rules that do not depend on where to go back to.
may_roll_back() {
  if ! is_store_path "$current"; then
    because "$current_link points at nothing in $store"
    return 1
  fi
  if [ "$gates_complete" != yes ]; then
    because "$state/gates is missing or from another release, so that nothing is known of earlier rollbacks"
    return 1
  fi
  if has_record record any; then
    because 'watchd has not been back since it failed before: this failure is not new'
    return 1
  fi
  case $spent in
    *[!0-9]*)
      because "$state/gates holds no number where the spent budget should be"
      return 1
      ;;
  esac
  [ -z "$pending_id" ] || return 0
  if [ "${MONITOR_EXIT_STATUS:-}" = "$temporary_failure" ]; then
    because 'watchd itself says that the fault is outside (exit 75)'
    return 1
  fi
  read_known_good
  # shellcheck disable=SC2086 # One word a path.
  if among "$current" $known_good; then
    because 'watchd has proven itself in this generation: the deploy is not the cause'
    return 1
  fi
  if has_record told; then
    because 'this generation has been left once because of watchd'
    return 1
  fi
  allowed=$(budget)
  if [ "$spent" -ge "$allowed" ]; then
    because "$spent of $allowed rollback(s) are spent on this generation"
    return 1
  fi
}

# Whether $1 is a generation that watchd would come up in, as far as anybody can tell.
is_eligible() {
  is_store_path "$1" || return 1
  [ "$1" != "$current" ] || return 1
  # shellcheck disable=SC2086 # One word a path.
  if among "$1" $barred; then
    because "$1 is quarantined or damaged"
    return 1
  fi
  if [ ! -f "$1/etc/systemd/system/$watchd" ]; then
    because "$1 has no $watchd"
    return 1
  fi
  if [ -z "$pending_id" ] && [ "$(fingerprint "$1")" = "$(fingerprint "$current")" ]; then
    if [ "${MONITOR_SERVICE_RESULT:-}" = watchdog ]; then
      because "$1 has the same watchd, which was up and then hung: going back is not likely to help"
    else
      because "$1 has the same watchd and the same manifest: going back cannot help"
    fi
    return 1
  fi
  is_whole "$1" && return 0
  because "the closure of $1 did not verify"
  return 1
}

# Leaves the generation to go back to in `target`; empty if a rollback is not right.
decide() {
  target=''
  may_roll_back || return 0
  if [ -n "$pending_id" ]; then
    # Decided by watchd under all its rules, and durable; only the deed is missing. Under the same id and with the same
    # result file it goes on where it was interrupted.
    because "watchd had decided on rollback $pending_id and could not carry it out"
    if is_eligible "$pending_target"; then
      target=$pending_target
      result=$state/rollback.json
    fi
    return 0
  fi
  for candidate in $known_good; do
    is_eligible "$candidate" || continue
    because "$candidate is known-good, and this generation gives watchd something else to run"
    target=$candidate
    result=$state/failed/$id.result
    return 0
  done
  because 'no known-good generation is left to go back to'
}

# Durable before anything is done: what is written here forbids a second rollback.
write_record() {
  file=$state/failed/$id.record
  mkdir -p -- "$state/failed" || return 1
  {
    printf 'daruma-failed 1\nid %s\nat %s000\ndecision %s\n' "$id" "$(date +%s)" "$1"
    printf 'from %s\n' "$current"
    if [ -n "$target" ]; then printf 'target %s\nrollback %s\nresult %s\n' "$target" "${pending_id:-$id}" "$result"; fi
    printf 'service-result %s\nexit-code %s\nexit-status %s\n' \
      "${MONITOR_SERVICE_RESULT:-}" "${MONITOR_EXIT_CODE:-}" "${MONITOR_EXIT_STATUS:-}"
    printf '%send\n' "$why"
  } >"$file.tmp" && sync -- "$file.tmp" && mv -f -- "$file.tmp" "$file" && sync -- "$state/failed" "$state"
}

# What watchd was holding back is left to systemd, as everything else is: a dead watchd never means dead agents.
release_held() {
  set +f
  for file in "$held"/*; do
    [ -f "$file" ] || continue
    systemctl start --no-block -- "daruma-agent-${file##*/}.service" && rm -f -- "$file"
  done
  set -f
}

# Nobody but a person can help now.
only_alert() {
  release_held
  alert "$watchd cannot stay up and the system was not rolled back. Agents run on under systemd alone. $1"
  # One record is enough until watchd has been back; the journal has them all.
  has_record record any || write_record alert || say "cannot write to $state/failed"
}

roll_back() {
  alert "$watchd cannot stay up; going back from $current to $target"
  "$rollback" --launch --id "${pending_id:-$id}" --from "$current" --target "$target" --result "$result" \
    --profile "$profile" --current-system "$current_link" --store "$store" || return 1
  wait_for_switch
  [ "$(readlink -f -- "$current_link")" = "$target" ]
}

# A switch starts what is wanted and does not run, so this is for the case that it did not get that far.
start_watchd() {
  watchd_is_up || systemctl start --no-block -- "$watchd"
}

main() {
  parse_arguments "$@"
  cd / || exit 1
  if ! wait_for_switch; then
    current=$(readlink -f -- "$current_link")
    because "another switch has been running for more than $wait_seconds s"
    only_alert 'Another switch does not end.'
    exit 0
  fi
  if watchd_is_up; then
    say "$watchd is up again"
    exit 0
  fi
  current=$(readlink -f -- "$current_link")
  read_gates
  decide
  if [ -z "$target" ]; then
    only_alert 'Look at its journal, then start it or switch to another generation.'
    exit 0
  fi
  write_record rollback || {
    alert "$watchd cannot stay up, and a rollback cannot be recorded in $state/failed, so none is begun"
    exit 1
  }
  roll_back || {
    release_held
    alert "$watchd cannot stay up, and the rollback to $target failed: journalctl -u $unit"
    exit 1
  }
  start_watchd
  alert "rolled back to $target because $watchd could not stay up in $current"
}

main "$@"
