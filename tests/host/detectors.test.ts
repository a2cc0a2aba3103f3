/** The other ways in which an agent fails, and what it can say of itself: with systemd's part in them. */
import { agent, entries, entry, healthy, knownGood, until } from "./daruma.ts";
import { deploy } from "./deploy.ts";
import {
  beatsWithItsFallback,
  failsAsTold,
  fleet,
  getsOnUntil,
  opensOrAsks,
  servesUntil,
} from "./fixtures/fleets.ts";
import { current } from "./fixtures/services.ts";
import { scenario } from "./scenario.ts";

/** Does not listen to SIGTERM, and neither does what it starts. Its configuration is wrong while the file is there. */
const deaf = `
  trap "" TERM
  [ ! -e /var/wrong ] || exit 78
  sleep 100000 &
  while :; do sleep 1; done`;

scenario(
  "An agent in shell is healed, is stopped by force with all that it started, and is not tried again with a wrong configuration",
  async (host, t) => {
    const fields = { health: undefined, startup: "1s", stop: { grace: "1s" } };
    const { path } = await deploy(host, fleet({ agents: { web: { shell: deaf, fields } } }));
    await knownGood(host, path);
    const before = await healthy(host, "web");
    const children = "pgrep --full --count '^sleep 100000$'";
    t.equal(await host.succeed(children), "1\n");
    await host.succeed(`kill -SEGV ${before.pid}`);
    const crash = await entry(host, { action: "agent.exit", subject: "web" });
    t.match(crash.details, { cause: "crash", exit: { kind: "signal", signal: "SIGSEGV" } });
    await entry(host, { action: "recovery.verified", subject: "web" });
    t.equal(await host.succeed(children), "1\n", "nothing is left of the run before");
    await host.succeed("agentctl stop web");
    const stopped = await entry(host, { action: "agent.stopped", subject: "web", after: crash.seq });
    t.equal(stopped.details.forced, true);
    t.equal((await host.exec(children)).exitCode, 1, "its child has ended with it");
    await host.succeed("agentctl start web");
    const again = await healthy(host, "web");
    await host.writeFile("/var/wrong", "");
    await host.succeed(`kill -SEGV ${again.pid}`);
    const wrong = await until("it says that its configuration is wrong", async () =>
      (await entries(host)).find(({ details }) => details.cause === "configuration"),
    );
    t.match(wrong, { action: "agent.exit", details: { exit: { kind: "exit", code: 78 } } });
    await until("it is left alone", async () =>
      (await agent(host, "web"))?.phase === "failed" ? true : undefined,
    );
    const unit = "systemctl show --value --property=ActiveState,SubState daruma-agent-web.service";
    t.match(await host.succeed(unit), /^failed\n+failed\n$/, "systemd does not try it either");
    await host.succeed("rm /var/wrong && agentctl start web");
    await healthy(host, "web");
    t.equal(await current(host), path);
  },
);

scenario(
  "An agent that falls silent on its own socket hangs, and goes on with its fallback where its own settings do not help",
  async (host, t) => {
    const fields = {
      heartbeat: { through: "http", every: "250ms", silence: "2s" },
      fallback: { environment: { SETTINGS: "fallback" } },
      restart: { backoff: { initial: "50ms", max: "1s" }, attempts: 2, within: "10m" },
    };
    await deploy(host, fleet({ agents: { web: { code: beatsWithItsFallback, fields } } }));
    const hang = await entry(host, { action: "agent.hang", subject: "web" });
    t.equal(hang.details.cause, "hang");
    const standIn = await entry(host, { action: "agent.stand-in", subject: "web" });
    t.equal(standIn.details.kind, "fallback");
    const verified = await entry(host, { action: "recovery.verified", subject: "web", after: standIn.seq });
    t.equal(verified.incident, standIn.incident);
    await healthy(host, "web");
    t.equal(await host.succeed("curl --silent http://127.0.0.1:8080/"), "fallback");
    t.match(await host.succeed("systemctl cat daruma-agent-web.service"), /SETTINGS=fallback/);
  },
);

scenario(
  "An agent that answers and is not well is unhealthy, whether each of its checks fails or every other one",
  async (host, t) => {
    const code = failsAsTold("/var/fails");
    const { path } = await deploy(host, fleet({ agents: { web: { code } } }));
    await knownGood(host, path);
    let after = 0;
    const unhealthy = async (checks: "all" | "every other") => {
      const { pid } = await healthy(host, "web");
      await host.writeFile("/var/fails", `${checks} ${pid}`);
      const found = await entry(host, { action: "agent.unhealthy", subject: "web", after });
      const verified = await entry(host, { action: "recovery.verified", subject: "web", after: found.seq });
      t.equal(verified.incident, found.incident);
      after = verified.seq;
      return found.details;
    };
    t.match(await unhealthy("all"), { cause: "unhealthy", failingProbes: 3, becameHealthy: true });
    t.match(await unhealthy("every other"), { cause: "unhealthy", missed: 10, ofChecks: 20 });
    t.equal(await current(host), path);
  },
);

scenario(
  "An agent that has more files open than it may, or wants to begin anew, is restarted, which is no failure",
  async (host, t) => {
    const fields = { resources: { openFiles: 200, sustained: "1s", restartWithin: "1s" } };
    const agents = { web: { code: opensOrAsks("/var/wish"), fields } };
    const { path } = await deploy(host, fleet({ agents }));
    await knownGood(host, path);
    const before = await healthy(host, "web");
    await host.writeFile("/var/wish", `opens ${before.pid}`);
    const overuse = await entry(host, { action: "agent.overuse", subject: "web" });
    t.match(overuse, { run: before.runId, details: { bound: 200, restartWithinMs: 1_000 } });
    const preempt = await entry(host, { action: "agent.preempt", subject: "web" });
    t.match(preempt.details, { cause: "resource", moment: "deadline", counts: false });
    const anew = await entry(host, { action: "agent.healthy", subject: "web", after: preempt.seq });
    const { pid } = await healthy(host, "web");
    await host.writeFile("/var/wish", `asks ${pid}`);
    const asked = await entry(host, { action: "agent.restart-asked", subject: "web" });
    t.equal(asked.run, anew.run);
    await entry(host, { action: "agent.healthy", subject: "web", after: asked.seq });
    t.not((await healthy(host, "web")).pid, pid);
    t.equal(await current(host), path);
    t.notOk(
      (await entries(host)).some(({ incident }) => incident !== undefined),
      "nothing has failed",
    );
  },
);

scenario(
  "Work that does not get on is a hang, and exit codes mean what the fleet file says",
  async (host, t) => {
    const agents = {
      web: { code: getsOnUntil("/var/stuck"), fields: { progress: { within: "2s" } } },
      other: {
        code: servesUntil("/var/code"),
        fields: {
          restart: {
            exits: { "3": "temporary", "4": "success" },
            backoff: { initial: "50ms", max: "1s" },
            attempts: 3,
            within: "10m",
          },
        },
      },
    };
    const { path } = await deploy(host, fleet({ agents }));
    await knownGood(host, path);
    await host.writeFile("/var/stuck", "");
    const stuck = await entry(host, { action: "agent.stuck", subject: "web" });
    t.equal(stuck.details.cause, "hang");
    await host.succeed("rm /var/stuck");
    await entry(host, { action: "recovery.verified", subject: "web" });
    await host.writeFile("/var/code", "3");
    const outside = await entry(host, { action: "agent.exit", subject: "other" });
    t.match(outside.details, { cause: "dependency", exit: { kind: "exit", code: 3 } });
    await entry(host, { action: "alert.raise", subject: "other" });
    await host.writeFile("/var/code", "4");
    await until("it is done", async () =>
      (await agent(host, "other"))?.phase === "completed" ? true : undefined,
    );
    t.equal(await current(host), path);
  },
);
