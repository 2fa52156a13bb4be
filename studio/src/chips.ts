// Where the text of each message stands beside its sign: as long as a beat lasts it keeps its side, so that what moves is moved and not drawn
// anew, and of the sides it has the one on which it covers least, on its whole way, of nodes, breakers, other messages and their texts. Pure.
import type { Box } from "./layout";

export const CHIP = 20; // its height
const SIGN = 9; // half of a message's sign
const GAP = 13; // from the message to its text

export interface Spot {
  /** Where the message is, at some moments of the beat; the last is where it rests, which counts most. */
  at: { x: number; y: number }[];
  width: number;
  /** It goes up or down: the text stands beside it, or it would cover the node above. */
  upright: boolean;
}

/** From the message to its text: a part of the text's width, and a distance. */
export interface Side {
  part: number;
  dx: number;
  dy: number;
}

const rows = [-GAP - CHIP, GAP, -GAP - 2 * CHIP - 4, GAP + CHIP + 4, -GAP - 3 * CHIP - 8, GAP + 2 * CHIP + 8, -GAP - 4 * CHIP - 12, GAP + 3 * CHIP + 12];
const level: Side[] = rows.flatMap((dy) => [{ part: -0.5, dx: 0, dy }, { part: -1, dx: SIGN, dy }, { part: 0, dx: -SIGN, dy }]);
const beside = [-CHIP / 2, -CHIP - CHIP / 2 - 4, CHIP / 2 + 4];
const upright: Side[] = beside.flatMap((dy) => [{ part: 0, dx: 16, dy }, { part: -1, dx: -16, dy }]);

/** The area that two boxes have in common. */
export const shared = (a: Box, b: Box) => Math.max(Math.min(a.x + a.w, b.x + b.w) - Math.max(a.x, b.x), 0) * Math.max(Math.min(a.y + a.h, b.y + b.h) - Math.max(a.y, b.y), 0);

/** k: how large signs and texts are in the drawing; within: its width. */
export function boxAt({ x, y }: { x: number; y: number }, width: number, { part, dx, dy }: Side, k: number, within: number): Box {
  const w = width * k;
  const left = x + part * w + dx * k;
  return { x: Math.min(Math.max(left, 4), Math.max(within - w - 4, 4)), y: y + dy * k, w, h: CHIP * k };
}

export function sides(spots: Spot[], obstacles: Box[], k: number, within: number): Side[] {
  const chosen: Side[] = [];
  const taken: Box[][] = [];
  const signs = spots.map(({ at }) => at.map(({ x, y }): Box => ({ x: x - SIGN * k, y: y - SIGN * k, w: 2 * SIGN * k, h: 2 * SIGN * k })));
  spots.forEach((spot, i) => {
    const last = spot.at.length - 1;
    const reach = Math.max(spot.width, rows.length * CHIP) * k;
    const near = obstacles.filter((box) => spot.at.some(({ x, y }) => box.x - reach < x && x < box.x + box.w + reach && box.y - reach < y && y < box.y + box.h + reach));
    let best: { side: Side; boxes: Box[]; cost: number } | undefined;
    (spot.upright ? upright : level).forEach((side, order) => {
      const boxes = spot.at.map((point) => boxAt(point, spot.width, side, k, within));
      let cost = order * 30 * k * k;
      for (let m = 0; m <= last && !(best && cost >= best.cost); m++) {
        const weight = m === last ? 4 : 1;
        for (const box of near) cost += weight * shared(box, boxes[m]!);
        for (const other of taken) cost += 4 * weight * shared(other[m]!, boxes[m]!);
        for (let j = 0; j < signs.length; j++) if (j !== i) cost += 2 * weight * shared(signs[j]![m]!, boxes[m]!);
      }
      if (!best || cost < best.cost) best = { side, boxes, cost };
    });
    chosen.push(best!.side);
    taken.push(best!.boxes);
  });
  return chosen;
}
