import { defineErrors, exitCode } from "@daruma/base";

export const egressErrors = defineErrors({
  EGRESSD_E_USAGE: {
    summary: "egressd was started with wrong or missing options.",
    remedy: "Compare the options with those in `agentctl dev`, or in the unit daruma-egressd.",
    exit: exitCode.usage,
  },
  EGRESSD_E_MANIFEST: {
    summary: "egressd cannot read the rules of the current generation.",
    remedy: "Check that the file in the message is there and may be read; deploy again if it is damaged.",
    exit: exitCode.error,
  },
  EGRESS_SELF_TEST_E_USAGE: {
    summary: "egress-self-test was started with wrong or missing options.",
    remedy: "Compare the options with those in the unit daruma-egress-self-test.",
    exit: exitCode.usage,
  },
  EGRESSD_E_PORT: {
    summary: "A port on which an agent finds its proxy, or a forward of it, is taken by another process.",
    remedy: "Stop what listens there (`ss -ltnp`); egressd goes on trying.",
    exit: exitCode.error,
  },
});
