/** Daruma without root: `agentctl dev`, which deploys by itself what is edited. */
import { cpSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DevSession } from "../../session/dev-session.ts";
import { fleetFile } from "./fleet.ts";
import { begin } from "./progress.ts";
import { type Fault, outcomesOf, type Result, type Seen, seen } from "./results.ts";
import { badDeploy, crash, hang, leak, settled, type Trial } from "./trials.ts";

const name = "Daruma (agentctl dev)";

/**
 * @param directory that does not exist yet
 * @param program directory of the program
 */
export async function daruma(
  directory: string,
  program: string,
  [port, leakyPort]: readonly [number, number],
  runs: number,
  patienceMs: number,
): Promise<Result> {
  const copy = join(directory, "echo");
  mkdirSync(copy, { recursive: true });
  cpSync(program, copy, { recursive: true });
  const modules = join(import.meta.dirname, "..", "..", "..", "node_modules");
  symlinkSync(modules, join(directory, "node_modules"));
  const ports = { echo: port, leaky: leakyPort };
  writeFileSync(join(directory, "fleet.config.ts"), fleetFile("bench", ports, "2s"));
  const session = new DevSession(directory);
  const at = async (action: string, since: number) => {
    const isIt = (entry: { readonly action: string; readonly details: Readonly<Record<string, unknown>> }) =>
      entry.action === action && Date.parse(String(entry.details.at)) >= since;
    return Date.parse(String((await session.entry(action, isIt)).details.at));
  };
  const repeat = async (fault: Fault, trial: () => Promise<Trial>): Promise<readonly Seen[]> => {
    begin(name, fault);
    const trials: Seen[] = [];
    for (let run = 0; run < runs; run += 1) trials.push(await seen(fault, await trial(), at));
    return trials;
  };
  let edits = 0;
  try {
    await session.entry("a known-good generation", ({ action }) => action === "generation.known-good");
    return {
      name,
      outcomes: await outcomesOf({
        crash: () => repeat("crash", () => crash(port, patienceMs)),
        hang: () => repeat("hang", () => hang(port, patienceMs)),
        limit: () => repeat("limit", () => leak(port, patienceMs, "limit")),
        trend: () => repeat("trend", () => leak(leakyPort, 2 * patienceMs, "begin")),
        deploy: () =>
          repeat("deploy", async () => {
            const trial = await badDeploy(port, patienceMs, async () =>
              writeFileSync(join(copy, "main.js"), "process.exit(1);\n"),
            );
            cpSync(program, copy, { recursive: true });
            // What it has rolled back from it takes again only if it is edited once more.
            edits += 1;
            writeFileSync(join(copy, "edit"), String(edits));
            await settled(port);
            return trial;
          }),
      }),
    };
  } finally {
    await session.stop();
  }
}
