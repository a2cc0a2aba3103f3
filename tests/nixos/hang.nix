# An agent that falls silent is ended by systemd itself: to watchd it hangs.
{ lib, ... }:
let
  inherit (import ./lib.nix { inherit lib; }) fleet machine serves testScript;

  # Serves, and says to systemd that it gets on: once, then not before it is started again.
  beatsOnceThenAlways = ''
    const { execFile } = require("node:child_process");
    const { existsSync, writeFileSync } = require("node:fs");
    const beat = () => execFile("/run/current-system/sw/bin/systemd-notify", [ "WATCHDOG=1" ]);
    const marker = process.env.DARUMA_STATE_DIR + "/fell-silent";
    beat();
    if (existsSync(marker)) setInterval(beat, 1000);
    else writeFileSync(marker, "");
    ${serves "ok"}
  '';
in
{
  name = "daruma-hang";

  nodes.machine = machine {
    silent = fleet {
      agents.web = {
        code = beatsOnceThenAlways;
        settings.heartbeat = {
          through = "notify";
          every = "1s";
          silence = "10s";
        };
      };
    };
  };

  testScript = testScript ''
    with subtest("An agent that falls silent towards systemd is ended by it, and healed as one that hangs"):
        start_anew()
        deploy("silent")
        ended = entry(action="agent.exit", subject="web")
        has(ended["details"], cause="hang")
        has(ended["details"]["exit"], kind="watchdog")
        verified = entry(action="recovery.verified", subject="web")
        assert verified["incident"] == ended["incident"]
        before = healthy("web")
        lasts = time.monotonic() + 20
        until("it is heard for longer than it may be silent", lambda: time.monotonic() > lasts)
        assert healthy("web")["pid"] == before["pid"]
  '';
}
