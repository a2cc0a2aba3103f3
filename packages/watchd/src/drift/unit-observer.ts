import { type Dirent, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { systemCode } from "@daruma/base";
import type { DeclaredUnits, UnitFile } from "./units.ts";

const unitName = /\.(service|socket|timer|mount|automount|path|slice|target|swap|scope)$/;

/** Where others than the generation may put drop-ins (systemd.unit(5)). In /etc/systemd/system there is nothing but the generation's. */
const dropInDirectories = [
  "/etc/systemd/system.control",
  "/run/systemd/system.control",
  "/run/systemd/system",
  "/usr/local/lib/systemd/system",
] as const;
/** Whole units win over the generation's in these only. */
const controlDirectories: ReadonlySet<string> = new Set(dropInDirectories.slice(0, 2));
/** No drop-in that a person writes is larger by far. */
const longestText = 64 * 1024;

export interface GenerationUnits extends DeclaredUnits {
  /** Daemons, timers, mounts and paths of ours that are to be up. Agents are not among them: those are watchd's own business. */
  readonly up: readonly string[];
}

/** What a generation declares of units. @throws the system error where they cannot be read. */
export function readGenerationUnits(system: string): GenerationUnits {
  const directory = join(system, "etc/systemd/system");
  const files = readdirSync(directory);
  const names = files.filter((name) => unitName.test(name));
  const texts = (name: string) => [
    textOf(join(directory, name)),
    ...(files.includes(`${name}.d`)
      ? readdirSync(join(directory, `${name}.d`)).map((file) => textOf(join(directory, `${name}.d`, file)))
      : []),
  ];
  const restartable = names.filter(
    (name) =>
      name.endsWith(".service") &&
      !texts(name).some((text) =>
        /^(X-RestartIfChanged=false|RefuseManualStop=(true|yes|1))\s*$/m.test(text ?? ""),
      ),
  );
  const wanted = files
    .filter((name) => name.endsWith(".wants"))
    .flatMap((name) => readdirSync(join(directory, name)))
    .filter(
      (name) => name.startsWith("daruma-") && !name.startsWith("daruma-agent-") && names.includes(name),
    );
  // The wall brings its watcher with it.
  const watcher = "daruma-egress-watch.service";
  const up =
    wanted.includes("daruma-egress-wall.service") && names.includes(watcher) ? [...wanted, watcher] : wanted;
  return { names: new Set(names), restartable: new Set(restartable), up: [...new Set(up)].sort() };
}

/** Files of units below `root`, in places that are not the generation's. Other files there are nobody's units. */
export function observeUnitFiles(root = "/"): readonly UnitFile[] {
  return dropInDirectories.flatMap((place) => {
    const directory = join(root, place);
    return entriesOf(directory).flatMap((entry): readonly UnitFile[] => {
      if (entry.name.endsWith(".d") && entry.isDirectory())
        return dropInsOf(join(directory, entry.name), entry.name.slice(0, -".d".length));
      if (!controlDirectories.has(place) || !unitName.test(entry.name)) return [];
      const path = join(directory, entry.name);
      return [{ path, name: entry.name, dropIn: false, text: textOf(path) }];
    });
  });
}

/** Directories in which drop-ins appear. */
export function unitDirectories(files: readonly UnitFile[]): readonly string[] {
  const drops = files.filter(({ dropIn }) => dropIn).map(({ path }) => path.slice(0, path.lastIndexOf("/")));
  return [...dropInDirectories, ...drops];
}

function dropInsOf(directory: string, name: string): readonly UnitFile[] {
  return entriesOf(directory)
    .filter((entry) => entry.name.endsWith(".conf"))
    .map((entry) => {
      const path = join(directory, entry.name);
      return { path, name, dropIn: true, text: textOf(path) };
    });
}

function entriesOf(directory: string): readonly Dirent[] {
  try {
    return readdirSync(directory, { withFileTypes: true });
  } catch (error) {
    if (systemCode(error) === "ENOENT") return [];
    throw error;
  }
}

/** Null for what is no file, such as /dev/null or a link to nowhere. */
function textOf(path: string): string | null {
  try {
    const text = readFileSync(path, "utf8");
    return text === "" ? null : text.slice(0, longestText);
  } catch {
    return null;
  }
}
