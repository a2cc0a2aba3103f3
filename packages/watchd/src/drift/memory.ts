import { readFile } from "node:fs/promises";
import { messageOf, systemCode, writeFileAtomic } from "@daruma/base";
import { type DriftState, initialDrift } from "./judge.ts";

export interface DriftMemory {
  load(): Promise<DriftState>;
  /** Durable once it resolves. */
  save(state: DriftState): Promise<void>;
}

/** What is known of differences, over restarts of watchd (a correction may be one) and of the machine. */
export function fileMemory(file: string, log: (message: string) => void): DriftMemory {
  let written = "";
  return {
    async load() {
      try {
        const { schemaVersion, generation, known } = JSON.parse(await readFile(file, "utf8"));
        if (schemaVersion === 1 && typeof known === "object" && known !== null) return { generation, known };
      } catch (error) {
        if (systemCode(error) !== "ENOENT") log(`${file} cannot be read: ${messageOf(error)}`);
      }
      return initialDrift;
    },
    async save(state) {
      const text = `${JSON.stringify({ schemaVersion: 1, ...state })}\n`;
      if (text === written) return;
      await writeFileAtomic(file, text, 0o600);
      written = text;
    },
  };
}
