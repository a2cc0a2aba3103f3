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
