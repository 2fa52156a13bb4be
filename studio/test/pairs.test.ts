// A recording beside the derivation: the hops of both line up, whatever one of them has more.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Scenario, Step } from "../src/data";
import { pair } from "../src/pairs";
import { schedule, type Schedule } from "../src/schedule";
import { apart, ending, total, where } from "../src/text";
import { dice, reply, scenarios, step, story } from "./data";

const beside = (derived: Scenario, recorded: Scenario, differences: Parameters<typeof pair>[0]["differences"] = []) => pair({ derived, recorded, differences });
const copyOf = (one: Step, more: Partial<Step> = {}): Step => ({ ...one, id: `${one.id}#2`, ...more });

/** Each hop that both have is in one beat on both sides, and one that a side alone has is in a beat that the other side has not. */
function aligned({ both, derived, recorded }: ReturnType<typeof pair>) {
  assert.equal(derived.beats.length, both.beats.length);
  assert.equal(recorded.beats.length, both.beats.length);
  assert.equal(derived.steps.length, derived.scenario.steps.length);
  assert.deepEqual(new Set(recorded.steps.map(({ step }) => step)), new Set(recorded.scenario.steps));
  const beatOf = new Map(recorded.steps.map(({ step, beat }) => [step, beat]));
  for (const entry of derived.steps) if (entry.recorded) assert.equal(beatOf.get(entry.recorded), entry.beat, entry.step.say);
  for (const entry of both.steps.filter(({ only }) => only === "recorded")) assert.deepEqual(derived.beats[entry.beat], [], entry.step.say);
  const numbers = (plan: Schedule) => plan.steps.map(({ number }) => number).filter(Boolean);
  assert.deepEqual(numbers(both), derived.scenario.steps.map((_, i) => i + 1), "numbers are those of the derived, in order");
  for (const list of both.beats) assert.ok(list.length > 0, "no beat is empty on both sides");
}

test("a recording that is the same has the same beats", () => {
  for (const scenario of scenarios) {
    const sides = beside(scenario, structuredClone(scenario));
    aligned(sides);
    assert.deepEqual(sides.derived.beats, schedule(scenario).beats);
    assert.deepEqual(sides.recorded.beats, schedule(scenario).beats);
    assert.deepEqual(sides.both.steps.filter(({ only }) => only), []);
  }
});

test("what was recorded once more takes beats of its own, and moves nothing of what follows", () => {
  const call = step("a", "b", { status: "timeout" });
  const later = step("a", "c");
  const answer = reply(later, { parent: later.id });
  const again = copyOf(call);
  const deeper = step("b", "d", { parent: again.id });
  const sides = beside(story([call, later, answer]), story([call, again, deeper, later, answer].map((one) => ({ ...one }))));
  aligned(sides);
  assert.deepEqual(sides.both.steps.map(({ number, beat }) => [number, beat]), [[1, 0], [0, 1], [0, 2], [2, 3], [3, 4]]);
  assert.deepEqual(sides.derived.beats, [[0], [], [], [1], [2]]);
  assert.deepEqual(sides.both.steps.map(apart), ["", "recorded once more", "only recorded", "", ""]);
  assert.equal(total(sides.both), "3 derived, 5 recorded steps");
  assert.equal(where(sides.both, [sides.both.steps[3]!]), "Step 2 of 3 derived");
  assert.equal(where(sides.both, [sides.both.steps[2]!]), "Recorded only, behind step 1 of 3 derived");
});

test("what is derived and was not recorded leaves its beats empty there", () => {
  const [one, two, three] = [step("a", "b"), step("a", "c"), step("a", "d")];
  const sides = beside(story([one, two, three]), story([{ ...one }, { ...three }]));
  aligned(sides);
  assert.deepEqual(sides.recorded.beats, [[0], [], [1]]);
  assert.deepEqual(sides.both.steps.map(apart), ["", "not recorded", ""]);
});

test("of a branch only the branch has more; the others are where they were", () => {
  const left = [step("a", "b", { parallel: 1 }), step("a", "c", { parallel: 1 })];
  const right = [step("a", "d", { parallel: 2 }), step("a", "e", { parallel: 2 })];
  const last = step("a", "f");
  const again = copyOf(left[0]!, { parallel: undefined });
  const sides = beside(story([...left, ...right, last]), story([left[0]!, right[0]!, again, right[1]!, left[1]!, last].map((one) => ({ ...one }))));
  aligned(sides);
  assert.deepEqual(sides.both.steps.map(({ step, beat }) => [step.to, beat]), [["b", 0], ["d", 0], ["b", 1], ["c", 2], ["e", 2], ["f", 3]]);
});

test("what verify has told of two hops holds: ended otherwise, or out of order", () => {
  const [one, two] = [step("a", "b", { status: "ok" }), step("a", "c", { status: "ok" })];
  const other = copyOf(one, { status: "timeout" });
  const changed = beside(story([one, two]), story([other, { ...two }]), [{ kind: "changed", step: one.id, recorded: other.id, text: "" }]);
  aligned(changed);
  assert.equal(changed.derived.steps[0]!.recorded, other);
  const out = beside(story([one, two]), story([{ ...two }, { ...one }]), [{ kind: "reordered", step: one.id, recorded: one.id, text: "" }]);
  aligned(out);
  assert.deepEqual(out.both.steps.map(apart), ["not recorded", "", "only recorded"]);
});

test("a round trip that asks for less, an end that no hop has, an outcome that differs", () => {
  const cache = step("a", "r", { kind: "cache", label: "limit, get things", status: "hit" });
  const sides = beside(story([cache]), story([{ ...cache, id: "x", label: "get things" }]));
  aligned(sides);
  assert.equal(sides.both.steps[0]!.recorded!.id, "x");
  const asked = step("a", "b", { kind: "request" });
  const failed = beside(story([asked, reply(asked, { http: 200 })]), story([{ ...asked }, reply(asked, { http: 503, status: "error" })]));
  aligned(failed);
  assert.equal(ending(failed.both), "200; recorded: 503");
});

test("of random recordings: hops of the scenarios doubled and left out, each side keeps all of its own", () => {
  const roll = dice(11);
  for (const scenario of scenarios) {
    for (let round = 0; round < 60; round++) {
      const gone = new Set<string>();
      const steps: Step[] = [];
      for (const one of scenario.steps) {
        if (gone.has(one.parent ?? "") || roll() < 0.05) {
          gone.add(one.id);
          continue;
        }
        steps.push({ ...one });
        if (roll() < 0.1) steps.push(copyOf(one, roll() < 0.5 ? { status: "failed" } : {}));
      }
      if (steps.length > 0) aligned(beside(scenario, { ...scenario, steps }));
    }
  }
});
