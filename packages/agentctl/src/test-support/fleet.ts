import { once } from "node:events";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import type { Test } from "tap";
import { commandTable } from "../commands/table.ts";
import { locateInstance } from "../instance/locate.ts";
import { type GenerationRow, type StatusDocument, watchdClient } from "../instance/watchd-client.ts";
import {
  documents,
  type Ended,
  eventually,
  type RunningProgram,
  runAgentctl,
  scratchDirectory,
  startAgentctl,
} from "./agentctl.ts";
import { type RunningHere, startHere } from "./run-here.ts";

export interface FleetText {
  /** Settings of the agent that differ from the usual ones, as TypeScript. */
  readonly agent?: string;
  /** Further settings of the host, as TypeScript. */
  readonly host?: string;
  readonly hosts?: string;
}

/** A fleet of one small web server, in a directory of its own, and the ways to run it. */
export interface TestFleet {
  readonly directory: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly config: string;
  writeConfig(text?: FleetText): Promise<void>;
  /** What the agent's code answers with; `null` for code that ends at once. */
  writeAgent(answer: string | null, more?: string): Promise<void>;
  answer(): Promise<string | null>;
  /** Takes the agent's port away from it. */
  occupyPort(): Promise<{ close(): Promise<void> }>;
  dev(...argv: string[]): TestDev;
  run(...argv: string[]): Promise<Ended>;
  /** In this process: for what only asks the daemons. A fleet file is evaluated by a program. */
  runHere(...argv: string[]): RunningHere["ended"];
  status(): Promise<StatusDocument>;
  generations(): Promise<readonly GenerationRow[]>;
}

export interface TestDev extends RunningProgram {
  /** Everything it has printed so far. */
  events(): readonly DevEvent[];
  /** Waits for an event, or an entry with that action, that passes. */
  saw(name: string, passes?: (event: DevEvent) => boolean): Promise<DevEvent>;
}

// biome-ignore lint/suspicious/noExplicitAny: the tests look into events of many shapes.
export type DevEvent = Record<string, any>;

export async function createFleet(t: Test): Promise<TestFleet> {
  const directory = scratchDirectory(t);
  const config = join(directory, "fleet.config.ts");
  const port = await freePort();
  const environment = {
    XDG_RUNTIME_DIR: join(directory, "run"),
    PATH: `${dirname(process.execPath)}:${process.env.PATH}`,
  };
  const options = { cwd: directory, environment };
  const run = (...argv: string[]) => runAgentctl(t, argv, options);
  const watchd = async () => {
    const { sockets } = await locateInstance(undefined, { cwd: directory, environment });
    return watchdClient(sockets.watchd);
  };
  const fleet: TestFleet = {
    directory,
    environment,
    config,
    writeConfig: (text = {}) => writeFile(config, configText(port, text)),
    writeAgent: async (answer, more = "") => {
      await mkdir(join(directory, "agent"), { recursive: true });
      await writeFile(join(directory, "agent", "main.mjs"), agentText(port, answer, more));
    },
    answer: () =>
      fetch(`http://127.0.0.1:${port}/`).then(
        (response) => response.text(),
        () => null,
      ),
    occupyPort: () => occupy(t, port),
    dev: (...argv) => withEvents(startAgentctl(t, ["dev", "--json", ...argv], options)),
    run,
    runHere: (...argv) => startHere(commandTable, argv, options).ended,
    status: async () => (await watchd()).status(),
    generations: async () => (await (await watchd()).generations()).generations,
  };
  t.teardown(() => killLeftovers(directory));
  await fleet.writeAgent("one");
  await fleet.writeConfig();
  return fleet;
}

function withEvents(program: RunningProgram): TestDev {
  const events = () => {
    const text = program.stdout();
    return documents(text.slice(0, text.lastIndexOf("\n") + 1));
  };
  const saw = (name: string, passes: (event: DevEvent) => boolean = () => true) =>
    eventually(`dev has told of ${name}`, async () => {
      const found = events().find((event: DevEvent) => nameOf(event) === name && passes(event));
      if (found !== undefined) return found;
      if (program.child.exitCode === null && program.child.signalCode === null) return null;
      const { stderr } = await program.ended;
      throw new Error(`dev ended before it told of ${name}: ${stderr}`);
    });
  return { ...program, events, saw };
}

function nameOf(event: DevEvent): string {
  return event.event === "entry" ? event.entry.action : event.event;
}

function configText(port: number, { agent = "", host = "", hosts = "" }: FleetText): string {
  return `import { defineFleet, nixpkg, source } from "@daruma/config";
export default defineFleet({
  hosts: {
    "test-01": {
      system: "x86_64-linux",
      watchdog: { probation: "200ms" },
      ${host}
      agents: {
        web: {
          command: [nixpkg("nodejs_24", "bin/node"), source("./agent", "main.mjs")],
          health: { http: "http://127.0.0.1:${port}/", every: "100ms", expect: { within: "5s" } },
          startup: "30s",
          restart: { backoff: { initial: "10ms", max: "50ms" }, attempts: 2 },
          ${agent}
        },
      },
    },
    ${hosts}
  },
});
`;
}

function agentText(port: number, answer: string | null, more: string): string {
  if (answer === null) return "process.exit(1);\n";
  return `import { createServer } from "node:http";
${more}
createServer((_, response) => response.end(${JSON.stringify(answer)})).listen(${port}, "127.0.0.1");
`;
}

async function occupy(t: Test, port: number): Promise<{ close(): Promise<void> }> {
  const server = createServer((socket) => socket.destroy()).listen(port, "127.0.0.1");
  await once(server, "listening");
  const close = async () => {
    if (!server.listening) return;
    server.close();
    await once(server, "close");
  };
  t.teardown(close);
  return { close };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (typeof address !== "object" || address === null) throw new Error("no port");
  return address.port;
}

/** Processes that name the directory on their command line: daemons and agents of a fleet in it, and no others. */
export async function processesOf(directory: string): Promise<readonly number[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const lines = await Promise.all(
    pids.map((pid) => readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")),
  );
  return pids.filter((_, index) => lines[index]?.includes(directory)).map(Number);
}

/** What a test that failed has left running. */
async function killLeftovers(directory: string): Promise<void> {
  for (const pid of await processesOf(directory)) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // It has just ended by itself.
    }
  }
}

/** A fleet of which `agentctl dev` has brought up the agent. */
export async function started(t: Test): Promise<{ fleet: TestFleet; dev: TestDev; pid: number }> {
  const fleet = await createFleet(t);
  const dev = fleet.dev();
  await dev.saw("agent.healthy");
  return { fleet, dev, pid: await agentPid(fleet) };
}

export async function agentPid(fleet: TestFleet): Promise<number> {
  const pid = (await fleet.status()).agents[0]?.pid;
  if (typeof pid !== "number") throw new Error("the agent does not run");
  return pid;
}
