# An agent that lives and is not well.
{ lib, ... }:
let
  inherit (import ./lib.nix { inherit lib; }) fleet machine testScript toldBy;

  # Answers its health checks; those of the process that the file names with a failure, `all` of them or `every other`.
  failsAsTold = ''
    ${toldBy "/var/fails"}
    let asked = 0;
    require("node:http").createServer((_, answer) => {
      asked += 1;
      const fails = told() === "all " + process.pid || (told() === "every other " + process.pid && asked % 2 === 0);
      answer.writeHead(fails ? 500 : 200).end();
    }).listen(process.env.PORT, "127.0.0.1");
  '';
in
{
  name = "daruma-unhealthy";

  nodes.machine = machine { fails = fleet { agents.web.code = failsAsTold; }; };

  testScript = testScript ''
    with subtest("An agent that answers and is not well is unhealthy, whether each of its checks fails or every other one"):
        start_anew()
        fails = deploy("fails")
        known_good(fails.path)

        put(f"all {healthy('web')['pid']}", "/var/fails")
        found = entry(action="agent.unhealthy", subject="web")
        has(found["details"], cause="unhealthy", failingProbes=3, becameHealthy=True)
        verified = entry(action="recovery.verified", subject="web")
        assert verified["incident"] == found["incident"]

        put(f"every other {healthy('web')['pid']}", "/var/fails")
        found = entry(action="agent.unhealthy", subject="web", after=verified["seq"])
        has(found["details"], cause="unhealthy", missed=10, ofChecks=20)
        verified = entry(action="recovery.verified", subject="web", after=found["seq"])
        assert verified["incident"] == found["incident"]
        assert current() == fails.path
  '';
}
