# Restarts that are no failures: it uses too much, or wants to begin anew.
{ lib, ... }:
let
  inherit (import ./lib.nix { inherit lib; })
    fleet
    machine
    serves
    testScript
    toldBy
    ;

  # Serves. The process that the file names `opens` 300 files, or `asks` for its own restart.
  opensOrAsks = ''
    ${toldBy "/var/wish"}
    const { openSync } = require("node:fs");
    const open = [];
    const ask = () => {
      const { DARUMA_SOCKET: socketPath } = process.env;
      const asked = require("node:http").request({ socketPath, method: "POST", path: "/v1/restart" }, (answer) => answer.resume());
      asked.on("error", () => undefined);
      asked.end();
    };
    setInterval(() => {
      if (told() === "opens " + process.pid) while (open.length < 300) open.push(openSync("/dev/null"));
      if (told() === "asks " + process.pid) ask();
    }, 200);
    ${serves "ok"}
  '';
in
{
  name = "daruma-no-failure";

  nodes.machine = machine {
    wishes = fleet {
      agents.web = {
        code = opensOrAsks;
        settings.resources = {
          openFiles = 200;
          sustained = "1s";
          restartWithin = "1s";
        };
      };
    };
  };

  testScript = testScript ''
    with subtest("An agent that has more files open than it may, or wants to begin anew, is restarted, which is no failure"):
        start_anew()
        wishes = deploy("wishes")
        known_good(wishes.path)
        before = healthy("web")
        put(f"opens {before['pid']}", "/var/wish")
        overuse = entry(action="agent.overuse", subject="web")
        assert overuse["run"] == before["runId"]
        has(overuse["details"], bound=200, restartWithinMs=1000)
        preempted = entry(action="agent.preempt", subject="web")
        has(preempted["details"], cause="resource", moment="deadline", counts=False)
        anew = entry(action="agent.healthy", subject="web", after=preempted["seq"])
        pid = healthy("web")["pid"]
        put(f"asks {pid}", "/var/wish")
        asked = entry(action="agent.restart-asked", subject="web")
        assert asked["run"] == anew["run"]
        entry(action="agent.healthy", subject="web", after=asked["seq"])
        assert healthy("web")["pid"] != pid
        assert current() == wishes.path
        assert not any("incident" in each for each in entries()), "something has failed"
  '';
}
