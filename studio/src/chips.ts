// Where the text of each message stands beside its sign: as long as a beat lasts it keeps its side, so that what moves is moved and not drawn
// anew, and of the sides that are near it has the one on which it covers least: other messages and their texts on the whole way, names and breakers
// where it rests. Pure.
import type { Box } from "./layout";

export const CHIP = 20; // its height
const SIGN = 9; // half of a message's sign
const GAP = 13; // from the message to its text
const TOUCHED = 1500; // what a name costs of which one letter is covered, as an area: without it the rest is not read either

export interface Spot {
  /** Where the message is, at some moments of the beat; the last is where it rests, which counts most. */
  at: { x: number; y: number }[];
  width: number;
  /** It goes up or down: the text stands beside it, or it would cover the node above. */
  upright: boolean;
}

/** What should stay legible: a line of text, or a breaker; weight: how much more than a node's name. */
export interface Obstacle extends Box {
  weight: number;
}

/** From the message to its text: a part of the text's width, and a distance. */
export interface Side {
  part: number;
  dx: number;
  dy: number;
  /** What it costs to stand there, as an area that is covered: far from its message it is not seen to belong to it. */
  cost: number;
}

const beside = (cost: number, dys: number[]): Side[] =>
  dys.flatMap((dy, row) => [{ part: 0, dx: 16, dy, cost: cost + 600 * row }, { part: -1, dx: -16, dy, cost: cost + 600 * row + 150 }]);
const rows = [-GAP - CHIP, GAP, -GAP - 2 * CHIP - 4, GAP + CHIP + 4, -GAP - 3 * CHIP - 8, GAP + 2 * CHIP + 8, -GAP - 4 * CHIP - 12, GAP + 3 * CHIP + 12];
const level: Side[] = beside(300, [-CHIP / 2]).concat(rows.flatMap((dy, row) => {
  const cost = row < 2 ? 100 * row : 1200 * (row >> 1);
  const far = [{ part: -1, dx: SIGN, dy, cost: cost + 150 }, { part: 0, dx: -SIGN, dy, cost: cost + 150 }];
  return [{ part: -0.5, dx: 0, dy, cost }, { part: -0.75, dx: 0, dy, cost: cost + 75 }, { part: -0.25, dx: 0, dy, cost: cost + 75 }, ...far];
}));
const upright = beside(0, [-CHIP / 2, -CHIP - CHIP / 2 - 4, CHIP / 2 + 4]);

/** The area that two boxes have in common. */
export const shared = (a: Box, b: Box) => Math.max(Math.min(a.x + a.w, b.x + b.w) - Math.max(a.x, b.x), 0) * Math.max(Math.min(a.y + a.h, b.y + b.h) - Math.max(a.y, b.y), 0);

/** From where to where, level, there is room for texts: what of the drawing is in sight. */
export interface Room {
  from: number;
  to: number;
}

/** k: how large signs and texts are in the drawing. A text stays in the room as long as its message is there. */
export function boxAt({ x, y }: { x: number; y: number }, width: number, { part, dx, dy }: Side, k: number, { from, to }: Room): Box {
  const w = width * k;
  const left = x + part * w + dx * k;
  const kept = x < from || x > to ? left : Math.min(Math.max(left, from + 4), Math.max(to - w - 4, from + 4));
  return { x: kept, y: y + dy * k, w, h: CHIP * k };
}

export function sides(spots: Spot[], obstacles: Obstacle[], k: number, within: Room): Side[] {
  const chosen: Side[] = [];
  const taken: Box[][] = [];
  const signs = spots.map(({ at }) => at.map(({ x, y }): Box => ({ x: x - SIGN * k, y: y - SIGN * k, w: 2 * SIGN * k, h: 2 * SIGN * k })));
  spots.forEach((spot, i) => {
    const last = spot.at.length - 1;
    const reach = Math.max(spot.width, rows.length * CHIP) * k;
    const near = obstacles.filter((box) => spot.at.some(({ x, y }) => box.x - reach < x && x < box.x + box.w + reach && box.y - reach < y && y < box.y + box.h + reach));
    let best: { side: Side; boxes: Box[]; cost: number } | undefined;
    for (const side of spot.upright ? upright : level) {
      const boxes = spot.at.map((point) => boxAt(point, spot.width, side, k, within));
      let cost = side.cost * k * k;
      for (const box of near) {
        const covered = shared(box, boxes[last]!);
        if (covered > 0) cost += box.weight * (covered + TOUCHED * k * k);
      }
      for (let m = 0; m <= last && !(best && cost >= best.cost); m++) {
        const weight = m === last ? 4 : 1;
        for (const other of taken) cost += 4 * weight * shared(other[m]!, boxes[m]!);
        for (let j = 0; j < signs.length; j++) if (j !== i) cost += 2 * weight * shared(signs[j]![m]!, boxes[m]!);
      }
      if (!best || cost < best.cost) best = { side, boxes, cost };
    }
    chosen.push(best!.side);
    taken.push(best!.boxes);
  });
  return chosen;
}
