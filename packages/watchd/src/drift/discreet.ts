/* What may be written down of what somebody else has put on a machine: any of it may be a secret. */

/** Settings whose values are shown as they are. The others name programs, users and the like; these may hold what they are given. */
const secretive = /^(Environment|SetCredential|SetCredentialEncrypted|SetLoginEnvironment|X-.*)$/i;
const hidden = "(not shown)";

/** Lines of a unit file: settings with their values, but of environments and credentials only names, and of commands what is discreet. */
export function unitLines(text: string): readonly string[] {
  return text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#") && !line.startsWith(";"))
    .map((line) => {
      const [, key, value] = /^([A-Za-z-]+)\s*=(.*)$/.exec(line) ?? [];
      // A section, or the rest of a line that was continued.
      if (key === undefined || value === undefined) return /^\[[A-Za-z]+\]$/.test(line) ? line : hidden;
      if (value.trim() === "") return `${key}=`;
      if (secretive.test(key)) return `${key}=${hidden}`;
      return key.startsWith("Exec")
        ? `${key}=${discreetWords(value.trim().split(/\s+/)).join(" ")}`
        : `${key}=${value.trim()}`;
    });
}

/** Words of a command line: paths, names of options, and what is declared anyway (no secret is). */
export function discreetWords(words: readonly string[], declared: readonly string[] = []): readonly string[] {
  const known = new Set(declared);
  return words.map((word) => (known.has(word) || isDiscreet(word) ? word : hidden));
}

function isDiscreet(word: string): boolean {
  return /^[-+@!:|]*\/[\w./@+-]*$/.test(word) || /^--?[A-Za-z][A-Za-z-]*$/.test(word);
}
