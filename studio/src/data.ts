// What the server sends: docs/schema/topology.json and scenario.json as types, and the replies of its routes. Nothing here runs.

export type NodeKind = "client" | "gateway" | "service" | "database" | "bus" | "cache" | "external";
export type Protocol = "http" | "https" | "sql" | "redis" | "kafka";
export type StepKind = "request" | "call" | "external" | "sql" | "cache" | "publish" | "deliver" | "reply";
export type StepStatus = "sent" | "ok" | "hit" | "miss" | "error" | "failed" | "timeout" | "refused" | "open";
export type Phase = "request" | "do" | "undo" | "done" | "failed" | "event";

export interface TopologyNode {
  id: string;
  kind: NodeKind;
  title: string;
  /** A database: the service that it belongs to. */
  of?: string;
}

export interface Breaker {
  trip: number;
  on: "timeouts" | "failures";
  open_ms: number;
  probes: number;
}

export interface TopologyEdge {
  from: string;
  to: string;
  protocol: Protocol;
  external?: true;
  carries?: string[];
  timeout_ms?: number;
  retries?: number;
  concurrency?: number;
  breaker?: Breaker;
}

export interface Topology {
  name?: string;
  title: string;
  nodes: TopologyNode[];
  edges: TopologyEdge[];
  scenarios: { name: string; title: string }[];
}

export interface Step {
  id: string;
  parent?: string;
  from: string;
  to: string;
  /** `a -> b`; a reply has the one of its call. */
  edge: string;
  kind: StepKind;
  label: string;
  status: StepStatus;
  phase: Phase;
  saga?: string;
  step?: string;
  parallel?: number;
  beside?: true;
  maybe?: true;
  many?: true;
  opens?: true;
  error?: string;
  http?: number;
  say: string;
  start_ms?: number;
  end_ms?: number;
}

export interface Scenario {
  name: string;
  title: string;
  expect: { status: number; error?: string; header?: string; value?: string };
  cut?: true;
  steps: Step[];
}

export interface Switch {
  id: string;
  label: string;
  /** The label without the node's name. */
  what: string;
  assume: string;
  node: string;
  /** It is made true of a system that is up at once, while a scenario is run, or it changes the derivation alone. */
  real: "now" | "run" | "never";
  /** In which it changes something. */
  scenarios: string[];
}

/** Lines of the topology, from 1. */
export interface Place {
  line: number;
  end_line: number;
}

export interface Places {
  nodes?: Record<string, Place>;
  edges?: Record<string, Place>;
  steps?: Record<string, Place>;
}

export interface ExampleEntry {
  id: string;
  title: string;
  file: string;
  live: boolean;
  scenarios: { name: string; title: string }[];
}

export interface Example {
  /** None: the text has errors. */
  topology?: Topology;
  scenarios: Scenario[];
  switches: Switch[];
  places: Places;
  diagnostics: Diagnostic[];
}

export interface Diagnostic {
  severity: "error" | "warning" | "info";
  code: string;
  line: number;
  column: number;
  end_line: number;
  end_column: number;
  message: string;
  help?: string;
}

export type Checked = Partial<Example> & Pick<Example, "diagnostics">;

export interface Lines {
  file: string;
  line: number;
  end_line: number;
  text: string;
}

export interface Code {
  source?: Lines;
  generated: Lines[];
  policy: { name: string; value: string }[];
}

export interface LiveState {
  up: boolean;
  example?: string;
  processes: { name: string; state: string }[];
}

export interface Traffic {
  edges: { edge: string; rate: number; errors: number; p50_ms?: number; breaker?: string }[];
  nodes: { node: string; state: string }[];
}

export interface Difference {
  kind: "missing" | "extra" | "reordered" | "changed";
  step?: string;
  recorded?: string;
  text: string;
}

export interface LiveRun {
  trace_id: string;
  verdict: "same" | "different";
  derived: Scenario;
  recorded: Scenario;
  differences: Difference[];
}

export const edgeName = (edge: { from: string; to: string }) => `${edge.from} -> ${edge.to}`;
