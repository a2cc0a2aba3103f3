/** How the programs that ship are bundled; what is measured instead of one of them is bundled in the same way. */
import { builtinModules } from "node:module";
import type { BuildOptions, Plugin } from "esbuild";

/** classic-level's native library, as a file beside the bundle. */
export const nativeName = "classic_level.node";

/** classic-level looks for its library in its own package, which a bundle does not have. */
const nativeBesideBundle: Plugin = {
  name: "native-beside-bundle",
  setup(setup) {
    setup.onResolve({ filter: /^\.\/binding(\.js)?$/ }, ({ importer }) =>
      importer.includes("classic-level") ? { path: nativeName, namespace: "native" } : undefined,
    );
    setup.onLoad({ filter: /.*/, namespace: "native" }, () => ({
      contents: `module.exports = require("./${nativeName}");`,
      loader: "js",
    }));
    setup.onResolve({ filter: /\.node$/ }, ({ path }) => ({ path, external: true }));
  },
};

/** An ES module loads everything that it imports before it runs; programs should pay only for what they use. */
const lazyBuiltins: Plugin = {
  name: "lazy-builtins",
  setup(setup) {
    const names = builtinModules.filter((name) => !name.startsWith("_")).join("|");
    setup.onResolve({ filter: new RegExp(`^(node:.*|${names})$`) }, ({ path }) => ({
      path,
      namespace: "builtin",
    }));
    setup.onLoad({ filter: /.*/, namespace: "builtin" }, ({ path }) => ({
      contents: `module.exports = process.getBuiltinModule(${JSON.stringify(path)})`,
      loader: "js",
    }));
  },
};

export const bundling = {
  bundle: true,
  platform: "node",
  target: "node24",
  format: "esm",
  loader: { ".hbs": "text" },
  minifySyntax: true,
  minifyWhitespace: true,
  legalComments: "eof",
  logLevel: "warning",
  // CommonJS dependencies call require, which an ES module does not have.
  banner: {
    js: 'import { createRequire as bundleRequire } from "node:module"; const require = bundleRequire(import.meta.url);',
  },
  plugins: [nativeBesideBundle, lazyBuiltins],
} as const satisfies BuildOptions;
