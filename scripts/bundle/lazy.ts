/**
 * Bundles that load a module when it is first used. An ES module loads everything that it imports before it runs; programs should
 * pay only for what they use: TLS takes 3 MiB, for those alone who have an https URL to ask.
 */
import { builtinModules, createRequire } from "node:module";
import { dirname } from "node:path";
import type { Plugin } from "esbuild";

/** By Node itself, before any program. */
const loadedAnyway = new Set([
  ...["async_hooks", "buffer", "diagnostics_channel", "events", "fs", "fs/promises", "module", "os", "path"],
  ...["process", "querystring", "stream", "stream/promises", "string_decoder", "timers", "url", "util"],
]);

/** Of Node's own modules, each at the first call of one of its functions. */
export const lazyBuiltins: Plugin = {
  name: "lazy-builtins",
  setup(setup) {
    const names = builtinModules.filter((name) => !name.startsWith("_")).join("|");
    setup.onResolve({ filter: new RegExp(`^(node:.*|${names})$`) }, ({ path, kind }) => ({
      path,
      namespace: kind === "require-call" ? "builtin" : "builtin-names",
    }));
    setup.onLoad({ filter: /.*/, namespace: "builtin" }, ({ path }) => ({
      contents: `module.exports = ${builtin(path)}`,
      loader: "js",
    }));
    setup.onLoad({ filter: /.*/, namespace: "builtin-names" }, ({ path }) => ({
      contents: builtinNames(path),
      loader: "js",
    }));
  },
};

function builtin(path: string): string {
  return `process.getBuiltinModule(${JSON.stringify(path)})`;
}

/**
 * An ES module with every name that a module of Node has, of which only those that are used come into a bundle. What is neither a
 * plain function nor a plain object is read at once.
 */
function builtinNames(path: string): string {
  const module: unknown = process.getBuiltinModule(path);
  const waits = !loadedAnyway.has(path.replace(/^node:/, ""));
  const names = Object.entries(module ?? {}).map(([name, value], index) => {
    const taken =
      waits && isPlainFunction(name, value)
        ? `(...words) => load$().${name}(...words)`
        : `/* @__PURE__ */ read$(${JSON.stringify(name)})`;
    // Not all names may be declared.
    return `const name$${index} = ${taken};\nexport { name$${index} as ${name} };`;
  });
  const whole =
    waits && isNamespace(module)
      ? "new Proxy({}, { get: (_, name) => load$()[name], has: (_, name) => name in load$() })"
      : "load$()";
  return `let loaded$;
const load$ = () => (loaded$ ??= ${builtin(path)});
const read$ = (name) => load$()[name];
${names.join("\n")}
export default /* @__PURE__ */ ${whole};`;
}

/** Some modules are functions, and some (process) more than their properties. */
function isNamespace(value: unknown): value is object {
  return typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

/** What every function has. */
const ordinary: ReadonlySet<PropertyKey> = new Set(["length", "name", "prototype"]);

/** Neither a class nor a function that has more to it than its call, such as a promisified form of its own. */
function isPlainFunction(name: string, value: unknown): boolean {
  return (
    typeof value === "function" &&
    /^[a-z]/.test(name) &&
    Reflect.ownKeys(value).every((key) => ordinary.has(key))
  );
}

/**
 * Of a CommonJS package, when one of its exports is first read: for what is needed where nothing can wait for an `import()`.
 *
 * @param importer a file of whose package it is a dependency
 */
export function lazyPackage(name: string, importer: string): Plugin {
  const namespace = `lazy-${name}`;
  return {
    name: namespace,
    setup(setup) {
      const exported: object = createRequire(importer)(name);
      setup.onResolve({ filter: new RegExp(`^${name}$`) }, ({ path, kind }) =>
        kind === "import-statement" ? { path, namespace } : undefined,
      );
      setup.onLoad({ filter: /.*/, namespace }, () => ({
        contents: `let loaded;
for (const name of ${JSON.stringify(Object.keys(exported))})
  Object.defineProperty(exports, name, { enumerable: true, get: () => (loaded ??= require(${JSON.stringify(name)}))[name] });`,
        loader: "js",
        resolveDir: dirname(importer),
      }));
    },
  };
}
