/** Options that several commands share: a name means the same everywhere. */
export const stateOption = {
  type: "text",
  value: "DIR",
  description:
    "State directory of the `agentctl dev` to talk to. Without it: the nearest .daruma from here upwards, then this host's own",
} as const;

export const configOption = {
  type: "text",
  value: "FILE",
  default: "fleet.config.ts",
  description: "The fleet file",
} as const;

export const formatOption = {
  type: "choice",
  value: "FORMAT",
  choices: ["text", "github"],
  default: "text",
  description:
    "How problems are told: text, or github for annotations of GitHub Actions on stdout, beside the text on stderr",
} as const;

export const timeoutOption = {
  type: "text",
  value: "DURATION",
  default: "2m",
  description: "How long to wait at most, such as 90s or 5m",
} as const;

export const linesOption = {
  type: "integer",
  value: "N",
  short: "n",
  min: 0,
  max: Number.MAX_SAFE_INTEGER,
  default: 20,
  description: "How many entries to begin with",
} as const;

export const followOption = {
  type: "flag",
  short: "f",
  description: "Go on with new entries until interrupted",
} as const;
