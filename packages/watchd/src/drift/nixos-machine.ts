import { existsSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { messageOf } from "@daruma/base";
import { watchdErrors } from "../catalogue.ts";
import { run } from "../commands.ts";
import { isStorePath, type Site } from "../nixos/site.ts";
import type { Generations } from "../ports.ts";
import { correctOnNixos } from "./correct.ts";
import type { Difference, DriftKind } from "./difference.ts";
import { type DeclaredEtc, etcDifferences } from "./etc.ts";
import { observeEtc, readDeclaredEtc } from "./etc-observer.ts";
import { LoadedUnits } from "./loaded-units.ts";
import type { Machine, Seen, Subject } from "./machine.ts";
import { gentlyBySystemd, nixStore } from "./nix-store.ts";
import { parseUsers, processDifferences } from "./process-observer.ts";
import { parseStates, stateDifferences, stateProperties } from "./states.ts";
import { StoreWatch } from "./store-watch.ts";
import { systemDifference } from "./system.ts";
import {
  type GenerationUnits,
  observeUnitFiles,
  readGenerationUnits,
  unitDirectories,
} from "./unit-observer.ts";
import { type UnitFile, unitDifferences } from "./units.ts";
import { wallDifference } from "./wall.ts";

export interface NixosMachineOptions {
  readonly site: Pick<Site, "profile" | "currentSystem" | "store">;
  readonly generations: Pick<Generations, "knownGood" | "switchTo">;
  /** The profile's and the running system, as store paths. */
  readonly systems: () => Promise<{ readonly profile: string | null; readonly current: string | null }>;
  /** watchd's own state directory. */
  readonly state: string;
  readonly now: () => number;
  readonly log: (message: string) => void;
  /** Something has been found out, apart from any look. */
  readonly onChange: () => void;
}

interface Declared {
  readonly path: string;
  readonly etc: DeclaredEtc;
  readonly units: GenerationUnits;
}

/** Where the wall's watcher keeps what it loaded, and what it found in its place (packages/egress/src/nixos/wall.sh). */
const wall = { loaded: "/run/daruma-egress-wall/loaded", found: "/run/daruma-egress-wall/found" };
const askWithinMs = 10_000;

/** A NixOS host. Needs nix and systemd on PATH. */
export function createNixosMachine(options: NixosMachineOptions): Machine {
  const closing = new AbortController();
  const tools = nixStore({ signal: closing.signal, gently: gentlyBySystemd });
  const store = new StoreWatch({
    tools,
    file: join(options.state, "drift-store.json"),
    now: options.now,
    log: options.log,
    onChange: options.onChange,
  });
  let declared: Declared | null = null;
  let wallLooks = 0;
  const loaded = new LoadedUnits();
  /** Store paths by the directory in which a change makes them suspect. */
  let suspects = new Map<string, string>();

  const declaredOf = (path: string): Declared => {
    if (declared?.path !== path)
      declared = { path, etc: readDeclaredEtc(path), units: readGenerationUnits(path) };
    return declared;
  };

  return {
    async look(subject) {
      const looks = new Looks(options.log);
      const { current } = subject;
      const drift = current.manifest.drift;
      const systems = await options.systems();
      // watchd has not been told of it yet: all of it would seem to have drifted.
      if (systems.current !== null && systems.current !== current.path)
        throw watchdErrors.make("WATCHD_E_DRIFT_BUSY", `${systems.current} has become current`);
      const { etc, units } = declaredOf(current.path);
      const notes: string[] = [];
      const other = systemDifference(systems);
      await looks.at("system", () => other);
      if (isOverlay(readFileSync("/proc/self/mountinfo", "utf8")))
        notes.push("/etc is an overlay (system.etc.overlay): there are no links in it to look at");
      else
        await looks.at("etc", () =>
          etcDifferences(etc, observeEtc("/etc", etc)).map(other.length === 0 ? same : left),
        );
      const files = observeUnitFiles();
      await looks.at("unit", () => unitDifferences(units, files));
      await looks.at("state", () => differingStates(units, files));
      await looks.at("process", () => differingProcesses(subject));
      await looks.at("wall", differingWall);
      await looks.at("store", async () => {
        const roots = [current.path, ...(await options.generations.knownGood()).map(({ path }) => path)];
        if (drift !== undefined) store.tick(roots, drift);
        return store.differences(current.manifest, true);
      });
      suspects = suspectsOf(subject, etc, options.site);
      const directories = [
        ...["/etc", "/run/systemd", dirname(wall.found)],
        ...etc.entries.map(({ path }) => dirname(join("/etc", path))),
        ...unitDirectories(files),
        ...suspects.keys(),
      ];
      return { ...looks.seen(), notes, directories: [...new Set(directories)] };
    },
    onHint(directory) {
      const path = suspects.get(directory);
      if (path !== undefined) store.suspect(path);
    },
    async correct(differences, subject, helpers) {
      const problems = await correctOnNixos(differences, subject, {
        helpers,
        state: options.state,
        signal: closing.signal,
        switchTo: async (path, order) => {
          const found = systemDifference(await options.systems());
          if (found.length > 0) return { ok: false, problems: ["another system boots next by now"] };
          return options.generations.switchTo(path, order);
        },
        repair: tools.repair,
      });
      const repaired = differences.flatMap(({ remedy }) => (remedy.kind === "repair" ? [remedy.path] : []));
      if (repaired.length > 0) await store.verifyNow(repaired);
      return problems;
    },
    store: () => store.progress(),
    async close() {
      closing.abort();
      await store.idle();
    },
  };

  /** It is told of once it has been seen twice, as everything is; then the file has served. */
  function differingWall(): readonly Difference[] {
    if (!existsSync(wall.found)) {
      wallLooks = 0;
      return [];
    }
    const difference = wallDifference(readFileSync(wall.loaded, "utf8"), readFileSync(wall.found, "utf8"));
    wallLooks += 1;
    if (wallLooks >= 2) rmSync(wall.found, { force: true });
    return [difference];
  }

  /** One question about all of them. */
  async function differingStates(units: GenerationUnits, files: readonly UnitFile[]) {
    const states = await askStates([...new Set([...units.up, ...loaded.turn(units)])]);
    const told = new Set([...files.map(({ path }) => path), ...units.up]);
    const { store: place } = options.site;
    return [
      ...stateDifferences(units.up, states),
      ...loaded.differences({ declared: units, states, told, store: place }),
    ];
  }

  async function askStates(units: readonly string[]) {
    if (units.length === 0) return [];
    const args = ["show", `--property=${stateProperties.join(",")}`, "--", ...units];
    const ended = await run("systemctl", args, { timeoutMs: askWithinMs, signal: closing.signal });
    if (!ended.ok) throw new Error(`${ended.problem} ${ended.stderr}`.trim());
    return parseStates(ended.stdout);
  }

  function differingProcesses({ current, runs }: Subject): readonly Difference[] {
    const users = parseUsers(readFileSync("/etc/passwd", "utf8"));
    const inUse = new Set(store.paths.map(({ path }) => path));
    return processDifferences(current.manifest, runs, {
      uidOf: (agent) => users.get(`da-${agent}`) ?? null,
      belongs: (executable) => inUse.size === 0 || inUse.has(storePathOf(options.site, executable) ?? ""),
      now: options.now(),
    });
  }
}

/** A switch would also make it what boots next, where a person has chosen another system for that. */
function left(difference: Difference): Difference {
  return {
    ...difference,
    remedy: { kind: "none", why: "a switch would undo that another system boots next" },
  };
}

const same = (difference: Difference) => difference;

/** Collects what each kind of look finds; one that fails leaves the others alone. */
class Looks {
  readonly #differences: Difference[] = [];
  readonly #unseen = new Map<DriftKind, string>();
  readonly #log: (message: string) => void;

  constructor(log: (message: string) => void) {
    this.#log = log;
  }

  async at(
    kind: DriftKind,
    look: () => readonly Difference[] | Promise<readonly Difference[]>,
  ): Promise<void> {
    try {
      this.#differences.push(...(await look()));
    } catch (error) {
      this.#log(`${kind} could not be looked at: ${messageOf(error)}`);
      this.#unseen.set(kind, messageOf(error));
    }
  }

  seen(): Pick<Seen, "differences" | "unseen"> {
    return { differences: this.#differences, unseen: this.#unseen };
  }
}

/** Directories of what the generation names itself: its units, its /etc, its agents' programs and code. */
function suspectsOf({ current }: Subject, etc: DeclaredEtc, site: Pick<Site, "store">): Map<string, string> {
  const files = [
    join(current.path, "x"),
    join(etc.tree, "x"),
    ...Object.values(current.manifest.agents).flatMap(({ command }) => command),
  ];
  return new Map(
    files.flatMap((file) => {
      const path = storePathOf(site, file);
      return path === null ? [] : [[dirname(file), path] as const];
    }),
  );
}

/** The store path that a file is in. */
function storePathOf(site: Pick<Site, "store">, file: string): string | null {
  const [name] = file.startsWith(`${site.store}/`) ? file.slice(site.store.length + 1).split("/") : [];
  const path = `${site.store}/${name}`;
  return name !== undefined && isStorePath(site, path) ? path : null;
}

/** Whether /etc is a mount of its own kind (proc_pid_mountinfo(5)). */
export function isOverlay(mountinfo: string): boolean {
  return mountinfo.split("\n").some((line) => {
    const words = line.split(" ");
    return words[4] === "/etc" && words[words.indexOf("-") + 1] === "overlay";
  });
}
