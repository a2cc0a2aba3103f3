#!/bin/sh
# Makes TARGET the system, for the next boot and now, provided that FROM still is. They may be the same: then what others have
# changed since is made as TARGET has it.
#
#   rollback [--launch] --id ID --from PATH --target PATH --result FILE
#            [--profile LINK] [--current-system LINK] [--store DIRECTORY]
#            [--boot-seconds N] [--switch-seconds N] [--lock-seconds N]
#
# With --launch it only starts itself as a transient unit: the switch restarts or stops whoever asked for it, and would
# die with them in their control group. The unit has the name that nixos-rebuild uses, which makes it a mutex: systemd-run
# refuses a name that is in use. What nixos-rebuild starts under another name, or somebody by hand, is kept out by the
# lock of switch-to-configuration itself.
#
# Run it again with the same ID after a crash or a power cut at any point and it goes on; run it once more after that
# and it changes nothing. FILE.begun is there as long as a run is unfinished, FILE once it has ended:
#
#   { schemaVersion, id, from, target, bootExit, switchExit, currentAfter, verdict, problems, finishedAt }
#
#   switched       TARGET is current
#   reboot-needed  TARGET is what boots next, but this system cannot become it while it runs
#   vetoed         TARGET's own checks or the bootloader refused; the profile points where it did before
#   overtaken      neither FROM nor TARGET is current: somebody else switched, and their word counts
#   refused        TARGET is no system that can be switched to; nothing was touched
#   failed         anything else; `problems` says what, and what boots next
#
# Exits with 0 if TARGET is current, 1 if not, 2 if the arguments are wrong.
# Needs coreutils, Nix and systemd on PATH, and nothing else. Sources: nixpkgs, nixos-rebuild-ng (nix.py, services.py)
# and switch-to-configuration-ng; systemd-run(1), nix-env(1), timeout(1).
set -u

unit=nixos-rebuild-switch-to-configuration.service

# Exit status of switch-to-configuration: EAGAIN where another one holds the lock, and what it documents itself.
lock_is_held=11
activation_script_failed=2
units_failed=4
reboot_is_needed=100
# timeout(1): it had to end the command with SIGTERM, or with SIGKILL.
timed_out=124
killed=137

# Nix waits for its locks for ever.
nix_seconds=120

launch=no
id='' from='' target='' result=''
profile=/nix/var/nix/profiles/system
current_link=/run/current-system
store=/nix/store
boot_seconds=300
switch_seconds=600
lock_seconds=120

# Known only while this run lasts.
before_number='' before_path='' boot_exit=null switch_exit=null problems=''

usage() {
  printf 'rollback: %s\n' "$1" >&2
  exit 2
}

# Everything that reaches the result file is made of these: there is nothing to escape in JSON, and no word to split.
require_plain() {
  case $2 in
    '' | *[!A-Za-z0-9+._?=/-]*) usage "$1 is missing or has characters that no store path has" ;;
  esac
}

require_number() {
  case $2 in
    '' | *[!0-9]*) usage "$1 must be a whole number of seconds" ;;
  esac
}

parse_arguments() {
  while [ $# -gt 0 ]; do
    if [ "$1" = --launch ]; then
      launch=yes
      shift
      continue
    fi
    [ $# -ge 2 ] || usage "$1 needs a value"
    case $1 in
      --id) id=$2 ;;
      --from) from=$2 ;;
      --target) target=$2 ;;
      --result) result=$2 ;;
      --profile) profile=$2 ;;
      --current-system) current_link=$2 ;;
      --store) store=$2 ;;
      --boot-seconds) boot_seconds=$2 ;;
      --switch-seconds) switch_seconds=$2 ;;
      --lock-seconds) lock_seconds=$2 ;;
      *) usage "there is no option $1" ;;
    esac
    shift 2
  done
  require_plain --id "$id"
  require_plain --from "$from"
  require_plain --target "$target"
  require_plain --result "$result"
  require_plain --profile "$profile"
  require_plain --current-system "$current_link"
  require_plain --store "$store"
  require_number --boot-seconds "$boot_seconds"
  require_number --switch-seconds "$switch_seconds"
  require_number --lock-seconds "$lock_seconds"
  # Only a store path can be held, verified and booted; a link such as the profile itself could mean another one later.
  case ${target#"$store"/} in
    "$target" | */*) usage "--target must be a path in $store" ;;
  esac
}

# ---------------------------------------------------------------------------------------------------------------------

# As nixos-rebuild-ng does it, less --pipe and --wait: output that goes to the caller would end the switch with SIGPIPE
# once the switch has ended the caller.
launch_unit() {
  seconds=$((boot_seconds + 2 * switch_seconds + 3 * lock_seconds + 3 * nix_seconds + 60))
  program=$(readlink -f -- "$0")
  # A run that failed without --collect would keep the name for ever.
  if systemctl is-failed --quiet -- "$unit"; then systemctl reset-failed -- "$unit"; fi
  set -- --id "$id" --from "$from" --target "$target" --result "$result" \
    --profile "$profile" --current-system "$current_link" --store "$store" \
    --boot-seconds "$boot_seconds" --switch-seconds "$switch_seconds" --lock-seconds "$lock_seconds"
  exec systemd-run --unit="$unit" --description="Daruma rollback $id" \
    --collect --no-ask-password --quiet --service-type=exec --property="RuntimeMaxSec=$seconds" \
    --setenv="PATH=$PATH" ${LOCALE_ARCHIVE:+"--setenv=LOCALE_ARCHIVE=$LOCALE_ARCHIVE"} \
    -- "$program" "$@"
}

# ---------------------------------------------------------------------------------------------------------------------

say() {
  printf 'rollback %s: %s\n' "$id" "$1" >&2
}

# $1 has no quotes, backslashes or control characters in it: our own words, numbers and checked paths.
problem() {
  say "$1"
  problems="$problems${problems:+,}\"$1\""
}

# Leaves the system that runs in `now`, by store path; empty if that cannot be told.
look_at_current() {
  now=$(readlink -f -- "$current_link") || now=''
  case $now in
    *[!A-Za-z0-9+._?=/-]*) now='' ;;
  esac
}

target_is_current() {
  look_at_current
  [ "$now" = "$target" ]
}

bounded() {
  limit=$1
  shift
  timeout --kill-after=10 "$limit" "$@" </dev/null
}

# Replaces the file as a whole, durably: after a power cut there is the old one or the new one.
write_file() {
  printf '%s\n' "$2" >"$1.tmp" && sync -- "$1.tmp" && mv -f -- "$1.tmp" "$1" && sync -- "${1%/*}"
}

remove_file() {
  rm -f -- "$1" && sync -- "${1%/*}"
}

# Writes down how it ended, and ends. $1: the verdict.
finish() {
  look_at_current
  text="{\"schemaVersion\":1,\"id\":\"$id\",\"from\":\"$from\",\"target\":\"$target\""
  text="$text,\"bootExit\":$boot_exit,\"switchExit\":$switch_exit"
  text="$text,\"currentAfter\":\"$now\",\"verdict\":\"$1\",\"problems\":[$problems]"
  text="$text,\"finishedAt\":$(date +%s)000}"
  say "$1"
  # A full disk must not keep a machine from going back: whoever reads the result looks at the facts first.
  if write_file "$result" "$text"; then
    remove_file "$result.begun"
  else
    say "cannot write $result"
  fi
  [ "$1" = switched ]
  exit
}

ended_switched_before() {
  [ -f "$result" ] || return 1
  case $(cat -- "$result") in
    *"\"id\":\"$id\","*'"verdict":"switched"'*) target_is_current ;;
    *) return 1 ;;
  esac
}

# ---------------------------------------------------------------------------------------------------------------------

# Leaves the number of the newest generation that is the store path $1 in `newest`; empty if it is none any more. By what the
# links lead to: a program for each of some hundred generations would take its time.
find_generation() {
  newest=''
  for link in "$profile"-*-link; do
    [ "$link" -ef "$1" ] || continue
    number=${link#"$profile"-}
    number=${number%-link}
    case $number in
      '' | *[!0-9]*) continue ;;
    esac
    if [ -z "$newest" ] || [ "$number" -gt "$newest" ]; then newest=$number; fi
  done
}

# Points the profile at the store path $1, as the generation it is, preferably number $2. Never `--rollback`: that goes to
# the next lower number, whatever that is (NixOS/nix#311).
point_profile() {
  if [ "$(readlink -f -- "$profile")" != "$1" ]; then
    newest=${2:-}
    if [ -z "$newest" ] || [ ! "$profile-$newest-link" -ef "$1" ]; then find_generation "$1"; fi
    if [ -n "$newest" ]; then
      bounded "$nix_seconds" nix-env -p "$profile" --switch-generation "$newest"
    else
      bounded "$nix_seconds" nix-env -p "$profile" --set "$1"
    fi
  fi
  # Nix does not sync links. Also where it points there already: whoever did that may have been cut off before this.
  sync -- "${profile%/*}"
  [ "$(readlink -f -- "$profile")" = "$1" ]
}

# Undoes `point_profile "$target"`, unless somebody else has pointed it elsewhere since.
put_profile_back() {
  [ -n "$before_path" ] && [ "$before_path" != "$target" ] || return 0
  [ "$(readlink -f -- "$profile")" = "$target" ] || return 0
  point_profile "$before_path" "$before_number" || problem "the profile could not be put back to $before_path"
}

# Nothing has been activated: leaves everything as it was, and ends.
give_up() {
  put_profile_back
  finish "$1"
}

# ---------------------------------------------------------------------------------------------------------------------

# An unfinished run of the same id left what the profile was before it. A result beside it means that the run had ended.
resume() {
  if [ -f "$result" ]; then
    if ! remove_file "$result.begun" || ! remove_file "$result"; then problem "cannot remove $result"; fi
    return
  fi
  [ -f "$result.begun" ] || return
  # Number first: it is the one that may be empty, and the last variable takes what is left of the line.
  while read -r key value; do
    case $key in
      id) [ "$value" = "$id" ] || return ;;
      number) before_number=$value ;;
      path) before_path=$value ;;
    esac
  done <"$result.begun"
  say "goes on after an interruption"
}

# Writes down where the profile points before anything moves, so that it can be put back after a crash too.
begin() {
  [ -z "$before_path" ] || return 0
  before_path=$(readlink -f -- "$profile")
  case $before_path in
    *[!A-Za-z0-9+._?=/-]*) before_path='' ;;
  esac
  number=$(readlink -- "$profile")
  number=${number#"${profile##*/}"-}
  number=${number%-link}
  case $number in
    *[!0-9]*) before_number='' ;;
    *) before_number=$number ;;
  esac
  write_file "$result.begun" "id $id
number $before_number
path $before_path" || problem "cannot write $result.begun; after a crash the profile would not be put back"
}

check() {
  for program in date mv nix-env nix-store readlink rm sleep sync timeout; do
    command -v "$program" >/dev/null || problem "there is no program $program on PATH"
  done
  # nixos-rebuild refuses what has no nixos-version; without a manifest there would be no Daruma after the switch.
  [ -f "$target/nixos-version" ] || problem "$target/nixos-version does not exist"
  [ -x "$target/bin/switch-to-configuration" ] || problem "$target has no bin/switch-to-configuration"
  [ -f "$target/etc/daruma/host.json" ] || problem "$target has no etc/daruma/host.json"
  [ -L "$profile" ] || problem "the profile $profile does not exist"
  [ -z "$problems" ] || return 1
  # Otherwise nix-env would try to build or download it.
  bounded "$nix_seconds" nix-store --check-validity "$target" || problem "$target is not valid in the store"
  [ -z "$problems" ]
}

# Compare-and-swap. After an interruption TARGET may be current already: by a reboot, or in mid-switch.
nobody_else_switched() {
  look_at_current
  [ "$now" = "$from" ] || [ "$now" = "$target" ] && return 0
  problem "current is $now, which is neither $from nor $target"
  return 1
}

# Runs TARGET's switch-to-configuration for action $1 within $2 seconds, leaves its status in `status`. Another switch may
# hold the lock; after it, everything must be asked again. Fails if another generation has become current.
activate() {
  waited=0
  while nobody_else_switched; do
    say "$1"
    bounded "$2" "$target/bin/switch-to-configuration" "$1"
    status=$?
    if [ "$status" -ne "$lock_is_held" ] || [ "$waited" -ge "$lock_seconds" ]; then return 0; fi
    waited=$((waited + 1))
    sleep 1
  done
  return 1
}

explain() {
  case $2 in
    0) ;;
    "$units_failed") problem "$1: a unit failed, or waits to be restarted (exit 4)" ;;
    "$activation_script_failed") problem "$1: the activation script failed (exit 2)" ;;
    "$reboot_is_needed") problem "$1: the target has another init interface, only a reboot can activate it (exit 100)" ;;
    "$lock_is_held") problem "$1: another switch held the lock for $lock_seconds s (exit 11)" ;;
    "$timed_out" | "$killed") problem "$1: did not end in time" ;;
    *) problem "$1: refused or aborted (exit $2)" ;;
  esac
}

# Keys that both have and that differ forbid a switch (`system.switch.inhibitors`). That the files differ is a hint only;
# what it explains is a refusal that has happened.
inhibitors_differ() {
  [ -f "$target/switch-inhibitors" ] && [ -f "$current_link/switch-inhibitors" ] || return 1
  [ "$(cat -- "$target/switch-inhibitors")" != "$(cat -- "$current_link/switch-inhibitors")" ]
}

# Exit 1 and the errnos are ambiguous: refused before anything was done, or given up in the middle with units stopped. The
# lists of what was to be started are kept in /run/nixos, so that a second switch goes on.
deserves_second_try() {
  case $1 in
    0 | "$activation_script_failed" | "$units_failed" | "$reboot_is_needed") return 1 ;;
    "$lock_is_held" | "$timed_out" | "$killed") return 1 ;;
  esac
  target_is_current || ! inhibitors_differ
}

# First what boots next: a switch that hangs or kills the machine then still ends well.
set_boot() {
  activate boot "$boot_seconds" || give_up overtaken
  boot_exit=$status
  explain boot "$boot_exit"
  if [ "$boot_exit" -eq 0 ] || target_is_current; then return; fi
  if [ "$boot_exit" -eq 1 ]; then give_up vetoed; fi
  give_up failed
}

# What boots next is TARGET, unless the other one has changed that too: the profile stays with it.
overtaken_after_boot() {
  problem "the boot entry had been set to $target by then"
  finish overtaken
}

switch_now() {
  activate switch "$switch_seconds" || overtaken_after_boot
  if deserves_second_try "$status"; then
    say "switch ended with $status, once more"
    activate switch "$switch_seconds" || overtaken_after_boot
  fi
  switch_exit=$status
  explain switch "$switch_exit"
}

# By what is, not by exit codes: 4 means that the target is active, and 1 can mean anything.
judge() {
  if target_is_current; then finish switched; fi
  nobody_else_switched || overtaken_after_boot
  if [ "$switch_exit" -eq 1 ] && inhibitors_differ; then
    problem "the switch inhibitors of $target differ, only a reboot can activate it"
    finish reboot-needed
  fi
  if [ "$switch_exit" -eq "$reboot_is_needed" ]; then finish reboot-needed; fi
  problem "still on $from; the next boot goes to $target"
  finish failed
}

# All of it is read before anything runs: a file that changes under a shell makes it run whatever is at that offset then.
main() {
  parse_arguments "$@"
  if [ "$launch" = yes ]; then launch_unit; fi
  cd / || exit 1
  # As nixos-rebuild without --install-bootloader.
  export NIXOS_INSTALL_BOOTLOADER=0
  # Lets TARGET's switch past pre-switch.sh.
  export DARUMA_ROLLBACK="$id"
  if ended_switched_before; then
    say 'was done before'
    remove_file "$result.begun"
    exit 0
  fi
  resume
  check || give_up refused
  nobody_else_switched || give_up overtaken
  begin
  point_profile "$target" || {
    problem "the profile could not be pointed at $target"
    give_up failed
  }
  set_boot
  switch_now
  judge
}

main "$@"
