# The pre-switch check "switchInhibitors" of NixOS: components that must not be exchanged while the system runs. Refuses a
# switch if a key that both generations have has another value. `boot` and `dry-activate` change nothing that runs.
# Sourced, with the arguments TOPLEVEL ACTION.
set -euo pipefail
incoming=$1 action=$2
if [ "$action" = boot ] || [ "$action" = dry-activate ]; then exit 0; fi
if cmp --silent "$incoming/switch-inhibitors" /run/current-system/switch-inhibitors; then exit 0; fi

inhibitors() { cat "$1/switch-inhibitors" 2>/dev/null || echo '{}'; }

changes=$(jq -rn --argjson old "$(inhibitors /run/current-system)" --argjson new "$(inhibitors "$incoming")" \
  '$old | to_entries[] | select(.key | in($new)) | select(.value != $new[.key]) | "\(.key) : \(.value) -> \($new[.key])"')
[ -n "$changes" ] || exit 0
echo "There are changes to critical components of the system:"
echo
echo "$changes"
echo
echo "Switching into this system is not recommended."
echo "You probably want to run 'nixos-rebuild boot' and reboot your system instead."
exit 1
