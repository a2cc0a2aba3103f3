# Builds the toplevel, from what toplevel.nix gives as structured attributes: files, programs (path -> text), wants
# ("TARGET.wants UNIT"), targets (Debian's, which NixOS has in its own units), packages.
write() {
  if [[ $1 == */* && ! -d $out/${1%/*} ]]; then mkdir -p "$out/${1%/*}"; fi
  printf '%s' "$2" >"$out/$1"
}

mkdir -p "$out"/{bin,etc/systemd,sw/bin,units}
for name in "${!files[@]}"; do write "$name" "${files[$name]}"; done
for name in "${!programs[@]}"; do write "$name" "${programs[$name]//@out@/$out}"; done
names=("${!programs[@]}")
chmod 555 "${names[@]/#/$out/}"

# As in NixOS, one link in /etc stands for all units.
ln -s "$out/units" "$out/etc/systemd/system"
cp "${targets[@]/#//usr/lib/systemd/system/}" "$out/units/"
ln -s multi-user.target "$out/units/default.target"
for line in "${wants[@]}"; do
  read -r directory unit <<<"$line"
  [ -d "$out/units/$directory" ] || mkdir -p "$out/units/$directory"
  ln -s "../$unit" "$out/units/$directory/$unit"
done

for package in "${packages[@]}"; do
  ln -s "$package"/bin/* "$out/sw/bin/"
done
