import { defineErrors, exitCode } from "@daruma/base";

export const configErrors = defineErrors({
  CONFIG_E_INVALID: {
    summary:
      "The fleet is not valid: unknown options, values out of range, settings that contradict each other.",
    remedy: "Correct each problem listed; every one names its path in the fleet file.",
    exit: exitCode.error,
  },
  CONFIG_E_MANIFEST: {
    summary:
      "A generation's host.json is not a manifest: not JSON, or a field is missing or of the wrong type.",
    remedy: "The file is written by Daruma and was changed or cut short; deploy the generation again.",
    exit: exitCode.error,
  },
  CONFIG_E_MANIFEST_VERSION: {
    summary: "A generation's host.json has a schemaVersion that this release does not read.",
    remedy: "Use the release of Daruma that belongs to the generation.",
    exit: exitCode.error,
  },
});
