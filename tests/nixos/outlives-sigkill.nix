# An agent has stopped once nothing of it is left.
{ lib, ... }:
let
  inherit (import ./lib.nix { inherit lib; }) fleet machine serves testScript;

  # Serves, and has a child that does not listen.
  hasADeafChild = ''
    const deaf = "process.on('SIGTERM', () => {}); setInterval(() => {}, 1000);";
    require("node:child_process").spawn(process.execPath, ["--eval", deaf], { stdio: "ignore" });
    ${serves "ok"}
  '';
in
{
  name = "daruma-outlives-sigkill";

  nodes.machine = machine {
    deaf = fleet {
      agents.web = {
        code = hasADeafChild;
        settings.stop.grace = "1s";
      };
    };
  };

  testScript = testScript ''
    web = "daruma-agent-web.service"

    with subtest("What SIGKILL does not end is no agent that has stopped"):
        start_anew()
        deploy("deaf")
        # A process that waits for the kernel cannot be had at will. One that is spared SIGKILL leaves its unit the same.
        machine.succeed(f"mkdir -p /run/systemd/system/{web}.d")
        put("[Service]\nSendSIGKILL=no\n", f"/run/systemd/system/{web}.d/10-spare.conf")
        machine.succeed("systemctl daemon-reload")
        healthy("web")
        machine.succeed("systemd-run --unit=stops --collect agentctl stop web")
        failed = entry(action="agent.stop-failed", subject="web")
        assert "SIGKILL has not ended what is left of its last run" in failed["details"]["message"], failed
        assert "failed" in machine.succeed(f"systemctl show --value -p MainPID,ActiveState {web}")
        has(agent("web") or {}, phase="stopping", runId=failed["run"])
        machine.succeed(f"xargs kill -KILL < /sys/fs/cgroup/system.slice/{web}/cgroup.procs")
        until("it is stopped", lambda: (agent("web") or {}).get("phase") == "stopped" or None)
  '';
}
