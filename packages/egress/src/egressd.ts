import { getServers } from "node:dns";
import { type FSWatcher, watch } from "node:fs";
import { dirname, join } from "node:path";
import { messageOf, serveStatus, serveUnix, streamed, type UnixServer } from "@daruma/base";
import { type AlertsManifest, type EgressManifest, egressSubjects, isNetwork } from "@daruma/config";
import type { LedgerConnection } from "@daruma/ledger";
import { AlertsEntrance } from "./alerts-entrance.ts";
import { Door, type DoorSetting, type DoorStatus, defaultTimes, type Times } from "./door.ts";
import { Entrance } from "./entrance.ts";
import { type RulesManifest, readManifest, stamp } from "./manifest-file.ts";
import { Recorder } from "./recorder.ts";
import { Resolver, type ResolverOptions } from "./resolver.ts";
import type { Proof } from "./self-test/proofs.ts";
import { SelfTests } from "./self-test/self-tests.ts";
import { Upstreams, UpstreamsFeed } from "./upstreams.ts";

export interface EgressdOptions {
  /** host.json of the current generation. It may not be there yet: then nobody gets through. */
  readonly manifest: string;
  readonly connectLedger: () => Promise<Pick<LedgerConnection, "append" | "close" | "closed">>;
  /** Unix socket for status and reload. */
  readonly socket: string;
  /** Socket for the status alone, for those who may ask nothing else. */
  readonly statusSocket?: string;
  /** Nothing is refused, whatever the rules' own mode: for where nothing enforces them. */
  readonly observe: boolean;
  /** File that is written whenever the wall is loaded; left out where there is no wall to be proven. */
  readonly wall?: string;
  readonly resolver?: ResolverOptions;
  readonly times?: Partial<Times>;
  /** What repeats within this time is one entry of the ledger. Default 10,000. */
  readonly windowMs?: number;
  /** How often the manifest is looked at. Default 500. */
  readonly lookMs?: number;
  readonly log: (message: string) => void;
}

export interface EgressdStatus {
  readonly schemaVersion: 1;
  readonly pid: number;
  /** Whether what the rules refuse is let through everywhere. */
  readonly observe: boolean;
  readonly agents: Readonly<Record<string, AgentDoorStatus>>;
  /** Entries that ledgerd has not taken yet. */
  readonly waiting: number;
}

export interface AgentDoorStatus extends DoorStatus {
  readonly port: number;
  readonly mode: EgressManifest["mode"];
  /** Whether every port of it is open. */
  readonly listening: boolean;
  /** Whether the kernel is known to keep the agent to its rules: its self-test has passed since wall and rules are what they are. */
  readonly enforced: boolean;
  readonly proof: Proof;
}

export interface Egressd {
  status(): EgressdStatus;
  /** Reads the manifest again. */
  reload(): Promise<void>;
  /** Cuts every connection, and tells the ledger what is left to tell. */
  close(): Promise<void>;
}

interface Place {
  readonly door: Door;
  readonly entrances: ReadonlyMap<string, Entrance>;
}

/** How long a failure speaks against an upstream that nobody has tried since. */
const upstreamWindowMs = 300_000;

/** @throws EGRESSD_E_MANIFEST, SOCKET_E_* */
export async function startEgressd(options: EgressdOptions): Promise<Egressd> {
  const egressd = new Daemon(options);
  await egressd.begin();
  return egressd;
}

class Daemon implements Egressd {
  readonly #options: EgressdOptions;
  readonly #recorder: Recorder;
  readonly #resolver: Resolver;
  readonly #places = new Map<string, Place>();
  #ownPorts: ReadonlySet<number> = new Set();
  readonly #upstreams = new UpstreamsFeed(new Upstreams(upstreamWindowMs));
  readonly #alerts: AlertsEntrance;
  /** What the current manifest declares of them. */
  #alertsDeclared: AlertsManifest | null = null;
  #selfTests: SelfTests | null = null;
  #servers: (UnixServer | null)[] = [];
  #timer: NodeJS.Timeout | null = null;
  #watcher: FSWatcher | null = null;
  #seen = "";
  #reloading: Promise<void> = Promise.resolve();

  constructor(options: EgressdOptions) {
    this.#options = options;
    const { connectLedger: connect, log, windowMs = 10_000 } = options;
    this.#recorder = new Recorder({ connect, log, windowMs });
    this.#resolver = new Resolver(options.resolver);
    this.#alerts = new AlertsEntrance(options.socket, this.#doorSetting(), log);
  }

  async begin(): Promise<void> {
    const { wall, socket, log, resolver } = this.#options;
    if (wall !== undefined) {
      const nameServers = resolver?.servers ?? getServers();
      const flag = join(dirname(socket), "unproven");
      this.#selfTests = await SelfTests.start({ wall, flag, nameServers, recorder: this.#recorder, log });
    }
    await this.reload();
    const onBug = (error: unknown) =>
      log(error instanceof Error ? (error.stack ?? error.message) : String(error));
    const server = await serveUnix({
      path: this.#options.socket,
      routes: {
        "GET /v1/status": async () => {
          // A wall that is gone proves nothing any longer.
          await this.#selfTests?.look();
          return this.status();
        },
        "POST /v1/reload": async () => {
          await this.reload();
          return this.status();
        },
        "GET /v1/upstreams": async ({ response }) => {
          this.#upstreams.stream(response);
          return streamed;
        },
        ...this.#selfTests?.routes,
      },
      onBug,
    });
    const path = this.#options.statusSocket ?? null;
    this.#servers = [server, await serveStatus({ path, status: () => this.status(), onBug })];
    await this.#alerts.follow(this.#alertsDeclared);
    this.#timer = setInterval(() => void this.#look(), this.#options.lookMs ?? 500);
    this.#watcher = this.#watch();
  }

  status(): EgressdStatus {
    const agents = [...this.#places].map(([name, { door, entrances }]) => {
      const listening = [...entrances.values()].every((entrance) => entrance.isListening);
      const { port, mode } = door.rules;
      const proof = this.#selfTests?.proofOf(name) ?? { state: "none" };
      const enforced = proof.state === "proven";
      return [name, { port, mode, listening, enforced, proof, ...door.status }] as const;
    });
    const { observe } = this.#options;
    return {
      schemaVersion: 1,
      pid: process.pid,
      observe,
      agents: Object.fromEntries(agents),
      waiting: this.#recorder.waiting,
    };
  }

  /** One after the other: the later one has read the later rules. */
  reload(): Promise<void> {
    this.#reloading = this.#reloading.catch(() => undefined).then(() => this.#reloadOnce());
    return this.#reloading;
  }

  async close(): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#watcher?.close();
    this.#upstreams.close();
    await Promise.all(this.#servers.map((server) => server?.close()));
    await this.#reloading.catch(() => undefined);
    for (const [, { door, entrances }] of this.#places) {
      for (const entrance of entrances.values()) entrance.close();
      door.close();
    }
    this.#alerts.close();
    await this.#selfTests?.close();
    await this.#recorder.close(5_000);
  }

  /** Only a hint, which saves half a second: in a directory of generations, the link to the current one changes here. */
  #watch(): FSWatcher | null {
    try {
      const watcher = watch(dirname(dirname(this.#options.manifest)), () => void this.#look());
      watcher.on("error", () => watcher.close());
      return watcher;
    } catch {
      return null;
    }
  }

  /** A switch or a rollback changes what the path leads to; nobody has to tell. */
  async #look(): Promise<void> {
    void this.#selfTests?.look();
    const seen = await stamp(this.#options.manifest);
    if (seen === this.#seen) return;
    await this.reload().catch((error) =>
      this.#options.log(`the rules stay as they were: ${messageOf(error)}`),
    );
  }

  async #reloadOnce(): Promise<void> {
    const seen = await stamp(this.#options.manifest);
    const manifest = await readManifest(this.#options.manifest);
    const isFirst = this.#seen === "";
    this.#seen = seen;
    this.#alertsDeclared = manifest?.alerts ?? null;
    const wanted = this.#wanted(manifest);
    const [cut, changed] = await this.#apply(wanted);
    await this.#selfTests?.setAgents(wanted);
    // Before its own socket is served, another egressd may be there, whose socket for alerts this would be.
    if (this.#servers.length > 0) await this.#alerts.follow(this.#alertsDeclared);
    if (!changed && !isFirst) return;
    this.#recorder.note({
      action: "egress.rules",
      subject: "egressd",
      details: { agents: [...wanted.keys()], cut },
    });
  }

  #wanted(manifest: RulesManifest | null): ReadonlyMap<string, EgressManifest> {
    const agents = egressSubjects(manifest ?? { agents: {}, routines: {} }).flatMap(([name, egress]) =>
      egress === null
        ? []
        : [[name, this.#options.observe ? { ...egress, mode: "observe" as const } : egress] as const],
    );
    return new Map(agents);
  }

  async #apply(
    wanted: ReadonlyMap<string, EgressManifest>,
  ): Promise<readonly [cut: number, changed: boolean]> {
    let cut = 0;
    let changed = false;
    for (const [name, { door, entrances }] of this.#places) {
      if (wanted.has(name)) continue;
      for (const entrance of entrances.values()) entrance.close();
      cut += door.close();
      this.#places.delete(name);
      changed = true;
    }
    const opened: Entrance[] = [];
    for (const [name, rules] of wanted) {
      const old = this.#places.get(name);
      if (old !== undefined && JSON.stringify(old.door.rules) === JSON.stringify(rules)) continue;
      changed = true;
      const door = old?.door ?? this.#newDoor(name, rules);
      if (old !== undefined) cut += door.setRules(rules);
      const entrances = this.#entrances(door, old?.entrances ?? new Map());
      opened.push(...entrances.values());
      this.#places.set(name, { door, entrances });
    }
    this.#ownPorts = new Set(
      [...this.#places.values()].flatMap(({ entrances }) => [...entrances.values()].map(({ port }) => port)),
    );
    await Promise.all(
      opened.filter((entrance) => !entrance.isListening).map((entrance) => entrance.listen()),
    );
    return [cut, changed];
  }

  #newDoor(name: string, rules: EgressManifest): Door {
    return new Door(name, rules, this.#doorSetting());
  }

  #doorSetting(): DoorSetting {
    return {
      resolver: this.#resolver,
      recorder: this.#recorder,
      upstreams: this.#upstreams,
      ownPorts: () => this.#ownPorts,
      times: { ...defaultTimes, ...this.#options.times },
    };
  }

  /** Those that stay keep their port open; a client notices nothing. */
  #entrances(door: Door, old: ReadonlyMap<string, Entrance>): ReadonlyMap<string, Entrance> {
    const { log } = this.#options;
    const { port, allow } = door.rules;
    const wanted = new Map<string, () => Entrance>([
      [`proxy ${port}`, () => Entrance.proxy(door, port, log)],
    ]);
    for (const rule of allow) {
      if (isNetwork(rule) || rule.forward === null || rule.port === null) continue;
      const place = { port: rule.forward, host: rule.host, targetPort: rule.port };
      wanted.set(`forward ${JSON.stringify(place)}`, () => Entrance.forward(door, place, log));
    }
    for (const [key, entrance] of old) if (!wanted.has(key)) entrance.close();
    return new Map([...wanted].map(([key, make]) => [key, old.get(key) ?? make()]));
  }
}
