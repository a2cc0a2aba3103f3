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

/** What modules/options.nix is assembled from, already printed too. */
export interface OptionsFileParts {
  /** An expression, printed at an indentation of two spaces. */
  readonly options: string;
}

/** Reads and compiles the template of modules/options.nix, which is written in the source tree alone. */
export async function loadOptionsTemplate(): Promise<(parts: OptionsFileParts) => string> {
  return compile<OptionsFileParts>(await readTemplate("options.nix.hbs"));
}

/** Reads and compiles the templates. A bundle carries their texts; from source they are files in `templates/`. */
export async function loadTemplates(): Promise<Templates> {
  return { host: compile<HostFileParts>(await hostTemplate()) };
}

async function hostTemplate(): Promise<string> {
  if (import.meta.url.endsWith(".ts")) {
    return readTemplate("host.nix.hbs");
  }
  // In a bundle: esbuild's text loader turns this import into the file's text.
  const { default: text } = await import("../../../../templates/host.nix.hbs");
  return text;
}

function readTemplate(name: string): Promise<string> {
  return readFile(new URL(`../../../../templates/${name}`, import.meta.url), "utf8");
}

function compile<T extends object>(text: string): (parts: T) => string {
  // Handlebars escapes for HTML, which would break Nix; and a part that is missing must not become an empty text.
  return Handlebars.compile<T>(text, { noEscape: true, strict: true });
}
