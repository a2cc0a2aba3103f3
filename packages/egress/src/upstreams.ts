import type { ServerResponse } from "node:http";

/** Something that several agents need and nobody reaches. */
export interface DownUpstream {
  readonly target: string;
  /** What the newest of the failures was. */
  readonly code: string;
  /** Those that have tried in vain, at least two. */
  readonly agents: readonly string[];
}

/** One line of `GET /v1/upstreams`. */
export interface UpstreamsDocument {
  readonly schemaVersion: 1;
  readonly down: readonly DownUpstream[];
}

/**
 * Failures that lie with the other side or the way to it. Not that a name does not exist: that is as likely to be a mistake
 * of whoever wrote it down.
 */
const outages: ReadonlySet<string> = new Set([
  "refused",
  "unreachable",
  "connect-timeout",
  "reset",
  "dns-timeout",
  "dns-failed",
]);

/** One agent alone may have a wrong idea of where its upstream is, which a deploy can have given it. */
const several = 2;
const maxTargets = 1_000;

interface Failed {
  readonly at: number;
  readonly code: string;
}

/**
 * What egressd sees of upstreams across agents. It connects itself, so what it does not reach is no fault of the agent that
 * asked. No clock: times are monotonic milliseconds that are passed in.
 */
export class Upstreams {
  readonly #windowMs: number;
  /** Target -> agent -> its last failure; of what somebody has reached since, nothing is kept. */
  readonly #failed = new Map<string, Map<string, Failed>>();

  /** @param windowMs how long a failure counts that nothing has followed */
  constructor(windowMs: number) {
    this.#windowMs = windowMs;
  }

  /** Returns whether `down` may say something else from now on. */
  failed(agent: string, target: string, code: string, at: number): boolean {
    if (!outages.has(code)) return false;
    const agents = this.#failed.get(target) ?? new Map<string, Failed>();
    agents.set(agent, { at, code });
    // The newest last, so that the first is the one to be forgotten.
    this.#failed.delete(target);
    this.#failed.set(target, agents);
    const [oldest] = this.#failed.keys();
    const isFull = this.#failed.size > maxTargets && oldest !== undefined;
    if (isFull) this.#failed.delete(oldest);
    return isFull || agents.size >= several;
  }

  /** Returns whether `down` may say something else from now on. */
  reached(target: string): boolean {
    return this.#failed.delete(target);
  }

  down(now: number): readonly DownUpstream[] {
    return [...this.#failed].flatMap(([target, agents]) => {
      const recent = [...agents].filter(([, { at }]) => now - at < this.#windowMs);
      const newest = recent.reduce((a, b) => (a[1].at > b[1].at ? a : b), recent[0] ?? ["", noFailure]);
      return recent.length < several
        ? []
        : [{ target, code: newest[1].code, agents: recent.map(([agent]) => agent).sort() }];
    });
  }
}

const noFailure: Failed = { at: Number.NEGATIVE_INFINITY, code: "" };

/**
 * Tells whoever asks which upstreams are down, and each change of that as it happens: watchd has to know it before it hears
 * that an agent has failed because of it. A failure is told before the agent gets its answer.
 */
export class UpstreamsFeed {
  readonly #upstreams: Upstreams;
  readonly #listeners = new Set<ServerResponse>();
  readonly #timer: NodeJS.Timeout;
  #told = "";

  constructor(upstreams: Upstreams) {
    this.#upstreams = upstreams;
    this.#told = this.#line();
    this.#timer = setInterval(() => this.#tell(), 5_000).unref();
  }

  failed(agent: string, target: string, code: string): void {
    if (this.#upstreams.failed(agent, target, code, performance.now())) this.#tell();
  }

  reached(target: string): void {
    if (this.#upstreams.reached(target)) this.#tell();
  }

  /** JSON lines until the other side goes: first what is so now, then whatever it changes to. */
  stream(response: ServerResponse): void {
    response.writeHead(200, { "content-type": "application/jsonl" });
    response.on("error", () => undefined);
    response.once("close", () => this.#listeners.delete(response));
    this.#listeners.add(response);
    this.#tell();
    response.write(this.#told);
  }

  close(): void {
    clearInterval(this.#timer);
    for (const response of this.#listeners) response.end();
  }

  #tell(): void {
    const line = this.#line();
    if (line === this.#told) return;
    this.#told = line;
    for (const response of this.#listeners) response.write(line);
  }

  #line(): string {
    const document: UpstreamsDocument = {
      schemaVersion: 1,
      down: this.#upstreams.down(performance.now()),
    };
    return `${JSON.stringify(document)}\n`;
  }
}
