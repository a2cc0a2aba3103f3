# Stands in for nixpkgs in the test host: what units.nix, fleets and scenarios take from it, made with builtins and sh.
let
  inherit (builtins) readFile;

  # What Debian has. As in nixpkgs, the programs are in bin/ below.
  debian = "/usr";

  # The attributes are variables of the script: texts, lists as arrays, sets of texts as associative arrays.
  build =
    name: attributes: script:
    derivation (
      attributes
      // {
        inherit name;
        system = builtins.currentSystem;
        builder = "/bin/bash";
        args = [
          "-euc"
          # Nix kills a builder that closes its output. Without the colon that would be the last command, which bash becomes
          # and which, if it is one of coreutils, closes its output before it ends.
          ". .attrs.sh; out=\${outputs[out]}; export PATH=/usr/sbin:/usr/bin; ${script}\n:"
        ];
        __structuredAttrs = true;
      }
    );

  # Built once for all hosts (packages.ts), from files that are bound to /payload only then. The hash of those files
  # stands for them: here the result is always there.
  package =
    name: script: build name { content = readFile (/usr/lib/test-host/packages + "/${name}"); } script;
in
rec {
  inherit build;
  runtimeShell = "/bin/sh";
  bash = debian;
  coreutils = debian;
  curl = debian;
  findutils = debian;
  gnugrep = debian;
  gnused = debian;
  jq = debian;
  # Debian has it in sbin.
  nftables = build "nftables" { } ''
    mkdir -p $out/bin
    ln -s /usr/sbin/nft $out/bin/nft
  '';
  nix = debian;
  systemd = debian;
  util-linux = debian;

  nodejs_24 = package "nodejs_24" ''
    mkdir -p $out/bin
    cp /payload/node $out/bin/node
    chmod 555 $out/bin/node
  '';

  daruma = package "daruma" ''
    mkdir -p $out/bin $out/lib/daruma $out/libexec/daruma
    cp /payload/*.mjs /payload/*.node $out/lib/daruma/
    for program in agentctl watchd ledgerd egressd metricsd; do
      options=$(jq -r --arg name $program '.[$name] // [] | join(" ")' /payload/node-options.json)
      environment=$(jq -r --arg name $program '.[$name] // {} | to_entries | map("\(.key)=\(.value)") | join(" ")' \
        /payload/daemon-environment.json)
      printf '#!/bin/sh\nexec env %s %s/bin/node %s %s/lib/daruma/%s.mjs "$@"\n' "$environment" ${nodejs_24} "$options" $out $program >$out/bin/$program
    done
    printf '#!/bin/sh\nexec %s/bin/node %s/lib/daruma/egress-self-test.mjs "$@"\n' ${nodejs_24} $out >$out/libexec/daruma/egress-self-test
    cp /payload/rollback.sh $out/libexec/daruma/rollback
    cp /payload/wall.sh $out/libexec/daruma/egress-wall
    cp /payload/failed.sh $out/libexec/daruma/watchd-failed
    cp /payload/pre-switch.sh $out/libexec/daruma/pre-switch
    cp /payload/stand-ins.sh $out/libexec/daruma/stand-ins
    cp /payload/boot-complete.sh $out/libexec/daruma/boot-complete
    chmod 555 $out/bin/* $out/libexec/daruma/*
  '';

  # `daruma` with other programs: withPrograms { watchd = "exit 1"; } is a release whose watchd does not start.
  withPrograms =
    programs:
    build "daruma-changed" { inherit programs; } ''
      cp -r ${daruma} $out
      chmod -R u+w $out
      for name in "''${!programs[@]}"; do
        printf '#!/bin/sh\n%s\n' "''${programs[$name]}" >$out/bin/$name
      done
    '';

  writeText = name: text: build name { inherit text; } ''printf %s "$text" >"$out"'';

  writeShellScript =
    name: text: build name { inherit text; } ''
      printf '#!/bin/bash\n%s' "$text" >"$out"
      chmod 555 "$out"
    '';
}
