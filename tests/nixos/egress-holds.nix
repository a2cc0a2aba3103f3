# What an agent may reach, kept by the kernel of a NixOS: tried by the agent itself, with its user and in its sandbox. Without the
# ways of programs that only the test host has (git, wget, psql, Perl).
{ lib, ... }:
let
  inherit (import ./lib.nix { inherit lib; }) fleet machine testScript;

  tries = builtins.readFile ./agents/tries-ways-out.cjs;

  outside = {
    v4 = "198.51.100.1";
    v6 = "2001:db8::1";
    metadata = "169.254.169.254";
  };

  confined =
    { pkgs, ... }:
    {
      imports = [
        (fleet {
          agents = {
            web = {
              code = tries;
              settings.egress = [
                {
                  host = "allowed.test";
                  port = 9000;
                  private = true;
                }
                {
                  host = "allowed.test";
                  port = 9001;
                  private = true;
                  forward = 15431;
                }
                {
                  host = "public.test";
                  port = 80;
                  protocol = "tcp";
                }
              ];
            };
            other = {
              code = tries;
              settings.egress = [ ];
            };
            free.code = tries;
          };
        })
      ];
      networking.hosts = {
        "127.0.0.1" = [
          "allowed.test"
          "public.test"
        ];
        ${outside.v4} = [ "evil.test" ];
      };
      systemd.services.world = {
        wantedBy = [ "multi-user.target" ];
        serviceConfig = {
          ExecStartPre = map (address: "${lib.getExe' pkgs.iproute2 "ip"} address replace ${address} dev lo") [
            "${outside.v4}/32"
            "${outside.metadata}/32"
            "${outside.v6}/128"
          ];
          ExecStart = "${lib.getExe pkgs.nodejs_24} ${./agents/greets-everybody.cjs}";
        };
      };
      environment.systemPackages = [ pkgs.nftables ];
    };
in
{
  name = "daruma-egress-holds";

  nodes.machine = machine { inherit confined; };

  testScript = testScript ''
    import shlex

    table = "table inet daruma_egress"
    web = "daruma-agent-web.service"
    other = "daruma-agent-other.service"

    def tcp(address: str, port: int) -> Json:
        return {"by": "tcp", "address": address, "port": port}

    def udp(address: str, port: int) -> Json:
        return {"by": "udp", "address": address, "port": port}

    def fetched(url: str) -> Json:
        return {"by": "fetch", "url": url}

    # Open to an agent without rules, which is the control.
    closed = {
        "TCP to HTTPS": tcp("${outside.v4}", 443),
        "TCP to HTTP": tcp("${outside.v4}", 80),
        "TCP to SSH": tcp("${outside.v4}", 22),
        "DNS over TCP": tcp("${outside.v4}", 53),
        "DNS over UDP": udp("${outside.v4}", 53),
        "NTP over UDP": udp("${outside.v4}", 123),
        "QUIC's port over UDP": udp("${outside.v4}", 443),
        "TCP over IPv6": tcp("${outside.v6}", 443),
        "DNS over TCP over IPv6": tcp("${outside.v6}", 53),
        "DNS over UDP over IPv6": udp("${outside.v6}", 53),
        "TCP through an IPv6 address that wraps an IPv4 address": tcp("::ffff:${outside.v4}", 443),
        "the metadata service": tcp("${outside.metadata}", 80),
        "a service of this host on loopback": tcp("127.0.0.1", 9000),
        "another address of loopback": tcp("127.0.0.2", 9000),
        "the loopback address of IPv6": tcp("::1", 9000),
        "the unspecified address": tcp("0.0.0.0", 9000),
        "another agent's server": tcp("127.0.0.1", ports["other"]),
    }

    refused = {
        "a name that is on no list": fetched("http://evil.test/"),
        "another port of an allowed name": fetched("http://allowed.test:22/"),
        "an address": fetched("http://${outside.v4}/"),
        "the metadata service": fetched("http://${outside.metadata}/"),
        "a name that leads to what is not public": fetched("http://public.test/"),
    }

    allowed = {
        "Node's fetch, told of the proxy by its environment": fetched("http://allowed.test:9000/"),
        "a forward, without any proxy protocol": tcp("127.0.0.1", 15431),
    }

    def inside(name: str, ways: dict[str, Json]) -> dict[str, str]:
        """What comes of each way, tried by the agent itself."""
        asked = shlex.quote(json.dumps(list(ways.values())))
        answer = machine.succeed(f"curl -sS --fail --data-binary {asked} http://127.0.0.1:{ports[name]}/try")
        return dict(zip(ways, json.loads(answer)))

    def doors() -> Json:
        """What egressd says of each agent that is confined."""
        answer = ask("/run/daruma-egress/egressd.sock", "/v1/status")
        return {} if answer is None else json.loads(answer)["agents"]

    def self_tests(subject: str, after: int) -> list[str]:
        told = entries(action="egress.self-test", subject=subject)
        return [each["details"]["outcome"] for each in told if each["seq"] > after]

    def proven(after: int) -> None:
        """Until it is proven of both agents that the wall holds. On a busy machine a test may be unclear, and is made again."""
        for name in ["web", "other"]:
            outcomes = until(
                f"a test of {name} passes",
                lambda: next((found for found in [self_tests(name, after)] if "passed" in found), None),
            )
            assert "open" not in outcomes, f"{name} is not behind the wall: {outcomes}"
            until(f"{name} is said to be confined", lambda: True if doors().get(name, {}).get("enforced") else None)

    def stands() -> None:
        machine.wait_until_succeeds(f"nft list {table} | grep agent-web && ! nft list {table} | grep ${outside.v4}")

    def gone() -> None:
        machine.wait_until_succeeds(f"! systemctl is-active {web} && ! systemctl is-active {other}")

    with subtest("A confined agent reaches what its list names, and nothing else, by any route"):
        start_anew()
        assert deploy("confined").exit_code == 0
        for name in ["web", "other", "free"]:
            healthy(name)
        proven(0)
        assert "free" not in doors()

        for way, heard in inside("free", closed).items():
            assert "hello" in heard, f"open to an agent without rules: {way}: {heard}"
        for way, heard in inside("web", closed).items():
            assert "hello" not in heard, f"closed: {way}: {heard}"
            assert heard != "silence" or "UDP" in way, f"and the client knows: {way}"
        for way, heard in inside("web", refused).items():
            assert heard.startswith("403 "), f"refused by the proxy: {way}: {heard}"
        for way, heard in inside("web", allowed).items():
            assert "hello" in heard, f"allowed: {way}: {heard}"
        own = json.loads(machine.succeed("cat /etc/daruma/host.json"))["agents"]["web"]["egress"]["port"]
        assert "HTTP" not in inside("free", {"knock": tcp("127.0.0.1", own)})["knock"], "no other agent is let in"
        machine.fail(f"curl -sS --max-time 5 http://127.0.0.1:{own}/")
        for reason in ["not-allowed", "address-not-public"]:
            until(
                f"the ledger tells of {reason}",
                lambda: next((each for each in entries(action="egress.deny") if each["details"].get("reason") == reason), None),
            )

        # Somebody flushes the rules, or makes a hole in them: they are back.
        flushed = last_entry()
        machine.succeed("nft flush ruleset")
        stands()
        proven(flushed)
        machine.succeed("nft insert rule inet daruma_egress agent-web ip daddr ${outside.v4} accept")
        stands()
        assert "hello" not in inside("web", {"again": tcp("${outside.v4}", 443)})["again"]
        machine.require_unit_state(web)

        # Rules that have a hole from the start are as they were loaded: only the self-test finds it, and closes everything.
        broken = last_entry()
        rules = machine.succeed("readlink -f /etc/daruma/egress.nft").strip()
        machine.succeed(
            f"sed '/chain agent-web {{/a meta l4proto udp accept' {rules} >/run/hole.nft",
            "ln -sfn /run/hole.nft /etc/daruma/egress.nft",
            "systemctl reload daruma-egress-wall",
        )
        until("the self-test finds the hole", lambda: True if "open" in self_tests("web", broken) else None)
        gone()
        until(
            "nothing is said to be enforced",
            lambda: True if doors().get("web", {}).get("proof", {}).get("state") == "open" else None,
        )
        code, _ = machine.execute("agentctl egress status")
        assert code == 3, code
        machine.succeed(f"ln -sfn {rules} /etc/daruma/egress.nft", f"systemctl start {web} {other}")

        # Where they cannot be put back, agents that need them stop; the one that does not goes on.
        machine.succeed("ln -sfn /nowhere /etc/daruma/egress.nft", "nft flush ruleset")
        gone()
        machine.require_unit_state("daruma-agent-free.service")
  '';
}
