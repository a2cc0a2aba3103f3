# What somebody has stopped, and how long it stays so; what a deploy stops, and what it leaves alone. The scenarios of
# tests/host/standstill.test.ts.
{ lib, ... }:
let
  inherit (import ./lib.nix { inherit lib; })
    fleet
    machine
    serves
    testScript
    ;

  # Tells what it may do.
  nosy = ''
    const { readFileSync, writeFileSync, readdirSync } = require("node:fs");
    const attempt = (what) => {
      try {
        return what();
      } catch (error) {
        return error.code;
      }
    };
    writeFileSync(
      process.env.DARUMA_STATE_DIR + "/report",
      JSON.stringify({
        uid: process.getuid(),
        secret: readFileSync(process.env.CREDENTIALS_DIRECTORY + "/API_KEY", "utf8"),
        original: attempt(() => readFileSync("/root/secret", "utf8")),
        etc: attempt(() => writeFileSync("/etc/owned", "")),
        other: attempt(() => readdirSync("/var/lib/daruma/agents/other/state")),
        ledger: attempt(() => readdirSync("/var/lib/daruma/ledger")),
        watchd: attempt(() => readFileSync("/run/daruma/exits/web", "utf8")),
      }),
    );
    ${serves "ok"}
  '';
in
{
  name = "daruma-standstill";

  nodes.machine = machine {
    one = fleet { agents.web = { }; };
    two = fleet {
      agents = {
        web = { };
        other = { };
      };
    };
    changed = fleet {
      agents = {
        web.code = serves "changed";
        other = { };
      };
    };
    withoutWeb = fleet { agents.other = { }; };
    nosy = fleet {
      agents = {
        web = {
          code = nosy;
          settings.credentials.API_KEY = "/root/secret";
        };
        other = { };
      };
    };
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
        known_good(deploy("one").path)
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

    with subtest("A deploy that changes an agent is no failure of it"):
        start_anew()
        deploy("two")
        healthy("web")
        before = healthy("other")
        known_good(deploy("changed").path)
        assert says("web") == "changed"
        assert healthy("other")["runId"] == before["runId"], "what did not change ran on"
        assert "agent.exit" not in actions()
        known_good(deploy("withoutWeb").path)
        assert agent("web") is None
        assert not [each for each in entries() if each.get("incident") is not None]

    with subtest("An agent runs as its own user, sees its own files, and has its credentials"):
        start_anew()
        machine.succeed("echo s3cret | install -m 0600 /dev/stdin /root/secret")
        deploy("nosy")
        healthy("web")
        report = json.loads(machine.succeed("cat /var/lib/daruma/agents/web/state/report"))
        assert report["uid"] == int(machine.succeed("id -u da-web"))
        assert report["uid"] != int(machine.succeed("id -u da-other"))
        assert report["secret"] == "s3cret\n"
        for denied in ["original", "other", "ledger", "watchd"]:
            assert report[denied] in ["EACCES", "ENOENT", "EPERM"], f"{denied}: {report[denied]}"
        assert report["etc"] == "EROFS"
  '';
}
