# Who stopped an agent decides when it runs again.
{ lib, ... }:
let
  inherit (import ./lib.nix { inherit lib; }) good machine serves testScript withOther;
in
{
  name = "daruma-stopped-stays-stopped";

  nodes.machine = machine {
    inherit good;
    two = withOther { };
    changed = withOther { code = serves "changed"; };
  };

  testScript = testScript ''
    web = "daruma-agent-web.service"

    with subtest("What a person has stopped stays stopped: over a switch that changes it, and over a reboot"):
        start_anew()
        deploy("two")
        healthy("web")
        has(json.loads(machine.succeed("agentctl stop web --json")), agent="web", phase="stopped")
        machine.require_unit_state(web, "inactive")
        told = actions(subject="web")[-4:]
        assert told == ["agent.stop-request", "agent.stopped-by-person", "agent.stop", "agent.stopped"], told
        changed = deploy("changed")
        assert changed.exit_code == 0
        back_on(changed.path)
        healthy("other")
        machine.require_unit_state(web, "inactive")
        reboot()
        assert current() == changed.path
        healthy("other")
        has(agent("web") or {}, phase="stopped", stoppedBy="person")
        machine.require_unit_state(web, "inactive")
        machine.succeed("agentctl start web")
        assert says("web") == "changed"
        has(agent("web") or {}, phase="healthy", stoppedBy=None)

    with subtest("An agent stopped by hand with systemctl is no failure, and runs again when it is started by hand"):
        start_anew()
        known_good(deploy("good").path)
        machine.succeed(f"systemctl stop {web}")
        entry(action="agent.stopped-outside", subject="web")
        has(agent("web") or {}, phase="stopped", stoppedBy="outside")
        machine.succeed(f"systemctl start {web}")
        entry(action="agent.adopt", subject="web")
        healthy("web")
        last = last_entry()
        machine.succeed(f"systemctl restart {web}")
        entry(action="agent.adopt", subject="web", after=last)
        healthy("web")
        assert "agent.exit" not in actions()
  '';
}
