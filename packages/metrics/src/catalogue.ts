import { defineErrors, exitCode } from "@daruma/base";

export const metricsErrors = defineErrors({
  METRICS_E_USAGE: {
    summary: "metricsd was started with arguments that it does not have.",
    remedy: "Compare the unit with the one of this release.",
    exit: exitCode.usage,
  },
  METRICS_E_LISTEN: {
    summary: "The address at which metrics are to be read cannot be listened on.",
    remedy: "Choose another metrics.port or metrics.address, or end what listens there.",
    exit: exitCode.error,
  },
});
