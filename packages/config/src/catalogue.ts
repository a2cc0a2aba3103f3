import { defineErrors, exitCode } from "@daruma/base";

export const configErrors = defineErrors({
  CONFIG_E_INVALID: {
    summary:
      "The fleet is not valid: unknown options, values out of range, settings that contradict each other.",
    remedy: "Correct each problem listed; every one names its path in the fleet file.",
    exit: exitCode.error,
  },
  CONFIG_E_UNKNOWN_OPTION: {
    summary: "A fleet file sets an option that there is not.",
    remedy: "Correct its name; the message has the option that is meant, or those that are known there.",
    exit: exitCode.error,
  },
  CONFIG_E_REQUIRED: {
    summary:
      "A fleet file leaves out an option that has neither a default nor a meaning when it is left out.",
    remedy: "Set the option.",
    exit: exitCode.error,
  },
  CONFIG_E_TYPE: {
    summary: "A value of a fleet file is of the wrong type.",
    remedy: "Write what the message says that the value must be.",
    exit: exitCode.error,
  },
  CONFIG_E_VALUE: {
    summary: "A value of a fleet file is of the right type, and out of range or of the wrong form.",
    remedy: "Write a value that the message allows.",
    exit: exitCode.error,
  },
  CONFIG_E_NAME: {
    summary: "A host, agent, variable or credential of a fleet file has a name that cannot be used.",
    remedy: "Choose a name that the message allows.",
    exit: exitCode.error,
  },
  CONFIG_E_CONFLICT: {
    summary: "Settings of a fleet file contradict each other.",
    remedy: "Change one of the settings that the message names.",
    exit: exitCode.error,
  },
  CONFIG_E_NOT_DATA: {
    summary:
      "A fleet file holds something that is not plain data: an instance of a class, a cycle, NUL or half of a surrogate pair in a text.",
    remedy: "Replace it by objects, lists, texts, numbers and booleans.",
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

/** What an error tells of where it was found, for callers that may not know. */
export function located(where: string | undefined): { readonly where?: string } {
  return where === undefined ? {} : { where };
}
