// When steps happen, and what is to be seen at a time.
import assert from "node:assert/strict";
import { test } from "node:test";
import { BEAT, buildModel, caption, frame, restOf, TRAVEL } from "../src/frame";
import { beatOfNumber, schedule } from "../src/schedule";
import type { Step } from "../src/data";
import { dice, named, reply, scenarios, shop, step, story } from "./data";

const beats = (steps: Step[]) => {
  const plan = schedule(story(steps));
  return new Map(plan.steps.map(({ step, beat }) => [step.id, beat]));
};

test("siblings follow each other, a reply comes after all that somebody waits for", () => {
  const a = step("x", "y");
  const b = step("y", "z", { parent: a.id });
  const c = step("y", "w", { parent: a.id });
  const steps = [a, b, reply(b), c, reply(c), reply(a)];
  const at = beats(steps);
  assert.deepEqual(steps.map(({ id }) => at.get(id)), [0, 1, 2, 3, 4, 5]);
});

test("branches with other numbers begin together, those with one follow each other", () => {
  const a = step("x", "y");
  const b1 = step("y", "p", { parent: a.id, parallel: 1 });
  const b2 = step("y", "q", { parent: a.id, parallel: 2 });
  const b3 = step("y", "p", { parent: a.id, parallel: 1 });
  const end = reply(a);
  const at = beats([a, b1, reply(b1), b2, reply(b2), b3, reply(b3), end]);
  assert.equal(at.get(b1.id), 1);
  assert.equal(at.get(b2.id), 1);
  assert.equal(at.get(b3.id), 3);
  assert.equal(at.get(end.id), 5);
});

test("two groups in a row do not meet", () => {
  const a = step("x", "y");
  const one = step("y", "p", { parent: a.id, parallel: 1 });
  const two = step("y", "q", { parent: a.id, parallel: 2 });
  const alone = step("y", "r", { parent: a.id });
  const three = step("y", "p", { parent: a.id, parallel: 1 });
  const at = beats([a, one, two, alone, three]);
  assert.deepEqual([one, two, alone, three].map(({ id }) => at.get(id)), [1, 1, 2, 3]);
});

test("nobody waits for what goes beside", () => {
  const a = step("x", "y");
  const event = step("y", "bus", { parent: a.id, kind: "publish", beside: true });
  const heard = step("bus", "z", { parent: event.id, kind: "deliver" });
  const end = reply(a);
  const at = beats([a, event, heard, end]);
  assert.deepEqual([event, heard, end].map(({ id }) => at.get(id)), [1, 2, 1]);
});

test("a parent that is not there, and ids that meet, lose no step", () => {
  const a = step("x", "y", { parent: "gone" });
  const b = step("y", "z", { parent: a.id });
  const plan = schedule(story([a, b, { ...b }]));
  assert.equal(plan.steps.length, 3);
  assert.deepEqual(plan.steps.map(({ number }) => number), [1, 2, 3]);
});

test("of random stories: each step once, after its parent, replies after their siblings", () => {
  const roll = dice(7);
  for (let round = 0; round < 300; round++) {
    const steps: Step[] = [step("a", "b")];
    for (let i = 0; i < 30; i++) {
      const parent = steps[Math.floor(roll() * steps.length)]!;
      if (parent.kind === "reply") continue;
      steps.push(step("a", "b", { parent: parent.id, ...(roll() < 0.3 ? { parallel: 1 + Math.floor(roll() * 3) } : {}), ...(roll() < 0.2 ? { beside: true } : {}) }));
    }
    const ends = steps.map((one) => reply(one));
    const plan = schedule(story([...steps, ...ends]));
    const at = new Map(plan.steps.map((entry) => [entry.step.id, entry]));
    assert.equal(at.size, steps.length + ends.length);
    assert.ok(plan.steps.every(({ number }, i) => number === i + 1));
    assert.ok(plan.beats.every((list, beat) => list.length > 0 && list.every((index) => plan.steps[index]!.beat === beat)), "no beat is empty");
    for (const one of steps) {
      if (one.parent) assert.ok(at.get(one.id)!.beat > at.get(one.parent)!.beat);
      const end = at.get(ends.find(({ parent }) => parent === one.id)!.id)!;
      for (const child of steps) if (child.parent === one.id && !child.beside) assert.ok(at.get(child.id)!.beat < end.beat);
    }
  }
});

test("the shop's scenarios: every message of every frame is on an edge of the diagram", () => {
  assert.ok(scenarios.length >= 4);
  for (const scenario of scenarios) {
    const model = buildModel(shop, scenario);
    assert.equal(model.plan.steps.length, scenario.steps.length);
    for (const name of model.edges) assert.ok(model.before[0]!.edges.has(name), `${scenario.name}: ${name}`);
    const shown = new Set<number>();
    for (let t = 0; t <= model.length; t += 37) {
      const { messages } = frame(model, t);
      for (const message of messages) {
        shown.add(message.number);
        assert.ok(message.at >= 0 && message.at <= 1);
      }
    }
    assert.equal(shown.size, scenario.steps.length, `${scenario.name} shows each step`);
  }
});

test("frame is pure", () => {
  const model = buildModel(shop, named("payment-failure"));
  const before = JSON.stringify([...model.before.map(({ edges, nodes }) => [[...edges], [...nodes]])]);
  for (const t of [0, 1234, 20000, 1e9, -5]) assert.deepEqual(frame(model, t), frame(model, t));
  assert.equal(JSON.stringify([...model.before.map(({ edges, nodes }) => [[...edges], [...nodes]])]), before);
});

test("a call goes from its edge's beginning to its end, its reply back", () => {
  const call = step("mobile", "api-gateway");
  const model = buildModel(shop, story([call, reply(call)]));
  const at = (t: number) => frame(model, t).messages[0]!.at;
  assert.equal(at(0), 0);
  assert.equal(at(TRAVEL * BEAT), 1);
  assert.equal(at(BEAT), 1);
  assert.equal(at(restOf(1)), 0);
  let last = 0;
  for (let t = 0; t < TRAVEL * BEAT; t += 10) {
    assert.ok(at(t) >= last);
    last = at(t);
  }
});

test("a question to a cache goes there and back; its caption says hit", () => {
  const model = buildModel(shop, story([step("api-gateway", "redis", { kind: "cache", label: "get", status: "hit" })]));
  assert.equal(frame(model, (TRAVEL / 2) * BEAT).messages[0]!.at, 1);
  const rest = frame(model, restOf(0)).messages[0]!;
  assert.deepEqual([rest.at, rest.text, rest.tone], [0, "get: hit", "good"]);
});

test("reduced motion: nothing travels", () => {
  const model = buildModel(shop, named("payment-failure"));
  for (let t = 0; t < model.length; t += 91) for (const { at } of frame(model, t, true).messages) assert.equal(at, 0.5);
});

test("a breaker counts timeouts in a row, opens where the story says so, and keeps back what comes then", () => {
  const model = buildModel(shop, named("circuit-breaker"));
  const edge = "order-svc -> inventory-svc";
  const looks = model.before.map((state) => state.edges.get(edge)!.breaker!);
  assert.deepEqual(looks[0], { count: 0, trip: 3, open: false });
  assert.deepEqual(looks[looks.length - 1], { count: 3, trip: 3, open: true });
  const opening = model.plan.steps.find(({ step }) => step.opens)!;
  assert.equal(looks[opening.beat]!.open, false);
  assert.equal(looks[opening.beat + 1]!.open, true);
  const kept = model.plan.steps.find(({ step, beat }) => step.status === "open" && beat > opening.beat)!;
  const message = frame(model, restOf(kept.beat)).messages[0]!;
  assert.equal(message.stopped, "open");
  assert.ok(message.at < 0.2);
  assert.equal(model.before[kept.beat]!.nodes.get("inventory-svc")!.silent, true);
});

test("a breaker that keeps back the first message was open from the beginning", () => {
  const model = buildModel(shop, story([step("order-svc", "inventory-svc", { status: "open" })]));
  assert.equal(model.before[0]!.edges.get("order-svc -> inventory-svc")!.breaker!.open, true);
});

test("compensation: its messages are marked, its edge too", () => {
  const model = buildModel(shop, named("payment-failure"));
  const undo = model.plan.steps.find(({ step }) => step.phase === "undo")!;
  assert.equal(frame(model, restOf(undo.beat)).messages[0]!.undo, true);
  assert.equal(model.before[undo.beat + 1]!.edges.get(undo.step.edge)!.undone, true);
});

test("who is asked is busy until it has answered; in the end nobody is", () => {
  for (const scenario of scenarios) {
    const model = buildModel(shop, scenario);
    assert.ok(model.before.some(({ nodes }) => [...nodes.values()].some(({ busy }) => busy > 0)));
    for (const { busy } of model.before[model.before.length - 1]!.nodes.values()) assert.equal(busy, 0);
  }
});

test("a number that is no step's is the nearest's", () => {
  const plan = schedule(named("cache-hit"));
  assert.equal(beatOfNumber(plan, 99), plan.steps[plan.steps.length - 1]!.beat);
  assert.equal(beatOfNumber(plan, -1), 0);
});

test("captions say how it went", () => {
  assert.equal(caption(step("a", "b", { kind: "reply", status: "error", error: "CardDeclined", http: 402 })), "CardDeclined");
  assert.equal(caption(step("a", "b", { kind: "reply", status: "ok", http: 201 })), "201");
  assert.equal(caption(step("a", "b", { label: "Reserve", status: "timeout" })), "Reserve: timeout");
  assert.equal(caption(step("a", "b", { label: "Reserve", status: "open" })), "Reserve: circuit open");
});
