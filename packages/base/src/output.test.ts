import { spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import t from "tap";

const output = new URL("./output.ts", import.meta.url).href;

/** How a process ends that writes to a disk that is full, and is not done yet when it hears of that. */
async function endOf(...before: readonly string[]): Promise<number | null> {
  const full = openSync("/dev/full", "w");
  const lines = [
    ...before,
    `for (const stream of [process.stdout, process.stderr]) { stream.write("one\\n"); stream.write("two\\n"); }`,
    `setImmediate(() => setImmediate(() => process.exit(42)));`,
  ];
  const program = `data:text/javascript,${encodeURIComponent(lines.join("\n"))}`;
  const child = spawn(process.execPath, ["--import", program, "--eval", ""], {
    stdio: ["ignore", full, full],
  });
  const code = await new Promise<number | null>((resolve) => child.once("exit", resolve));
  closeSync(full);
  return code;
}

t.test("a daemon goes on when what it writes cannot be written", async (t) => {
  t.not(await endOf(), 42, "Node itself would not");
  t.equal(await endOf(`import { outliveOutput } from ${JSON.stringify(output)};`, "outliveOutput();"), 42);
});
