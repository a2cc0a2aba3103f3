import { writeFileAtomic } from "@daruma/base";
import { isProvenBoot } from "../policy/probation.ts";
import type { State } from "../policy/state.ts";

export interface ProvenFile {
  /** Resolves once the file names the generation, where `state` says that it is good. Rejects if it cannot be written. */
  keep(state: State): Promise<void>;
}

/**
 * Names the generation that has been found good since the boot, for boot-complete.sh. In a directory that is gone with the boot; what
 * becomes of the generation later changes nothing about how it booted.
 */
export function createProvenFile(file: string): ProvenFile {
  let written = "";
  return {
    async keep(state) {
      const path = state.generation?.path ?? "";
      if (path === written || !isProvenBoot(state)) return;
      await writeFileAtomic(file, `${path}\n`, 0o644);
      written = path;
    },
  };
}
