import { readFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { checkTable } from "../check.ts";
import { Agent, fingerprint, runToEnd, seeded, writeSlice } from "./support.ts";

const slice = writeSlice(join(t.testdir(), "slice.json"));
const records = (JSON.parse(readFileSync(slice, "utf8")) as unknown[]).length;

/** Small batches, flat out: whenever a kill comes, it comes in the middle of something. */
const flatOut = { BATCH_ROWS: "20" };

t.test("killed at any moment, again and again, the load ends as one straight run does", async (t) => {
  const root = t.testdir({ straight: {}, "1": {}, "2": {}, "3": {} });
  await runToEnd({ directory: join(root, "straight"), dataset: slice, environment: flatOut });
  const expected = fingerprint(join(root, "straight", "cities.db"));
  for (const seed of [1, 2, 3]) {
    const directory = join(root, String(seed));
    const database = join(directory, "cities.db");
    const resumed = await killRepeatedly({ directory, seed, kills: 5 });
    t.ok(resumed.length >= 2, `seed ${seed}: runs resumed at ${resumed.join(", ")}`);
    t.equal(fingerprint(database), expected, `seed ${seed}: the same rows, rejects and checkpoint`);
    t.match(checkTable(database, slice), { ok: true }, `seed ${seed}: what was to be expected`);
  }
});

interface Killing {
  readonly directory: string;
  readonly seed: number;
  readonly kills: number;
}

/** @returns The checkpoints that runs went on from. */
async function killRepeatedly({ directory, seed, kills }: Killing): Promise<number[]> {
  const random = seeded(seed);
  const options = { directory, dataset: slice, environment: flatOut };
  const resumed = new Set<number>();
  let reached = 0;
  for (let kill = 0; kill < kills; kill++) {
    // Once in three, before the first batch may be there; else at a part of what is left.
    const early = random() < 1 / 3;
    const target = early ? 0 : reached + Math.floor((random() * (records - reached)) / (kills - kill));
    const agent = new Agent(options);
    const health = await agent.until(({ loaded, rejected }) => loaded + rejected >= target);
    await agent.stop("SIGKILL");
    reached = Math.max(reached, health.loaded + health.rejected);
    if (health.resumedFrom !== null) resumed.add(health.resumedFrom);
  }
  const { resumedFrom } = await runToEnd(options);
  if (resumedFrom !== null) resumed.add(resumedFrom);
  return [...resumed];
}
