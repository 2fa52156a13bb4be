// Where everything of a topology stands. ranks.ts says in which column, dagre in which order and at which height; what it is told, and what is
// made of its answer, is here: a database hangs below its service. Edges begin and end at ports in the order of where they lead, pass ranks on a level
// line and bend only between them: so none crosses a node that it has nothing to do with. Pure.
import { graphlib, layout as dagre } from "@dagrejs/dagre";
import { way, type Point, type Way } from "./curve";
import { edgeName, type Topology, type TopologyEdge, type TopologyNode } from "./data";
import { bridges, rank } from "./ranks";
import { inset, shape } from "./shapes";

export interface Box {
  x: number;
  y: number;
  w: number;
  h: number;
}

export interface PlacedNode extends Box {
  node: TopologyNode;
}

export interface PlacedEdge {
  edge: TopologyEdge;
  name: string;
  way: Way;
}

export interface Layout {
  width: number;
  height: number;
  nodes: PlacedNode[];
  edges: PlacedEdge[];
  /** Around what belongs to the system. */
  boundary: Box;
}

const HEIGHT = 50;
const CLIENT_HEIGHT = 56; // with its bar
const DATABASE_HEIGHT = 36;
const DATABASE_GAP = 30;
const PORT = 15; // between two ports of a side, where there is room
const RANK_GAP = 70;
const MARGIN = 22; // of the boundary around what is in it
const EDGE = 16; // around everything

/** An estimate that needs no font: letters at 13.5 px, half bold. */
const textWidth = (text: string) => 7.3 * text.length;

/** The lines of a node's text, as diagram.tsx writes them. */
export function lines({ node, x, y, w, h }: PlacedNode): Box[] {
  const middle = y + h / 2 + shape(node.kind, w, h).dy;
  const line = (width: number, base: number): Box => ({ x: x + (w - width) / 2, y: base - 13, w: width, h: 17 });
  if (node.kind === "database") return [line(textWidth(node.title) * 0.9, middle + 4)];
  return [line(textWidth(node.title) * 1.2, middle - 2), line(textWidth(node.id), middle + 14)];
}

/** What a node's outline leaves free of its text at both sides together. */
const slack = ({ kind }: TopologyNode) => (kind === "gateway" ? 56 : kind === "bus" || kind === "cache" ? 40 : 30);

interface Entry {
  node: TopologyNode;
  h: number;
  databases: TopologyNode[];
}

interface Link {
  edge: TopologyEdge;
  name: string;
  v: string;
  w: string;
}

interface Placed {
  x: number;
  y: number;
}

/** Asks dagre; gives centres of compounds and the points of links. Ranks are settled (ranks.ts): each link is as long as they say. */
function arrange(entries: Map<string, Entry>, links: Link[], width: number, ranks: Map<string, number>) {
  const graph = new graphlib.Graph({ multigraph: true });
  graph.setGraph({ rankdir: "LR", nodesep: 22, edgesep: 15, ranksep: RANK_GAP, ranker: "tight-tree" });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const [id, entry] of entries) graph.setNode(id, { width, height: entry.h + entry.databases.length * (DATABASE_GAP + DATABASE_HEIGHT) });
  for (const { edge, name, v, w } of links) {
    graph.setEdge(v, w, { minlen: ranks.get(w)! - ranks.get(v)!, weight: edge.protocol === "http" ? 2 : 1, width: 0, height: 0 }, name);
  }
  for (const [v, w] of bridges(ranks, links)) graph.setEdge(v, w, { minlen: ranks.get(w)! - ranks.get(v)!, weight: 0, width: 0, height: 0 }, "bridge");
  dagre(graph);
  const places = new Map<string, Placed>();
  for (const id of entries.keys()) {
    const { x, y } = graph.node(id) as unknown as Placed;
    places.set(id, { x, y });
  }
  const columns = [...new Set([...places.values()].map(({ x }) => Math.round(x)))].sort((a, b) => a - b);
  const rank = (x: number) => columns.findIndex((column) => Math.abs(column - x) < 2);
  const points = new Map<string, Point[]>();
  for (const { v, w, name } of links) points.set(name, (graph.edge(v, w, name) as unknown as { points: Point[] }).points);
  return { places, columns, rank, points };
}

export function layout(topology: Topology): Layout {
  const byId = new Map(topology.nodes.map((node) => [node.id, node]));
  const attached = (id: string) => byId.get(id)?.kind === "database" && byId.has(byId.get(id)!.of ?? "");
  const degree = (id: string) => {
    const ins = topology.edges.filter((edge) => edge.to === id && !attached(edge.from)).length;
    const outs = topology.edges.filter((edge) => edge.from === id && !attached(edge.to)).length;
    return byId.get(id)?.kind === "bus" ? ins + outs : Math.max(ins, outs);
  };
  const entries = new Map<string, Entry>();
  for (const node of topology.nodes) {
    if (attached(node.id)) continue;
    const h = Math.max(node.kind === "client" ? CLIENT_HEIGHT : HEIGHT, (degree(node.id) - 1) * PORT + 24);
    entries.set(node.id, { node, h, databases: topology.nodes.filter((other) => other.kind === "database" && other.of === node.id) });
  }
  const width = Math.min(Math.max(...topology.nodes.map((node) => Math.max(textWidth(node.title), textWidth(node.id) * 0.9) + slack(node)), 136), 220);
  const pairs: TopologyEdge[] = [];
  for (const edge of topology.edges) {
    if (attached(edge.to) || !entries.has(edge.from) || !entries.has(edge.to)) continue;
    if (edge.from !== edge.to) pairs.push(edge);
  }
  const ranks = rank(
    [...entries.values()].map(({ node }) => node),
    pairs,
  );
  const links = pairs.map((edge): Link => {
    const forward = ranks.get(edge.from)! < ranks.get(edge.to)!;
    return { edge, name: edgeName(edge), v: forward ? edge.from : edge.to, w: forward ? edge.to : edge.from };
  });
  const { places, columns, rank: rankAt, points } = arrange(entries, links, width, ranks);

  const nodes: PlacedNode[] = [];
  const box = new Map<string, PlacedNode>();
  const put = (placed: PlacedNode) => {
    nodes.push(placed);
    box.set(placed.node.id, placed);
  };
  for (const [id, entry] of entries) {
    const { x, y } = places.get(id)!;
    const total = entry.h + entry.databases.length * (DATABASE_GAP + DATABASE_HEIGHT);
    let top = y - total / 2;
    put({ node: entry.node, x: x - width / 2, y: top, w: width, h: entry.h });
    top += entry.h;
    for (const node of entry.databases) {
      put({ node, x: x - 56, y: top + DATABASE_GAP, w: 112, h: DATABASE_HEIGHT });
      top += DATABASE_GAP + DATABASE_HEIGHT;
    }
  }

  const edges = route(links, { box, columns, rank: rankAt, points, width });
  for (const edge of topology.edges) {
    if (!attached(edge.to) || !box.has(edge.from)) continue;
    const to = box.get(edge.to)!;
    const from = box.get(edge.from)!;
    const x = to.x + to.w / 2;
    edges.push({ edge, name: edgeName(edge), line: [{ x, y: from.y + from.h }, { x, y: to.y }] });
  }
  return finish(nodes, edges);
}

interface Routed {
  edge: TopologyEdge;
  name: string;
  line: Point[];
}

interface Arranged {
  box: Map<string, PlacedNode>;
  columns: number[];
  rank: (x: number) => number;
  points: Map<string, Point[]>;
  width: number;
}

interface End {
  link: Link;
  node: string;
  right: boolean;
  /** Where the edge goes next, and where it ends. */
  next: number;
  far: number;
  y: number;
}

/** From port to port; a rank between is passed on the line that dagre kept free there. */
function route(links: Link[], { box, columns, rank, points, width }: Arranged): Routed[] {
  const middle = (id: string) => box.get(id)!.y + box.get(id)!.h / 2;
  const centre = (id: string) => box.get(id)!.x + width / 2;
  const ends: End[] = [];
  const plans = links.map((link) => {
    const forward = centre(link.v) <= centre(link.w);
    const [left, right] = forward ? [link.v, link.w] : [link.w, link.v];
    const low = rank(centre(left));
    const high = rank(centre(right));
    const between: Point[] = [];
    for (let r = low + 1; r < high; r++) {
      const point = points.get(link.name)!.find(({ x }) => Math.abs(x - columns[r]!) < 2);
      if (point) between.push({ x: columns[r]!, y: point.y });
    }
    const a: End = { link, node: left, right: true, next: between[0]?.y ?? middle(right), far: middle(right), y: 0 };
    const b: End = { link, node: right, right: false, next: between[between.length - 1]?.y ?? middle(left), far: middle(left), y: 0 };
    ends.push(a, b);
    return { link, between, a, b };
  });
  for (const [id, place] of box) {
    for (const right of [false, true]) {
      const side = ends.filter((end) => end.node === id && end.right === right);
      side.sort((p, q) => p.next - q.next || p.far - q.far || (p.link.name < q.link.name ? -1 : 1));
      const gap = side.length > 1 ? Math.min(PORT, (place.h - 20) / (side.length - 1)) : 0;
      side.forEach((end, i) => (end.y = place.y + place.h / 2 + (i - (side.length - 1) / 2) * gap));
    }
  }
  return plans.map(({ link, between, a, b }) => {
    const start = box.get(a.node)!;
    const end = box.get(b.node)!;
    const line: Point[] = [{ x: start.x + start.w - inset(start.node.kind, start.h, a.y - start.y), y: a.y }];
    for (const { x, y } of between) line.push({ x: x - width / 2, y }, { x: x + width / 2, y });
    line.push({ x: end.x + inset(end.node.kind, end.h, b.y - end.y), y: b.y });
    if (link.edge.from !== a.node) line.reverse();
    return { edge: link.edge, name: link.name, line };
  });
}

/** Moves everything to where x and y are positive, and draws the boundary. */
function finish(nodes: PlacedNode[], edges: Routed[]): Layout {
  const system = nodes.filter(({ node }) => node.kind !== "client" && node.kind !== "external");
  const around = (boxes: Box[], points: Point[]) => {
    const xs = [...boxes.flatMap((b) => [b.x, b.x + b.w]), ...points.map((p) => p.x)];
    const ys = [...boxes.flatMap((b) => [b.y, b.y + b.h]), ...points.map((p) => p.y)];
    const x = Math.min(...xs);
    const y = Math.min(...ys);
    return { x, y, w: Math.max(...xs) - x, h: Math.max(...ys) - y };
  };
  const inner = around(system.length > 0 ? system : nodes, []);
  const passing = edges.flatMap(({ line }) => line).filter(({ x }) => x > inner.x && x < inner.x + inner.w);
  const core = around([inner], passing);
  const boundary = { x: core.x - MARGIN, y: core.y - MARGIN - 18, w: core.w + 2 * MARGIN, h: core.h + 2 * MARGIN + 18 };
  const all = around([boundary, ...nodes], []);
  const dx = EDGE - all.x;
  const dy = EDGE - all.y;
  const moved = <T extends Box>(b: T): T => ({ ...b, x: Math.round(b.x + dx), y: Math.round(b.y + dy) });
  return {
    width: Math.ceil(all.w + 2 * EDGE),
    height: Math.ceil(all.h + 2 * EDGE),
    nodes: nodes.map(moved),
    edges: edges.map(({ edge, name, line }) => ({ edge, name, way: way(line.map(({ x, y }) => ({ x: x + dx, y: y + dy }))) })),
    boundary: moved(boundary),
  };
}
