// A recording beside what was derived: both on one time, in which a hop that both have is in one beat of both, and one that a side alone has is in a
// beat of its own, in which the other side waits. So a message that was sent once more moves nothing of what follows. Pure.
//
// Who belongs to whom is told list of siblings by list of siblings, as `ecomc verify` does it: the same message along the same edge, with the same end
// before others. What verify has told of two hops holds: one that ended otherwise is still the same hop, one that came out of order stands on each
// side where that side has it.
import type { LiveRun, Scenario, Step } from "./data";
import { schedule, type Schedule, type Scheduled } from "./schedule";

export interface Sides {
  /** What is played and listed: the hops of both. */
  both: Schedule;
  derived: Schedule;
  recorded: Schedule;
}

/** A recorded hop with all that follows from it, of which nothing is derived, and the derived beat behind which it is. */
interface Alone {
  step: Step;
  behind: number;
  again: boolean;
}

type Children = Map<string, Step[]>;

function childrenOf({ steps }: Scenario): Children {
  const known = new Set(steps.map(({ id }) => id));
  const children: Children = new Map();
  for (const step of steps) {
    const parent = step.parent !== undefined && known.has(step.parent) ? step.parent : "";
    children.set(parent, [...(children.get(parent) ?? []), step]);
  }
  return children;
}

const sameWay = (a: Step, b: Step) => a.kind === b.kind && a.edge === b.edge;
const sameMessage = (a: Step, b: Step) => sameWay(a, b) && (a.kind === "reply" || a.label === b.label);
const sameEnd = (a: Step, b: Step) => a.status === b.status && (a.http ?? b.http) === (b.http ?? a.http) && (!a.error || a.error === b.error);
/** One round trip to a cache may ask for less than what is derived: what is at hand is not asked for. */
const lessOf = (a: Step, b: Step) => sameWay(a, b) && a.kind === "cache" && b.label.split(", ").every((part) => a.label.split(", ").includes(part));

export function pair({ derived, recorded, differences }: Pick<LiveRun, "derived" | "recorded" | "differences">): Sides {
  const plain = schedule(derived);
  const entryOf = new Map(plain.steps.map((entry) => [entry.step, entry]));
  const ours = childrenOf(derived);
  const theirs = childrenOf(recorded);
  const told = new Map(differences.filter(({ kind }) => kind === "changed").map(({ step, recorded: other }) => [other, step]));
  const misplaced = new Set(differences.filter(({ kind }) => kind === "reordered").map(({ recorded: other }) => other));
  const twin = new Map<Step, Step>(); // of a recorded one the derived
  const alone: Alone[] = [];
  const seen = new Set<Step>();

  /** The last derived beat of a step and of what follows from it, as far as it is waited for. */
  function endOf(step: Step): number {
    const waited = (ours.get(step.id) ?? []).filter(({ beside, id }) => !beside && id !== step.id);
    return Math.max(entryOf.get(step)!.beat, ...waited.map(endOf));
  }

  function match(list: Step[], others: Step[], behind: number) {
    const left = new Set(list);
    const take = (fits: (one: Step, other: Step) => boolean) => {
      for (const other of others) {
        if (twin.has(other) || misplaced.has(other.id)) continue;
        const one = [...left].find((candidate) => fits(candidate, other));
        if (!one) continue;
        left.delete(one);
        twin.set(other, one);
      }
    };
    take((one, other) => told.get(other.id) === one.id);
    take((one, other) => sameMessage(one, other) && sameEnd(one, other));
    take(sameMessage);
    take(lessOf);
    others.forEach((other, i) => {
      if (seen.has(other)) return;
      seen.add(other);
      const one = twin.get(other);
      if (one) return match(ours.get(one.id) ?? [], theirs.get(other.id) ?? [], entryOf.get(one)!.beat);
      // Of a branch, it stands behind what came before it in its branch; the others wait for it.
      const before = others.slice(0, i).reverse();
      const alike = before.filter((earlier) => sameMessage(earlier, other));
      const branch = alike.map((earlier) => twin.get(earlier)?.parallel).find((its) => its !== undefined);
      const anchor = before.find((earlier) => twin.get(earlier) && (branch === undefined || twin.get(earlier)!.parallel === branch));
      alone.push({ step: other, behind: anchor ? endOf(twin.get(anchor)!) : behind, again: others.some((one) => one !== other && sameMessage(one, other)) && !misplaced.has(other.id) });
    });
  }
  match(ours.get("") ?? [], theirs.get("") ?? [], -1);

  /** Of derived steps and of what is recorded alone: when each is. */
  const recordedOf = new Map([...twin].map(([other, one]) => [one, other]));
  const both: Scheduled[] = [];
  const gaps = [...new Set(alone.map(({ behind }) => behind))].sort((a, b) => a - b);
  let wait = 0;
  let gap = 0;
  const fill = (beat: number) => {
    for (; gaps[gap] !== undefined && gaps[gap]! < beat; gap++) {
      for (const { step, again } of alone.filter((one) => one.behind === gaps[gap])) {
        const from = gaps[gap]! + 1 + wait;
        const tree = schedule({ ...recorded, steps: [{ ...step, parent: undefined }, ...below(step, theirs)] });
        for (const entry of tree.steps) {
          const own = entry.step.id === step.id ? step : entry.step;
          both.push({ number: 0, beat: from + entry.beat, step: own, recorded: own, only: "recorded", ...(again && own === step ? { again } : {}) });
        }
        wait += tree.beats.length;
      }
    }
  };
  for (const entry of plain.steps) {
    fill(entry.beat);
    const other = recordedOf.get(entry.step);
    both.push({ ...entry, beat: entry.beat + wait, ...(other ? { recorded: other } : { only: "derived" }) });
  }
  fill(Infinity);

  both.forEach((entry, row) => (entry.row = row));
  const length = plain.beats.length + wait;
  const plan = (scenario: Scenario, steps: Scheduled[]): Schedule => {
    const beats: number[][] = Array.from({ length }, () => []);
    steps.forEach(({ beat }, index) => beats[beat]!.push(index));
    return { scenario, steps, beats };
  };
  return {
    both: { ...plan(derived, both), recorded },
    derived: plan(derived, both.filter(({ only }) => only !== "recorded")),
    recorded: plan(recorded, both.filter(({ only }) => only !== "derived").map((entry) => ({ ...entry, step: entry.recorded! }))),
  };
}

function below(step: Step, children: Children, seen = new Set([step])): Step[] {
  return (children.get(step.id) ?? []).flatMap((child) => {
    if (seen.has(child)) return [];
    seen.add(child);
    return [child, ...below(child, children, seen)];
  });
}

export type Marks = ReturnType<typeof marksOf>;

/** Steps that differ, by id: of the derived side, of the recorded one, and the edges on which they are. */
export function marksOf(run: LiveRun) {
  const derived = new Map<string, string>();
  const recorded = new Map<string, string>();
  for (const { kind, step, recorded: other } of run.differences) {
    if (step !== undefined) derived.set(step, kind);
    if (other !== undefined) recorded.set(other, kind);
  }
  const times = new Map<string, string>();
  for (const { id, kind, start_ms = 0, end_ms = 0 } of run.recorded.steps) {
    if (kind !== "reply" && end_ms > start_ms) times.set(id, `${(end_ms - start_ms).toPrecision(end_ms - start_ms < 100 ? 2 : 3)} ms`);
  }
  const edges = new Set<string>();
  for (const step of run.derived.steps) if (derived.has(step.id)) edges.add(step.edge);
  for (const step of run.recorded.steps) if (recorded.has(step.id)) edges.add(step.edge);
  return { derived, recorded, edges, times };
}
