// The drawing of a topology: what does not move. What changes while something plays is written into it by Stage (stage.ts), which finds the parts
// by data-edge and data-node. Nodes are one stop of the Tab key; arrows go from node to node.
import { angleAt, pointAt } from "./curve";
import type { NodeKind } from "./data";
import type { Layout, PlacedEdge, PlacedNode } from "./layout";
import { BREAKER_AT, DASHES, HEADS, shape } from "./shapes";

const KIND_WORDS: Record<NodeKind, string> = {
  client: "client",
  gateway: "gateway",
  service: "service",
  database: "database",
  bus: "event bus",
  cache: "cache",
  external: "external service",
};

interface Props {
  layout: Layout;
  title: string;
  /** The node that the Tab key reaches. */
  entry?: string;
  onNode?: (id: string) => void;
  onEdge?: (name: string) => void;
  /** A drawing that is only looked at: no focus, no names for screen readers. */
  picture?: boolean;
}

export function Diagram({ layout, title, entry, onNode, onEdge, picture }: Props) {
  const { boundary } = layout;
  const first = entry ?? layout.nodes.find(({ node }) => node.kind === "client")?.node.id ?? layout.nodes[0]?.node.id;
  return (
    <svg
      class="diagram"
      xmlns="http://www.w3.org/2000/svg"
      viewBox={`0 0 ${layout.width} ${layout.height}`}
      width={layout.width}
      height={layout.height}
      role={picture ? "img" : "group"}
      aria-label={`Diagram of ${title}`}
      onKeyDown={picture ? undefined : (event) => walk(event, layout)}
    >
      <g>
        <rect class="boundary" x={boundary.x} y={boundary.y} width={boundary.w} height={boundary.h} rx="14" />
        <text class="boundary-title" x={boundary.x + 16} y={boundary.y + 24}>
          {title}
        </text>
        <g class="edges">
          {layout.edges.map((edge) => (
            <Edge key={edge.name} placed={edge} onEdge={onEdge} />
          ))}
        </g>
        <g class="nodes">
          {layout.nodes.map((node) => (
            <Node key={node.node.id} placed={node} onNode={onNode} picture={picture} reachable={node.node.id === first} />
          ))}
        </g>
        <g class="breakers">
          {layout.edges.filter(({ edge }) => edge.breaker).map((edge) => (
            <Breaker key={edge.name} placed={edge} />
          ))}
        </g>
        <g class="rates" />
        {picture && <g class="messages" />}
      </g>
    </svg>
  );
}

function Edge({ placed, onEdge }: { placed: PlacedEdge; onEdge?: (name: string) => void }) {
  const { edge, name, way } = placed;
  const head = HEADS[edge.protocol];
  const tip = pointAt(way, 1);
  return (
    <g class={`edge p-${edge.protocol}`} data-edge={name} onClick={onEdge && (() => onEdge(name))}>
      <path class="reach" d={way.d} />
      <path class="glow" d={way.d} />
      <path class="line" d={way.d} stroke-dasharray={DASHES[edge.protocol]} />
      <path class={head.open ? "head open" : "head"} d={head.d} transform={`translate(${tip.x} ${tip.y}) rotate(${Math.round(angleAt(way, 0.995))})`} />
    </g>
  );
}

/** A small switch on the edge, with how often it failed of how often it may. */
function Breaker({ placed }: { placed: PlacedEdge }) {
  const { x, y } = pointAt(placed.way, BREAKER_AT);
  const trip = placed.edge.breaker!.trip;
  return (
    <g class="breaker" data-breaker={placed.name} transform={`translate(${Math.round(x)} ${Math.round(y)})`}>
      <title>{`Circuit breaker of ${placed.name}`}</title>
      <rect x="-20" y="-9" width="40" height="18" rx="9" />
      <path class="contact closed" d="M-15 0H-5" />
      <path class="contact lifted" d="M-15 0h2l7 -5" />
      <text x="7" y="4">{`0/${trip}`}</text>
    </g>
  );
}

function Node({ placed, onNode, picture, reachable }: { placed: PlacedNode; onNode?: (id: string) => void; picture?: boolean; reachable: boolean }) {
  const { node, x, y, w, h } = placed;
  const { outline, detail, dy } = shape(node.kind, w, h);
  const small = node.kind === "database";
  const press = (event: KeyboardEvent) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    event.stopPropagation();
    onNode?.(node.id);
  };
  const button = picture
    ? {}
    : { role: "button" as const, tabindex: reachable ? 0 : -1, "aria-label": `${node.title}, ${KIND_WORDS[node.kind]} ${node.id}`, onClick: () => onNode?.(node.id), onKeyDown: press };
  return (
    <g class={`node k-${node.kind}`} data-node={node.id} transform={`translate(${x} ${y})`} {...button}>
      <path class="halo" d={outline} />
      <path class="outline" d={outline} />
      {detail && <path class="detail" d={detail} />}
      <text class="title" x={w / 2} y={h / 2 + dy + (small ? 4 : -2)}>
        {node.title}
      </text>
      {!small && (
        <text class="id" x={w / 2} y={h / 2 + dy + 14}>
          {node.id}
        </text>
      )}
    </g>
  );
}

const ARROWS: Record<string, [number, number]> = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** Arrows: to the nearest node in that direction. They do not reach the player while a node has the focus. */
function walk(event: KeyboardEvent, layout: Layout) {
  const direction = ARROWS[event.key];
  const target = event.target as Element;
  const id = target.getAttribute?.("data-node");
  if (!direction || !id || event.altKey || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  event.stopPropagation();
  const centre = (p: PlacedNode) => ({ x: p.x + p.w / 2, y: p.y + p.h / 2 });
  const from = centre(layout.nodes.find(({ node }) => node.id === id)!);
  let best: { id: string; far: number } | undefined;
  for (const placed of layout.nodes) {
    const { x, y } = centre(placed);
    const ahead = (x - from.x) * direction[0] + (y - from.y) * direction[1];
    const aside = Math.abs((x - from.x) * direction[1]) + Math.abs((y - from.y) * direction[0]);
    if (ahead < 8) continue;
    const far = ahead + 2 * aside;
    if (!best || far < best.far) best = { id: placed.node.id, far };
  }
  if (!best) return;
  const svg = event.currentTarget as SVGSVGElement;
  const next = svg.querySelector<SVGGElement>(`[data-node="${CSS.escape(best.id)}"]`)!;
  target.setAttribute("tabindex", "-1");
  next.setAttribute("tabindex", "0");
  next.focus();
}
