# The activation script of the stand-in, called as `activate TOPLEVEL`: accounts, /etc, the generation's own snippets and
# then, at the very end, /run/current-system. As in NixOS it goes on after a failure and tells of it with its exit status.
# Set by the caller: USERS (a table), UPDATE_USERS and SNIPPETS (scripts).
set -uo pipefail
export PATH=/usr/sbin:/usr/bin
umask 0022
toplevel=$1
status=0

bash "$UPDATE_USERS" "$USERS" || status=1

# /etc/static is this generation's /etc; what it has is linked from /etc through it, and links to what it does not have
# any more are removed.
ln -sfn "$toplevel/etc" /etc/.static.new && mv -T /etc/.static.new /etc/static || status=1
declare -A linked=()
while IFS= read -r -d '' link && IFS= read -r -d '' target; do
  if [ -e "/etc/$link" ]; then linked[$link]=$target; else rm -f "/etc/$link"; fi
done < <(find /etc -type l -lname '/etc/static/*' -printf '%P\0%l\0')
while IFS= read -r -d '' name; do
  [ "${linked[$name]-}" != "/etc/static/$name" ] || continue
  case $name in */*) [ -d "/etc/${name%/*}" ] || mkdir -p "/etc/${name%/*}" ;; esac
  ln -sfn "/etc/static/$name" "/etc/$name.new" && mv -T "/etc/$name.new" "/etc/$name" || status=1
done < <(cd /etc/static && find . -mindepth 1 \( -type f -o -type l \) -printf '%P\0')

bash "$SNIPPETS" "$toplevel" || status=1

ln -sfn "$(readlink -f "$toplevel")" /run/current-system
ln -sfn /run/current-system /nix/var/nix/gcroots/current-system
exit "$status"
