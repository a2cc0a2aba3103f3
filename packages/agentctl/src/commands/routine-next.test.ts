import { PassThrough } from "node:stream";
import t from "tap";
import { watchSignals } from "../cli/interrupts.ts";
import { run } from "../cli/run.ts";
import { commandTable } from "./table.ts";

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs agentctl in this process. */
async function agentctl(...argv: string[]): Promise<Ended> {
  const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()];
  const text = { stdout: "", stderr: "" };
  stdout.on("data", (chunk) => {
    text.stdout += String(chunk);
  });
  stderr.on("data", (chunk) => {
    text.stderr += String(chunk);
  });
  const code = await run(commandTable, argv, {
    stdin: Object.assign(stdin, { isTTY: false }),
    stdout,
    stderr,
    environment: {},
    cwd: () => "/",
    interrupts: watchSignals(new PassThrough()),
  });
  return { code, ...text };
}

t.test("with --json it is one document, {next}, exactly", async (t) => {
  const options = ["--timezone", "America/New_York", "--from", "2025-03-09T06:00Z", "--count", "2", "--json"];
  t.strictSame(await agentctl("routine", "next", "30 2 * * *", ...options), {
    code: 0,
    stdout: '{"next":["2025-03-09T07:30:00.000Z","2025-03-10T06:30:00.000Z"]}\n',
    stderr: "",
  });
});

t.test("people are shown both clocks", async (t) => {
  const { stdout } = await agentctl(
    ...[
      "routine",
      "next",
      "30 2 * * *",
      "--timezone",
      "America/New_York",
      "--from",
      "2025-03-09",
      "--count",
      "2",
    ],
  );
  t.strictSame(stdout.split("\n"), [
    "IN America/New_York      OFFSET  IN UTC",
    "Sun 2025-03-09 03:30:00  -04:00  2025-03-09T07:30:00.000Z",
    "Mon 2025-03-10 02:30:00  -04:00  2025-03-10T06:30:00.000Z",
    "",
  ]);
});

t.test("never is an answer", async (t) => {
  t.strictSame(await agentctl("routine", "next", "0 0 31 2 *", "--json"), {
    code: 0,
    stdout: '{"next":[]}\n',
    stderr: "",
  });
  t.match(await agentctl("routine", "next", "0 0 31 2 *"), { code: 0, stdout: /^never: / });
  t.match(await agentctl("routine", "next", "0 0 1 1 *", "--from", "9998-06-01"), {
    code: 0,
    stdout: /9999-01-01T00:00:00.000Z\nand never again\n$/,
  });
});

t.test("from now on, without --from", async (t) => {
  const before = Date.now();
  const { next } = JSON.parse(
    (await agentctl("routine", "next", "* * * * * *", "--count", "1", "--json")).stdout,
  );
  t.ok(Date.parse(next[0]) > before && Date.parse(next[0]) <= Date.now() + 1000);
});

t.test("everything that is wrong is told at once", async (t) => {
  const wrong = ["routine", "next", "61 * * * *", "--timezone", "Europe/Berlim", "--from", "tomorrow"];
  const shown = await agentctl(...wrong);
  t.match(shown, { code: 2, stdout: "" });
  t.strictSame(shown.stderr.split("\n").slice(0, 4), [
    "error SCHEDULE_E_INVALID: 3 things are wrong with the schedule",
    "  - minute: 61 is not within 0 to 59",
    '  - timezone: "Europe/Berlim" is no IANA time zone; did you mean Europe/Berlin?',
    "  - --from: must be a time such as 2026-11-27T10:00:00Z, not tomorrow",
  ]);
  const { code, stdout } = await agentctl(...wrong, "--json");
  t.equal(code, 2);
  t.match(JSON.parse(stdout), {
    error: { code: "SCHEDULE_E_INVALID", problems: [{ path: "minute" }, {}, {}] },
  });
  t.match(await agentctl("routine", "next", "* * *"), {
    code: 2,
    stderr: /^error SCHEDULE_E_INVALID: expression: has 3 fields/,
  });
  t.match(await agentctl("routine", "next", "@daily", "--from", "1969-12-31"), {
    code: 2,
    stderr: /--from: 1969-12-31 is not within the years 1970 to 9999/,
  });
});

t.test("H needs the routine's name", async (t) => {
  const hashed = ["routine", "next", "H H * * *", "--from", "2025-01-01", "--count", "1", "--json"];
  t.match(await agentctl(...hashed), { code: 2, stdout: /H is spread by the routine's name/ });
  t.equal((await agentctl(...hashed, "--name", "nightly")).stdout, '{"next":["2025-01-01T12:33:00.000Z"]}\n');
});
