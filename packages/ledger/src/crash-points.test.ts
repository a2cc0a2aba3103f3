import { spawn } from "node:child_process";
import { hash } from "node:crypto";
import { once } from "node:events";
import { cpSync, readdirSync, readFileSync } from "node:fs";
import { cp, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import t, { type Test } from "tap";
import { Committer, type Submission } from "./committer.ts";
import { prepareEntry, readEntry } from "./entry.ts";
import type { Outcome } from "./group.ts";
import { compareIndex } from "./index-store.ts";
import { logSigner } from "./log-key.ts";
import { Store } from "./store.ts";
import { temporaryDirectory } from "./test-support.ts";
import { readVerifier } from "./trust-files.ts";
import { verifyDirectory } from "./verify-directory.ts";

const program = join(import.meta.dirname, "fixtures/killed-append.ts");
const host = "etl-01";
const writers = ["watchd", "operator"] as const;

/** One less than what completes a tile of the tree, so that the group of two writes of everything that a group can. */
const entriesBefore = 255;

/** What the process had said when it ended. */
interface Said {
  readonly written: ReadonlyMap<number, string>;
  readonly signed: number;
}

const nothing: Said = { written: new Map(), signed: 0 };

/** What a process that ended at some moment has left. */
interface Left {
  readonly directory: string;
  readonly said: Said;
}

function submitTo(committer: Committer, request: Omit<Submission, "bytes" | "answer">): Promise<Outcome> {
  return new Promise((answer) => committer.submit({ ...request, bytes: 0, answer }));
}

async function committing<T>(
  directory: string,
  work: (committer: Committer, store: Store) => Promise<T>,
): Promise<T> {
  const fail = (error: unknown) => {
    if (error !== null) throw error;
  };
  const store = await Store.open(directory, host);
  try {
    return await work(new Committer(store, { onTrouble: fail, onFatal: fail }), store);
  } finally {
    await store.close();
  }
}

async function startLedger(directory: string): Promise<void> {
  await committing(directory, async (committer, store) => {
    await logSigner(store, false);
    const draft = { action: "test.entry", subject: "x", details: {} };
    const prepared = prepareEntry(draft, host, "watchd");
    const appends = Array.from({ length: entriesBefore }, () =>
      submitTo(committer, { writer: "watchd", prepared, key: null }),
    );
    await Promise.all(appends);
  });
}

/** Runs it until it ends. `onMoment` is told of each moment, and may look around: it stands still until then. */
async function run(
  t: Test,
  directory: string,
  killAt: number | null,
  onMoment: (said: Said) => void,
): Promise<{ readonly said: Said; readonly ended: string | number }> {
  const args = [program, directory, ...(killAt === null ? [] : [String(killAt)])];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  t.teardown(() => child.kill("SIGKILL"));
  const ended = once(child, "close").then(([code, signal]) => (signal ?? code) as string | number);
  let said = nothing;
  for await (const line of createInterface(child.stdout)) {
    const { moment, written, hash, signed } = JSON.parse(line);
    if (written !== undefined) said = { ...said, written: new Map([...said.written, [written, hash]]) };
    else if (signed !== undefined) said = { ...said, signed };
    else if (moment === undefined) throw new Error(`an append was refused: ${line}`);
    if (moment === undefined) continue;
    await standsStill(child.pid ?? 0);
    onMoment(said);
    child.kill("SIGCONT");
  }
  return { said, ended: await ended };
}

/** Once all its threads are stopped: those of LevelDB go on for a moment. */
async function standsStill(pid: number): Promise<void> {
  const tasks = `/proc/${pid}/task`;
  const isStopped = (task: string) =>
    /^\) T /.test(readFileSync(join(tasks, task, "stat"), "latin1").replace(/^.*(?=\) )/s, ""));
  while (!readdirSync(tasks).every(isStopped)) await new Promise(setImmediate);
}

/** What a killed process leaves is what a stopped one has on the disk: all that it has written, and nothing of what it has not. */
function fingerprint(directory: string): string {
  const files = readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((file) => file.isFile())
    .map((file) => join(file.parentPath, file.name))
    .toSorted();
  return hash("sha256", files.map((file) => `${file} ${hash("sha256", readFileSync(file))}`).join("\n"));
}

async function check(t: Test, { directory, said }: Left): Promise<void> {
  const trust = { key: await readVerifier(join(directory, "public-key")), witness: null };
  const verdict = await verifyDirectory(directory, said.signed > 0 ? trust : undefined);
  t.match(verdict, { ok: true, complete: true, firstBad: null });
  const all = entriesBefore + writers.length;
  const isThere = verdict.entries === all;
  t.ok(isThere || verdict.entries === entriesBefore, `the group is there or not: ${verdict.entries} entries`);
  t.ok(isThere || said.written.size === 0, "what was acknowledged is there");
  t.ok(verdict.signed >= said.signed, "so is the checkpoint that was shown");
  await committing(directory, async (committer, store) => {
    t.same([...store.state.writers.keys()].sort(), isThere ? [...writers].sort() : [], "keys as the entries");
    for (const [seq, hash] of said.written) {
      const [line] = await store.readSome([seq]);
      t.equal(readEntry(line?.toString() ?? "").entry?.hash, hash, `entry ${seq} is the one acknowledged`);
    }
    // A writer that got no answer sends again what it had sent.
    for (const writer of writers) {
      const draft = { action: "agent.start", subject: "agent/enricher", details: {} };
      const prepared = prepareEntry(draft, host, writer);
      const again = await submitTo(committer, { writer, prepared, key: { epoch: "e", n: 1 } });
      t.equal(again.kind, isThere ? "duplicate" : "written");
    }
    t.equal(store.state.head.seq, all, "each is there once");
    t.same(await store.ask(compareIndex), { entries: all, differences: 0 });
  });
  t.match(await verifyDirectory(directory), { ok: true, complete: true, entries: all });
}

t.test("an append that is killed at any of its await points is whole or not there", async (t) => {
  const root = await temporaryDirectory(t);
  const fresh = join(root, "fresh");
  await mkdir(fresh, { mode: 0o700 });
  await startLedger(fresh);
  const copyOf = (name: string) => join(root, name);

  const work = copyOf("work");
  await cp(fresh, work, { recursive: true });
  const states = new Map<string, Left & { readonly moment: number }>();
  let moments = 0;
  let last = nothing;
  const { said, ended } = await run(t, work, null, (now) => {
    moments += 1;
    last = now;
    // The same files and the same word given: nothing to tell one moment from the other.
    const state = `${fingerprint(work)} ${now.written.size} ${now.signed}`;
    if (states.has(state)) return;
    const directory = copyOf(`moment-${moments}`);
    cpSync(work, directory, { recursive: true });
    states.set(state, { directory, said: now, moment: moments });
  });
  t.equal(ended, 0, "it comes to its end when it is let");
  t.equal(said.written.size, writers.length);
  t.same(last.written, said.written, "the last moments come after the acknowledgement");
  t.ok(moments > 20, `it was stopped ${moments} times`);
  const before = [...states.values()].filter(({ said }) => said.written.size === 0).length;
  t.ok(
    before >= 1 && states.size > before,
    `it left ${states.size} different states, ${before} of them before`,
  );
  for (const left of states.values()) {
    await t.test(`as it was at moment ${left.moment}`, (t) => check(t, left));
  }
  for (const { moment } of states.values()) {
    const directory = copyOf(`killed-${moment}`);
    await cp(fresh, directory, { recursive: true });
    const killed = await run(t, directory, moment, () => undefined);
    t.equal(killed.ended, "SIGKILL");
    await t.test(`killed at moment ${moment}`, (t) => check(t, { directory, said: killed.said }));
  }
});
