# Makes the accounts of a generation, as NixOS's update-users-groups does for users that are declared: those of an earlier
# generation that are not declared any more are removed, and one that comes back gets the same number again.
#   update-users.sh TABLE      lines of "group NAME" and "user NAME <tab> GROUP <tab> HOME <tab> DESCRIPTION"
set -euo pipefail
table=$1
state=/var/lib/nixos
mkdir -p "$state"
touch "$state/ids" "$state/declared"

declare -A numbers=()
least=900
while read -r name number; do
  numbers[$name]=$number
  if [ "$number" -lt "$least" ]; then least=$number; fi
done <"$state/ids"

# Numbers of system accounts are given out downwards, below those that Debian uses, and never to another name. The answer is
# in REPLY: a process for each would take longer than all the rest.
number_of() {
  if [ -z "${numbers[$1]-}" ]; then
    least=$((least - 1))
    numbers[$1]=$least
    echo "$1 $least" >>"$state/ids"
  fi
  REPLY=${numbers[$1]}
}

# Takes the names that were declared out of a file of accounts.
without_declared() {
  awk -F: -v list="$state/declared" 'BEGIN { while ((getline name < list) > 0) gone[name] } !($1 in gone)' "$1"
}

if [ ! -s "$table" ] && [ ! -s "$state/declared" ]; then exit 0; fi
without_declared /etc/passwd >/etc/passwd.new
without_declared /etc/group >/etc/group.new
: >"$state/declared.new"
while IFS=$'\t' read -r kind name group home description; do
  number_of "${group:-$name}"
  number=$REPLY
  case $kind in
    group) echo "$name:x:$number:" >>/etc/group.new ;;
    user)
      number_of "$name"
      echo "$name:x:$REPLY:$number:$description:$home:/usr/sbin/nologin" >>/etc/passwd.new
      ;;
  esac
  echo "$name" >>"$state/declared.new"
done <"$table"
mv /etc/group.new /etc/group
mv /etc/passwd.new /etc/passwd
mv "$state/declared.new" "$state/declared"
