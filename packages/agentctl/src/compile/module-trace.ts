import { registerHooks } from "node:module";
import { extname } from "node:path";
import { fileURLToPath } from "node:url";

/** What the modules of a fleet did while they were loaded. */
export interface ModuleTrace {
  /** Files that were loaded, without packages in node_modules. */
  readonly files: ReadonlySet<string>;
  /** The file that was loaded last: it is the one that a syntax error without a place is in. */
  lastFile(): string | undefined;
  /** The import that failed with exactly this error, if one did. */
  importOf(error: unknown): FailedImport | undefined;
}

export interface FailedImport {
  readonly specifier: string;
  readonly importer: string | undefined;
}

const configUrl = "daruma:config";
const configGlobal = "daruma.config";

/**
 * Registers module hooks for the rest of this process:
 *
 * - `@daruma/config` is our own copy, whatever is installed beside the fleet. It is reached through a global, because in a
 *   bundle there is no file to resolve to.
 * - TypeScript outside node_modules, and the fleet file itself, are ES modules even where a package.json says otherwise
 *   (`npm init` writes `"type": "commonjs"`).
 */
export function traceModules(entryUrl: string, config: Readonly<Record<string, unknown>>): ModuleTrace {
  const files = new Set<string>();
  const importers = new Map<string, FailedImport>();
  const failures = new Map<unknown, FailedImport>();
  let last: string | undefined;
  Reflect.set(globalThis, Symbol.for(configGlobal), config);
  registerHooks({
    resolve(specifier, context, next) {
      if (specifier === "@daruma/config") return { url: configUrl, format: "module", shortCircuit: true };
      const site = { specifier, importer: pathOf(context.parentURL) };
      const found = attempt(() => next(specifier, context), failures, site);
      if (!importers.has(found.url)) importers.set(found.url, site);
      return found;
    },
    load(url, context, next) {
      if (url === configUrl) return { format: "module", shortCircuit: true, source: configModule(config) };
      const path = pathOf(url);
      const isEntry = url === entryUrl;
      const isOwn = path !== undefined && (isEntry || !path.includes("/node_modules/"));
      if (isOwn) files.add(path);
      last = path ?? last;
      const format = isOwn ? moduleFormat(path, isEntry) : undefined;
      const site = importers.get(url) ?? { specifier: url, importer: undefined };
      return attempt(
        () => next(url, format === undefined ? context : { ...context, format }),
        failures,
        site,
      );
    },
  });
  return { files, lastFile: () => last, importOf: (error) => failures.get(error) };
}

function attempt<T>(action: () => T, failures: Map<unknown, FailedImport>, site: FailedImport): T {
  try {
    return action();
  } catch (error) {
    // A syntax error is one of the imported file, not of the import.
    if (!(error instanceof SyntaxError)) failures.set(error, site);
    throw error;
  }
}

function moduleFormat(path: string, isEntry: boolean): string | undefined {
  switch (extname(path)) {
    case ".ts":
    case ".mts":
      return "module-typescript";
    case ".js":
      return isEntry ? "module" : undefined;
    default:
      return undefined;
  }
}

function configModule(config: Readonly<Record<string, unknown>>): string {
  const names = Object.keys(config).filter((name) => name !== "default");
  const exports = names.map((name) => `export const ${name} = config.${name};`);
  return [`const config = globalThis[Symbol.for("${configGlobal}")];`, ...exports].join("\n");
}

function pathOf(url: string | undefined): string | undefined {
  return url?.startsWith("file:") ? fileURLToPath(url) : undefined;
}
