# A boot loader made of files, as systemd-boot's builder keeps them: an entry for each generation of the system profile,
# and a default. The default is set only to a generation that is in the profile: another toplevel gets no entry, and the
# machine boots what it booted before. image/init.sh reads it.
#   install-bootloader.sh TOPLEVEL
set -euo pipefail
shopt -s nullglob
toplevel=$(readlink -f "$1")
loader=/boot/loader
mkdir -p "$loader/entries"

# Writes a line to a file that does not have it yet.
replace() {
  if [ -e "$1" ] && [ "$(<"$1")" = "$2" ]; then return; fi
  echo "$2" >"$1.tmp"
  sync "$1.tmp"
  mv "$1.tmp" "$1"
}

default= newest=0
declare -A keep=()
for link in /nix/var/nix/profiles/system-*-link; do
  number=${link#/nix/var/nix/profiles/system-}
  number=${number%-link}
  entry=nixos-generation-$number.conf
  keep[$entry]=1
  path=$(readlink -f "$link")
  replace "$loader/entries/$entry" "toplevel $path"
  if [ "$path" = "$toplevel" ] && [ "$number" -gt "$newest" ]; then newest=$number default=$entry; fi
done
if [ -n "$default" ]; then replace "$loader/loader.conf" "default $default"; fi
for entry in "$loader"/entries/*.conf; do
  [ -n "${keep[${entry##*/}]-}" ] || rm "$entry"
done
sync --file-system "$loader"
