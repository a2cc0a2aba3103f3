# Somebody changes a host behind the back of its generation. On NixOS the store is mounted read-only, and what is in it can be
# changed in a mount namespace of one's own only.
{ lib, ... }:
let
  inherit (import ./lib.nix { inherit lib; }) fleet machine testScript;

  under = policy: { pkgs, ... }: {
    imports = [
      (fleet {
        agents.web.settings.egress = [
          {
            host = "api.example.com";
            port = 443;
            protocol = "tls";
          }
        ];
      })
    ];
    services.daruma.drift = {
      inherit policy;
      every = "2s";
      storeEvery = "1d";
      attempts = 2;
    };
    environment.systemPackages = [ pkgs.nftables ];
    # Where a damaged path can be had from again.
    nix.settings = {
      substituters = lib.mkForce [ "file:///root/cache" ];
      require-sigs = false;
    };
  };
in
{
  name = "daruma-drift-corrected";

  nodes.machine = machine {
    reporting = under "report";
    correcting = under "correct";
  };

  testScript = testScript ''
    unit = "daruma-agent-web.service"
    override = f"/run/systemd/system/{unit}.d/override.conf"
    hook = "/etc/daruma/bin/stop-hook"
    table = "table inet daruma_egress"

    with subtest("What somebody changes on a host is found, named and put right, and nothing is touched where the policy is to report"):
        start_anew()
        deploy("reporting")
        healthy("web")
        machine.succeed("agentctl drift")
        file = machine.succeed(f"tr '\\0' '\\n' </proc/{pid_of('web')}/cmdline").split()[-1]
        original = machine.succeed(f"cat {file}")
        nix = "nix --extra-experimental-features nix-command"
        machine.succeed(f"{nix} copy --to 'file:///root/cache?compression=none' {file}")
        before = last_entry()
        machine.succeed(
            f"mkdir -p {os.path.dirname(override)}",
            f"printf '[Service]\\nNice=7\\nEnvironment=TOKEN=s3cret\\n' >{override}",
            f"systemctl daemon-reload && systemctl restart {unit}",
            f"rm {hook}",
            f"unshare --mount sh -c \"mount -o remount,rw /nix/store && echo '// changed' >>{file}\"",
            "nft flush ruleset",
        )
        for subject in [override, hook, file, table]:
            has(entry(action="drift.found", subject=subject, after=before)["details"], policy="report")
        until("the wall is back", lambda: True if machine.execute(f"nft list {table}")[0] == 0 else None)
        code, shown = machine.execute("agentctl drift")
        assert code == 1, code
        for named in [override, "+ Nice=7", hook, file, "was modified"]:
            assert named in shown, f"{named} is not in {shown}"
        machine.succeed(f"test -f {override} && test ! -e {hook} && grep changed {file}")
        corrected = [each["subject"] for each in entries() if each["action"].startswith("drift.correct")]
        assert corrected == [table], corrected
        assert "s3cret" not in json.dumps(entries()) + shown

        deployed = last_entry()
        assert deploy("correcting").exit_code == 0
        for subject in [override, file]:
            entry(action="drift.corrected", subject=subject, after=deployed)
        assert machine.succeed(f"cat {file}") == original
        machine.succeed("grep s3cret /var/lib/daruma/watchd/set-aside/*/*override.conf")
        healthy("web")
        assert machine.get_unit_property(unit, "Nice") != "7"

        machine.succeed(f"test -L {hook}")
        for deed in [
            f"rm {hook}",
            f"rm {hook} && flock --no-fork /run/nixos/switch-to-configuration.lock sleep 3 && test ! -e {hook}",
        ]:
            last = last_entry()
            machine.succeed(deed)
            entry(action="drift.corrected", subject=hook, after=last)
            machine.succeed(f"test -L {hook}")
        last = last_entry()
        machine.succeed(f"rm {hook}")
        entry(action="drift.hold", subject=hook, after=last)
        has(entry(action="alert.raise", subject=hook, after=last)["details"], kind="drift")
        machine.succeed(f"test ! -e {hook}")
        machine.succeed("agentctl drift --fix", f"test -L {hook}")
        has(entries(action="drift.corrected", subject=hook)[-1]["details"], by="operator")
  '';
}
