# Stands in for switch-to-configuration-ng of NixOS: the same order, the same exit codes, the same judgement about units.
# Called by bin/switch-to-configuration of a generation, which sets OUT, TOPLEVEL, INSTALL_BOOTLOADER, PRE_SWITCH_CHECK,
# PLAN_UNITS and COMPARE_UNITS. Left out, because this host has none of it: file systems and swaps of /etc/fstab, another
# systemd (and so re-executing PID 1), user units, restarts asked for by activation scripts (gone in NixOS 26.11).
#
#   0    done                           2    the activation script failed (unless 4 follows)
#   1    refused, or gave up half way   4    active, but a unit failed or waits to be restarted after a failure
#   11   another switch holds the lock  100  needs a reboot
set -uo pipefail
export PATH=/usr/sbin:/usr/bin
shopt -s nullglob
trap : PIPE

usage() {
  cat >&2 <<'TEXT'
Usage: switch-to-configuration [check|switch|boot|test|dry-activate]
check:        run pre-switch checks and exit
switch:       make the configuration the boot default and activate now
boot:         make the configuration the boot default
test:         activate the configuration, but don't make it the boot default
dry-activate: show what would be done if this configuration were activated
TEXT
  exit 1
}

say() { echo "$*" >&2; }

action=${1-}
case $action in check | switch | boot | test | dry-activate) ;; *) usage ;; esac
if [ "$EUID" -ne 0 ]; then
  say "Error: switch-to-configuration must be run as the root user"
  exit 1
fi
export NIXOS_ACTION=$action

# --- What a switch may start from ------------------------------------------------------------------------------------

if [ ! -f /etc/NIXOS ]; then
  say "This is not a NixOS installation!"
  exit 2 # ENOENT, the errno of the failed look-up
fi
mkdir -p -m 755 /run/nixos
lock=/run/nixos/switch-to-configuration.lock
# The real one takes the lock itself, and /proc/locks shows a lock only as long as the process that took it lives (in a
# container): so flock(1) takes it and becomes this script.
if [ "${SWITCH_LOCKED_BY-}" != $$ ]; then
  if ! flock --nonblock "$lock" true; then
    say "Could not acquire lock"
    exit 11 # EAGAIN
  fi
  export SWITCH_LOCKED_BY=$$
  exec flock --no-fork --nonblock --conflict-exit-code 11 "$lock" "$0" "$@"
fi
unset SWITCH_LOCKED_BY
# Nothing that is started here may inherit the descriptor, or it would go on holding the lock: hence 9>&- below.
for descriptor in /proc/$$/fd/*; do
  if [ "$descriptor" -ef "$lock" ]; then
    eval "exec 9>&${descriptor##*/} ${descriptor##*/}>&-"
    break
  fi
done

if [ "${NIXOS_NO_CHECK-}" != 1 ] && ! "$PRE_SWITCH_CHECK" "$TOPLEVEL" "$action" 9>&-; then
  say "Pre-switch checks failed"
  exit 1
fi
if [ "$action" = check ]; then exit 0; fi

if [ "$action" = switch ] || [ "$action" = boot ]; then
  if ! "$INSTALL_BOOTLOADER" "$TOPLEVEL" 9>&-; then
    say "Failed to install bootloader"
    exit 1
  fi
fi
if [ "${NIXOS_NO_SYNC-}" != 1 ]; then sync --file-system /nix/store; fi
if [ "$action" = boot ]; then exit 0; fi

if ! cmp --silent /run/current-system/init-interface-version "$TOPLEVEL/init-interface-version"; then
  say "Warning: the new NixOS configuration has an 'init' that is"
  say "incompatible with the current configuration.  The new configuration"
  say "won't take effect until you reboot the system."
  exit 100
fi

# --- What has to happen to which unit --------------------------------------------------------------------------------

# shellcheck source=plan-units.sh
. "$PLAN_UNITS"

if [ "$action" = dry-activate ]; then
  tell "would stop the following units" to_stop
  tell "would NOT stop the following changed units" to_skip
  say "would activate the configuration..."
  tell "would reload the following units" to_reload
  tell "would restart the following units" to_restart
  tell "would start the following units" to_start
  exit 0
fi

# --- The switch ------------------------------------------------------------------------------------------------------

exit_code=0
jobs_directory=$(mktemp -d)
trap 'rm -rf "$jobs_directory"' EXIT

# One job for each unit, all at once, as a transaction of its own, and waits for them.
run_jobs() {
  local verb=$1 unit status
  shift
  local -A pids=()
  local targets=()
  for unit in "$@"; do
    # Targets are started for what they newly want; active as they are, they share one question.
    if [ "$verb" = start ] && [[ -n ${quiet[$unit]-} ]]; then
      targets+=("$unit")
      continue
    fi
    systemctl "$verb" --no-ask-password -- "$unit" 2>"$jobs_directory/$unit" 9>&- &
    pids[$unit]=$!
  done
  if [ ${#targets[@]} -gt 0 ]; then
    systemctl start --no-ask-password -- "${targets[@]}" 2>"$jobs_directory/targets" 9>&- || {
      say "Failed to start ${targets[*]}: $(head -n 1 "$jobs_directory/targets")"
      exit_code=4
    }
  fi
  for unit in "${!pids[@]}"; do
    wait "${pids[$unit]}"
    status=$?
    # 5: there is no such unit; one that should stop has then done so. A job that another one replaced did not fail.
    if [ "$status" -eq 0 ] || { [ "$status" -eq 5 ] && [ "$verb" = stop ]; }; then continue; fi
    if grep -q 'canceled' "$jobs_directory/$unit"; then continue; fi
    say "Failed to $verb $unit: $(head -n 1 "$jobs_directory/$unit")"
    exit_code=4
  done
}

logger -t nixos "switching to system configuration $TOPLEVEL"

tell "stopping the following units" to_stop
run_jobs stop "${!to_stop[@]}"
tell "NOT restarting the following changed units" to_skip

say "activating the configuration..."
if ! "$OUT/activate" "$OUT" 9>&-; then
  say "Failed to run activate script"
  exit_code=2
fi

# systemd counts restarts and start limits anew from here on.
systemctl reset-failed 9>&- || exit 1
if ! timeout 180 systemctl daemon-reload 9>&-; then
  say "Error: systemd daemon reload failed"
  exit 1
fi

say "restarting sysinit-reactivation.target"
run_jobs restart sysinit-reactivation.target

# What was to be reloaded may have been stopped with something that it requires.
for unit in "${!to_reload[@]}"; do
  case $(systemctl is-active -- "$unit" 9>&-) in active | activating | reloading) continue ;; esac
  if [ -e "$new_units/$unit" ]; then want_start "$unit"; fi
  unset "to_reload[$unit]"
  forget reload "$unit"
done
tell "reloading the following units" to_reload
run_jobs reload "${!to_reload[@]}"
rm -f /run/nixos/reload-list

tell "restarting the following units" to_restart
run_jobs restart "${!to_restart[@]}"
rm -f /run/nixos/restart-list

tell "starting the following units" to_start
run_jobs start "${!to_start[@]}"
rm -f /run/nixos/start-list

# --- The verdict -----------------------------------------------------------------------------------------------------

# The time that the real one gives to units that die at once: it waits until it has heard nothing for so long.
sleep 0.25
read_active_units
declare -A failed=() started=()
for unit in "${!active[@]}"; do
  if [ "${active[$unit]}" = failed ]; then
    failed[$unit]=1
  elif [[ ${substate[$unit]} == auto-restart && $unit == *.service ]] &&
    [ "$(systemctl show --value --property=ExecMainStatus -- "$unit" 9>&-)" != 0 ]; then
    failed[$unit]=1
  elif [ -z "${active_before[$unit]-}" ] && [[ $unit != *.scope ]]; then
    started[$unit]=1
  fi
done
tell "the following new units were started" started
if [ ${#failed[@]} -gt 0 ]; then
  tell "warning: the following units failed" failed
  systemctl status --no-pager --full -- "${!failed[@]}" >&2 9>&-
  exit_code=4
fi

if [ "$exit_code" -eq 0 ]; then
  logger -t nixos "finished switching to system configuration $TOPLEVEL"
else
  logger -t nixos -p user.err "switching to system configuration $TOPLEVEL failed (status $exit_code)"
fi
exit "$exit_code"
