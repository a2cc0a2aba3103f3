import { readFile } from "node:fs/promises";
import Handlebars from "handlebars";

/** What a host's file is assembled from; every value is Nix that is already printed. */
export interface HostFileParts {
  readonly header: string;
  /** An expression, printed at an indentation of two spaces. */
  readonly daruma: string;
}

export interface Templates {
  host(parts: HostFileParts): string;
}

/** Reads and compiles the templates. A bundle carries their texts; from source they are files in `templates/`. */
export async function loadTemplates(): Promise<Templates> {
  return { host: compile<HostFileParts>(await hostTemplate()) };
}

async function hostTemplate(): Promise<string> {
  if (import.meta.url.endsWith(".ts")) {
    return readFile(new URL("../../../../templates/host.nix.hbs", import.meta.url), "utf8");
  }
  // In a bundle: esbuild's text loader turns this import into the file's text.
  const { default: text } = await import("../../../../templates/host.nix.hbs");
  return text;
}

function compile<T extends object>(text: string): (parts: T) => string {
  // Handlebars escapes for HTML, which would break Nix; and a part that is missing must not become an empty text.
  return Handlebars.compile<T>(text, { noEscape: true, strict: true });
}
