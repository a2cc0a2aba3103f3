# A deploy was the cause: the generation that worked before it comes back, by itself.
{ lib, ... }:
let
  inherit (import ./lib.nix { inherit lib; }) bad good machine testScript;
in
{
  name = "daruma-bad-deploy-rolls-back";

  nodes.machine = machine { inherit bad good; };

  testScript = testScript ''
    with subtest("A deploy whose agent dies at its start is rolled back by itself, once, and quarantined"):
        start_anew()
        good = deploy("good")
        known_good(good.path)
        old = healthy("web")
        bad = deploy("bad")
        decided = entry(action="generation.rollback")
        has(decided["details"], by="watchd", agent="web", toNumber=good.number)
        assert decided["details"]["from"] == bad.path
        entry(action="recovery.verified", subject="web")
        back_on(good.path)
        assert says("web") == "ok", "it runs its old code"
        assert healthy("web")["runId"] != old["runId"]
        assert actions().count("generation.rollback") == 1
        assert actions(incident=decided["incident"]).count("agent.exit") == 3
        assert quarantine() == [(bad.path, "web")]
        assert boots_next(good.path)
        assert machine.succeed(f"readlink -f {profile}").strip() == good.path
        reboot()
        assert current() == good.path
        healthy("web")
        assert quarantine() == [(bad.path, "web")], "it is still known after a reboot"
  '';
}
