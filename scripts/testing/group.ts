/**
 * Runs the test files that TEST_FILES lists in this process, one after the other: starting Node and tap costs more than most of
 * them. The argument is only a name: tap calls the directories of its fixtures by it, and two groups run at the same time.
 */
import { pathToFileURL } from "node:url";

for (const file of JSON.parse(process.env.TEST_FILES ?? "[]")) await import(pathToFileURL(file).href);
