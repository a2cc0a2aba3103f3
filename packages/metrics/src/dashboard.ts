/** A panel: what it is called, what it shows, and in which unit Grafana writes it. */
interface Panel {
  readonly title: string;
  readonly kind: "timeseries" | "stat" | "table" | "state-timeline";
  readonly unit: "short" | "s" | "bytes" | "Bps" | "percentunit" | "dateTimeFromNow";
  /** PromQL -> how a line of it is called. */
  readonly queries: Readonly<Record<string, string>>;
}

const host = '{instance=~"$instance"}';
const agent = '{instance=~"$instance", agent=~"$agent"}';
const routine = '{instance=~"$instance"}';

const rows: Readonly<Record<string, readonly Panel[]>> = {
  Hosts: [
    stat("Daemons that answer", "short", { [`sum by (daemon) (daruma_up${host})`]: "{{daemon}}" }),
    stat("Generation", "short", { [`daruma_generation_number${host}`]: "{{instance}}" }),
    stat("Agents that are recovering", "short", { [`sum(daruma_agent_recovering${agent})`]: "recovering" }),
    stat("Held", "short", { [`sum(daruma_agent_held${agent})`]: "held" }),
    lines("Load per processor", "percentunit", {
      [`daruma_host_load_average{instance=~"$instance", minutes="5"} / on (instance) daruma_host_processors${host}`]:
        "{{instance}}",
    }),
    lines("Memory in use", "percentunit", {
      [`1 - daruma_host_memory_available_bytes${host} / daruma_host_memory_size_bytes${host}`]:
        "{{instance}}",
    }),
    lines("Disk in use", "percentunit", {
      [`1 - daruma_host_filesystem_available_bytes${host} / daruma_host_filesystem_size_bytes${host}`]:
        "{{instance}} {{path}}",
    }),
    lines("Network", "Bps", {
      [`sum by (instance, direction) (rate(daruma_host_network_bytes_total${host}[$__rate_interval]))`]:
        "{{instance}} {{direction}}",
    }),
  ],
  Agents: [
    {
      ...lines("Phase", "short", { [`daruma_agent_phase${agent} == 1`]: "{{agent}} {{phase}}" }),
      kind: "state-timeline",
    },
    lines("Restarts", "short", {
      [`sum by (agent, cause) (increase(daruma_agent_restarts_total${agent}[$__rate_interval])) > 0`]:
        "{{agent}} {{cause}}",
    }),
    lines("Seconds from failure to proof of health", "s", {
      [`histogram_quantile(0.5, sum by (le) (increase(daruma_agent_recovery_duration_seconds_bucket${agent}[1h])))`]:
        "median",
      [`histogram_quantile(0.99, sum by (le) (increase(daruma_agent_recovery_duration_seconds_bucket${agent}[1h])))`]:
        "p99",
    }),
    lines("Memory", "bytes", { [`daruma_agent_memory_bytes${agent}`]: "{{agent}}" }),
    lines("Processors in use", "short", {
      [`rate(daruma_agent_cpu_seconds_total${agent}[$__rate_interval])`]: "{{agent}}",
    }),
    lines("Open files", "short", { [`daruma_agent_open_files${agent}`]: "{{agent}}" }),
    lines("Rollbacks", "short", {
      [`sum by (instance, result) (increase(daruma_rollbacks_total${host}[$__rate_interval])) > 0`]:
        "{{instance}} {{result}}",
    }),
  ],
  Routines: [
    lines("Runs", "short", {
      [`sum by (routine, outcome) (increase(daruma_routine_runs_total${routine}[$__rate_interval])) > 0`]:
        "{{routine}} {{outcome}}",
    }),
    lines("Lateness, p99", "s", {
      [`histogram_quantile(0.99, sum by (le, routine) (increase(daruma_routine_lateness_seconds_bucket${routine}[1h])))`]:
        "{{routine}}",
    }),
    lines("Overlap and missed", "short", {
      [`sum by (routine, result) (increase(daruma_routine_overlaps_total${routine}[$__rate_interval])) > 0`]:
        "{{routine}} {{result}}",
      [`sum by (routine) (increase(daruma_routine_missed_total${routine}[$__rate_interval])) > 0`]:
        "{{routine}} missed",
    }),
    {
      ...lines("Due next", "dateTimeFromNow", {
        [`daruma_routine_next_timestamp_seconds${routine} * 1000`]: "{{routine}}",
      }),
      kind: "table",
    },
  ],
  "Egress and ledger": [
    lines("Connections", "short", {
      [`sum by (agent, result) (rate(daruma_egress_connections_total${agent}[$__rate_interval]))`]:
        "{{agent}} {{result}}",
    }),
    lines("Bytes", "Bps", {
      [`sum by (agent, direction) (rate(daruma_egress_bytes_total${agent}[$__rate_interval]))`]:
        "{{agent}} {{direction}}",
    }),
    lines("Entries", "short", {
      [`rate(daruma_ledger_entries_total${host}[$__rate_interval])`]: "{{instance}}",
    }),
    lines("Sync, p99", "s", {
      [`histogram_quantile(0.99, sum by (le, instance) (rate(daruma_ledger_sync_duration_seconds_bucket${host}[$__rate_interval])))`]:
        "{{instance}}",
    }),
    lines("Not witnessed, waiting", "short", {
      [`daruma_ledger_unwitnessed_entries${host}`]: "{{instance}} not witnessed",
      [`daruma_ledger_waiting_entries${host}`]: "{{instance}} waiting, {{writer}}",
    }),
  ],
};

const width = 6;
const height = 7;
const columns = 24;

/** The dashboard as Grafana imports it (dashboard JSON model, schema version 39, Grafana 10.3). */
export function dashboard(): object {
  let id = 0;
  let y = 0;
  const panels = Object.entries(rows).flatMap(([title, all]) => {
    id += 1;
    const row = {
      id,
      type: "row",
      title,
      collapsed: false,
      panels: [],
      gridPos: { x: 0, y, w: columns, h: 1 },
    };
    y += 1;
    const placed = all.map((panel, index) => {
      id += 1;
      const x = (index * width) % columns;
      return panelDocument(panel, id, {
        x,
        y: y + Math.floor((index * width) / columns) * height,
        w: width,
        h: height,
      });
    });
    y += Math.ceil((all.length * width) / columns) * height;
    return [row, ...placed];
  });
  return {
    title: "Daruma",
    uid: "daruma",
    tags: ["daruma"],
    schemaVersion: 39,
    editable: true,
    refresh: "30s",
    time: { from: "now-6h", to: "now" },
    templating: {
      list: [
        { name: "datasource", label: "Data source", type: "datasource", query: "prometheus" },
        variable("instance", "label_values(daruma_up, instance)"),
        variable("agent", 'label_values(daruma_agent_phase{instance=~"$instance"}, agent)'),
      ],
    },
    panels,
  };
}

/** Everything that the dashboard asks for, in PromQL or as Grafana's label_values. */
export function dashboardQueries(): readonly string[] {
  return Object.values(rows).flatMap((panels) => panels.flatMap(({ queries }) => Object.keys(queries)));
}

const datasource = { type: "prometheus", uid: "$" + "{datasource}" };

function panelDocument(panel: Panel, id: number, gridPos: object): object {
  const { title, kind, unit, queries } = panel;
  return {
    id,
    type: kind,
    title,
    gridPos,
    datasource,
    fieldConfig: { defaults: { unit, min: unit === "dateTimeFromNow" ? null : 0 }, overrides: [] },
    targets: Object.entries(queries).map(([expr, legendFormat], index) => ({
      refId: String.fromCharCode("A".charCodeAt(0) + index),
      datasource,
      expr,
      legendFormat,
      ...(kind === "table" || kind === "stat" ? { instant: true, range: false } : {}),
    })),
  };
}

function variable(name: string, query: string): object {
  return {
    name,
    type: "query",
    datasource,
    query,
    refresh: 2,
    includeAll: true,
    multi: true,
    current: { text: "All", value: "$__all" },
  };
}

function lines(title: string, unit: Panel["unit"], queries: Panel["queries"]): Panel {
  return { title, kind: "timeseries", unit, queries };
}

function stat(title: string, unit: Panel["unit"], queries: Panel["queries"]): Panel {
  return { title, kind: "stat", unit, queries };
}
