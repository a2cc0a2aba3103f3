import t from "tap";
import { connectLedger, ledgerStatus } from "./client.ts";
import { startProgram, temporaryDirectory } from "./test-support.ts";
import { readVerifier, readWitnessFile } from "./trust-files.ts";
import { verifyDirectory } from "./verify-directory.ts";

const clients = 8;
const inFlight = 64;
const entries = 100_000;

t.test(
  "eight clients at once append 100,000 entries: one chain, no gaps, signed and witnessed",
  { timeout: 115_000 },
  async (t) => {
    const directory = await temporaryDirectory(t);
    const program = await startProgram(t, directory, ["--witness-file", `${directory}/seen`]);
    let left = entries;
    await Promise.all(
      Array.from({ length: clients }, async (_, client) => {
        const connection = await connectLedger({ socket: program.socket });
        let last = 0;
        const appendInTurn = async () => {
          while (left > 0) {
            left -= 1;
            const appended = await connection.append({
              action: "test.entry",
              subject: `client/${client}`,
              details: {},
            });
            if (appended.duplicate || appended.seq <= last)
              t.fail("answers come in the order of their entries");
            else last = appended.seq;
          }
        };
        await Promise.all(Array.from({ length: inFlight }, appendInTurn));
        await connection.close();
      }),
    );
    t.match(await ledgerStatus({ socket: program.socket }), { entries, writable: true });
    program.process.kill("SIGTERM");
    t.equal(await program.exited, 0);
    const trust = {
      key: await readVerifier(`${program.store}/public-key`),
      witness: await readWitnessFile(`${directory}/seen`),
    };
    t.match(await verifyDirectory(program.store, trust), {
      ok: true,
      complete: true,
      entries,
      signed: entries,
      witnessed: entries,
      unwitnessed: 0,
    });
  },
);
