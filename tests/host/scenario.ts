/**
 * Scenarios: tests on a test host that read as what happens. A file of scenarios has one host, which is as new for each of
 * them. What a failed one leaves to be looked at is kept.
 */
import { cp, mkdir, mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t, { type Test } from "tap";
import { howToHaveHost, whyNoHost } from "./available.ts";
import { bootHost, type Host } from "./host.ts";

export interface ScenarioOptions {
  /** Default: three minutes. */
  readonly timeoutMs?: number;
  /** Why it cannot be played here, though there is a host; undefined if it can. */
  readonly unable?: string | undefined;
}

export type Play = (host: Host, t: Test) => Promise<void>;

const defaultTimeoutMs = 180_000;
/** For the whole file: the first one may have to make the image. */
const fileTimeoutMs = 1_800_000;

let shared: Host | undefined;

const skip = await whyNoHost();
if (skip !== undefined) process.stderr.write(`\n${howToHaveHost(skip)}\n`);

/** `name` is a sentence about what the host does. The host has one empty generation when `play` begins. */
export function scenario(
  name: string,
  play: Play,
  { timeoutMs = defaultTimeoutMs, unable }: ScenarioOptions = {},
): void {
  t.setTimeout(fileTimeoutMs);
  t.test(name, { skip: skip ?? unable ?? false, timeout: fileTimeoutMs }, async (test) => {
    const host = await newHost();
    try {
      await within(timeoutMs, play(host, test));
    } catch (error) {
      await keepEvidence(host, name);
      // What is left of a scenario that ran out of time must not play on the host of the next one.
      shared = undefined;
      await host.stop();
      throw error;
    }
    if (!test.passing()) await keepEvidence(host, name);
  });
}

async function newHost(): Promise<Host> {
  if (shared !== undefined) {
    await shared.reset();
    return shared;
  }
  const host = await bootHost();
  t.teardown(() => host.stop());
  shared = host;
  return host;
}

async function within<T>(timeoutMs: number, play: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`the scenario did not end within ${timeoutMs} ms`)), timeoutMs);
  });
  try {
    return await Promise.race([play, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Keeps the journal, Daruma's state with the ledger, and what was run in the host; says where. */
async function keepEvidence(host: Host, name: string): Promise<void> {
  const parent = process.env.DARUMA_EVIDENCE ?? join(tmpdir(), "daruma-evidence");
  await mkdir(parent, { recursive: true });
  const directory = await mkdtemp(join(parent, `${name.replaceAll(/[^A-Za-z0-9]+/g, "-").slice(0, 60)}-`));
  process.stderr.write(`\nfailed: ${name}\n  journal, ledger and transcript are in ${directory}\n`);
  await writeFile(join(directory, "transcript.txt"), host.transcript());
  await host
    .exec("systemctl list-units --no-pager; systemctl list-jobs --no-pager", { timeoutMs: 10_000 })
    .then(
      ({ stdout }) => writeFile(join(directory, "units.txt"), stdout),
      (error: Error) => writeFile(join(directory, "units.txt"), `${error.message}\n`),
    );
  await writeFile(join(directory, "journal.txt"), await host.journal());
  for (const path of ["var/lib/daruma", "boot/loader"]) {
    await cp(join(host.disk(), path), join(directory, path), { recursive: true }).catch((error: Error) =>
      writeFile(join(directory, "missing.txt"), `${path}: ${error.message}\n`, { flag: "a" }),
    );
  }
}
