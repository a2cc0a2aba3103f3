export { agentctlErrors } from "./catalogue.ts";
export { cliReference } from "./cli/reference.ts";
export { commandTable } from "./commands/table.ts";
export { compileErrors } from "./compile/catalogue.ts";
export { optionsModule } from "./compile/options-module.ts";
export { exampleCi, githubText, gitlabText } from "./init/ci-text.ts";
export { lintErrors } from "./lint/catalogue.ts";
