# What an agent says of its work, and by the way in which it ends.
{ lib, ... }:
let
  inherit (import ./lib.nix { inherit lib; })
    fleet
    machine
    serves
    servesUntil
    testScript
    ;

  # Serves, and tells a counter that rises for as long as the file is not there.
  getsOnUntilStuck = ''
    const { existsSync } = require("node:fs");
    const { DARUMA_SOCKET: socketPath } = process.env;
    let count = 0;
    setInterval(() => {
      if (!existsSync("/var/stuck")) count += 1;
      const asked = require("node:http").request({ socketPath, method: "POST", path: "/v1/progress" }, (answer) => answer.resume());
      asked.on("error", () => undefined);
      asked.end(JSON.stringify({ count }));
    }, 100);
    ${serves "ok"}
  '';
in
{
  name = "daruma-stuck";

  nodes.machine = machine {
    works = fleet {
      agents = {
        web = {
          code = getsOnUntilStuck;
          settings.progress.within = "5s";
        };
        other = {
          code = servesUntil "/var/code";
          settings.restart = {
            exits = {
              "3" = "temporary";
              "4" = "success";
            };
            backoff.initial = "50ms";
            backoff.max = "1s";
            attempts = 3;
            within = "10m";
          };
        };
      };
    };
  };

  testScript = testScript ''
    with subtest("Work that does not get on is a hang, and exit codes mean what the fleet file says"):
        start_anew()
        works = deploy("works")
        known_good(works.path)
        put("now", "/var/stuck")
        stuck = entry(action="agent.stuck", subject="web")
        has(stuck["details"], cause="hang")
        machine.succeed("rm /var/stuck")
        entry(action="recovery.verified", subject="web")
        put("3", "/var/code")
        outside = entry(action="agent.exit", subject="other")
        has(outside["details"], cause="dependency")
        has(outside["details"]["exit"], kind="exit", code=3)
        entry(action="alert.raise", subject="other")
        put("4", "/var/code")
        until("it is done", lambda: (agent("other") or {}).get("phase") == "completed" or None)
        assert current() == works.path
  '';
}
