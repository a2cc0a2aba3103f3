# The deploy that has to be left has taken along what would write it down.
{ lib, ... }:
let
  inherit (import ./lib.nix { inherit lib; })
    dies
    fleet
    good
    machine
    testScript
    withProgram
    ;

  # A second between its tries: what comes so much later is called late.
  badAtLeisure = fleet {
    agents.web = {
      code = dies;
      settings.restart = {
        backoff = {
          initial = "1s";
          factor = 1;
          jitter = 0;
        };
        attempts = 3;
        within = "10m";
      };
    };
  };
in
{
  name = "daruma-ledger-broken-too";

  nodes.machine = machine {
    inherit good;
    badWithoutLedger.imports = [
      badAtLeisure
      (withProgram "ledgerd" "exit 9")
    ];
  };

  testScript = testScript ''
    with subtest("A deploy that breaks the ledger along with an agent is rolled back all the same, and told late"):
        start_anew()
        good = deploy("good")
        known_good(good.path)
        last = last_entry()
        broken = deploy("badWithoutLedger")
        entry(action="recovery.verified", subject="web", after=last)
        assert current() == good.path
        ended = entry(action="agent.exit", subject="web", after=last)
        has(ended["details"], late=True)
        rollback = entry(action="generation.rollback", after=last)
        assert rollback["incident"] == ended["incident"]
        has(rollback["details"], by="watchd")
        assert rollback["details"]["from"] == broken.path
        has((status() or {})["ledger"], connected=True, waiting=0)
        ledger_verifies()
  '';
}
