import type { AgentManifest, HostManifest, RoutineManifest } from "./manifest.ts";
import { ManifestCutter, type Section, sections } from "./manifest-cutter.ts";
import {
  manifestDocument,
  parseManifest,
  readAgent,
  readingManifest,
  readRoutine,
} from "./parse-manifest.ts";
import { ShapeError } from "./shape.ts";

/** A manifest with only what was kept of each agent and routine. */
export type KeptManifest<T> = Omit<HostManifest, Section> &
  Readonly<Record<Section, Readonly<Record<string, T>>>>;

/**
 * As `parseManifest`, for a `host.json` of any length: everything in it is read and has to be right, but one agent or routine at a
 * time, of which stays what `keep` returns. A name that is there twice, of which JSON.parse takes the later one, is refused.
 *
 * @param chunks its text, cut anywhere
 * @param where the file, for the message.
 * @throws CONFIG_E_MANIFEST_VERSION, CONFIG_E_MANIFEST
 */
export async function parseManifestPieces<T>(
  chunks: AsyncIterable<string> | Iterable<string>,
  keep: (each: AgentManifest | RoutineManifest) => T,
  where?: string,
): Promise<KeptManifest<T>> {
  const kept = { agents: new Map<string, T>(), routines: new Map<string, T>() };
  const keepOne = (section: Section, name: string, each: AgentManifest | RoutineManifest) => {
    if (kept[section].has(name)) throw new ShapeError(`${section}.${name}`, "is there twice");
    kept[section].set(name, keep(each));
  };
  const wrong: unknown[] = [];
  const cutter = new ManifestCutter((section, text) => {
    if (wrong.length > 0) return;
    try {
      const members = Object.entries(manifestDocument(`{${text}}`, where) as object);
      readingManifest(() => {
        if (members.length === 0) throw new ShapeError(section, "has a comma that separates nothing");
        for (const [name, value] of members)
          keepOne(section, name, readers[section](value, `${section}.${name}`));
      }, where);
    } catch (error) {
      wrong.push(error);
    }
  });
  for await (const chunk of chunks) cutter.push(chunk);
  // Before anything is said of a member: it may be of a version of which nothing is to be read here.
  const rest = parseManifest(cutter.rest, where);
  if (wrong.length > 0) throw wrong[0];
  readingManifest(() => {
    for (const section of sections)
      for (const [name, each] of Object.entries(rest[section])) keepOne(section, name, each);
  }, where);
  return {
    ...rest,
    agents: Object.fromEntries(kept.agents),
    routines: Object.fromEntries(kept.routines),
  };
}

const readers = { agents: readAgent, routines: readRoutine };
