# A nightly job: killed, resumed, left alone by a deploy and by the end of watchd, kept to what it may reach, stopped.
{ lib, ... }:
let
  inherit (import ./lib.nix { inherit lib; }) machine testScript;

  records = 300;
  # Where its first attempt waits for whatever comes: five records after its last checkpoint.
  halt = 205;

  greeter = ''
    require("node:http").createServer((_, answer) => answer.end("hello")).listen(22022, "127.0.0.1");
  '';

  # `note` is in the code, so that another one is another routine.
  nightly =
    note:
    { pkgs, ... }:
    {
      # What it must not reach: of this very machine.
      systemd.services.greeter = {
        wantedBy = [ "multi-user.target" ];
        serviceConfig.ExecStart = "${lib.getExe pkgs.nodejs_24} ${pkgs.writeText "greeter.js" greeter}";
      };
      services.daruma = {
        enable = true;
        host = "machine";
        inherit (pkgs.stdenv.hostPlatform) system;
        routines.nightly = {
          command = [
            (lib.getExe pkgs.nodejs_24)
            "${pkgs.writeText "nightly.js" "// ${note}\n${builtins.readFile ./agents/loads-rows.cjs}"}"
          ];
          environment = {
            RECORDS = toString records;
            HALT = toString halt;
          };
          schedule = "0 2 * * *";
          retries = 3;
          backoff.initial = "50ms";
          egress = [ ];
        };
      };
    };
in
{
  name = "daruma-routine-resumes";

  nodes.machine = machine {
    one = nightly "one";
    two = nightly "two";
  };

  testScript = testScript ''
    def begin() -> str:
        put("last-night", "/root/input")
        return json.loads(machine.succeed("agentctl routine run nightly --input /root/input --json"))["run"]

    def unit(run: str) -> str:
        return f"daruma-routine-nightly@{run}.service"

    def halted(run: str) -> None:
        rows = f"/var/lib/daruma/routines/nightly/{run}/state/rows"
        until("it has come to its halt", lambda: True if machine.execute(f"[ $(wc -l <{rows}) = ${toString halt} ]")[0] == 0 else None)

    with subtest("A nightly job that is killed in mid-run goes on from its checkpoint, and its rows are there once"):
        start_anew()
        deploy("one")
        machine.wait_until_succeeds("curl --silent --fail http://127.0.0.1:22022/")
        until(
            "the wall around it is proven",
            lambda: True if '"enforced":true' in (ask("/run/daruma-egress/egressd.sock", "/v1/status") or "") else None,
        )
        run = begin()
        halted(run)
        machine.succeed(f"kill -9 {machine.get_unit_property(unit(run), 'MainPID')}")
        has(entry(action="routine.retried", subject="nightly"), run=run)
        told = until(
            "the second attempt is through",
            lambda: next((logs for logs in [machine.execute("agentctl routine logs nightly")[1]] if "told: 200" in logs), None),
        )
        assert told.count("past the proxy: ECONNREFUSED") == 2, told
        assert "goes on at 200" in told, told

        # A deploy of other code leaves it alone, and so does the end of watchd.
        invocation = machine.get_unit_property(unit(run), "InvocationID")
        assert deploy("two").exit_code == 0
        assert machine.get_unit_property(unit(run), "InvocationID") == invocation
        machine.succeed("systemctl stop daruma-watchd && touch /run/gate")
        machine.wait_until_succeeds(f"! systemctl is-active {unit(run)}")
        machine.succeed("systemctl start daruma-watchd")
        finished = entry(action="routine.finished", subject="nightly")
        has(finished, run=run)
        has(finished["details"], outcome="succeeded", attempts=2, result={"loaded": ${toString records}})
        rows = machine.succeed(f"cat /var/lib/daruma/routines/nightly/{run}/state/rows").splitlines()
        assert rows == [f"record {at}" for at in range(${toString records})], rows

        # A person stops the next one: it has not failed, and is not tried again.
        unwanted = begin()
        halted(unwanted)
        machine.succeed("agentctl routine stop nightly")
        stopped = entry(action="routine.finished", subject="nightly", after=finished["seq"])
        has(stopped, run=unwanted)
        has(stopped["details"], outcome="stopped", attempts=1)
  '';
}
