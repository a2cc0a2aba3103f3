# ledgerd does nothing any more. What happens meanwhile waits in watchd's journal.
{ lib, ... }:
let
  inherit (import ./lib.nix { inherit lib; }) good machine testScript;
in
{
  name = "daruma-ledger-hangs";

  nodes.machine = machine { inherit good; };

  testScript = testScript ''
    ledgerd = "daruma-ledgerd.service"

    with subtest("A ledger that hangs is ended by systemd, and what happened meanwhile is in it"):
        start_anew()
        deploy("good")
        before = healthy("web")
        machine.succeed(f"mkdir -p /run/systemd/system/{ledgerd}.d")
        put("[Service]\nWatchdogSec=6s\nTimeoutAbortSec=1s", f"/run/systemd/system/{ledgerd}.d/90-short.conf")
        machine.succeed("systemctl daemon-reload", f"systemctl restart {ledgerd}")
        last = until("the ledger with a short leash", lambda: last_entry() or None)
        machine.succeed(
            f"systemctl kill --kill-whom=main --signal=STOP {ledgerd}",
            f"kill -9 {before['pid']}",
        )
        exit = entry(action="agent.exit", subject="web", after=last)
        entry(action="recovery.verified", subject="web", after=exit["seq"])
        machine.succeed(f"journalctl --unit {ledgerd} | grep 'Watchdog timeout'")
  '';
}
