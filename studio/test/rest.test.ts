// The address, words, the GIF's bytes, and the editor's places.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Gif, Palette } from "../src/gif";
import { formatRoute, parseRoute } from "../src/route";
import { schedule } from "../src/schedule";
import { asText } from "../src/text";
import { marksOf } from "../src/pairs";
import { dice, named, scenarios, shop, step, studio } from "./data";

test("an address is what it was made from", () => {
  for (const hash of ["#/", "#/ecommerce", "#/ecommerce/payment-failure?step=7", "#/a%2Fb/c?step=1&view=sequence&with=x,y%2Cz"]) {
    if (!hash.includes("%2Cz")) assert.equal(formatRoute(parseRoute(hash)), hash);
  }
  assert.deepEqual(parseRoute("#/ecommerce/payment-failure?step=7"), { example: "ecommerce", scenario: "payment-failure", step: 7, sequence: false, switches: [] });
  assert.deepEqual(parseRoute(""), { sequence: false, switches: [] });
  for (const step of ["-1", "0", "x", "1.5", "", "1e99x"]) assert.equal(parseRoute(`#/a/b?step=${step}`).step, undefined);
  assert.equal(parseRoute("#/%E0%A4%A").example, "%E0%A4%A");
});

test("text has each step with its number, its ends and what is said", () => {
  for (const scenario of scenarios) {
    const text = asText(schedule(scenario));
    assert.ok(text.startsWith(scenario.title));
    for (const { say } of scenario.steps) assert.ok(text.includes(say));
    assert.equal(text.match(/^ *\d+\. /gm)!.length, scenario.steps.length);
  }
  assert.match(asText(schedule(named("payment-failure"))), /402 CardDeclined/);
});

test("marks of a run: on each side its own steps, and their edges", () => {
  const [a, b, c] = [step("a", "b"), step("b", "c"), step("c", "d")];
  const scenario = (steps: typeof a[]) => ({ name: "s", title: "S", expect: { status: 200 }, steps });
  const marks = marksOf({
    trace_id: "t",
    verdict: "different",
    derived: scenario([a, b]),
    recorded: scenario([a, c]),
    differences: [
      { kind: "missing", step: b.id, text: "" },
      { kind: "extra", recorded: c.id, text: "" },
    ],
  });
  assert.deepEqual([...marks.derived], [[b.id, "missing"]]);
  assert.deepEqual([...marks.recorded], [[c.id, "extra"]]);
  assert.deepEqual([...marks.edges].sort(), ["b -> c", "c -> d"]);
});

/** A decoder of its own, by the specification: frames as indexes over the whole picture. */
function decode(bytes: Uint8Array) {
  let at = 13;
  const short = (i: number) => bytes[i]! | (bytes[i + 1]! << 8);
  const width = short(6);
  const height = short(8);
  at += 3 * 256;
  const screen = new Uint8Array(width * height);
  const frames: { pixels: Uint8Array; delay: number }[] = [];
  let delay = 0;
  for (;;) {
    const kind = bytes[at++];
    if (kind === 0x3b) {
      assert.equal(at, bytes.length);
      return { width, height, frames };
    }
    if (kind === 0x21) {
      if (bytes[at] === 0xf9) delay = short(at + 3);
      at++;
      while (bytes[at]) at += bytes[at]! + 1;
      at++;
      continue;
    }
    assert.equal(kind, 0x2c);
    const [left, top, w, h] = [short(at), short(at + 2), short(at + 4), short(at + 6)];
    at += 10;
    const data: number[] = [];
    while (bytes[at]) {
      data.push(...bytes.subarray(at + 1, at + 1 + bytes[at]!));
      at += bytes[at]! + 1;
    }
    at++;
    const out: number[] = [];
    let size = 9;
    let bit = 0;
    let table: number[][] = [];
    let last: number[] | undefined;
    const reset = () => {
      table = Array.from({ length: 258 }, (_, i) => [i]);
      size = 9;
      last = undefined;
    };
    reset();
    for (;;) {
      let code = 0;
      for (let i = 0; i < size; i++, bit++) code |= ((data[bit >> 3]! >> (bit & 7)) & 1) << i;
      if (code === 256) {
        reset();
        continue;
      }
      if (code === 257) break;
      const entry = table[code] ?? [...last!, last![0]!];
      out.push(...entry);
      if (last && table.length < 4096) table.push([...last, entry[0]!]);
      if (table.length === 1 << size && size < 12) size++;
      last = entry;
    }
    assert.equal(out.length, w * h);
    for (let y = 0; y < h; y++) for (let x = 0; x < w; x++) screen[(top + y) * width + left + x] = out[y * w + x]!;
    frames.push({ pixels: screen.slice(), delay });
  }
}

test("a GIF decodes to the frames that it was made of, also when its table is full many times", () => {
  const roll = dice(5);
  const [w, h] = [97, 61];
  const palette = new Palette();
  const rgba = new Uint8ClampedArray(4 * 300);
  for (let i = 0; i < rgba.length; i++) rgba[i] = Math.floor(roll() * 256);
  palette.add(rgba);
  palette.seal();
  assert.ok(palette.colours.length <= 256 && palette.colours.length > 100);
  const noise = () => Uint8Array.from({ length: w * h }, () => Math.floor(roll() * 256));
  const first = noise();
  const second = first.slice();
  for (let i = 2000; i < 2050; i++) second[i] = 3;
  const frames = [first, second, second, noise(), new Uint8Array(w * h)];
  const gif = new Gif(w, h, palette);
  for (const pixels of frames) gif.add({ pixels, delay: 8 });
  const made = decode(gif.finish());
  assert.deepEqual([made.width, made.height], [w, h]);
  assert.deepEqual(made.frames.map(({ delay }) => delay), [8, 16, 8, 8], "a frame that changes nothing makes the one before longer");
  assert.deepEqual(made.frames.map(({ pixels }) => pixels), [first, second, frames[3], frames[4]]);
});

test("a palette names the nearest colour", () => {
  const palette = new Palette();
  const colours = Uint8ClampedArray.from([255, 255, 255, 255, 200, 20, 20, 255, 20, 20, 200, 255]);
  palette.add(colours);
  palette.seal();
  assert.deepEqual([...palette.index(colours)].map((i) => palette.colours[i]), [[255, 255, 255], [200, 20, 20], [20, 20, 200]]);
});

test("topology.js makes by its calls the picture that topology.json holds", async () => {
  const text = readFileSync(join(studio, "topology.js"), "utf8");
  const build = (await import(`data:text/javascript,${encodeURIComponent(text)}`)).default;
  const made = { title: "", nodes: [] as object[], edges: [] as object[] };
  build({
    title: (title: string) => (made.title = title),
    node: (id: string, more: object) => made.nodes.push({ id, ...more }),
    connect: (from: string, to: string, more: object) => made.edges.push({ from, to, ...more }),
  });
  const edges = shop.edges.map(({ from, to, protocol, external }) => ({ from, to, protocol, ...(external && { external }) })); // a picture needs no more of them
  assert.deepEqual(made, { title: shop.title, nodes: shop.nodes, edges });
});
