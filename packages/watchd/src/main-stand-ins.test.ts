import { readFileSync } from "node:fs";
import { nixpkg, source } from "@daruma/config";
import t from "tap";
import { healthyAgent, laptopWith, told } from "./supervisor/fixtures/laptop.ts";

const lasts = "setInterval(() => undefined, 1_000);";
/** Which file of which generation it is comes from its arguments. */
const programOf = (pid: number) => readFileSync(`/proc/${pid}/cmdline`, "utf8");
/** Far longer than a program takes to fail, on a busy machine too. */
const plan = { startupMs: 3_000, escalate: ["rollback-agent", "alert"] } as const;

t.test(
  "an agent goes back alone, and stays so over a new watchd, until a deploy changes it; then its fallback helps",
  async (t) => {
    const laptop = await laptopWith(t);
    const other = { script: lasts, startupMs: 100 };
    const first = await laptop.deploy({ web: { script: lasts, ...plan }, other });
    const before = programOf(await healthyAgent(laptop, "web"));
    const bystander = await healthyAgent(laptop, "other");
    await told(laptop, ({ action }) => action === "generation.known-good");

    const second = await laptop.deploy({ web: { script: "process.exit(1);", ...plan }, other });
    const worn = await told(laptop, ({ action }) => action === "agent.stand-in");
    t.match(worn.details, { kind: "earlier", number: first });
    await told(
      laptop,
      ({ action, incident }) => action === "recovery.verified" && incident === worn.incident,
    );
    const pid = await healthyAgent(laptop, "web");
    t.equal(programOf(pid), before, "its old code");
    const status = await laptop.status();
    t.match(status, { generation: { number: second, knownGood: false }, rollback: null });
    t.same(
      status.quarantine.map(({ number }) => number),
      [second],
    );
    t.equal(await healthyAgent(laptop, "other"), bystander, "nobody else notices");

    await laptop.signal("watchd", "SIGKILL");
    await laptop.startWatchd();
    t.equal(await healthyAgent(laptop, "web"), pid, "it is adopted as what it is");

    const script = `if (process.argv[2] !== "safe" || process.env.MODE !== "careful") process.exit(1); ${lasts}`;
    const command = [nixpkg("nodejs_24", "bin/node"), source("./src/web", "main.mjs"), "safe"] as const;
    await laptop.deploy({
      web: {
        script,
        ...plan,
        escalate: ["fallback", "alert"],
        fallback: { command: [...command], environment: { MODE: "careful" } },
      },
      other,
    });
    t.match((await told(laptop, ({ action }) => action === "agent.stand-in-over")).details, {
      why: "deploy",
    });
    await told(laptop, ({ action, details }) => action === "agent.stand-in" && details.kind === "fallback");
    t.match(programOf(await healthyAgent(laptop, "web", pid)), /main\.mjs\0safe\0$/);
  },
);
