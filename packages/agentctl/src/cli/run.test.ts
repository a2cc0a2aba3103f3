import { once } from "node:events";
import { PassThrough, Writable } from "node:stream";
import { baseErrors } from "@daruma/base";
import t from "tap";
import { agentctlErrors } from "../catalogue.ts";
import { type Context, defineCommand } from "./command.ts";
import { watchSignals } from "./interrupts.ts";
import { run } from "./run.ts";

type Act = (context: Context) => Promise<0 | 3>;

function tableOf(act: Act, stopsItself = false) {
  return [
    defineCommand({
      path: ["act"],
      summary: "Act",
      description: "Acts.",
      args: {},
      options: {},
      json: "document",
      examples: [],
      exits: [],
      stopsItself,
      load: async () => act,
    }),
  ];
}

function world(input = "", tty = false) {
  const signals = new PassThrough();
  const sink = () => {
    let text = "";
    const stream = new Writable({
      write(chunk, _, done) {
        text += String(chunk);
        done();
      },
    });
    return { stream: Object.assign(stream, { isTTY: tty }), text: () => text };
  };
  const stdout = sink();
  const stderr = sink();
  const stdin = Object.assign(new PassThrough(), { isTTY: tty });
  stdin.end(input);
  const interrupts = watchSignals(signals);
  return {
    signals,
    stdout,
    stderr,
    world: {
      stdin,
      stdout: stdout.stream,
      stderr: stderr.stream,
      environment: {},
      cwd: () => "/",
      interrupts,
    },
  };
}

t.test("a result goes to stdout: text for people, one document with --json", async (t) => {
  const act: Act = async ({ output }) => {
    output.note("by the way");
    await output.result({ schemaVersion: 1 }, () => ["all", "well"]);
    return 3;
  };
  for (const [argv, expected] of [
    [["act"], "all\nwell\n"],
    [["act", "--json"], '{"schemaVersion":1}\n'],
  ] as const) {
    const host = world();
    t.equal(await run(tableOf(act), argv, host.world), 3);
    t.equal(host.stdout.text(), expected);
    t.equal(host.stderr.text(), "by the way\n");
  }
});

t.test("an error gives its exit code, with --json a document on stdout", async (t) => {
  const act: Act = async () => {
    throw baseErrors.make("SOCKET_E_UNREACHABLE", "nobody is there", { where: "/run/x.sock" });
  };
  const host = world();
  t.equal(await run(tableOf(act), ["act", "--json"], host.world), 5);
  t.match(JSON.parse(host.stdout.text()), {
    schemaVersion: 1,
    error: { code: "SOCKET_E_UNREACHABLE", where: "/run/x.sock" },
  });
  t.match(host.stderr.text(), "SOCKET_E_UNREACHABLE");
  const human = world();
  t.equal(await run(tableOf(act), ["act"], human.world), 5);
  t.equal(human.stdout.text(), "");
});

t.test("a command line with a fault ends with the exit code of usage", async (t) => {
  const host = world();
  t.equal(
    await run(
      tableOf(async () => 0),
      ["atc", "--json"],
      host.world,
    ),
    2,
  );
  t.match(JSON.parse(host.stdout.text()), { error: { code: "CLI_E_USAGE", hint: /agentctl act/ } });
});

t.test("a bug is told with its stack on stderr and as a document on stdout", async (t) => {
  const host = world();
  const act: Act = async () => {
    throw new RangeError("out of range");
  };
  t.equal(await run(tableOf(act), ["act", "--json"], host.world), 1);
  t.match(JSON.parse(host.stdout.text()), { error: { code: "CLI_E_BUG" } });
  t.match(host.stderr.text(), "run.test.ts");
});

t.test("a signal ends a command that waits for something that never comes", async (t) => {
  for (const [signal, code, exit] of [
    ["SIGINT", "CLI_E_INTERRUPTED", 130],
    ["SIGTERM", "CLI_E_TERMINATED", 143],
  ] as const) {
    const host = world();
    const ended = run(
      tableOf(() => new Promise<0>(() => undefined)),
      ["act", "--json"],
      host.world,
    );
    host.signals.emit(signal);
    t.equal(await ended, exit);
    t.match(JSON.parse(host.stdout.text()), { error: { code } });
  }
});

t.test(
  "a command that can stop by itself does so first, and a finished one keeps its own exit code",
  async (t) => {
    const host = world();
    let cleaned = false;
    const act: Act = async ({ interrupt }) => {
      if (!interrupt.aborted) await once(interrupt, "abort");
      await new Promise((resolve) => setTimeout(resolve, 20));
      cleaned = true;
      throw interrupt.reason;
    };
    const ended = run(tableOf(act, true), ["act"], host.world);
    host.signals.emit("SIGINT");
    t.equal(await ended, 130);
    t.ok(cleaned);
  },
);

t.test("an AbortError that our signal caused is told as the interrupt that it is", async (t) => {
  const host = world();
  const act: Act = async ({ interrupt }) => {
    const { setTimeout: wait } = await import("node:timers/promises");
    await wait(60_000, undefined, { signal: interrupt });
    return 0;
  };
  const ended = run(tableOf(act), ["act"], host.world);
  host.signals.emit("SIGTERM");
  t.equal(await ended, 143);
  t.match(host.stderr.text(), "CLI_E_TERMINATED");
});

t.test("a reader of stdout that goes away ends a command without a word", async (t) => {
  const host = world();
  const act: Act = async ({ output, interrupt }) => {
    for (;;) {
      interrupt.throwIfAborted();
      await output.record("{}", () => "line");
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  const ended = run(tableOf(act), ["act"], host.world);
  host.stdout.stream.destroy(Object.assign(new Error("write EPIPE"), { code: "EPIPE" }));
  t.equal(await ended, 0);
  t.equal(host.stderr.text(), "");
});

t.test("output that cannot be written makes a command fail, and is not called a bug", async (t) => {
  const host = world();
  const act: Act = async ({ output }) => {
    await output.result({ schemaVersion: 1 }, () => ["text"]);
    return 0;
  };
  const full = new Writable({
    write(_chunk, _encoding, done) {
      done(Object.assign(new Error("ENOSPC: no space left on device"), { code: "ENOSPC" }));
    },
  });
  t.equal(await run(tableOf(act), ["act"], { ...host.world, stdout: full }), 1);
  t.match(host.stderr.text(), /^error CLI_E_OUTPUT: .*ENOSPC/);
});

t.test("a question is asked on a terminal only, and only yes is yes", async (t) => {
  const answers: (boolean | null)[] = [];
  const act: Act = async ({ confirm }) => {
    answers.push(await confirm("Really?"));
    return 0;
  };
  for (const input of ["y\n", "YES\n", "n\n", "\n", "yeah\n", ""]) {
    await run(tableOf(act), ["act"], world(input, true).world);
  }
  await run(tableOf(act), ["act"], world("y\n", false).world);
  t.same(answers, [true, true, false, false, false, false, null]);
});

t.test("--quiet leaves progress out and notes in", async (t) => {
  const act: Act = async ({ output }) => {
    output.progress("working");
    output.note("important");
    return 0;
  };
  const host = world();
  await run(tableOf(act), ["act", "-q"], host.world);
  t.equal(host.stderr.text(), "important\n");
});

t.test("colour is for terminals, and --color, NO_COLOR and TERM decide before that", async (t) => {
  const act: Act = async () => {
    throw agentctlErrors.make("CLI_E_DECLINED", "no");
  };
  const colored = async (argv: string[], tty: boolean, environment: Record<string, string> = {}) => {
    const host = world("", tty);
    await run(tableOf(act), ["act", ...argv], { ...host.world, environment });
    return host.stderr.text().includes("\u001b[");
  };
  t.equal(await colored([], true), true);
  t.equal(await colored([], false), false);
  t.equal(await colored(["--color", "always"], false), true);
  t.equal(await colored(["--color", "never"], true), false);
  t.equal(await colored([], true, { NO_COLOR: "1" }), false);
  t.equal(await colored([], true, { NO_COLOR: "" }), true);
  t.equal(await colored([], true, { TERM: "dumb" }), false);
  t.equal(await colored(["--color=always"], true, { NO_COLOR: "1" }), true);
});

t.test("the version and help are results like any other", async (t) => {
  for (const argv of [
    ["--version", "--json"],
    ["--help", "--json"],
    ["help", "act", "--json"],
  ]) {
    const host = world();
    t.equal(
      await run(
        tableOf(async () => 0),
        argv,
        host.world,
      ),
      0,
    );
    t.equal(JSON.parse(host.stdout.text()).schemaVersion, 1);
    t.equal(host.stderr.text(), "");
  }
});

t.test("a current directory that is gone is told, not a crash", async (t) => {
  const host = world();
  const gone = {
    ...host.world,
    cwd: () => {
      throw new Error("ENOENT: uv_cwd");
    },
  };
  t.equal(
    await run(
      tableOf(async () => 0),
      ["act", "--json"],
      gone,
    ),
    2,
  );
  t.match(JSON.parse(host.stdout.text()), { error: { code: "CLI_E_USAGE" } });
});
