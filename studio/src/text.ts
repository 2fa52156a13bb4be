// Words: names of nodes, one line of a step, a scenario as text to be pasted. Pure.
import type { Step } from "./data";
import { numberAt, type Schedule, type Scheduled } from "./schedule";

const PHASES: Record<Step["phase"], string> = {
  request: "",
  do: "",
  undo: "undo",
  done: "saga done",
  failed: "saga failed",
  event: "event",
};

/** What is remarkable about a step, in words. */
export function remarks(step: Step): string[] {
  const list = [PHASES[step.phase]];
  if (step.saga && step.step) list.push(`${step.step} of ${step.saga}`);
  if (step.status === "hit") list.push("cache hit");
  if (step.status === "miss") list.push("cache miss");
  if (step.status === "timeout") list.push("timeout");
  if (step.status === "refused") list.push("refused");
  if (step.status === "failed") list.push("failed");
  if (step.status === "open") list.push("not sent: circuit open");
  if (step.error) list.push(step.error);
  if (step.http !== undefined) list.push(String(step.http));
  if (step.opens) list.push("the circuit opens");
  if (step.beside) list.push("nobody waits for it");
  if (step.maybe) list.push("maybe");
  if (step.many) list.push("any number of times");
  return list.filter(Boolean);
}

/** What the client got in the end. */
export function outcome(plan: Schedule): { text: string; bad: boolean } {
  const asked = plan.scenario.steps.filter(({ parent }) => parent === undefined).pop();
  const answer = plan.scenario.steps.find((step) => step.kind === "reply" && step.parent === asked?.id);
  if (!answer) return { text: "no answer", bad: true };
  return { text: [answer.http, answer.error].filter(Boolean).join(" ") || answer.status, bad: answer.status !== "ok" };
}

/** What it should get, as the scenario says. */
export function expected({ scenario: { expect } }: Schedule): string {
  const header = expect.header ? `, ${expect.header}: ${expect.value ?? ""}` : "";
  return `${expect.status}${expect.error ? ` ${expect.error}` : ""}${header}`;
}

/** The outcome, and what was expected where that is something else; what was recorded, too, where that is. */
export function ending(plan: Schedule): string {
  const { text } = outcome(plan);
  const wanted = expected(plan);
  const other = plan.recorded ? outcome({ ...plan, scenario: plan.recorded }).text : text;
  return `${wanted.startsWith(text) ? wanted : `${text}, not ${wanted}`}${other === text ? "" : `; recorded: ${other}`}`;
}

/** That one side alone has it. */
export function apart({ only, again }: Scheduled): string {
  return only === "derived" ? "not recorded" : only === "recorded" ? (again ? "recorded once more" : "only recorded") : "";
}

/** How many there are, and of what they are. */
export function total(plan: Schedule): string {
  return plan.recorded ? `${plan.scenario.steps.length} derived, ${plan.recorded.steps.length} recorded steps` : `${plan.steps.length} steps`;
}

/** Which ones, of those that are derived. */
export function where(plan: Schedule, current: Scheduled[]): string {
  const numbers = current.map(({ number }) => number).filter(Boolean);
  const of = `of ${plan.scenario.steps.length}${plan.recorded ? " derived" : ""}`;
  if (numbers.length === 0) return `Recorded only, behind step ${numberAt(plan, current[0]!.beat)} ${of}`;
  return numbers.length > 1 ? `Steps ${numbers[0]}–${numbers[numbers.length - 1]} ${of}` : `Step ${numbers[0]} ${of}`;
}

export function besides(plan: Schedule, entry: Scheduled): number {
  return plan.beats[entry.beat]!.length;
}

/** The whole scenario: a line a step, with its number. */
export function asText(plan: Schedule): string {
  const width = String(plan.steps.length).length;
  const lines = plan.steps.map((entry) => {
    const { step } = entry;
    const notes = remarks(step);
    const arrow = step.kind === "reply" ? "<-" : "->";
    const ends = step.kind === "reply" ? `${step.to} ${arrow} ${step.from}` : `${step.from} ${arrow} ${step.to}`;
    return `${String(entry.number).padStart(width)}. ${ends}  ${step.label}${notes.length > 0 ? `  [${notes.join(", ")}]` : ""}\n${" ".repeat(width + 2)}${step.say}`;
  });
  return `${plan.scenario.title}\nEnds with ${ending(plan)}\n\n${lines.join("\n")}\n`;
}
