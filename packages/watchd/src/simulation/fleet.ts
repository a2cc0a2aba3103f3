import type {
  AgentManifest,
  Escalation,
  HeartbeatPolicy,
  HostManifest,
  ResourcePolicy,
  RestartPolicy,
  WatchdogPolicy,
} from "@daruma/config";
import type { Random } from "./random.ts";

/** What is wrong with a version of an agent's code, in whatever generation it runs. */
export type Defect =
  | "none"
  | "cannot-start"
  | "exits-at-start"
  | "exits-later"
  | "flaps"
  | "never-healthy"
  | "hangs"
  | "falters"
  | "grows"
  | "falls-silent"
  | "leaks"
  | "gets-stuck"
  | "exits-clean"
  | "misconfigured"
  | "blames-others";

export interface Version {
  readonly agent: string;
  readonly defect: Defect;
  /** Whether it has a health check, and so whether it can be seen to hang. */
  readonly probed: boolean;
  /** Missed health checks in a row that are too many; 0 where there are none. */
  readonly failures: number;
  /** How it shows that it gets on. */
  readonly heartbeat: HeartbeatPolicy | null;
  /** Within what time its counter has to rise; null where nobody looks. */
  readonly progressMs: number | null;
  /** Whether it declares what it needs, and needs it. */
  readonly needs: boolean;
  /** What its ends mean, where that is not the usual. */
  readonly exits: NonNullable<RestartPolicy["exits"]>;
  /** From the start of a run to its first healthy answer, if it ever gives one. */
  readonly warmupMs: number;
}

/** More open files than any process has that does not hoard them. */
export const usualFiles = 50;
/** A process that leaks grows faster than this. A survey takes 5 seconds, and each slice of the window needs one. */
export const leakPolicy = { growthBytes: 300, withinMs: 160_000 } as const;

/** Names that an agent may have; one of them is also a property of every object. */
const names = ["crawler", "enricher", "constructor", "loader", "notifier"];

const defects: readonly (readonly [number, Defect])[] = [
  [3, "exits-at-start"],
  [2, "cannot-start"],
  [2, "exits-later"],
  [2, "flaps"],
  [2, "never-healthy"],
  [2, "hangs"],
  [2, "falters"],
  [1, "grows"],
  [2, "falls-silent"],
  [1, "leaks"],
  [1, "gets-stuck"],
  [1, "exits-clean"],
  [2, "misconfigured"],
  [1, "blames-others"],
];

/** Everything that was ever written for this host: versions by digest, and how to make the next deploy. */
export class Fleet {
  readonly versions = new Map<string, Version>();
  readonly #random: Random;
  #counter = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  version(digest: string): Version {
    const version = this.versions.get(digest);
    if (version === undefined) throw new Error(`nobody wrote ${digest}`);
    return version;
  }

  /** What the host runs at first: nothing is broken yet. */
  first(): HostManifest {
    const agents: Record<string, AgentManifest> = {};
    const count = this.#random.whole(1, 4);
    for (const name of names.slice(0, count)) agents[name] = this.#write(name, "none", null);
    return this.#manifest({ hostDigest: this.#fresh("host"), watchdog: this.#watchdog() }, agents);
  }

  /** The next deploy: one thing or several differ from `before`. */
  change(before: HostManifest, broken: boolean): HostManifest {
    const random = this.#random;
    const agents: Record<string, AgentManifest> = { ...before.agents };
    const host = {
      hostDigest: random.chance(0.15) ? this.#fresh("host") : before.hostDigest,
      watchdog: random.chance(0.1) ? this.#watchdog() : before.watchdog,
    };
    if (random.chance(0.15)) this.#addOrRemove(agents);
    if (random.chance(0.15)) this.#adjust(agents);
    const changes = random.weighted([
      [1, 0],
      [6, 1],
      [1, 2],
    ] as const);
    for (let n = 0; n < (broken ? Math.max(1, changes) : changes); n += 1) {
      const name = random.pick(Object.keys(agents));
      const defect = broken ? random.weighted(defects) : "none";
      agents[name] = this.#write(name, defect, agents[name] ?? null);
    }
    return this.#manifest(host, agents);
  }

  /** What happens after a failure is no part of an agent's digest. */
  #adjust(agents: Record<string, AgentManifest>): void {
    const name = this.#random.pick(Object.keys(agents));
    const agent = agents[name];
    const { restart, escalate, required } = this.#policy(name);
    if (agent === undefined) return;
    // What an end means is for the code to say.
    const { exits } = this.version(agent.digest);
    agents[name] = { ...agent, restart: { ...restart, exits }, escalate, required };
  }

  #addOrRemove(agents: Record<string, AgentManifest>): void {
    const name = this.#random.pick(names);
    if (Object.hasOwn(agents, name)) {
      if (Object.keys(agents).length > 1) delete agents[name];
    } else agents[name] = this.#write(name, "none", null);
  }

  #manifest(
    host: { hostDigest: string; watchdog: WatchdogPolicy },
    agents: Readonly<Record<string, AgentManifest>>,
  ): HostManifest {
    return { schemaVersion: 1, host: "simulated", system: "x86_64-linux", ...host, agents, routines: {} };
  }

  #fresh(kind: string): string {
    this.#counter += 1;
    return `${kind}-${this.#counter}`;
  }

  #watchdog(): WatchdogPolicy {
    return {
      probationMs: this.#random.pick([500, 2_000, 10_000, 20_000, 60_000]),
      rollbackBudget: this.#random.pick([0, 1, 1, 1, 2, 3]),
      restartsAtOnce: this.#random.pick([1, 1, 2, 10]),
    };
  }

  /** A new version; usually only the code differs, sometimes the policy too. */
  #write(agent: string, defect: Defect, like: AgentManifest | null): AgentManifest {
    const digest = this.#fresh(agent);
    const policy = like !== null && this.#random.chance(0.7) ? like : this.#policy(agent);
    const { fallback: other, ...settings } = policy;
    const fallback = other === undefined ? {} : { fallback: { ...other, digest: this.#fresh(agent) } };
    const manifest: AgentManifest = { ...settings, digest, ...fallback };
    const warmupMs = Math.round(manifest.startupMs * this.#random.next() * 0.9);
    const { health, heartbeat, restart } = manifest;
    const version = {
      agent,
      probed: health !== null,
      failures: health?.failures ?? 0,
      heartbeat,
      progressMs: manifest.progress?.withinMs ?? null,
      needs: manifest.dependencies !== undefined,
      exits: restart.exits ?? {},
      warmupMs,
    };
    this.versions.set(digest, { ...version, defect });
    if (manifest.fallback !== undefined)
      this.versions.set(manifest.fallback.digest, { ...version, defect: this.#defectOfFallback(defect) });
    return manifest;
  }

  /** Made for the day on which the code fails; now and then it does not help, or is worse. */
  #defectOfFallback(defect: Defect): Defect {
    if (this.#random.chance(0.7)) return "none";
    return this.#random.chance(0.5) ? defect : this.#random.weighted(defects);
  }

  #policy(agent: string): Omit<AgentManifest, "digest"> {
    const random = this.#random;
    const escalate = random.weighted<readonly Escalation[]>([
      [5, ["rollback", "alert"]],
      [1, ["rollback"]],
      [1, ["alert"]],
      [0.5, []],
      [1, ["rollback-agent", "rollback", "alert"]],
      [1, ["fallback", "rollback", "alert"]],
      [1, ["fallback", "rollback-agent", "rollback", "alert"]],
      [0.5, ["rollback-agent", "fallback"]],
      [0.5, ["rollback", "fallback", "alert"]],
    ]);
    const fallback = { digest: "", command: ["/bin/agent", "--safe"], environment: {} };
    return {
      ...(escalate.includes("fallback") ? { fallback } : {}),
      command: ["/bin/agent"],
      environment: {},
      workingDirectory: null,
      credentials: {},
      startupMs: random.pick([50, 500, 3_000, 10_000]),
      health: random.chance(0.3)
        ? null
        : {
            url: `http://127.0.0.1/${agent}`,
            everyMs: random.pick([200, 1_000, 3_000]),
            withinMs: random.pick([50, 200, 1_000]),
            status: 200,
            body: null,
            failures: random.whole(1, 3),
          },
      heartbeat: this.#heartbeat(),
      ...this.#detectors(),
      restart: this.#restart(),
      limits: { memoryBytes: random.chance(0.3) ? 1_000 : null },
      stop: { signal: "SIGTERM", graceMs: random.pick([100, 1_000, 5_000]) },
      escalate,
      required: random.chance(0.8),
      egress: null,
    };
  }

  #heartbeat(): HeartbeatPolicy | null {
    const random = this.#random;
    if (random.chance(0.75)) return null;
    const silenceMs = random.pick([2_000, 6_000, 16_000]);
    return { through: random.pick(["http", "http", "notify"]), everyMs: silenceMs / 4, silenceMs };
  }

  #detectors(): Pick<AgentManifest, "progress" | "resources" | "dependencies"> {
    const random = this.#random;
    return {
      ...(random.chance(0.25) ? { progress: { withinMs: random.pick([2_000, 8_000, 16_000]) } } : {}),
      ...(random.chance(0.5) ? { resources: this.#resources() } : {}),
      ...(random.chance(0.3) ? { dependencies: { db: "tcp://db.example:5432" } } : {}),
    };
  }

  #resources(): ResourcePolicy {
    const random = this.#random;
    return {
      memoryBytes: null,
      leak: random.chance(0.7) ? leakPolicy : null,
      cpu: null,
      openFiles: usualFiles,
      tasks: random.chance(0.1) ? 100 : null,
      ioBytesPerSecond: null,
      latencyMs: null,
      sustainedMs: random.pick([1_000, 10_000]),
      restartWithinMs: random.pick([0, 2_000, 60_000]),
    };
  }

  #restart(): RestartPolicy {
    const random = this.#random;
    return {
      when: random.weighted<RestartPolicy["when"]>([
        [6, "on-failure"],
        [3, "always"],
        [1, "never"],
      ]),
      exits: random.pick([{}, { "3": "temporary" }, { SIGSEGV: "configuration" }, { SIGKILL: "success" }]),
      backoff: {
        kind: random.pick(["exponential", "exponential", "linear", "fixed", "immediate"]),
        initialMs: random.pick([0, 50, 100, 1_000]),
        factor: random.pick([1, 1.5, 2]),
        maxMs: random.pick([1_000, 5_000, 20_000]),
        jitter: random.pick([0, 0.2, 1]),
      },
      attempts: random.whole(1, 4),
      withinMs: random.pick([5_000, 60_000, 600_000]),
    };
  }
}
