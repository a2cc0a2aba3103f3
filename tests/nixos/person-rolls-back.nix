# A person goes back with agentctl: only if the ledger can take down that they wanted to.
{ lib, ... }:
let
  inherit (import ./lib.nix { inherit lib; }) fleet good machine serves testScript;
in
{
  name = "daruma-person-rolls-back";

  nodes.machine = machine {
    inherit good;
    two = fleet { agents.web.code = serves "two"; };
  };

  testScript = testScript ''
    with subtest("A person rolls back with agentctl, and the ledger has their intent first"):
        start_anew()
        good = deploy("good")
        known_good(good.path)
        second = deploy("two")
        known_good(second.path)
        # The driver's shell has a terminal for its standard input.
        code, _ = machine.execute("agentctl rollback </dev/null")
        assert code == 2, "without a terminal it wants --yes"
        assert current() == second.path
        answer = json.loads(machine.succeed("agentctl rollback --yes --json"))
        has(answer, target=good.path, targetNumber=good.number, proven=True)
        assert current() == good.path
        assert says("web") == "ok"
        told = [each for each in actions() if each.startswith("generation.roll")]
        assert told == ["generation.rollback-request", "generation.rollback", "generation.rolled-back"], told
        assert quarantine() == [], "a person's rollback condemns nothing"
        code, refusal = machine.execute(f"agentctl rollback --yes --to {good.number} --json")
        assert code == 1
        assert json.loads(refusal)["error"]["code"] == "WATCHD_E_ROLLBACK_REFUSED"

    with subtest("A person's rollback is refused while it cannot be recorded"):
        start_anew()
        known_good(deploy("good").path)
        second = deploy("two")
        known_good(second.path)
        machine.succeed("systemctl stop daruma-ledgerd.service")
        code, refusal = machine.execute("agentctl rollback --yes --json")
        assert code == 1
        assert json.loads(refusal)["error"]["code"] == "WATCHD_E_LEDGER_UNAVAILABLE"
        assert current() == second.path
  '';
}
