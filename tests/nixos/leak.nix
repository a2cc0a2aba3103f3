# An agent whose memory grows is restarted before it fails, at a moment that suits it.
{ lib, ... }:
let
  inherit (import ./lib.nix { inherit lib; }) fleet machine serves testScript;

  # Serves, and uses 5 MiB more in each second. Once /var/quiet is there it calls itself idle, again and again.
  leaksUntilQuiet = ''
    const { existsSync } = require("node:fs");
    const { request } = require("node:http");
    const held = [];
    const idle = () => {
      const { DARUMA_SOCKET: socketPath } = process.env;
      const asked = request({ socketPath, method: "POST", path: "/v1/idle" }, (answer) => answer.resume());
      asked.on("error", () => undefined);
      asked.end(JSON.stringify({ forMs: 1000 }));
    };
    setInterval(() => held.push(Buffer.alloc(256 * 1024, 1)), 50);
    setInterval(() => existsSync("/var/quiet") && idle(), 200);
    ${serves "ok"}
  '';
in
{
  name = "daruma-leak";

  nodes.machine = machine {
    leaking = fleet {
      agents.web = {
        code = leaksUntilQuiet;
        settings.resources.leak = {
          growth = "8MiB";
          within = "30s";
        };
      };
    };
  };

  testScript = testScript ''
    with subtest("An agent that leaks is restarted at the moment that it calls idle, which is no failure, and the ledger has the slope"):
        start_anew()
        leaking = deploy("leaking")
        known_good(leaking.path)
        before = healthy("web")
        leak = entry(action="agent.leak", subject="web")
        assert leak["run"] == before["runId"]
        has(leak["details"], resource="leak", withinMs=30000, limitBytes=8 * 1024**2)
        assert leak["details"]["samples"] >= 24
        assert leak["details"]["slopeBytesPerHour"] >= 8 * 1024**2 * 3600 / 30 - 1
        assert healthy("web")["pid"] == before["pid"]
        put("now", "/var/quiet")
        preempted = entry(action="agent.preempt", subject="web")
        assert preempted["run"] == before["runId"]
        has(preempted["details"], cause="leak", moment="idle", counts=False)
        until(
            "it runs anew",
            lambda: True if healthy("web")["pid"] != before["pid"] else None,
        )
        assert current() == leaking.path
        assert not any("incident" in each for each in entries()), "something has failed"
  '';
}
