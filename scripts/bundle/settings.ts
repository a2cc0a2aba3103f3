/** How the programs that ship are bundled; what is measured instead of one of them is bundled in the same way. */
import { join } from "node:path";
import type { BuildOptions, Plugin } from "esbuild";
import { lazyBuiltins, lazyPackage } from "./lazy.ts";

const root = join(import.meta.dirname, "..", "..");
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
  plugins: [
    nativeBesideBundle,
    lazyBuiltins,
    // 3 MiB with the luxon that it brings, for those alone who have a schedule.
    lazyPackage("cron-parser", join(root, "packages/schedule/package.json")),
  ],
} as const satisfies BuildOptions;
