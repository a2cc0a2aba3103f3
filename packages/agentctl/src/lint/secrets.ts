/** Names that say that their value is a secret. */
export const secretName =
  /(?:^|[_.-]|\b)(?:secret|token|passw(?:or)?d|passphrase|api_?key|private_?key|access_?key|client_?secret|bearer|dsn)(?:$|[_.-]|\b)/i;

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
