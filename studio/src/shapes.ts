// The outlines of nodes, heads of edges and signs of messages, as `d` of an SVG path. A kind is told by its shape, a protocol by its head and
// dashes: colour only adds to it. Pure.
import type { NodeKind, Protocol } from "./data";

interface Shape {
  /** The outline, filled. */
  outline: string;
  /** Lines on it, not filled. */
  detail: string;
  /** How far the text stands from the middle. */
  dy: number;
}

const rounded = (w: number, h: number, r: number) =>
  `M${r} 0H${w - r}A${r} ${r} 0 0 1 ${w} ${r}V${h - r}A${r} ${r} 0 0 1 ${w - r} ${h}H${r}A${r} ${r} 0 0 1 0 ${h - r}V${r}A${r} ${r} 0 0 1 ${r} 0Z`;

/** `small`: of the legend. */
export function shape(kind: NodeKind, w: number, h: number, small = false): Shape {
  const part = small ? 0.45 : 1;
  switch (kind) {
    case "client": // a window with its bar
      return { outline: rounded(w, h, 8 * part), detail: `M0 ${14 * part}H${w}${small ? "" : "M9 7h.01M16 7h.01M23 7h.01"}`, dy: 6 };
    case "gateway": {
      const c = 16 * part; // a hexagon
      return { outline: `M${c} 0H${w - c}L${w} ${h / 2}L${w - c} ${h}H${c}L0 ${h / 2}Z`, detail: "", dy: 0 };
    }
    case "service":
      return { outline: rounded(w, h, 8 * part), detail: "", dy: 0 };
    case "database": {
      const r = 6 * part; // a cylinder that stands
      const side = `A${w / 2} ${r} 0 0 0 ${w} ${h - r}V${r}A${w / 2} ${r} 0 0 0 0 ${r}Z`;
      return { outline: `M0 ${r}V${h - r}${side}`, detail: `M0 ${r}A${w / 2} ${r} 0 0 0 ${w} ${r}`, dy: 4 };
    }
    case "bus": {
      const r = 9 * part; // a cylinder that lies
      const outline = `M${r} 0H${w - r}A${r} ${h / 2} 0 0 1 ${w - r} ${h}H${r}A${r} ${h / 2} 0 0 1 ${r} 0Z`;
      return { outline, detail: `M${w - r} 0A${r} ${h / 2} 0 0 0 ${w - r} ${h}`, dy: 0 };
    }
    case "cache": {
      const c = 11 * part; // cut corners, and a flash
      const outline = `M${c} 0H${w - c}L${w} ${c}V${h - c}L${w - c} ${h}H${c}L0 ${h - c}V${c}Z`;
      return { outline, detail: `M${w - 15} 9l-5 8h6l-4 8`, dy: 0 };
    }
    case "external": // outside: dashed, with an arrow that leaves
      return { outline: rounded(w, h, 8 * part), detail: `M${w - 19} 17l8 -8m-6 0h6v6`, dy: 0 };
  }
}

/** How far an outline stands inside its box at a height: there edges begin and end. */
export function inset(kind: NodeKind, h: number, y: number): number {
  const off = Math.abs(y - h / 2) / (h / 2);
  if (kind === "gateway") return 16 * off;
  if (kind === "bus") return 9 * (1 - Math.sqrt(Math.max(1 - off * off, 0)));
  if (kind === "cache") return Math.max(11 - Math.min(y, h - y), 0);
  return 0;
}

/** Heads point to +x, their tip at 0 0. `open`: the outline only. */
export const HEADS: Record<Protocol, { d: string; open: boolean }> = {
  http: { d: "M0 0L-9 -4.5V4.5Z", open: false },
  https: { d: "M0 0L-10 -5V5Z", open: true },
  sql: { d: "M0 0m-7 0a3.5 3.5 0 1 0 7 0a3.5 3.5 0 1 0 -7 0Z", open: false },
  redis: { d: "M0 0L-5.5 -4.5L-11 0L-5.5 4.5Z", open: false },
  kafka: { d: "M-9 -5L0 0L-9 5", open: true },
};

export const DASHES: Record<Protocol, string> = { http: "none", https: "9 5", sql: "2 4", redis: "5 4", kafka: "12 4 2 4" };

export const PROTOCOLS: { protocol: Protocol; text: string }[] = [
  { protocol: "http", text: "HTTP call" },
  { protocol: "https", text: "HTTPS, leaves the system" },
  { protocol: "sql", text: "SQL" },
  { protocol: "redis", text: "Redis" },
  { protocol: "kafka", text: "Kafka event" },
];

export const KINDS: { kind: NodeKind; text: string }[] = [
  { kind: "client", text: "Client" },
  { kind: "gateway", text: "Gateway" },
  { kind: "service", text: "Service" },
  { kind: "database", text: "Database" },
  { kind: "bus", text: "Event bus" },
  { kind: "cache", text: "Cache" },
  { kind: "external", text: "External" },
];

/** Where a breaker stands on its edge; what it keeps back stops before it, and what arrives at either end leaves it to be read. */
export const BREAKER_AT = 0.5;

/** Signs of messages around 0 0; the second of each is what stands on it. */
export const SIGNS = {
  call: { body: "M-8 0a8 8 0 1 0 16 0a8 8 0 1 0 -16 0Z", mark: "M-3.5 0H3.5M1 -2.5L3.5 0L1 2.5" },
  reply: { body: "M-8 0a8 8 0 1 0 16 0a8 8 0 1 0 -16 0Z", mark: "M-3.5 .5L-1 3L3.5 -2.5" },
  query: { body: "M-7 -7H7V7H-7Z", mark: "M-3.5 -2.5H3.5M-3.5 2.5H3.5" },
  event: { body: "M-10 -7H10V7H-10Z", mark: "M-10 -7L0 1L10 -7" },
  bad: { body: "M-8 0a8 8 0 1 0 16 0a8 8 0 1 0 -16 0Z", mark: "M-3 -3L3 3M-3 3L3 -3" },
  undo: { body: "M0 -9.5L9.5 0L0 9.5L-9.5 0Z", mark: "M3.5 2.5V0a2 2 0 0 0 -2 -2H-3.5M-1 -4.5L-3.5 -2L-1 .5" },
} as const;
