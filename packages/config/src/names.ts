/** Longest name of an agent. NixOS allows 31 characters for a user, and agents run as `da-NAME`. */
export const maxAgentNameLength = 28;

/** What is wrong with an agent's name, or undefined. */
export function agentNameProblem(name: string): string | undefined {
  if (name.length > maxAgentNameLength) {
    return `the name has ${name.length} characters; at most ${maxAgentNameLength} are allowed`;
  }
  if (/^[a-z][a-z0-9-]{0,26}[a-z0-9]$/.test(name)) return undefined;
  return `an agent's name has 2 to ${maxAgentNameLength} characters from a-z, 0-9 and "-", starts with a letter and does not end with "-"`;
}

/** What is wrong with a routine's name, or undefined. Routines run as `dr-NAME`. */
export function routineNameProblem(name: string): string | undefined {
  return agentNameProblem(name)?.replace("an agent's name", "a routine's name");
}

/** What is wrong with a host's name, or undefined. Host names are DNS labels (RFC 1123) in lower case. */
export function hostNameProblem(name: string): string | undefined {
  if (name.length > 63) return `the name has ${name.length} characters; at most 63 are allowed`;
  if (/^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/.test(name)) return undefined;
  return 'a host\'s name has characters from a-z, 0-9 and "-", and does not start or end with "-"';
}

/**
 * Variables that an agent's environment cannot set, because Daruma or systemd tells the agent something through them.
 * `PATH` is not among them: an agent that starts other programs wants its own.
 */
export const reservedVariables = [
  "CREDENTIALS_DIRECTORY",
  "INVOCATION_ID",
  "NOTIFY_SOCKET",
  "WATCHDOG_PID",
  "WATCHDOG_USEC",
] as const;

/** What is wrong with the name of an environment variable, or undefined. */
export function variableNameProblem(name: string): string | undefined {
  // __proto__ would be lost in any program that copies the environment into a JavaScript object.
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name) || name === "__proto__") {
    return "a variable's name has letters, digits and _, and does not start with a digit";
  }
  if (name.length > 255) return `the name has ${name.length} characters; at most 255 are allowed`;
  const reserved: readonly string[] = reservedVariables;
  if (name.startsWith("DARUMA_") || reserved.includes(name)) return "the variable is set by Daruma itself";
  return undefined;
}

/** What is wrong with the name of a credential, which is a file name in `$CREDENTIALS_DIRECTORY`, or undefined. */
export function credentialNameProblem(name: string): string | undefined {
  if (/^[A-Za-z0-9_][A-Za-z0-9_.-]*$/.test(name) && name.length <= 255 && name !== "__proto__") {
    return undefined;
  }
  return 'a credential\'s name is a file name of letters, digits, "_", "." and "-" that does not start with "." or "-"';
}
