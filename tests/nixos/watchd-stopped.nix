# There is no watchd when an agent fails. systemd is the safety net.
{ lib, ... }:
let
  inherit (import ./lib.nix { inherit lib; }) good machine testScript;
in
{
  name = "daruma-watchd-stopped";

  nodes.machine = machine { inherit good; };

  testScript = testScript ''
    watchd = "daruma-watchd.service"

    with subtest("Without a watchdog, an agent that fails is started by systemd, and taken over later"):
        start_anew()
        deploy("good")
        before = healthy("web")
        machine.succeed(f"systemctl stop {watchd}", f"kill -9 {before['pid']}")
        machine.wait_until_succeeds("curl --silent --fail http://127.0.0.1:8080/")
        machine.succeed(f"systemctl start {watchd}")
        entry(action="agent.adopt", subject="web")
        after = healthy("web")
        assert after["pid"] != before["pid"]
        # It is the one that systemd has started, and was not started again.
        assert after["pid"] == pid_of("web")
        has(entry(action="agent.exit", subject="web")["details"]["exit"], kind="signal", signal="SIGKILL")
  '';
}
