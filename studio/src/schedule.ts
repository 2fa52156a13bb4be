// When each step of a scenario happens. Time is counted in beats: a step takes one beat, its consequences begin with the next, siblings follow
// each other unless the model says that they go beside each other (`parallel`) or that nobody waits for them (`beside`). Pure.
import type { Scenario, Step } from "./data";

export interface Scheduled {
  /** From 1, in the order of time; steps of one beat in the order of the scenario. 0: it is recorded and not derived. */
  number: number;
  beat: number;
  step: Step;
  /** Beside a recording (pairs.ts): the same hop in it, or which side alone has it, and whether it was recorded once more than it is derived. */
  recorded?: Step;
  only?: "derived" | "recorded";
  again?: boolean;
  /** Which of the rows of both sides is its. */
  row?: number;
}

export interface Schedule {
  scenario: Scenario;
  steps: Scheduled[];
  /** Indexes into steps, by beat. */
  beats: number[][];
  /** What stands beside it. */
  recorded?: Scenario;
}

export function schedule(scenario: Scenario): Schedule {
  const children = new Map<string, Step[]>();
  const known = new Set(scenario.steps.map((step) => step.id));
  for (const step of scenario.steps) {
    const parent = step.parent !== undefined && known.has(step.parent) ? step.parent : "";
    const list = children.get(parent);
    if (list) list.push(step);
    else children.set(parent, [step]);
  }
  const beatOf = new Map<Step, number>();

  /** Places the children of a step from a beat on; gives the beat behind those that somebody waits for. */
  function place(parent: string, from: number): number {
    let cursor = from;
    let branches: Map<number, number> | undefined; // of the parallel group that is open: where each branch goes on
    let group = from;
    for (const step of children.get(parent) ?? []) {
      if (beatOf.has(step)) continue; // ids that meet, of a recording: each step once
      if (step.parallel === undefined || step.beside) branches = undefined;
      else if (!branches) {
        branches = new Map();
        group = cursor;
      }
      const at = branches ? (branches.get(step.parallel!) ?? group) : cursor;
      beatOf.set(step, at);
      const end = place(step.id, at + 1);
      if (step.beside) continue;
      if (branches) branches.set(step.parallel!, end);
      cursor = Math.max(cursor, end);
    }
    return cursor;
  }
  place("", 0);

  const order = scenario.steps.map((step, index) => ({ step, index, beat: beatOf.get(step) ?? 0 }));
  order.sort((a, b) => a.beat - b.beat || a.index - b.index);
  const steps = order.map(({ step, beat }, index) => ({ number: index + 1, beat, step }));
  const beats: number[][] = [];
  steps.forEach((entry, index) => (beats[entry.beat] ??= []).push(index));
  return { scenario, steps, beats: Array.from(beats, (list) => list ?? []) };
}

/** The number of the last step up to a beat that has one; 0: there is none. */
export function numberAt(plan: Schedule, beat: number): number {
  return plan.steps.reduce((last, entry) => (entry.number > 0 && entry.beat <= beat ? entry.number : last), 0);
}

/** Where a step is by its number, which may be none of its steps: then the nearest. */
export function beatOfNumber(plan: Schedule, number: number): number {
  const numbered = plan.steps.filter((entry) => entry.number > 0);
  return numbered[Math.min(Math.max(number, 1), numbered.length) - 1]?.beat ?? 0;
}
