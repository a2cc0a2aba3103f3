import { join } from "node:path";
import { isDarumaError } from "@daruma/base";
import t from "tap";
import { connectLedger, type LedgerConnection } from "./client.ts";
import type { Entry } from "./entry.ts";
import { readEntries } from "./reader.ts";
import {
  draft,
  eventually,
  type Program,
  seededRandom,
  startProgram,
  temporaryDirectory,
} from "./test-support.ts";
import { readVerifier, readWitnessFile } from "./trust-files.ts";
import { verifyDirectory } from "./verify-directory.ts";

const seed = Number(process.env.SEED ?? 20261123);
const kills = 12;

/** What an outbox does: everything goes in order, and again from the first that was not acknowledged. */
class Outbox {
  readonly epoch: string;
  readonly acknowledged = new Map<number, number>();
  #next = 1;

  constructor(epoch: string) {
    this.epoch = epoch;
  }

  /** Appends with many in flight until the connection is lost or `enough` have been acknowledged. */
  async drain(connection: LedgerConnection, enough: number): Promise<void> {
    let failed = false;
    let n = this.#next;
    const worker = async () => {
      while (!failed && this.acknowledged.size < enough) {
        const mine = n;
        n += 1;
        const appended = await connection
          .append({
            ...draft,
            subject: this.epoch,
            details: { n: mine },
            key: { epoch: this.epoch, n: mine },
          })
          .catch((error: unknown) => {
            if (!isDarumaError(error) || error.code !== "LEDGER_E_DISCONNECTED") throw error;
            failed = true;
            return null;
          });
        if (appended !== null) this.acknowledged.set(mine, appended.duplicate ? 0 : appended.seq);
      }
    };
    await Promise.all(Array.from({ length: 32 }, worker));
    while (this.acknowledged.has(this.#next)) this.#next += 1;
  }
}

async function entriesOf(program: Program): Promise<readonly Entry[]> {
  const entries: Entry[] = [];
  for await (const { entry } of readEntries({ socket: program.socket })) entries.push(entry);
  return entries;
}

t.test(
  `an acknowledged entry survives kill -9 of ledgerd at any moment (SEED=${seed})`,
  { timeout: 110_000 },
  async (t) => {
    const directory = await temporaryDirectory(t);
    const random = seededRandom(seed);
    const seen = join(directory, "seen");
    const flags = ["--checkpoint-entries", "50", "--witness-file", seen];
    const outboxes = [new Outbox("e1"), new Outbox("o1")] as const;
    const files = ["watchd.sock", "operator.sock"] as const;
    for (let kill = 1; kill <= kills; kill++) {
      const program = await startProgram(t, directory, flags);
      const connections = await Promise.all(
        files.map((file) => connectLedger({ socket: join(directory, file) })),
      );
      const before = outboxes.map((outbox) => outbox.acknowledged.size);
      const drains = outboxes.map((outbox, index) => {
        const connection = connections[index];
        return connection === undefined ? null : outbox.drain(connection, Number.POSITIVE_INFINITY);
      });
      // In the middle of things: after some acknowledgements, and a random bit of a group's time later.
      const some = Math.floor(random() * 300);
      await eventually("some appends are acknowledged", () =>
        outboxes.some((outbox, index) => outbox.acknowledged.size >= (before[index] ?? 0) + some)
          ? true
          : undefined,
      );
      await new Promise((resolve) => setTimeout(resolve, random() * 5));
      program.process.kill("SIGKILL");
      await program.exited;
      await Promise.all(drains);
    }
    const trust = {
      key: await readVerifier(join(directory, "store/public-key")),
      witness: await readWitnessFile(seen),
    };
    const verdict = await verifyDirectory(join(directory, "store"), trust);
    t.match(verdict, { ok: true, complete: true, firstBad: null, trustLevel: "witnessed" });
    t.ok(trust.witness.seen.length > kills, "checkpoints were signed, stored and handed over all along");
    const program = await startProgram(t, directory);
    const entries = await entriesOf(program);
    t.equal(entries.length, verdict.entries);
    for (const outbox of outboxes) {
      const ns = entries
        .filter((entry) => entry.subject === outbox.epoch)
        .map((entry) => Number(entry.details.n));
      t.same(
        ns,
        ns.map((_, index) => index + 1),
        `${outbox.epoch}: in order, none missing, none twice`,
      );
      const lost = [...outbox.acknowledged].filter(([n, seq]) => {
        const found = seq === 0 ? ns[n - 1] : Number(entries[seq - 1]?.details.n);
        return found !== n;
      });
      t.same(
        lost,
        [],
        `${outbox.epoch}: all ${outbox.acknowledged.size} acknowledged are where they were said to be`,
      );
      t.ok(outbox.acknowledged.size > 0);
    }
  },
);
