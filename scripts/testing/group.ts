/**
 * Runs the test files that TEST_FILES lists in this process, one after the other: starting Node and tap costs more than most of
 * them. The argument is only a name: tap calls the directories of its fixtures by it, and two groups run at the same time.
 */
import { enableCompileCache, registerHooks } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

// What one group has compiled and stripped of its types, the next one finds.
enableCompileCache(join(import.meta.dirname, "../../node_modules/.cache/tests"));
registerHooks({
  resolve: (specifier, context, next) =>
    next(specifier === "async-hook-domain" ? import.meta.resolve("./domain.ts") : specifier, context),
});

for (const file of JSON.parse(process.env.TEST_FILES ?? "[]")) await import(pathToFileURL(file).href);
