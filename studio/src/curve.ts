// Ways of edges: smooth from point to point with level tangents (a diagram runs from left to right), as text for SVG and as a table of points
// by length, along which messages go. Pure, and without the DOM, which would ask each frame for what is known beforehand.

export interface Point {
  x: number;
  y: number;
}

export interface Way {
  /** For the attribute `d`. */
  d: string;
  length: number;
  /** x and y in turn, at equal distances. */
  table: Float32Array;
}

const SAMPLES = 48; // of the table
const round = (value: number) => Math.round(value * 10) / 10;

/** Straight where two points have one x or one y, a curve with level tangents otherwise. */
export function way(points: Point[]): Way {
  let d = `M${round(points[0]!.x)} ${round(points[0]!.y)}`;
  const dense: Point[] = [points[0]!];
  for (let i = 1; i < points.length; i++) {
    const a = points[i - 1]!;
    const b = points[i]!;
    if (Math.abs(a.y - b.y) < 0.5 || Math.abs(a.x - b.x) < 0.5) {
      d += `L${round(b.x)} ${round(b.y)}`;
      dense.push(b);
      continue;
    }
    const middle = (a.x + b.x) / 2;
    d += `C${round(middle)} ${round(a.y)} ${round(middle)} ${round(b.y)} ${round(b.x)} ${round(b.y)}`;
    for (let k = 1; k <= 24; k++) {
      const t = k / 24;
      const s = 1 - t;
      const c1 = 3 * s * s * t;
      const c2 = 3 * s * t * t;
      dense.push({ x: s * s * s * a.x + (c1 + c2) * middle + t * t * t * b.x, y: (s * s * s + c1) * a.y + (c2 + t * t * t) * b.y });
    }
  }
  return { d, ...tabled(dense) };
}

function tabled(dense: Point[]): { length: number; table: Float32Array } {
  const lengths = [0];
  for (let i = 1; i < dense.length; i++) lengths.push(lengths[i - 1]! + Math.hypot(dense[i]!.x - dense[i - 1]!.x, dense[i]!.y - dense[i - 1]!.y));
  const length = lengths[lengths.length - 1]!;
  const table = new Float32Array(2 * (SAMPLES + 1));
  let i = 1;
  for (let k = 0; k <= SAMPLES; k++) {
    const want = (length * k) / SAMPLES;
    while (i < dense.length - 1 && lengths[i]! < want) i++;
    const a = dense[Math.max(i - 1, 0)]!;
    const b = dense[Math.min(i, dense.length - 1)]!;
    const span = lengths[i]! - lengths[i - 1]!;
    const part = span > 0 ? Math.min(Math.max((want - lengths[i - 1]!) / span, 0), 1) : 0;
    table[2 * k] = a.x + (b.x - a.x) * part;
    table[2 * k + 1] = a.y + (b.y - a.y) * part;
  }
  return { length, table };
}

/** The point at a part of the way, 0 to 1. */
export function pointAt({ table }: Way, part: number): Point {
  const at = Math.min(Math.max(part, 0), 1) * SAMPLES;
  const k = Math.min(Math.floor(at), SAMPLES - 1);
  const rest = at - k;
  const x = table[2 * k]!;
  const y = table[2 * k + 1]!;
  return { x: x + (table[2 * k + 2]! - x) * rest, y: y + (table[2 * k + 3]! - y) * rest };
}

/** The direction at a part of the way, in degrees. */
export function angleAt(line: Way, part: number): number {
  const a = pointAt(line, Math.max(part - 0.01, 0));
  const b = pointAt(line, Math.min(part + 0.01, 1));
  return (Math.atan2(b.y - a.y, b.x - a.x) * 180) / Math.PI;
}
