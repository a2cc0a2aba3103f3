# An agent that is no server and does not listen to SIGTERM.
{ lib, ... }:
let
  inherit (import ./lib.nix { inherit lib; }) fleet machine testScript;

  # Nor does what it starts. Its configuration is wrong while the file is there.
  deaf = ''
    trap "" TERM
    [ ! -e /var/wrong ] || exit 78
    sleep 100000 &
    while :; do sleep 1; done
  '';
in
{
  name = "daruma-shell-agent";

  nodes.machine = machine {
    deaf =
      { pkgs, ... }@arguments:
      fleet {
        agents.web.settings = {
          command = [
            "/bin/sh"
            "${pkgs.writeText "deaf.sh" deaf}"
          ];
          health = null;
          startup = "1s";
          stop.grace = "1s";
        };
      } arguments;
  };

  testScript = testScript ''
    with subtest("An agent in shell is healed, is stopped by force with all that it started, and is not tried again with a wrong configuration"):
        start_anew()
        deaf = deploy("deaf")
        known_good(deaf.path)
        before = healthy("web")
        children = "pgrep --full --count '^sleep 100000$'"
        assert machine.succeed(children) == "1\n"
        machine.succeed(f"kill -SEGV {before['pid']}")
        crash = entry(action="agent.exit", subject="web")
        has(crash["details"], cause="crash")
        has(crash["details"]["exit"], kind="signal", signal="SIGSEGV")
        entry(action="recovery.verified", subject="web")
        assert machine.succeed(children) == "1\n", "nothing is left of the run before"
        machine.succeed("agentctl stop web")
        stopped = entry(action="agent.stopped", subject="web", after=crash["seq"])
        has(stopped["details"], forced=True)
        machine.fail(children)
        machine.succeed("agentctl start web")
        again = healthy("web")
        put("now", "/var/wrong")
        last = last_entry()
        machine.succeed(f"kill -SEGV {again['pid']}")
        crash = entry(action="agent.exit", subject="web", after=last)
        wrong = entry(action="agent.exit", subject="web", after=crash["seq"])
        has(wrong["details"], cause="configuration")
        has(wrong["details"]["exit"], kind="exit", code=78)
        until("it is left alone", lambda: (agent("web") or {}).get("phase") == "failed" or None)
        machine.require_unit_state("daruma-agent-web.service", "failed")
        machine.succeed("rm /var/wrong", "agentctl start web")
        healthy("web")
        assert current() == deaf.path
  '';
}
