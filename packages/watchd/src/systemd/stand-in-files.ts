import { lstat, mkdir, readdir, readFile, readlink, rm, symlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { messageOf, syncDirectory, systemCode, writeFileAtomic } from "@daruma/base";
import { createMutex } from "../concurrency.ts";
import { declaredPolicy } from "../policy/stand-in.ts";
import type { State } from "../policy/state.ts";
import { isAgentName } from "../processes/markers.ts";
import { dropInName, dropInOf, printDropIn, settingsBack } from "./drop-in.ts";
import { agentOfUnit, unitOf } from "./site.ts";
import type { Systemctl } from "./systemctl.ts";

export interface StandInSite {
  /** Copies of the drop-ins, NAME.conf, from which stand-ins.sh makes them again at boot. */
  readonly copies: string;
  /** Where systemd looks for drop-ins that are gone with the boot. */
  readonly runtimeUnits: string;
  /** Links that keep generations whose settings are in force from the garbage collector. */
  readonly gcroots: string;
}

export interface StandInFiles {
  /** Brings the drop-ins in line with `state`, in the background. Cheap where nothing of that has changed. */
  keep(state: State): void;
  /** Resolves once all that `keep` was told of is done. @throws a plain error if it could not be done for the agent */
  settled(agent: string): Promise<void>;
}

/** One agent's: everything that the drop-in is made of. */
interface Wanted {
  readonly agent: string;
  readonly kind: "fallback" | "earlier";
  readonly declared: string;
  readonly generation: string;
  readonly current: string;
}

const rootPrefix = "stand-in-";

/**
 * The files by which other settings than the declared ones are in force on a host. The core's state says which there are to be,
 * and what is on disk follows, after a crash too: first what keeps the settings alive, then the copy for the next boot, then
 * the drop-in itself; in the opposite order when they go.
 */
export function createStandInFiles(options: {
  readonly site: StandInSite;
  readonly systemctl: Pick<Systemctl, "reload">;
  readonly log: (message: string) => void;
}): StandInFiles {
  const { site, systemctl, log } = options;
  const alone = createMutex();
  let last: Promise<void> = Promise.resolve();
  let asked = "";
  /** Agent -> why its settings are not in force. */
  let failed = new Map<string, string>();
  /** systemd has yet to read what has changed. */
  let stale = false;

  const bring = async (wanted: readonly Wanted[]) => {
    const problems = new Map<string, string>();
    if (await removeOthers(site, new Set(wanted.map(({ agent }) => agent)))) stale = true;
    for (const each of wanted) {
      try {
        if (await put(site, each)) stale = true;
      } catch (error) {
        problems.set(each.agent, messageOf(error));
      }
    }
    if (stale) {
      const { ok, message } = await systemctl.reload();
      stale = !ok;
      if (!ok) for (const { agent } of wanted) problems.set(agent, `systemd has not read them: ${message}`);
    }
    failed = problems;
    for (const [agent, problem] of problems) complain(`${agent}: ${problem}`);
    return problems.size === 0;
  };
  const complain = (problem: string) =>
    log(`settings that stand in for those of agents cannot be put in force: ${problem}`);

  return {
    keep(state) {
      const wanted = wantedBy(state);
      const key = JSON.stringify(wanted);
      if (key === asked) return;
      asked = key;
      const work = alone(() => bring(wanted)).catch((error) => {
        complain(messageOf(error));
        return false;
      });
      last = work.then((ok) => {
        // Asked for the same once more, it is tried again.
        if (!ok && asked === key) asked = "";
      });
    },
    async settled(agent) {
      await last;
      const problem = failed.get(agent);
      if (problem !== undefined)
        throw new Error(`the settings that stand in for those of ${agent} are not in force: ${problem}`);
    },
  };
}

function wantedBy({ agents, generation }: State): readonly Wanted[] {
  if (generation === null) return [];
  return Object.entries(agents).flatMap(([agent, state]) => {
    if (state.standIn === null || !state.declared) return [];
    const { kind } = state.standIn;
    // A fallback is one of the settings that the current generation declares.
    const source = kind === "fallback" ? generation.path : state.standIn.generation;
    const declared = declaredPolicy(state).digest;
    return [{ agent, kind, declared, generation: source, current: generation.path }];
  });
}

/** Whether the drop-in has changed. */
async function put(site: StandInSite, wanted: Wanted): Promise<boolean> {
  const { agent, kind, generation, current } = wanted;
  const settings =
    kind === "fallback"
      ? await readFile(join(current, "etc/daruma/fallbacks", `${agent}.conf`), "utf8")
      : settingsBack(await unitIn(current, agent), await unitIn(generation, agent));
  const text = printDropIn(wanted, settings);
  await root(site, agent, generation);
  await mkdir(site.copies, { recursive: true, mode: 0o755 });
  await writeIfOther(join(site.copies, `${agent}.conf`), text);
  const file = dropInOf(agent, site.runtimeUnits);
  await mkdir(dirname(file), { recursive: true, mode: 0o755 });
  return writeIfOther(file, text);
}

function unitIn(generation: string, agent: string): Promise<string> {
  return readFile(join(generation, "etc/systemd/system", unitOf(agent)), "utf8");
}

async function writeIfOther(file: string, text: string): Promise<boolean> {
  if ((await readFile(file, "utf8").catch(nothingIfMissing)) === text) return false;
  await writeFileAtomic(file, text, 0o644);
  return true;
}

async function root(site: StandInSite, agent: string, generation: string): Promise<void> {
  const link = join(site.gcroots, `${rootPrefix}${agent}`);
  if ((await readlink(link).catch(nothingIfMissing)) === generation) return;
  await mkdir(site.gcroots, { recursive: true });
  await rm(link, { force: true });
  await symlink(generation, link);
  await syncDirectory(site.gcroots);
}

/** Whether a drop-in is gone. */
async function removeOthers(site: StandInSite, names: ReadonlySet<string>): Promise<boolean> {
  let changed = false;
  for (const directory of await namesIn(site.runtimeUnits)) {
    const agent = directory.endsWith(".d") ? agentOfUnit(directory.slice(0, -2)) : null;
    if (agent === null || names.has(agent)) continue;
    const file = join(site.runtimeUnits, directory, dropInName);
    if ((await lstat(file).catch(nothingIfMissing)) === null) continue;
    await rm(file);
    changed = true;
  }
  for (const file of await namesIn(site.copies)) {
    const agent = file.endsWith(".conf") ? file.slice(0, -".conf".length) : "";
    if (isAgentName(agent) && !names.has(agent)) await rm(join(site.copies, file), { force: true });
  }
  for (const link of await namesIn(site.gcroots)) {
    const agent = link.startsWith(rootPrefix) ? link.slice(rootPrefix.length) : "";
    if (isAgentName(agent) && !names.has(agent)) await rm(join(site.gcroots, link), { force: true });
  }
  return changed;
}

function namesIn(directory: string): Promise<string[]> {
  return readdir(directory).catch((error) => nothingIfMissing(error) ?? []);
}

function nothingIfMissing(error: unknown): null {
  if (systemCode(error) === "ENOENT") return null;
  throw error;
}
