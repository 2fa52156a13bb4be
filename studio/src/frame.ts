// What is to be seen at a time: frame(model, t). Pure: the same model and t give the same frame. A model holds for each beat what stands before
// it and behind it, so that a frame costs what moves in it and nothing else.
import { edgeName, type Scenario, type Step, type Topology } from "./data";
import { schedule, type Schedule } from "./schedule";

/** Milliseconds of a beat at speed 1. */
export const BEAT = 1000;
/** The part of a beat in which messages travel; in the rest they stand where they arrived, to be read. */
export const TRAVEL = 0.7;
export const REST = 0.85;

export interface EdgeLook {
  used: boolean;
  broken: boolean;
  undone: boolean;
  /** Only where the edge has a breaker. */
  breaker?: { count: number; trip: number; open: boolean };
}

export interface NodeLook {
  used: boolean;
  /** Calls that it works on. */
  busy: number;
  /** It did not answer when it was asked last. */
  silent: boolean;
}

export interface State {
  edges: Map<string, EdgeLook>;
  nodes: Map<string, NodeLook>;
}

export type Glyph = "call" | "reply" | "query" | "event";
export type Tone = "plain" | "good" | "miss" | "bad" | "undo";

export interface Message {
  /** 0: it has none. */
  number: number;
  edge: string;
  /** 0: at the edge's beginning, 1: at its end. */
  at: number;
  glyph: Glyph;
  tone: Tone;
  text: string;
  /** The breaker keeps it back, nobody answers, it was turned away: shown when it is as far as it gets. */
  stopped: "" | "open" | "timeout" | "refused";
  arrived: boolean;
  undo: boolean;
  maybe: boolean;
}

export interface Frame {
  beat: number;
  arrived: boolean;
  /** Nothing travels. */
  still: boolean;
  messages: Message[];
  state: State;
}

export interface Model {
  plan: Schedule;
  /** Milliseconds. */
  length: number;
  /** before[n] holds at the beginning of beat n; there is one more than beats. */
  before: State[];
  nodes: Set<string>;
  edges: Set<string>;
}

const failedStatus = (step: Step) => step.status === "error" || step.status === "failed" || step.status === "timeout" || step.status === "refused";

/** What stands on a message: what is asked, or how it went. */
export function caption(step: Step): string {
  const many = step.many ? " ×n" : "";
  if (step.kind === "reply") return step.error ?? (step.http !== undefined ? String(step.http) : step.status);
  if (step.status === "open") return `${step.label}: circuit open`;
  if (step.status === "timeout") return `${step.label}: timeout`;
  if (step.status === "refused" || step.status === "failed" || step.status === "error") return `${step.label}: ${step.error ?? step.status}`;
  if (step.status === "hit" || step.status === "miss") return `${step.label}: ${step.status}`;
  return step.label + many;
}

export function toneOf(step: Step): Tone {
  if (failedStatus(step) || step.status === "open") return "bad";
  if (step.phase === "undo") return "undo";
  if (step.status === "hit") return "good";
  if (step.status === "miss") return "miss";
  return step.kind === "reply" ? "good" : "plain";
}

export function glyphOf(step: Step): Glyph {
  if (step.kind === "sql" || step.kind === "cache") return "query";
  if (step.kind === "publish" || step.kind === "deliver") return "event";
  return step.kind === "reply" ? "reply" : "call";
}

function copy(state: State): State {
  return {
    edges: new Map([...state.edges].map(([key, look]) => [key, { ...look, ...(look.breaker ? { breaker: { ...look.breaker } } : {}) }])),
    nodes: new Map([...state.nodes].map(([key, look]) => [key, { ...look }])),
  };
}

function arrive(state: State, step: Step, replied: Set<string>) {
  const edge = state.edges.get(step.edge);
  const from = state.nodes.get(step.from);
  const to = state.nodes.get(step.to);
  if (edge) {
    edge.used = true;
    edge.broken = failedStatus(step) || step.status === "open";
    edge.undone = step.phase === "undo";
    if (edge.breaker) {
      const counts = step.status === "timeout" || ((step.status === "refused" || step.status === "failed") && step.kind !== "reply");
      if (step.status === "open") edge.breaker.open = true;
      else if (counts && !edge.breaker.open) edge.breaker.count = Math.min(edge.breaker.count + 1, edge.breaker.trip);
      else if (step.kind === "reply" && !edge.breaker.open) edge.breaker.count = 0;
      if (step.opens) {
        edge.breaker.open = true;
        edge.breaker.count = edge.breaker.trip;
      }
    }
  }
  if (from) from.used = true;
  if (to) {
    to.used = true;
    if (step.status === "timeout" || step.status === "refused") to.silent = true;
    else if (step.status !== "open" && step.kind !== "reply") to.silent = false;
  }
  if (step.kind === "reply") {
    if (from && from.busy > 0) from.busy -= 1;
  } else if (to && replied.has(step.id)) to.busy += 1;
}

export function buildModel(topology: Topology, scenario: Scenario, plan = schedule(scenario)): Model {
  const state: State = { edges: new Map(), nodes: new Map() };
  for (const edge of topology.edges) {
    const breaker = edge.breaker ? { breaker: { count: 0, trip: edge.breaker.trip, open: false } } : {};
    state.edges.set(edgeName(edge), { used: false, broken: false, undone: false, ...breaker });
  }
  for (const node of topology.nodes) state.nodes.set(node.id, { used: false, busy: 0, silent: false });
  // A breaker that keeps something back before anything opened it was open from the beginning.
  const opened = new Set<string>();
  for (const { step } of plan.steps) {
    const breaker = state.edges.get(step.edge)?.breaker;
    if (step.status === "open" && breaker && !opened.has(step.edge)) breaker.open = true;
    if (step.opens || step.status === "open") opened.add(step.edge);
  }
  const replied = new Set(plan.steps.filter(({ step }) => step.kind === "reply" && step.parent).map(({ step }) => step.parent!));
  const before = [copy(state)];
  for (const beat of plan.beats) {
    for (const index of beat) arrive(state, plan.steps[index]!.step, replied);
    before.push(copy(state));
  }
  const nodes = new Set(plan.steps.flatMap(({ step }) => [step.from, step.to]));
  const edges = new Set(plan.steps.map(({ step }) => step.edge));
  return { plan, length: plan.beats.length * BEAT, before, nodes, edges };
}

const ease = (x: number) => (x < 0.5 ? 4 * x * x * x : 1 - (-2 * x + 2) ** 3 / 2);
const clamp = (x: number) => Math.min(Math.max(x, 0), 1);

/** How far along its own way a step is, when u of its beat has gone: 0 to 1, and back for a question with its answer in one step. */
function progress(step: Step, u: number): number {
  const x = clamp(u / TRAVEL);
  if (step.status === "open") return 0.08 * ease(x);
  if (step.status === "refused") return x < 0.5 ? ease(x * 2) : 1 - 0.08 * ease(x * 2 - 1); // it rebounds, and leaves the middle to a breaker
  if (step.kind === "sql" || step.kind === "cache") return x < 0.5 ? ease(x * 2) : 1 - ease(x * 2 - 1);
  return ease(x);
}

/** t in milliseconds at speed 1. With `still` nothing travels: messages stand in the middle of their edge. */
export function frame(model: Model, t: number, still = false): Frame {
  const count = model.plan.beats.length;
  const time = Math.min(Math.max(t, 0), model.length);
  if (count === 0 || time >= model.length) return { beat: Math.max(count - 1, 0), arrived: true, still, messages: [], state: model.before[count]! };
  const beat = Math.min(Math.floor(time / BEAT), count - 1);
  const u = time / BEAT - beat;
  const arrived = still || u >= TRAVEL;
  const messages = model.plan.beats[beat]!.map((index): Message => {
    const { step, number } = model.plan.steps[index]!;
    const forward = step.kind !== "reply";
    const along = still ? 0.5 : progress(step, u);
    const stopped = step.status === "open" || step.status === "timeout" || step.status === "refused" ? step.status : "";
    return {
      number,
      edge: step.edge,
      at: forward ? along : 1 - along,
      glyph: glyphOf(step),
      tone: arrived || step.kind === "reply" ? toneOf(step) : step.phase === "undo" ? "undo" : "plain",
      text: arrived || step.kind === "reply" ? caption(step) : step.label,
      stopped: arrived ? stopped : "",
      arrived,
      undo: step.phase === "undo",
      maybe: step.maybe === true,
    };
  });
  return { beat, arrived, still, messages, state: model.before[arrived ? beat + 1 : beat]! };
}

/** The time at which a beat is best looked at: its messages have arrived. */
export const restOf = (beat: number) => (beat + REST) * BEAT;

export function beatAt(model: Model, t: number): number {
  return Math.min(Math.max(Math.floor(t / BEAT), 0), Math.max(model.plan.beats.length - 1, 0));
}
