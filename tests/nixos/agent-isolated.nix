# What an agent is kept from: other users' files, the system's, Daruma's own.
{ lib, ... }:
let
  inherit (import ./lib.nix { inherit lib; }) machine serves testScript withOther;

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
  name = "daruma-agent-isolated";

  nodes.machine = machine {
    nosy = withOther {
      code = nosy;
      settings.credentials.API_KEY = "/root/secret";
    };
  };

  testScript = testScript ''
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
