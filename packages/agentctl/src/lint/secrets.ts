import type { AgentSpec, Word } from "@daruma/config";

/** Names that say that their value is a secret. */
export const secretName =
  /(?:^|[_.-]|\b)(?:secret|token|passw(?:or)?d|passphrase|api[_-]?key|private[_-]?key|access[_-]?key|client[_-]?secret|bearer|dsn)(?:$|[_.-]|\b)/i;

/** Forms that only secrets have: keys that their issuers mark, private keys, JSON Web Tokens, passwords in URLs. */
const secretForms: readonly RegExp[] = [
  /\bsk-[A-Za-z0-9_-]{16,}/,
  /\bsk_(?:live|test)_[A-Za-z0-9]{16,}/,
  /\bgh[pousr]_[A-Za-z0-9]{20,}/,
  /\bgithub_pat_[A-Za-z0-9_]{20,}/,
  /\bglpat-[A-Za-z0-9_-]{16,}/,
  /\bAKIA[0-9A-Z]{16}\b/,
  /\bAIza[0-9A-Za-z_-]{30,}/,
  /\bxox[abeoprs]-[A-Za-z0-9-]{10,}/,
  /\bhf_[A-Za-z0-9]{20,}/,
  /-----BEGIN [A-Z ]*PRIVATE KEY-----/,
  /\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\./,
  /\b[a-z][a-z0-9+.-]*:\/\/[^\s/:@]*:[^\s/@]+@/i,
];

/** Whether a text is, or has in it, something that has the form of a secret. */
export function looksSecret(text: string): boolean {
  return secretForms.some((form) => form.test(text));
}

/** Endings of names whose values say where a secret is, or something about it. */
const pointer = /_(?:file|path|dir|name|id|url|uri|ttl|type|header|audience|endpoint)$/i;

/** What an agent or a routine is given in plain text that is a secret by its form or by its name. The texts are not repeated. */
export function plainSecrets(
  agent: { readonly command: readonly Word[] } & Pick<AgentSpec, "environment">,
): { readonly path: readonly (string | number)[]; readonly message: string }[] {
  const variables = Object.entries(agent.environment).flatMap(([name, value]) => {
    if (typeof value !== "string") return [];
    const path = ["environment", name];
    if (looksSecret(value)) return [{ path, message: "has the form of a secret" }];
    const named = secretName.test(name) && !pointer.test(name);
    // A path, or a reference that the program resolves, is none.
    const isValue = value.length > 3 && !/^(?:\/|\.|\$|%|file:|env:|true$|false$)/.test(value);
    return named && isValue ? [{ path, message: "is a secret by its name" }] : [];
  });
  const words = agent.command.flatMap((word, index) => {
    if (typeof word !== "string") return [];
    const path = ["command", index];
    if (looksSecret(word)) return [{ path, message: "has the form of a secret" }];
    const [, name = "", value = ""] = /^--?([\w-]+)=(.+)$/.exec(word) ?? [];
    const named = secretName.test(name) && !pointer.test(name.replaceAll("-", "_")) && !/^[/.$%]/.test(value);
    return named ? [{ path, message: "is a secret by the name of the option" }] : [];
  });
  return [...variables, ...words];
}
