import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { systemCode } from "@daruma/base";

/** A secret is one line. */
const maxBytes = 64 * 1024;

export interface Secrets {
  /**
   * The content of a credential, as it is now: under `agentctl dev` a secret that has been changed is used from then on.
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
 * @param directory `$CREDENTIALS_DIRECTORY`, in which systemd has put what the unit loads; null where watchd reads the files
 *   themselves
 */
export function createSecrets(directory: string | null): Secrets {
  return {
    async read(name, file) {
      const path = directory === null ? file : join(directory, name);
      try {
        const content = await readFile(path);
        if (content.length > maxBytes)
          return { problem: `the credential ${file} is too large to be a secret` };
        const secret = content.toString("utf8").trim();
        // The unit has an empty one in place of a file that is missing, so that watchd starts all the same.
        return secret === "" ? { problem: `the credential ${file} is empty or missing` } : { secret };
      } catch (error) {
        return { problem: `the credential ${file} cannot be read: ${systemCode(error) ?? "unknown error"}` };
      }
    },
  };
}

/** Takes out of a text whatever of the secrets is in it, in the spellings in which a URL or JSON may have it. */
export function redact(text: string, secrets: readonly string[]): string {
  const spellings = secrets
    .flatMap((secret) => [
      secret,
      secret.trim(),
      encodeURIComponent(secret.trim()),
      ...partsOf(secret.trim()),
    ])
    .filter((spelling) => spelling.length >= 6)
    .sort((a, b) => b.length - a.length);
  return [...new Set(spellings)].reduce((rest, spelling) => rest.replaceAll(spelling, "[secret]"), text);
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
