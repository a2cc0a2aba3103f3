import { join } from "node:path";
import { writeFileAtomic } from "@daruma/base";
import type { State } from "../policy/state.ts";
import { gatesOf } from "./gates.ts";

export interface GatesFile {
  /**
   * Resolves once the file says what `state` says. Cheap where nothing of that has changed, which is nearly always.
   *
   * Rejects if it cannot be written. The old one then stays, which is safe as long as watchd comes back.
   */
  keep(state: State): Promise<void>;
}

/** `gates` in watchd's state directory: watchd's last will, for failed.sh and pre-switch.sh. */
export function createGatesFile(options: { readonly state: string }): GatesFile {
  const file = join(options.state, "gates");
  let last: Promise<unknown> = Promise.resolve();
  let written = "";
  const write = async (text: string) => {
    if (text === written) return;
    await writeFileAtomic(file, text, 0o600);
    written = text;
  };
  return {
    keep(state) {
      const text = gatesOf(state);
      const result = last.then(() => write(text));
      last = result.catch(() => undefined);
      return result;
    },
  };
}
