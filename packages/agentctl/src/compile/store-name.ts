import { posix } from "node:path";

/**
 * The name under which a source directory is copied to the store. It follows from what the fleet file says alone: the name
 * of a checkout's directory must not change what is generated. The store allows fewer characters than a path does.
 */
export function storeName(directory: string): string {
  const last = posix.basename(posix.normalize(directory));
  const allowed = last.replaceAll(/[^A-Za-z0-9+._?=-]+/g, "-").replace(/^[.-]+/, "");
  return allowed === "" ? "source" : allowed.slice(0, 64);
}
