import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { systemCode } from "@daruma/base";
import type { HttpAnswer } from "./sinks/sink.ts";

/** A secret is one line. */
const maxBytes = 64 * 1024;

export interface Secrets {
  /**
   * The content of a credential, as it is now: a secret that has been changed is used from then on.
   *
   * @param name of the credential in watchd's unit
   * @param file as the manifest names it
   * @returns the secret, or why there is none
   */
  read(name: string, file: string): Promise<{ readonly secret: string } | { readonly problem: string }>;
}

/*
 * Names of credentials in watchd's unit (modules/units/alerts.nix). Names of sinks have no dot: none is the switch's.
 */
export const switchCredential = "alerts.dead-mans-switch";

/** Name of the credential of a sink. */
export function sinkCredential(sink: string): string {
  return `alerts.sink.${sink}`;
}

/**
 * watchd is root and reads the files themselves. systemd copies them only when the unit starts, so that its copy stands in where there is
 * nothing to be read: the file is gone, or is a socket from which systemd has got the secret.
 *
 * @param directory `$CREDENTIALS_DIRECTORY`, in which systemd has put what the unit loads; null where there is no such unit
 */
export function createSecrets(directory: string | null): Secrets {
  return {
    async read(name, file) {
      const now = await readSecret(file, file);
      if (directory === null || "secret" in now) return now;
      return readSecret(join(directory, name), file);
    },
  };
}

async function readSecret(
  path: string,
  file: string,
): Promise<{ readonly secret: string } | { readonly problem: string }> {
  try {
    // What is no file must not keep anybody waiting for it to be opened.
    await using handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const { size } = await handle.stat().then((stats) => (stats.isFile() ? stats : { size: null }));
    if (size === null) return { problem: `the credential ${file} is no file` };
    if (size > maxBytes) return { problem: `the credential ${file} is too large to be a secret` };
    const secret = (await handle.readFile("utf8")).trim();
    // The unit has an empty one in place of a file that is missing, so that watchd starts all the same.
    return secret === "" ? { problem: `the credential ${file} is empty or missing` } : { secret };
  } catch (error) {
    return { problem: `the credential ${file} cannot be read: ${systemCode(error) ?? "unknown error"}` };
  }
}

/**
 * Takes out of a text whatever of the secrets is in it, in the spellings in which a URL, JSON or a login may have it. Before the
 * text is cut: what is left of a secret at a cut is none of its spellings.
 */
export function redact(text: string, secrets: readonly string[]): string {
  const spellings = secrets
    .flatMap((secret) => [
      secret,
      secret.trim(),
      encodeURIComponent(secret.trim()),
      JSON.stringify(secret.trim()).slice(1, -1),
      Buffer.from(secret.trim()).toString("base64"),
      ...partsOf(secret.trim()),
    ])
    .filter((spelling) => spelling.length >= 6)
    .sort((a, b) => b.length - a.length);
  return [...new Set(spellings)].reduce((rest, spelling) => rest.replaceAll(spelling, "[secret]"), text);
}

/** What a login makes of a password (RFC 4616), beside the password itself. */
export function loginSecrets(user: string | null, password: string | null): readonly string[] {
  if (password === null) return [];
  return user === null ? [password] : [password, `\0${user}\0${password}`];
}

/** An answer in which nothing of the secrets is left. */
export function withoutSecrets(answer: HttpAnswer, secrets: readonly string[]): HttpAnswer {
  return { ...answer, body: redact(answer.body, secrets) };
}

/** A URL's path and query are what is secret of it; its parts may be quoted one by one. */
function partsOf(secret: string): readonly string[] {
  const url = URL.parse(secret);
  if (url === null || !url.protocol.startsWith("http")) return [];
  return [
    `${url.pathname}${url.search}`,
    url.pathname,
    ...url.pathname.split("/").filter((part) => part.length >= 12),
  ];
}
