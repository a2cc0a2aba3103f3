import { constants } from "node:fs";
import { access, stat } from "node:fs/promises";
import { isAbsolute, join } from "node:path";

/** The absolute path of a program, or `null`. */
export type ResolveProgram = (program: string) => Promise<string | null>;

/**
 * Looks programs up as a shell does, in the directories of `searchPath` (the value of PATH). Relative directories are
 * passed over: what they mean would depend on where watchd happens to run.
 */
export function createProgramResolver(searchPath: string): ResolveProgram {
  const directories = searchPath.split(":").filter(isAbsolute);
  return async (program) => {
    for (const directory of directories) {
      const candidate = join(directory, program);
      if (await isProgram(candidate)) return candidate;
    }
    return null;
  };
}

async function isProgram(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}
