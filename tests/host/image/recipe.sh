#!/bin/bash
# Makes the root file system of the test host in the empty directory $1: Debian with systemd and Nix, trimmed to what
# a NixOS machine without a desktop would run. Root only; needs debootstrap and a Debian mirror.
# Whatever changes in this directory makes another image: the cache is keyed by these files.
set -euo pipefail
root=$1
here=$(cd "$(dirname "$0")" && pwd)

# libdbi-perl: debootstrap does not resolve the virtual package (perl-dbdabi) through which nix-bin needs it.
packages=systemd,systemd-sysv,dbus,libdbi-perl,nix-bin,nftables,iproute2,curl,ca-certificates,procps,jq
# What agents use to reach the world, beside curl.
packages+=,git,wget,postgresql-client
debootstrap --variant=minbase --include="$packages" trixie "$root"

chroot "$root" apt-get clean
rm -rf "$root"/var/lib/apt/lists/* "$root"/usr/share/{doc,man,info,locale,lintian,bash-completion,zsh}

# In NixOS this is one link to the generation's units, and nothing else is enabled.
rm -rf "$root/etc/systemd/system"

# Only these units start by themselves; Debian's others are for hardware, logins and first boots.
keep='^(dbus\.(service|socket)|systemd-journald(-dev-log)?\.(service|socket)|systemd-journal-flush\.service|systemd-sysusers\.service|systemd-tmpfiles-setup\.service)$'
for link in "$root"/usr/lib/systemd/system/*.wants/*; do
  [[ ${link##*/} =~ $keep ]] || rm "$link"
done
rm -f "$root"/usr/lib/systemd/system-generators/*
ln -sfn multi-user.target "$root/usr/lib/systemd/system/default.target"

# Everything that is said is kept, also over a reboot, and nothing is left out because there is much of it.
mkdir -p "$root/usr/lib/systemd/journald.conf.d" "$root/var/log/journal"
cat >"$root/usr/lib/systemd/journald.conf.d/test-host.conf" <<'CONF'
[Journal]
Storage=persistent
RateLimitIntervalSec=0
SystemMaxUse=256M
CONF

# No daemon, no build users, no sandbox: the builders are a few lines of shell. Asking for substitutes would only wait
# for a network that is not there.
mkdir -p "$root/etc/nix"
cat >"$root/etc/nix/nix.conf" <<'CONF'
build-users-group =
sandbox = false
substitute = false
experimental-features = nix-command
CONF

touch "$root/etc/NIXOS" "$root/etc/.updated" "$root/var/.updated"
mkdir -p "$root/usr/lib/systemd/system.conf.d"
printf "[Manager]\nShowStatus=no\n" >"$root/usr/lib/systemd/system.conf.d/test-host.conf"

echo 6d2f0c1ab54e4c0f9e7a1c5d3b8f2a60 >"$root/etc/machine-id"
printf '127.0.0.1 localhost\n::1 localhost\n' >"$root/etc/hosts"
rm -f "$root"/etc/{resolv.conf,hostname}
install -D -m 755 "$here/init.sh" "$root/usr/lib/test-host/init"
