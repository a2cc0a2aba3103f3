import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { percentile } from "../figures.ts";

/** How long the program takes by itself, with nobody watching: spawn to accepting connections, in milliseconds. Median of nine. */
export async function ownStartupMs(directory: string, port: number): Promise<number> {
  const times: number[] = [];
  for (let run = 0; run < 9; run += 1) {
    const began = performance.now();
    const program = spawn(process.execPath, [join(directory, "main.js")], {
      env: { PORT: String(port) },
      stdio: ["ignore", "pipe", "ignore"],
    });
    await once(program.stdout, "data");
    times.push(performance.now() - began);
    const gone = once(program, "close");
    program.kill("SIGKILL");
    await gone;
  }
  return percentile(times, 0.5);
}
