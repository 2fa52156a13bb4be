// Where things stand: nothing on top of another, edges on their own ways, the outside outside.
import assert from "node:assert/strict";
import { test } from "node:test";
import { pointAt, way } from "../src/curve";
import { boxAt, shared, sides, type Obstacle, type Spot } from "../src/chips";
import { layout, type Box } from "../src/layout";
import { sequence } from "../src/sequence";
import { buildModel } from "../src/frame";
import { scenarios, shop, topologyOf } from "./data";

const overlap = (a: Box, b: Box, room = 0) => a.x < b.x + b.w + room && b.x < a.x + a.w + room && a.y < b.y + b.h + room && b.y < a.y + a.h + room;
const inside = (outer: Box, b: Box) => b.x >= outer.x && b.y >= outer.y && b.x + b.w <= outer.x + outer.w && b.y + b.h <= outer.y + outer.h;

for (const [name, topology] of [["the shop", shop], ...[12, 24, 40, 60, 120].map((n) => [`${n} nodes`, topologyOf(n, n)] as const)] as const) {
  test(`${name}: every node is there, none on another, the outside outside the boundary`, () => {
    const { nodes, edges, boundary, width, height } = layout(topology);
    assert.equal(nodes.length, topology.nodes.length);
    assert.equal(edges.length, topology.edges.length);
    for (const [i, a] of nodes.entries()) {
      assert.ok(inside({ x: 0, y: 0, w: width, h: height }, a));
      for (const b of nodes.slice(i + 1)) assert.ok(!overlap(a, b, 8), `${a.node.id} and ${b.node.id}`);
      const outer = a.node.kind === "client" || a.node.kind === "external";
      if (outer) assert.ok(!overlap(a, boundary), `${a.node.id} is outside`);
      else assert.ok(inside(boundary, a), `${a.node.id} is inside`);
    }
  });

  test(`${name}: an edge begins and ends at its nodes and crosses no other; those to externals leave the system`, () => {
    const { nodes, edges, boundary } = layout(topology);
    const box = new Map(nodes.map((node) => [node.node.id, node]));
    for (const { edge, way } of edges) {
      const touches = (b: Box, { x, y }: { x: number; y: number }) => x >= b.x - 1.5 && x <= b.x + b.w + 1.5 && y >= b.y - 1.5 && y <= b.y + b.h + 1.5;
      assert.ok(touches(box.get(edge.from)!, pointAt(way, 0)), `${edge.from} -> ${edge.to} begins`);
      assert.ok(touches(box.get(edge.to)!, pointAt(way, 1)), `${edge.from} -> ${edge.to} ends`);
      for (let k = 0; k <= 60; k++) {
        const { x, y } = pointAt(way, k / 60);
        for (const other of nodes) {
          if (other.node.id === edge.from || other.node.id === edge.to) continue;
          const crossed = x > other.x + 1 && x < other.x + other.w - 1 && y > other.y + 1 && y < other.y + other.h - 1;
          assert.ok(!crossed, `${edge.from} -> ${edge.to} crosses ${other.node.id}`);
        }
      }
      if (!edge.external) continue;
      const end = pointAt(way, 1);
      assert.ok(pointAt(way, 0).x < boundary.x + boundary.w && end.x > boundary.x + boundary.w, `${edge.to} is behind the boundary`);
    }
  });
}

test("the same topology has the same layout", () => assert.deepEqual(layout(shop), layout(structuredClone(shop))));

test("one node, a cycle, two edges between two nodes", () => {
  const node = (id: string) => ({ id, kind: "service" as const, title: id });
  assert.equal(layout({ title: "", nodes: [node("a")], edges: [], scenarios: [] }).nodes.length, 1);
  const cycle = layout({
    title: "",
    nodes: [node("a"), node("b")],
    edges: [{ from: "a", to: "b", protocol: "http" }, { from: "b", to: "a", protocol: "http" }],
    scenarios: [],
  });
  const [one, two] = cycle.edges.map(({ way }) => pointAt(way, 0.5));
  assert.ok(Math.abs(one!.y - two!.y) > 5, "they can be told apart");
});

test("200 nodes in under a second", () => {
  const topology = topologyOf(200, 3);
  const took = [0, 1, 2].map(() => {
    const begun = process.cpuUsage(); // of this process: what else the machine does is not ours
    layout(topology);
    const { user, system } = process.cpuUsage(begun);
    return (user + system) / 1000;
  });
  console.log(`200 nodes: best ${Math.min(...took).toFixed(0)} ms`);
  assert.ok(Math.min(...took) < 1000, took.join(" "));
});

test("what no edge connects stands in the columns of the rest", () => {
  const node = (id: string, kind: "service" | "client" | "external" = "service") => ({ id, kind, title: id });
  const { nodes, boundary } = layout({
    title: "",
    nodes: [node("c", "client"), node("a"), node("b"), node("x"), node("y"), node("e", "external"), node("f", "external")],
    edges: [
      { from: "c", to: "a", protocol: "http" },
      { from: "a", to: "b", protocol: "http" },
      { from: "b", to: "e", protocol: "https", external: true },
      { from: "x", to: "f", protocol: "https", external: true },
    ],
    scenarios: [],
  });
  const at = new Map(nodes.map((placed) => [placed.node.id, placed.x]));
  assert.equal(at.get("e"), at.get("f"));
  assert.ok(at.get("e")! > boundary.x + boundary.w);
});

test("a way has its points at equal distances", () => {
  const line = way([{ x: 0, y: 0 }, { x: 100, y: 50 }, { x: 180, y: 50 }, { x: 260, y: 0 }]);
  assert.match(line.d, /^M0 0C50 0 50 50 100 50L180 50C/);
  let last = pointAt(line, 0);
  for (let k = 1; k <= 48; k++) {
    const now = pointAt(line, k / 48);
    assert.ok(Math.abs(Math.hypot(now.x - last.x, now.y - last.y) - line.length / 48) < line.length / 48 / 8);
    last = now;
  }
  assert.deepEqual(pointAt(line, 1), { x: 260, y: 0 });
});

test("the sequence has a row for each step, and a lane for each node but databases", () => {
  for (const scenario of scenarios) {
    const { lanes, rows } = sequence(shop, buildModel(shop, scenario));
    assert.equal(rows.length, scenario.steps.length);
    assert.ok(lanes.every(({ kind }) => kind !== "database"));
    for (const { step, own } of rows) assert.equal(own, step.kind === "sql", step.id);
    const last = lanes.findIndex(({ kind }) => kind === "external");
    if (last >= 0) assert.ok(lanes.slice(last).every(({ kind }) => kind === "external"));
  }
});

test("texts beside messages: none covers another, a name or a breaker where there is room, and each stays near", () => {
  const room = { from: 0, to: 2000 };
  const at = (x: number, y: number) => ({ at: [{ x: x - 60, y }, { x: x - 30, y }, { x, y }], width: 90, upright: false });
  const boxes = (spots: Spot[], obstacles: Obstacle[]) => sides(spots, obstacles, 1, room).map((side, i) => boxAt(spots[i]!.at[2]!, spots[i]!.width, side, 1, room));
  const together = boxes([at(500, 300), at(500, 300), at(510, 305), at(520, 290)], []);
  for (const [i, a] of together.entries()) for (const b of together.slice(i + 1)) assert.equal(shared(a, b), 0);
  const name = { x: 460, y: 260, w: 90, h: 34, weight: 1 };
  const breaker = { x: 440, y: 315, w: 40, h: 18, weight: 3 };
  const [beside] = boxes([at(500, 300)], [name, breaker]);
  assert.equal(shared(beside!, name) + shared(beside!, breaker), 0);
  const [plain] = boxes([at(500, 300)], []);
  assert.deepEqual(plain, { x: 455, y: 267, w: 90, h: 20 }, "above it, in the middle");
  const [crowded] = boxes([at(500, 300)], [{ x: 0, y: 0, w: 2000, h: 2000, weight: 1 }]);
  assert.ok(Math.abs(crowded!.y - 300) < 40, "where all is covered it stays where it belongs");
  const [edge] = boxes([at(10, 300)], []);
  assert.ok(edge!.x >= 4, "nothing is cut off");
  const seen = boxAt({ x: 290, y: 0 }, 90, { part: 0, dx: -9, dy: 13, cost: 0 }, 1, { from: 100, to: 300 });
  assert.equal(seen.x + seen.w, 296, "nor at the border of what is in sight");
  assert.equal(boxAt({ x: 50, y: 0 }, 90, { part: -0.5, dx: 0, dy: 13, cost: 0 }, 1, { from: 100, to: 300 }).x, 5, "what is out of sight stays there");
  const up = sides([{ ...at(500, 300), upright: true }], [], 1, room)[0]!;
  assert.ok(up.dx > 0 && up.part === 0, "beside what goes up or down");
});
