import { printHead } from "./check.ts";
import type { GroupPlan } from "./group.ts";
import { storeKeys } from "./level.ts";
import { payloadOperations } from "./payload-store.ts";
import type { Completed } from "./tree.ts";
import { treeOperations } from "./tree-store.ts";
import { printKeys } from "./writer-keys.ts";

/** The batch operations that store a group, and what it completes of the tree. */
export function groupOperations(plan: GroupPlan, completed: Completed) {
  const put = (key: string, value: string) => ({ type: "put", key, value }) as const;
  const operations = plan.entries.map((entry) => put(storeKeys.entry(entry.seq), entry.line));
  for (const name of new Set(plan.firstKeys.map(({ writer }) => writer)))
    operations.push(put(storeKeys.writer(name), printKeys(plan.next.writers.get(name) ?? [])));
  operations.push(put(storeKeys.head, printHead(plan.next.head)));
  return [...operations, ...plan.entries.flatMap(payloadOperations), ...treeOperations(completed)];
}
