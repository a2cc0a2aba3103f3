# What was known to be good is so no more: its files are damaged, or its agent fails as well.
{ lib, ... }:
let
  inherit (import ./lib.nix { inherit lib; }) bad fleet machine serves servesUntil testScript;
in
{
  name = "daruma-known-good-broken-too";

  nodes.machine = machine {
    inherit bad;
    untilBroken = fleet { agents.web.code = servesUntil "/var/broken"; };
    two = fleet { agents.web.code = serves "two"; };
  };

  testScript = testScript ''
    with subtest("A damaged generation is not gone back to: the one before it is, and where its agent fails too it is held"):
        start_anew()
        first = deploy("untilBroken")
        known_good(first.path)
        second = deploy("two")
        known_good(second.path)
        # The store is mounted read-only; Nix itself writes to it in a mount namespace of its own, like this.
        version = f"{second.path}/nixos-version"
        machine.succeed(
            "unshare --mount sh -c '"
            f"mount -o remount,rw,bind /nix/store && chmod u+w {version} && echo damaged >>{version}'"
        )
        last = last_entry()
        bad = deploy("bad")
        failed = entry(action="generation.rollback-failed", after=last)
        assert failed["subject"] == second.path
        entry(action="recovery.verified", subject="web", after=last)
        back_on(first.path)
        last = last_entry()
        machine.succeed("echo 1 >/var/broken")
        hold = entry(action="agent.hold", subject="web", after=last)
        assert "known-good-target" in str(hold["details"]["noRollback"]), hold
        has(entry(action="alert.raise", subject="web", after=last)["details"], kind="held")
        assert current() == first.path, "it stays where it has come back to"
        left = [each["seq"] for each in entries(action="generation.rollback")]
        assert max(left) < last, "nothing was left for what is broken or damaged"
        assert [path for path, _ in quarantine()] == [bad.path]
  '';
}
