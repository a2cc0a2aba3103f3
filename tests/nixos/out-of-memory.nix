# An agent that the kernel ends for want of memory is started again, with the cause known.
{ lib, ... }:
let
  inherit (import ./lib.nix { inherit lib; }) fleet machine testScript;

  # Serves; its first run takes 256 MiB at once when it is asked for the third time how it is.
  outgrowsItsLimitOnce = ''
    const { existsSync, writeFileSync } = require("node:fs");
    const marker = process.env.DARUMA_STATE_DIR + "/has-grown";
    let asked = existsSync(marker) ? Number.NEGATIVE_INFINITY : 0;
    require("node:http").createServer((_, answer) => {
      answer.end("ok");
      asked += 1;
      if (asked < 3) return;
      writeFileSync(marker, "");
      Buffer.alloc(256 * 1024 ** 2, 1);
    }).listen(process.env.PORT, "127.0.0.1");
  '';
in
{
  name = "daruma-out-of-memory";

  nodes.machine = machine {
    limited = fleet {
      agents.web = {
        code = outgrowsItsLimitOnce;
        settings.limits.memory = "128MiB";
      };
    };
  };

  testScript = testScript ''
    with subtest("An agent that the kernel ends for want of memory is healed, with the cause known"):
        start_anew()
        deploy("limited")
        ended = entry(action="agent.exit", subject="web")
        has(ended["details"], cause="resource")
        has(ended["details"]["exit"], kind="signal", signal="SIGKILL", sentBy="oom-killer")
        machine.succeed("journalctl --unit=daruma-agent-web | grep \"Failed with result 'oom-kill'\"")
        entry(action="recovery.verified", subject="web")
        told = actions(incident=ended["incident"])
        assert told == ["agent.exit", "agent.restart", "agent.start", "recovery.verified"], told
  '';
}
