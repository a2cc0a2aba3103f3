/** A nightly job: killed, resumed, left alone by a deploy and by the end of watchd, kept to what it may reach, stopped. */
import { egress, entries, entry, until } from "./daruma.ts";
import { deploy } from "./deploy.ts";
import { gate, greeters, halt, loadsRows, records } from "./fixtures/routines.ts";
import type { Host } from "./host.ts";
import { scenario } from "./scenario.ts";

const outside = "198.51.100.1";

/** `note` is in the code, so that another one is another routine. */
const generation = (note: string) => ({
  fleet: {
    "etl/main.js": `// ${note}\n${loadsRows(outside)}`,
    "fleet.config.ts": `
      import { defineFleet, nixpkg, source } from "@daruma/config";
      export default defineFleet({
        hosts: {
          "test-host": {
            system: "x86_64-linux",
            agents: {},
            routines: {
              nightly: {
                command: [nixpkg("nodejs_24", "bin/node"), source("./etl", "main.js")],
                schedule: "0 2 * * *",
                retries: 3,
                backoff: { initial: "50ms" },
                egress: [{ host: "allowed.test", port: 9000, private: true }],
              },
            },
          },
        },
      });`,
  },
});

const home = (run: string) => `/var/lib/daruma/routines/nightly/${run}`;
const unitOf = (run: string) => `daruma-routine-nightly@${run}.service`;

async function show(host: Host, run: string, property: string): Promise<string> {
  return (await host.succeed(["systemctl", "show", "--value", "-p", property, unitOf(run)])).trim();
}

async function begin(host: Host): Promise<string> {
  await host.writeFile("/root/input", "last night");
  return JSON.parse(await host.succeed("agentctl routine run nightly --input /root/input --json")).run;
}

async function halted(host: Host, run: string): Promise<void> {
  const rows = `grep -c record ${home(run)}/state/rows`;
  await until(`${run} has loaded ${halt} records`, async () =>
    (await host.exec(rows)).stdout.trim() === String(halt) ? true : undefined,
  );
}

scenario(
  "A nightly job that is killed in mid-run goes on from its checkpoint, and its rows are there once",
  async (host, t) => {
    await host.writeFile("/root/greeters.cjs", greeters(outside));
    await host.writeFile("/etc/hosts", `127.0.0.1 localhost allowed.test\n${outside} evil.test\n`);
    await host.succeed(
      `ip address add ${outside}/32 dev lo && ` +
        "systemd-run --unit=world --service-type=notify --property=NotifyAccess=all /nix/var/nix/gcroots/test-host-nodejs_24/bin/node /root/greeters.cjs",
    );
    await host.succeed(`curl -sS -m 5 --noproxy "*" http://${outside}:443/ http://127.0.0.1:9000/`);
    await deploy(host, generation("one"));
    await until("the wall around it is proven", async () =>
      (await egress(host))?.["routine:nightly"]?.enforced === true ? true : undefined,
    );

    const run = await begin(host);
    await halted(host, run);
    t.match(await show(host, run, "User"), "dr-nightly");
    t.equal(
      await host.succeed(
        `stat -c '%a %U %G' ${home(run)} ${home(run)}/input /run/daruma/routines/nightly/${run}/api.sock`,
      ),
      "2750 root dr-nightly\n640 root dr-nightly\n660 root dr-nightly\n",
    );
    await host.succeed(`kill -9 ${await show(host, run, "MainPID")}`);
    const retried = await entry(host, { action: "routine.retried", subject: "nightly" });
    t.match(retried, { run, details: { attempt: 1, exit: { kind: "signal", signal: "SIGKILL" } } });
    const told = await until("the second attempt is through", async () => {
      const { stdout } = await host.exec("agentctl routine logs nightly");
      return stdout.includes("told: 200") ? stdout : undefined;
    });
    const seen = ["allowed: 200 hello", "forbidden: no answer", "past the proxy: ECONNREFUSED"];
    t.same(told.trim().split("\n"), [
      ...seen,
      "attempt 1 of last night goes on at 0",
      ...seen,
      `attempt 2 of last night goes on at ${Math.floor(halt / 10) * 10}`,
      "told: 200",
    ]);
    const denied = JSON.parse(
      (await host.succeed("agentctl egress log --routine nightly --denied --lines 1 --json")).trim(),
    );
    t.match(denied, { actor: "egressd", subject: "routine:nightly", details: { reason: "not-allowed" } });

    // A deploy of other code leaves it alone, and so does the end of watchd.
    const invocation = await show(host, run, "InvocationID");
    t.equal((await deploy(host, generation("two"))).exitCode, 0);
    t.equal(await show(host, run, "InvocationID"), invocation);
    await host.succeed(`systemctl stop daruma-watchd && touch ${gate}`);
    await host.waitUntilSucceeds(`! systemctl is-active ${unitOf(run)}`);
    await host.succeed("systemctl start daruma-watchd");
    const finished = await entry(host, { action: "routine.finished", subject: "nightly" });
    t.match(finished, {
      run,
      details: {
        outcome: "succeeded",
        attempts: 2,
        exit: { kind: "exit", code: 0 },
        result: { loaded: records },
      },
    });
    t.equal(
      await host.succeed(`cat ${home(run)}/state/rows`),
      Array.from({ length: records }, (_, index) => `record ${index}\n`).join(""),
    );
    t.same(
      (await entries(host)).filter((each) => each.run === run).map(({ action }) => action),
      ["fired", "started", "retried", "started", "finished"].map((action) => `routine.${action}`),
    );

    // A person stops the next one: it has not failed, and is not tried again.
    const unwanted = await begin(host);
    await halted(host, unwanted);
    t.same(JSON.parse(await host.succeed("agentctl routine stop nightly --json")).runs, [unwanted]);
    t.not((await host.exec(`systemctl is-active ${unitOf(unwanted)}`)).exitCode, 0);
    const stopped = await entry(host, {
      action: "routine.finished",
      subject: "nightly",
      after: finished.seq,
    });
    t.match(stopped, { run: unwanted, details: { outcome: "stopped", attempts: 1 } });
    t.equal(
      await host.succeed(
        "ls /run/daruma/routine-runs /run/daruma/routines/nightly /run/daruma/exits | grep -c run-; true",
      ),
      "0\n",
    );
  },
);
