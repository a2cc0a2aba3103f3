import { rm, stat, writeFile } from "node:fs/promises";
import { type Handler, messageOf, systemCode } from "@daruma/base";
import type { EgressManifest } from "@daruma/config";
import type { Recorder } from "../recorder.ts";
import { Echo } from "./echo.ts";
import { type Proof, Proofs } from "./proofs.ts";
import { forbiddenWays, type Judgement, judge, type ProbeRequest, type Verdict } from "./ways.ts";

export interface SelfTestsOptions {
  /** File that is written whenever the wall is loaded, and gone with it. */
  readonly wall: string;
  /** File that is there as long as a test is wanted: systemd then starts what makes it. */
  readonly flag: string;
  /** Addresses of name servers, with or without a port. */
  readonly nameServers: readonly string[];
  readonly recorder: Pick<Recorder, "note">;
  /** After how long an unclear test is tried again. Default 30,000. */
  readonly retryMs?: number;
  readonly log: (message: string) => void;
}

/** What `GET /v1/self-tests` tells the program that makes them. */
export interface SelfTestsWanted {
  readonly schemaVersion: 1;
  readonly wanted: readonly {
    readonly agent: string;
    readonly test: number;
    readonly request: ProbeRequest;
  }[];
}

/** What that program says of one test: the probe's answer, or why there is none. */
export interface SelfTestReport {
  readonly agent: string;
  readonly test: number;
  readonly result?: unknown;
  readonly problem?: string;
}

/** `verdict` is null where the test did not count any longer. */
export interface SelfTestAnswer {
  readonly schemaVersion: 1;
  readonly verdict: Verdict | null;
}

/**
 * egressd's part of the self-test: it knows what is to be tested and what was found, and says so in the ledger. It cannot
 * start anything; a program with root's rights asks it what to test, and tells it how that went.
 */
export class SelfTests {
  readonly #options: SelfTestsOptions;
  readonly #echo: Echo;
  readonly #proofs: Proofs;
  #agents: ReadonlyMap<string, EgressManifest> = new Map();
  #looking: Promise<void> = Promise.resolve();
  #isFlagged: boolean | null = null;

  private constructor(options: SelfTestsOptions, echo: Echo) {
    this.#options = options;
    this.#echo = echo;
    this.#proofs = new Proofs({ retryMs: options.retryMs ?? 30_000 });
  }

  static async start(options: SelfTestsOptions): Promise<SelfTests> {
    return new SelfTests(options, await Echo.open());
  }

  get routes(): Readonly<Record<string, Handler>> {
    return {
      "GET /v1/self-tests": async () => this.wanted(),
      "POST /v1/self-tests": async ({ body }) => {
        // What was found under a wall that is no longer the same does not count.
        await this.look();
        const answer = this.take(body);
        await this.look();
        return answer;
      },
    };
  }

  proofOf(agent: string): Proof {
    return this.#proofs.of(agent);
  }

  setAgents(agents: ReadonlyMap<string, EgressManifest>): Promise<void> {
    this.#agents = new Map([...agents].filter(([, { mode }]) => mode === "enforce"));
    this.#proofs.setAgents(
      new Map([...this.#agents].map(([name, rules]) => [name, JSON.stringify(rules)] as const)),
    );
    return this.look();
  }

  /** Looks whether the wall was loaded anew, and asks for what is to be tested. */
  look(): Promise<void> {
    this.#looking = this.#looking
      .then(() => this.#lookOnce())
      .catch((error) => this.#options.log(`self-test: ${messageOf(error)}`));
    return this.#looking;
  }

  wanted(): SelfTestsWanted {
    const wanted = this.#proofs.wanted(Date.now()).flatMap(({ agent, test }) => {
      const request = this.#requestFor(agent);
      return request === null ? [] : [{ agent, test, request }];
    });
    return { schemaVersion: 1, wanted };
  }

  take(body: unknown): SelfTestAnswer {
    const { agent, test, result, problem } = Object(body) as Partial<SelfTestReport>;
    const request = typeof agent === "string" ? this.#requestFor(agent) : null;
    if (agent === undefined || test === undefined || request === null)
      return { schemaVersion: 1, verdict: null };
    const judgement: Judgement =
      problem === undefined ? judge(request, result) : { verdict: "unclear", problems: [problem] };
    if (!this.#proofs.found(agent, test, judgement, Date.now())) return { schemaVersion: 1, verdict: null };
    const { verdict, problems } = judgement;
    this.#options.recorder.note({
      action: "egress.self-test",
      subject: agent,
      details: { outcome: verdict, ways: request.ways.length, problems: problems.slice(0, 32) },
    });
    return { schemaVersion: 1, verdict };
  }

  async close(): Promise<void> {
    await this.#looking;
    this.#echo.close();
  }

  async #lookOnce(): Promise<void> {
    this.#proofs.setWall(await stampOf(this.#options.wall));
    const isWanted = this.#proofs.wanted(Date.now()).length > 0;
    if (isWanted === this.#isFlagged) return;
    if (isWanted) await writeFile(this.#options.flag, "");
    else await rm(this.#options.flag, { force: true });
    this.#isFlagged = isWanted;
  }

  #requestFor(agent: string): ProbeRequest | null {
    const own = this.#agents.get(agent);
    if (own === undefined) return null;
    const otherPorts = [...this.#agents].filter(([name]) => name !== agent).map(([, { port }]) => port);
    const nameServers = this.#options.nameServers.map(addressOf);
    return { proxyPort: own.port, ways: forbiddenWays({ echo: this.#echo.ports, nameServers, otherPorts }) };
  }
}

/** As node:dns writes name servers: `[::1]:53`, `192.0.2.1:5353`, or an address alone. */
function addressOf(server: string): string {
  return server.replace(/^\[(.*)\](:\d+)?$/, "$1").replace(/^([\d.]+):\d+$/, "$1");
}

/** Null where there is no such file. */
async function stampOf(file: string): Promise<string | null> {
  try {
    const { ino, mtimeMs, size } = await stat(file);
    return [ino, mtimeMs, size].join(" ");
  } catch (error) {
    if (systemCode(error) === "ENOENT") return null;
    throw error;
  }
}
