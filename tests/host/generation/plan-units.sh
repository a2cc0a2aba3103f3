# Sourced by switch-to-configuration.sh: which units are to be stopped, started, restarted, reloaded and left alone, by the
# rules of switch-to-configuration-ng (collect_unit_changes, handle_modified_unit). Leaves its answer in to_stop, to_start,
# to_restart, to_reload and to_skip, whose keys are unit names, and what was active before in active_before.

old_units=/etc/systemd/system
new_units=$TOPLEVEL/etc/systemd/system
declare -A to_stop=() to_start=() to_restart=() to_reload=() to_skip=() quiet=() active=() substate=()

# What is to be started, restarted and reloaded is also in files, so that the next run goes on where this one was killed.
record() { [ "$action" = dry-activate ] || echo "$2" >>"/run/nixos/$1-list"; }
forget() {
  [ -e "/run/nixos/$1-list" ] || return 0
  grep -vxF -e "$2" "/run/nixos/$1-list" >"/run/nixos/$1-list.new"
  mv "/run/nixos/$1-list.new" "/run/nixos/$1-list"
}
recorded() { [ ! -e "/run/nixos/$1-list" ] || cat "/run/nixos/$1-list"; }

want_start() { to_start[$1]=1 && record start "$1"; }
want_restart() { to_restart[$1]=1 && record restart "$1"; }
want_reload() { to_reload[$1]=1 && record reload "$1"; }

for unit in $(recorded start); do to_start[$unit]=1; done
for unit in $(recorded restart); do to_restart[$unit]=1; done
for unit in $(recorded reload); do to_reload[$unit]=1; done

read_active_units() {
  active=() substate=()
  while read -r unit _ state sub _; do
    active[$unit]=$state
    substate[$unit]=$sub
  done < <(systemctl list-units --full --plain --no-legend --no-pager 9>&-)
}

# These leave their answer in REPLY: a subshell for each unit would take most of the time of a switch.

# The file of a unit in a directory, or of the template that it is an instance of.
base_file() {
  REPLY=$1/$2
  if [[ $2 =~ ^(.*)@[^.]*\.(.*)$ && ! -e $old_units/$2 && ! -e $new_units/$2 ]]; then
    REPLY=$1/${BASH_REMATCH[1]}@.${BASH_REMATCH[2]}
  fi
}

# A unit's file and drop-ins as compare-units.awk wants them.
files_of() {
  base_file "$1" "$2"
  local all=("$REPLY" "$REPLY.d"/*.conf) IFS=:
  if [ "$REPLY" != "$1/$2" ]; then all+=("$1/$2.d"/*.conf); fi
  REPLY=${all[*]}
}

is_gone() { [ ! -e "$1" ] || [ "$1" -ef /dev/null ]; }

# The units that run and are NixOS's: transient ones, Debian's own and those in /run are left alone.
managed_units() {
  local candidates=() unit
  for unit in "${!active[@]}"; do
    case ${active[$unit]} in active | activating) ;; *) continue ;; esac
    base_file "$old_units" "$unit"
    if [ -e "$REPLY" ]; then candidates+=("$unit"); fi
  done
  [ ${#candidates[@]} -gt 0 ] || return
  systemctl show --property=Id,FragmentPath -- "${candidates[@]}" 9>&- |
    awk -F= -v prefix="$old_units" '$1 == "Id" { id = $2 } $1 == "FragmentPath" && index($2, prefix) == 1 { fits = 1 }
      $0 == "" { if (fits) print id; fits = 0 } END { if (fits) print id }'
}

# $1: the unit, $2: equal, reload or restart, $3: its Sockets=, $4: its flags (see compare-units.awk).
plan() {
  local unit=$1 verdict=$2 sockets=$3 flags=$4
  base_file "$new_units" "$unit"
  if is_gone "$REPLY"; then
    if [[ $flags != *" no-X-StopOnRemoval "* ]]; then to_stop[$unit]=1; fi
  elif [[ $unit == *.target ]]; then
    # Every target is started again, which starts what it newly wants.
    case $unit in suspend.target | hibernate.target | hybrid-sleep.target) return ;; esac
    if [[ $flags != *" RefuseManualStart "* && $flags != *" X-OnlyManualStart "* ]]; then
      want_start "$unit"
      quiet[$unit]=1
    fi
    if [[ $flags == *" X-StopOnReconfiguration "* ]]; then to_stop[$unit]=1; fi
  elif [ "$verdict" = restart ]; then
    plan_changed "$unit" "$sockets" "$flags"
  elif [ "$verdict" = reload ] && [ -z "${to_restart[$unit]-}" ]; then
    want_reload "$unit"
  fi
}

plan_changed() {
  local unit=$1 sockets=$2 flags=$3 socket by_socket=
  case $unit in
    *.path | *.slice | *.socket) return ;;
    -.mount | nix.mount) want_reload "$unit" && return ;;
    *.mount) want_restart "$unit" && return ;;
  esac
  if [[ $flags == *" X-ReloadIfChanged "* ]] && [ -z "${to_restart[$unit]-}${to_stop[$unit]-}" ]; then
    want_reload "$unit"
    return
  fi
  case $flags in
    *" no-X-RestartIfChanged "* | *" RefuseManualStop "* | *" X-OnlyManualStart "*)
      to_skip[$unit]=1
      return
      ;;
  esac
  if [[ $flags == *" no-X-StopIfChanged "* || $unit != *.service ]]; then
    want_restart "$unit"
  else
    local base=${unit%.service}
    if [[ ! -e $new_units/$unit ]]; then base=${base%@*}; fi
    for socket in ${sockets:-"$base.socket"}; do
      if [ -n "${active[$socket]-}" ]; then
        to_stop[$socket]=1
        if [ -e "$new_units/$socket" ]; then want_start "$socket" && by_socket=1; fi
      elif [ -e "$new_units/$socket" ]; then
        by_socket=1
      fi
    done
    if [ -z "$by_socket" ] || [[ $flags == *" X-NotSocketActivated "* ]]; then want_start "$unit"; fi
    to_stop[$unit]=1
  fi
  if [ -n "${to_reload[$unit]-}" ]; then
    unset "to_reload[$unit]"
    forget reload "$unit"
  fi
}

read_active_units
declare -A active_before=()
for unit in "${!active[@]}"; do active_before[$unit]=1; done

while IFS=$'\x1f' read -r unit verdict sockets flags; do
  plan "$unit" "$verdict" "$sockets" "$flags"
done < <(
  for unit in $(managed_units); do
    files_of "$old_units" "$unit"
    old_files=$REPLY
    files_of "$new_units" "$unit"
    printf '%s\t%s\t%s\n' "$unit" "$old_files" "$REPLY"
  done | awk -f "$COMPARE_UNITS" | tr '\t' '\037'
)

# Says the names of a set, sorted, without those that nobody wants to read about.
tell() {
  local -n set=$2
  local unit shown=() list
  for unit in "${!set[@]}"; do [ -n "${quiet[$unit]-}" ] || shown+=("$unit"); done
  [ ${#shown[@]} -gt 0 ] || return 0
  if [ ${#shown[@]} -gt 1 ]; then mapfile -t shown < <(printf '%s\n' "${shown[@]}" | sort -f); fi
  printf -v list ', %s' "${shown[@]}"
  say "$1: ${list#, }"
}
