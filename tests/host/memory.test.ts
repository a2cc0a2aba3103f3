/** What the kernel does for want of memory. In a virtual machine: the memory controller may be the machine's own, and not a host's. */
import type { Entry } from "./daruma.ts";
import { deploy } from "./deploy.ts";
import { fleet, outgrowsItsLimitOnce } from "./fixtures/fleets.ts";
import { scenario } from "./scenario.ts";
import { inVirtualMachine, whyNoVirtualMachine } from "./vm/machine.ts";

const withinMs = 480_000;

/** Says the whole ledger once the agent is healed, or after a while whatever there is; then the machine is off. */
const tells = {
  systemd: `{ pkgs, ... }: {
    systemd.units."tells.service" = {
      wantedBy = [ "multi-user.target" ];
      text = ''
        [Unit]
        After=daruma-watchd.service
        [Service]
        Type=exec
        ExecStart=/bin/bash /var/tells
      '';
    };
  }`,
  script: `
    ledger() { curl --silent --max-time 20 --unix-socket /run/daruma/ledger/operator.sock http://d/v1/entries; }
    until ledger | grep --quiet recovery.verified || ((SECONDS > 360)); do sleep 1; done
    {
      systemctl show --property=MemoryMax daruma-agent-web.service
      journalctl --no-pager --output=cat --unit=daruma-agent-web.service
      ledger
    } >/dev/ttyS0
    systemctl poweroff --force --force`,
};

scenario(
  "An agent that the kernel ends for want of memory is healed, with the cause known",
  async (host, t) => {
    const fields = {
      limits: { memory: "128MiB" },
      startup: "3m",
      // A slow machine may take long to tell of an end, and who does not answer must not be stopped before.
      health: {
        http: "http://127.0.0.1:8080/health",
        every: "2s",
        failures: 100,
        expect: { status: 200, within: "30s" },
      },
    };
    const agents = { web: { code: outgrowsItsLimitOnce, fields } };
    await deploy(host, fleet({ agents, configuration: tells.systemd }), "boot");
    await host.writeFile("/var/tells", tells.script);
    const said = await inVirtualMachine(host, withinMs);
    t.match(said, /^MemoryMax=134217728$/m);
    t.match(said, /daruma-agent-web\.service: Failed with result 'oom-kill'/);
    const entries: readonly Entry[] = said
      .split("\n")
      .flatMap((line) => (line.startsWith("{") ? [JSON.parse(line)] : []));
    const exit = entries.find(({ action }) => action === "agent.exit");
    t.match(exit, {
      subject: "web",
      details: { cause: "resource", exit: { kind: "signal", signal: "SIGKILL", sentBy: "oom-killer" } },
    });
    t.same(
      entries.filter(({ incident }) => incident === exit?.incident).map(({ action }) => action),
      ["agent.exit", "agent.restart", "agent.start", "recovery.verified"],
      said.slice(-4_000),
    );
  },
  { timeoutMs: 600_000, unable: await whyNoVirtualMachine() },
);
