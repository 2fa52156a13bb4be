// In which column each node stands, from left to right: clients, the gateway, services behind those that call them, the bus and the cache behind
// those that use them, externals behind all, so that each edge to them leaves the system. Ranks are those of the longest way, then each node
// goes to where its edges are shortest (after Gansner et al., "A Technique for Drawing Directed Graphs", 1993, whose network simplex would find
// the least sum; a few sweeps come as near as is to be seen). Pure.
import type { TopologyEdge, TopologyNode } from "./data";

const SWEEPS = 6;

interface Arc {
  v: string;
  w: string;
  weight: number;
}

/** The edges without cycles: one that leads back is turned. Deliveries of the bus always are: it stands behind its readers. */
function arcs(nodes: TopologyNode[], edges: TopologyEdge[]): Arc[] {
  const kind = new Map(nodes.map((node) => [node.id, node.kind]));
  const list = edges.map((edge): Arc => {
    const weight = edge.protocol === "http" ? 2 : 1;
    return kind.get(edge.from) === "bus" ? { v: edge.to, w: edge.from, weight } : { v: edge.from, w: edge.to, weight };
  });
  const out = new Map<string, Arc[]>(nodes.map(({ id }) => [id, []]));
  for (const arc of list) out.get(arc.v)!.push(arc);
  const state = new Map<string, "open" | "done">();
  const turned = new Set<Arc>();
  const visit = (id: string) => {
    state.set(id, "open");
    for (const arc of out.get(id)!) {
      if (state.get(arc.w) === "open") turned.add(arc);
      else if (!state.has(arc.w)) visit(arc.w);
    }
    state.set(id, "done");
  };
  const first = (id: string) => (kind.get(id) === "client" ? 0 : kind.get(id) === "gateway" ? 1 : 2);
  for (const { id } of [...nodes].sort((a, b) => first(a.id) - first(b.id))) if (!state.has(id)) visit(id);
  return list.map((arc) => (turned.has(arc) ? { v: arc.w, w: arc.v, weight: arc.weight } : arc));
}

function order(ids: string[], list: Arc[]): string[] {
  const waits = new Map(ids.map((id) => [id, 0]));
  for (const { w } of list) waits.set(w, waits.get(w)! + 1);
  const ready = ids.filter((id) => waits.get(id) === 0);
  const out = new Map<string, string[]>(ids.map((id) => [id, []]));
  for (const { v, w } of list) out.get(v)!.push(w);
  for (let i = 0; i < ready.length; i++) {
    for (const w of out.get(ready[i]!)!) {
      waits.set(w, waits.get(w)! - 1);
      if (waits.get(w) === 0) ready.push(w);
    }
  }
  return ready;
}

export function rank(nodes: TopologyNode[], edges: TopologyEdge[]): Map<string, number> {
  const kind = new Map(nodes.map((node) => [node.id, node.kind]));
  const outside = (id: string) => kind.get(id) === "client" || kind.get(id) === "external";
  const inner = nodes.filter(({ id }) => !outside(id));
  const list = arcs(
    inner,
    edges.filter(({ from, to }) => !outside(from) && !outside(to)),
  );
  const ids = order(
    inner.map(({ id }) => id),
    list,
  );
  const floor = inner.some((node) => node.kind === "gateway") ? 1 : 0; // nobody stands beside the gateway
  const ins = new Map<string, Arc[]>(ids.map((id) => [id, []]));
  const outs = new Map<string, Arc[]>(ids.map((id) => [id, []]));
  for (const arc of list) {
    ins.get(arc.w)!.push(arc);
    outs.get(arc.v)!.push(arc);
  }
  const ranks = new Map<string, number>();
  const least = (id: string) => Math.max(kind.get(id) === "gateway" ? 0 : floor, ...ins.get(id)!.map(({ v }) => ranks.get(v)! + 1));
  for (const id of ids) ranks.set(id, least(id));
  const last = Math.max(0, ...ranks.values());
  // An edge to the outside pulls, too: towards the last column.
  const pull = new Map(ids.map((id) => [id, edges.filter(({ from, to }) => from === id && outside(to)).length]));
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    for (const id of sweep % 2 === 0 ? [...ids].reverse() : ids) {
      const low = least(id);
      const high = Math.min(last, ...outs.get(id)!.map(({ w }) => ranks.get(w)! - 1));
      const weight = (some: Arc[]) => some.reduce((sum, arc) => sum + arc.weight, 0);
      const right = weight(outs.get(id)!) + pull.get(id)! > weight(ins.get(id)!);
      ranks.set(id, right ? Math.max(high, low) : low);
    }
  }
  const first = Math.min(last, ...ranks.values());
  for (const { id } of nodes) {
    if (kind.get(id) === "client") ranks.set(id, first - 1);
    if (kind.get(id) === "external") ranks.set(id, last + 1);
  }
  return ranks;
}

/** What holds parts of the drawing together that no edge connects: else each would begin at a rank of its own. */
export function bridges(ranks: Map<string, number>, links: { v: string; w: string }[]): [string, string][] {
  const leader = new Map([...ranks.keys()].map((id) => [id, id]));
  const find = (id: string) => {
    for (let up = leader.get(id)!; up !== id; up = leader.get(id)!) {
      leader.set(id, leader.get(up)!);
      id = up;
    }
    return id;
  };
  for (const { v, w } of links) leader.set(find(v), find(w));
  const parts = new Map<string, string[]>();
  for (const id of ranks.keys()) parts.set(find(id), [...(parts.get(find(id)) ?? []), id]);
  const [main, ...rest] = [...parts.values()].sort((a, b) => b.length - a.length);
  const made: [string, string][] = [];
  for (const part of rest) {
    const pair = part.flatMap((id) => main!.filter((other) => ranks.get(other) !== ranks.get(id)).slice(0, 1).map((other) => [id, other] as const))[0];
    if (pair) made.push(ranks.get(pair[0])! < ranks.get(pair[1])! ? [pair[0], pair[1]] : [pair[1], pair[0]]);
  }
  return made;
}
