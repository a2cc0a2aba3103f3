# The deploy that has to be left has taken along what would write it down.
{ lib, ... }:
let
  inherit (import ./lib.nix { inherit lib; }) bad good machine testScript withProgram;
in
{
  name = "daruma-ledger-broken-too";

  nodes.machine = machine {
    inherit good;
    badWithoutLedger.imports = [
      bad
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
        rollback = entry(action="generation.rollback", after=last)
        has(rollback["details"], by="watchd", late=True)
        assert rollback["details"]["from"] == broken.path
        has((status() or {})["ledger"], connected=True, waiting=0)
        ledger_verifies()
  '';
}
