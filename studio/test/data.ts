// What the tests of pure functions share: the shop as the compiler wrote it, and topologies of any size.
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { Scenario, Step, Topology } from "../src/data";

declare const PROJECT: string; // set by build.mjs

export const studio = join(PROJECT, "generated/studio");
const read = <T>(path: string) => JSON.parse(readFileSync(join(studio, path), "utf8")) as T;

export const shop = read<Topology>("topology.json");
export const scenarios = readdirSync(join(studio, "scenarios")).map((file) => read<Scenario>(`scenarios/${file}`));
export const named = (name: string) => scenarios.find((scenario) => scenario.name === name)!;

let count = 0;
export function step(from: string, to: string, more: Partial<Step> = {}): Step {
  const label = `s${count++}`;
  return { id: label, from, to, edge: `${from} -> ${to}`, kind: "call", label, status: "sent", phase: "request", say: `${from} calls ${to}`, ...more };
}
export const reply = (to: Step, more: Partial<Step> = {}): Step =>
  step(to.to, to.from, { parent: to.id, edge: to.edge, kind: "reply", status: "ok", ...more });
export const story = (steps: Step[]): Scenario => ({ name: "s", title: "S", expect: { status: 200 }, steps });

/** A repeatable source of numbers (mulberry32). */
export function dice(seed: number) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** Clients, a gateway, services in layers with databases, a bus, a cache, externals: n nodes in all. */
export function topologyOf(n: number, seed = 1): Topology {
  const roll = dice(seed);
  const nodes: Topology["nodes"] = [
    { id: "app", kind: "client", title: "App" },
    { id: "door", kind: "gateway", title: "Door" },
    { id: "bus", kind: "bus", title: "Bus" },
    { id: "cache", kind: "cache", title: "Cache" },
    { id: "out-1", kind: "external", title: "Outside One" },
    { id: "out-2", kind: "external", title: "Outside Two" },
  ];
  const edges: Topology["edges"] = [{ from: "app", to: "door", protocol: "http" }];
  const names: string[] = [];
  while (nodes.length < n) {
    const id = `s${names.length}-svc`;
    const caller = names.length < 4 ? "door" : roll() < 0.3 ? "door" : names[Math.floor(roll() * names.length)]!;
    edges.push({ from: caller, to: id, protocol: "http", ...(roll() < 0.2 ? { breaker: { trip: 3, on: "timeouts", open_ms: 1000, probes: 1 } } : {}) });
    names.push(id);
    nodes.push({ id, kind: "service", title: `Service ${names.length}` });
    if (nodes.length < n) {
      nodes.push({ id: `${id}-db`, kind: "database", title: "PostgreSQL", of: id });
      edges.push({ from: id, to: `${id}-db`, protocol: "sql" });
    }
    if (roll() < 0.3) edges.push({ from: id, to: "bus", protocol: "kafka", carries: ["t"] });
    if (roll() < 0.2) edges.push({ from: "bus", to: id, protocol: "kafka", carries: ["t"] });
    if (roll() < 0.15) edges.push({ from: id, to: "cache", protocol: "redis", carries: ["k"] });
    if (roll() < 0.1) edges.push({ from: id, to: roll() < 0.5 ? "out-1" : "out-2", protocol: "https", external: true });
  }
  for (const used of ["bus", "cache"]) if (!edges.some(({ from, to }) => from === used || to === used)) edges.push({ from: names[0]!, to: used, protocol: used === "bus" ? "kafka" : "redis" });
  return { title: "Random", nodes, edges, scenarios: [] };
}
