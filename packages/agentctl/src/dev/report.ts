import { relative } from "node:path";
import { isDarumaError, messageOf } from "@daruma/base";
import type { StoredEntry } from "@daruma/ledger";
import type { Build, Deployed } from "@daruma/watchd";
import type { Output } from "../cli/output.ts";
import { describeFailure } from "../cli/render-error.ts";
import { elapsed } from "../story/elapsed.ts";
import { storyLine } from "../story/line.ts";

export interface Started {
  readonly host: string;
  readonly config: string;
  readonly state: string;
  readonly pid: number;
}

/**
 * What `agentctl dev` says: lines to read, or with --json one event a line, `{"schemaVersion":1,"event":…}`. What went
 * wrong goes to stderr as well, in both cases.
 */
export class DevReport {
  readonly #output: Output;
  readonly #cwd: string;
  #programs = "";
  #confined = "";

  constructor(output: Output, cwd: string) {
    this.#output = output;
    this.#cwd = cwd;
  }

  async started(started: Started): Promise<void> {
    const { host, config, state } = started;
    await this.#event("started", { ...started }, () => {
      const where = `${this.#near(config)}, state in ${this.#near(state)}`;
      return this.#output.paint("bold", `agentctl dev: ${host} of ${where}. Ctrl-C stops everything.`);
    });
  }

  /** What outside Nix is not as it would be there. Said again only when it changes. */
  build({ programs, warnings }: Build): void {
    const lines = programs.map(
      ({ attribute, path, program }) =>
        `nixpkg(${JSON.stringify(attribute)}, ${JSON.stringify(path)}) is ${program} here, from PATH`,
    );
    const text = [...lines, ...warnings].join("\n");
    if (text !== "" && text !== this.#programs) this.#output.note(text);
    this.#programs = text;
  }

  /** What a fleet file says about egress is not kept here. Said again only when it changes. */
  async egress(agents: readonly string[]): Promise<void> {
    const names = agents.join(", ");
    if (names === this.#confined) return;
    this.#confined = names;
    if (names === "") return;
    await this.#event("egress", { enforced: false, agents }, () => null);
    this.#output.note(
      `egress: NOTHING IS ENFORCED under agentctl dev. ${names}: told of a proxy (HTTP_PROXY, ...), which lets everything through and records what the rules would refuse; \`agentctl egress log\` shows it. A program that ignores the proxy is not even seen.`,
    );
  }

  async deployed({ number, path, unchanged }: Deployed): Promise<void> {
    await this.#event("deployed", { number, path, unchanged }, () =>
      unchanged ? `unchanged: generation ${number} is current` : null,
    );
  }

  async refused(error: unknown, current: number | null): Promise<void> {
    const failure = describeFailure(error, this.#output.paintNote);
    await this.#event("refused", failure.document, () => null);
    const still = current === null ? "nothing runs" : `generation ${current} keeps running`;
    this.#output.note(`${failure.text}\nnot deployed; ${still}`);
  }

  async entry({ entry, line }: StoredEntry): Promise<void> {
    await this.#output.record(`{"schemaVersion":1,"event":"entry","entry":${line}}`, () =>
      storyLine(entry, { paint: this.#output.paint }),
    );
  }

  async daemonDown(name: string, error: Error, restartInMs: number): Promise<void> {
    const message = isDarumaError(error) ? `${error.code}: ${error.message}` : messageOf(error);
    await this.#event("daemon-down", { daemon: name, message, restartInMs }, () => null);
    this.#output.note(`${message}; starting it again in ${elapsed(restartInMs)}. Agents keep running.`);
  }

  async daemonUp(name: string, pid: number): Promise<void> {
    await this.#event("daemon-up", { daemon: name, pid }, () => null);
    this.#output.note(`${name} is back (process ${pid})`);
  }

  async stopping(): Promise<void> {
    await this.#event("stopping", {}, () => null);
    this.#output.note("stopping the agents, then the daemons; a second Ctrl-C does not wait for them");
  }

  async hurrying(): Promise<void> {
    await this.#event("hurrying", {}, () => null);
    this.#output.note("not waiting any longer: killing the agents");
  }

  async stopped(): Promise<void> {
    await this.#event("stopped", {}, () => null);
    this.#output.note("everything is stopped");
  }

  note(text: string): void {
    this.#output.note(text);
  }

  progress(text: string): void {
    this.#output.progress(text);
  }

  #event(event: string, fields: object, text: () => string | null): Promise<void> {
    return this.#output.record(JSON.stringify({ schemaVersion: 1, event, ...fields }), text);
  }

  #near(path: string): string {
    const near = relative(this.#cwd, path);
    return near.startsWith("..") || near === "" ? path : near;
  }
}
