# An agent that does not work with its own settings goes on with others.
{ lib, ... }:
let
  inherit (import ./lib.nix { inherit lib; }) fleet machine testScript;

  # Says which settings it runs with. With those that are declared it beats once, with others again and again.
  beatsWithItsFallback = ''
    const { DARUMA_SOCKET: socketPath, SETTINGS = "declared" } = process.env;
    const beat = () => {
      const asked = require("node:http").request({ socketPath, method: "POST", path: "/v1/heartbeat" }, (answer) => answer.resume());
      asked.on("error", () => undefined);
      asked.end();
    };
    beat();
    if (SETTINGS !== "declared") setInterval(beat, 200);
    require("node:http").createServer((_, answer) => answer.end(SETTINGS)).listen(process.env.PORT, "127.0.0.1");
  '';
in
{
  name = "daruma-fallback";

  nodes.machine = machine {
    silent = fleet {
      agents.web = {
        code = beatsWithItsFallback;
        settings = {
          heartbeat = {
            through = "http";
            every = "250ms";
            silence = "5s";
          };
          fallback.environment.SETTINGS = "fallback";
          restart = {
            backoff.initial = "50ms";
            attempts = 2;
            within = "10m";
          };
        };
      };
    };
  };

  testScript = testScript ''
    with subtest("An agent that falls silent on its own socket hangs, and goes on with its fallback where its own settings do not help"):
        start_anew()
        deploy("silent")
        hang = entry(action="agent.hang", subject="web")
        has(hang["details"], cause="hang")
        stand_in = entry(action="agent.stand-in", subject="web")
        has(stand_in["details"], kind="fallback")
        verified = entry(action="recovery.verified", subject="web", after=stand_in["seq"])
        assert verified["incident"] == stand_in["incident"]
        healthy("web")
        assert says("web") == "fallback"
        assert "SETTINGS=fallback" in machine.succeed("systemctl cat daruma-agent-web.service")
  '';
}
