// Writes a frame into a drawing (diagram.tsx): where messages are, how edges, nodes and breakers look. It touches only what differs from what it
// wrote before, and never asks the page for a measure, so that a frame costs what moves. Owns the groups of messages and rates.
import { boxAt, CHIP, shared, sides, type Obstacle, type Room, type Side, type Spot } from "./chips";
import { pointAt, type Point, type Way } from "./curve";
import type { Traffic } from "./data";
import { BEAT, frame as frameAt, REST, type Frame, type Message, type Model, type State } from "./frame";
import { lines, type Box, type Layout } from "./layout";
import { BREAKER_AT, SIGNS } from "./shapes";

const SVG = "http://www.w3.org/2000/svg";
const NUDGE = 60; // how far the drawing is moved before texts look for another side
const MOMENTS = [0.1, 0.35, REST]; // of a beat: at which texts beside messages are not to cover anything

function element<K extends keyof SVGElementTagNameMap>(name: K, className: string, parent: Element): SVGElementTagNameMap[K] {
  const made = document.createElementNS(SVG, name);
  made.setAttribute("class", className);
  parent.append(made);
  return made;
}

/** Widths of texts on chips, asked of a canvas once each. */
const widths = new Map<string, number>();
let pen: CanvasRenderingContext2D | null | undefined;
export function measure(text: string): number {
  let width = widths.get(text);
  if (width === undefined) {
    pen ??= document.createElement("canvas").getContext("2d");
    if (pen) pen.font = '600 11.5px system-ui, "Segoe UI", sans-serif';
    width = Math.ceil(pen?.measureText(text).width ?? text.length * 6.5);
    widths.set(text, width);
  }
  return width;
}

const labelOf = (message: Message) => `${message.number || "+"}  ${message.text}`;
const widthOf = (message: Message) => measure(labelOf(message)) + 16;

/** A message: its sign and the chip beside it. On the page each floats in a layer of its own over the drawing, which is then not painted anew. */
class Sign {
  private layer: SVGSVGElement | undefined;
  private group: SVGGElement;
  private body: SVGPathElement;
  private mark: SVGPathElement;
  private chip: SVGGElement;
  private rect: SVGRectElement;
  private text: SVGTextElement;
  private looks = "";
  private label = "";
  private chipAt = "";
  private place = "";
  private shown = true;

  constructor(parent: Element, floats: boolean) {
    if (floats) this.layer = element("svg", "layer", parent);
    this.group = element("g", "message", this.layer ?? parent);
    this.body = element("path", "body", this.group);
    this.mark = element("path", "mark", this.group);
    this.chip = element("g", "chip", this.group);
    this.rect = element("rect", "", this.chip);
    this.text = element("text", "", this.chip);
    this.rect.setAttribute("height", String(CHIP));
    this.rect.setAttribute("rx", "5");
    this.text.setAttribute("y", "14");
    this.text.setAttribute("x", "8");
  }

  show(message: Message, x: number, y: number, k: number, chip: { dx: number; dy: number; width: number }) {
    if (!this.shown) this.group.removeAttribute("display");
    this.shown = true;
    const place = this.layer ? `scale(${k.toFixed(3)})` : `translate(${x.toFixed(1)} ${y.toFixed(1)})`;
    if (place !== this.place) {
      this.place = place;
      this.group.setAttribute("transform", place);
    }
    if (this.layer) this.layer.style.transform = message.arrived ? `translate(${Math.round(x)}px, ${Math.round(y)}px)` : `translate(${x.toFixed(1)}px, ${y.toFixed(1)}px)`;
    const bad = message.tone === "bad" && message.arrived;
    const looks = `message ${message.glyph} t-${message.tone}${message.maybe ? " maybe" : ""}`;
    if (looks !== this.looks) {
      this.looks = looks;
      this.group.setAttribute("class", looks);
      const sign = SIGNS[bad && message.glyph !== "query" ? "bad" : message.undo && message.glyph === "call" ? "undo" : message.glyph];
      this.body.setAttribute("d", sign.body);
      this.mark.setAttribute("d", sign.mark);
    }
    const label = labelOf(message);
    if (label !== this.label) {
      this.label = label;
      this.text.textContent = label;
      this.rect.setAttribute("width", String(chip.width));
    }
    const chipAt = `translate(${chip.dx.toFixed(1)} ${chip.dy})`;
    if (chipAt !== this.chipAt) {
      this.chipAt = chipAt;
      this.chip.setAttribute("transform", chipAt);
    }
  }

  hide() {
    if (this.shown) this.group.setAttribute("display", "none");
    this.shown = false;
  }
}

export class Stage {
  private ways = new Map<string, Way>();
  private ends = new Map<string, [string, string]>();
  private edges = new Map<string, SVGGElement>();
  private nodes = new Map<string, SVGGElement>();
  private breakers = new Map<string, SVGGElement>();
  private classes = new Map<Element, string>();
  private kinds = new Map<Element, string>();
  private signs: Sign[] = [];
  private state: State | undefined;
  private lit = "";
  private scope: Model | undefined;
  private selected = "";
  private marked: Set<string> | undefined;
  private view = { scale: 1, x: 0, y: 0 };
  private width = 0; // of the window onto the drawing, in pixels; 0: all of it is seen
  private frame: Frame | undefined;
  private sides: Side[] = [];
  private sidesOf = "";
  private small: Box[]; // breakers
  private legible: Obstacle[]; // what texts of messages should leave to be read
  private messages: Element;
  private rates: SVGGElement;

  /** float: where messages go on a page; none: into the drawing, which is then a picture. */
  constructor(
    svg: SVGSVGElement,
    private layout: Layout,
    private float?: HTMLElement,
  ) {
    for (const { name, edge, way } of layout.edges) {
      this.ways.set(name, way);
      this.ends.set(name, [edge.from, edge.to]);
    }
    for (const group of svg.querySelectorAll<SVGGElement>("[data-edge]")) this.edges.set(group.dataset.edge!, group);
    for (const group of svg.querySelectorAll<SVGGElement>("[data-node]")) this.nodes.set(group.dataset.node!, group);
    for (const group of svg.querySelectorAll<SVGGElement>("[data-breaker]")) this.breakers.set(group.dataset.breaker!, group);
    for (const group of [...this.edges.values(), ...this.nodes.values(), ...this.breakers.values()]) {
      this.kinds.set(group, group.getAttribute("class")!.split(" ").slice(0, 2).join(" "));
    }
    const breakers = layout.edges.filter(({ edge }) => edge.breaker).map(({ way }) => pointAt(way, BREAKER_AT));
    this.small = breakers.map(({ x, y }) => ({ x: x - 20, y: y - 9, w: 40, h: 18 }));
    const names = layout.nodes.flatMap(lines).map((box) => ({ ...box, weight: 1 }));
    this.legible = [...names, ...this.small.map((box) => ({ ...box, weight: 3 }))];
    this.messages = float ?? svg.querySelector<SVGGElement>(".messages")!;
    this.rates = svg.querySelector<SVGGElement>(".rates")!;
    this.messages.replaceChildren();
  }

  /** What a scenario does not touch steps back; none: nothing plays. */
  setScope(model: Model | undefined) {
    this.scope = model;
    this.state = undefined;
    this.sidesOf = "";
    if (!model) this.clear();
  }

  select(id: string, marked?: Set<string>) {
    this.selected = id;
    this.marked = marked;
    this.repaint(this.state, this.lit);
  }

  clear() {
    this.frame = undefined;
    for (const sign of this.signs) sign.hide();
    this.state = undefined;
    this.lit = "";
    this.repaint(undefined, "");
  }

  /** Where the drawing is shown, as Panzoom has it: first moved, then scaled. */
  setView(view: { scale: number; x: number; y: number }) {
    this.view = view;
    if (this.frame) this.show(this.frame);
  }

  /** How wide the window is through which the drawing is seen, in pixels. */
  setWidth(width: number) {
    this.width = width;
    if (this.frame) this.show(this.frame);
  }

  private room(): Room {
    const { scale, x } = this.view;
    return this.width > 0 ? { from: -x, to: this.width / scale - x } : { from: 0, to: this.layout.width };
  }

  show(frame: Frame) {
    this.frame = frame;
    const { scale } = this.view;
    const k = Math.min(Math.max(1 / scale, 1), 1.7); // in a small drawing signs are larger than it, to be read
    const lit = frame.messages.map(({ edge }) => edge).join("\n");
    if (frame.state !== this.state || lit !== this.lit) {
      this.state = frame.state;
      this.lit = lit;
      this.repaint(frame.state, lit);
    }
    const room = this.room();
    const sidesOf = `${frame.beat} ${frame.still} ${Math.round(k * 4)} ${Math.round(room.from / NUDGE)} ${Math.round(room.to / NUDGE)}`;
    if (frame.messages.length > 0 && sidesOf !== this.sidesOf) {
      this.sidesOf = sidesOf;
      this.choose(frame, k, room);
    }
    const { x: dx, y: dy } = this.view;
    frame.messages.forEach((message, i) => {
      const way = this.ways.get(message.edge);
      const sign = (this.signs[i] ??= new Sign(this.messages, this.float !== undefined));
      if (!way) return sign.hide();
      const point = this.pointOf(way, message, k, frame.still);
      const width = widthOf(message);
      const box = boxAt(point, width, this.sides[i]!, k, room);
      sign.show(message, (point.x + dx) * scale, (point.y + dy) * scale, k * scale, { dx: (box.x - point.x) / k, dy: Math.round(this.sides[i]!.dy), width });
    });
    for (let i = frame.messages.length; i < this.signs.length; i++) this.signs[i]!.hide();
  }

  /** At a node's border the sign would cover the head of the edge, and what stands still in the middle its breaker; on a short edge it leaves the breaker. */
  private pointOf(way: Way, message: Message, k: number, still: boolean): Point {
    const at = still && this.breakers.has(message.edge) ? 0 : message.at;
    const most = this.breakers.has(message.edge) ? Math.max(0.5 - (20 + 13 * k) / way.length, 0) : 0.3;
    const margin = Math.min((15 * k) / way.length, most);
    return pointAt(way, margin + at * (1 - 2 * margin));
  }

  private choose(frame: Frame, k: number, room: Room) {
    const moments = this.scope && !frame.still ? MOMENTS.map((part) => frameAt(this.scope!, (frame.beat + part) * BEAT).messages) : [frame.messages];
    const nowhere = { at: [{ x: -1e6, y: -1e6 }], width: 0, upright: false };
    const spots = frame.messages.map((message, i): Spot => {
      const way = this.ways.get(message.edge);
      if (!way) return { ...nowhere, at: moments.map(() => nowhere.at[0]!) };
      return {
        at: moments.map((messages) => this.pointOf(way, messages[i]!, k, frame.still)),
        width: Math.max(...moments.map((messages) => widthOf(messages[i]!))),
        upright: Math.abs(pointAt(way, 0).x - pointAt(way, 1).x) < 1,
      };
    });
    this.sides = sides(spots, this.legible, k, room);
  }

  private paint(group: Element, extra: string) {
    const wanted = this.kinds.get(group) + extra;
    if (this.classes.get(group) === wanted) return;
    this.classes.set(group, wanted);
    group.setAttribute("class", wanted);
  }

  private repaint(state: State | undefined, lit: string) {
    const active = new Set(lit.split("\n"));
    const touched = new Set<string>();
    for (const name of active) for (const id of this.ends.get(name) ?? []) touched.add(id);
    for (const [name, group] of this.edges) {
      const look = state?.edges.get(name);
      let extra = this.scope && !this.scope.edges.has(name) ? " aside" : "";
      if (look?.used) extra += look.broken ? " used broken" : look.undone ? " used undone" : " used";
      if (active.has(name)) extra += " active";
      if (this.selected === name) extra += " selected";
      if (this.marked?.has(name)) extra += " differs";
      this.paint(group, extra);
    }
    for (const [id, group] of this.nodes) {
      const look = state?.nodes.get(id);
      let extra = this.scope && !this.scope.nodes.has(id) ? " aside" : "";
      if (look?.silent) extra += " silent";
      else if (look && look.busy > 0) extra += " busy";
      if (touched.has(id)) extra += " active";
      if (this.selected === id) extra += " selected";
      this.paint(group, extra);
    }
    for (const [name, group] of this.breakers) {
      const breaker = state?.edges.get(name)?.breaker;
      this.paint(group, `${breaker?.open ? " is-open" : breaker && breaker.count > 0 ? " counting" : ""}${this.scope && !this.scope.edges.has(name) ? " aside" : ""}`);
      const text = breaker?.open ? "off" : `${breaker?.count ?? 0}/${breaker?.trip ?? this.layout.edges.find((e) => e.name === name)!.edge.breaker!.trip}`;
      const label = group.querySelector("text")!;
      if (label.textContent !== text) label.textContent = text;
    }
  }

  /** Rates, errors and breakers of the system that runs; none: the labels go. */
  showTraffic(traffic: Traffic | undefined) {
    this.rates.replaceChildren();
    for (const group of [...this.edges.values(), ...this.nodes.values()]) group.removeAttribute("data-live");
    if (!traffic) return;
    for (const { node, state } of traffic.nodes) this.nodes.get(node)?.setAttribute("data-live", state === "ready" ? "up" : "down");
    const boxes: Box[] = [...this.layout.nodes, ...this.small];
    for (const { edge, rate, errors, p50_ms, breaker } of traffic.edges) {
      const way = this.ways.get(edge);
      if (!way) continue;
      this.edges.get(edge)!.setAttribute("data-live", errors > 0 ? "errors" : rate > 0 ? "busy" : "quiet");
      const group = this.breakers.get(edge);
      if (group && breaker) {
        this.paint(group, breaker === "open" ? " is-open" : "");
        group.querySelector("text")!.textContent = breaker === "open" ? "off" : breaker === "closed" ? "on" : "try";
      }
      if (rate <= 0 && errors <= 0) continue;
      const number = (value: number) => (value < 10 ? value.toFixed(1) : String(Math.round(value)));
      const failing = errors > 0 ? ` · ${number(errors)} err` : "";
      const time = p50_ms !== undefined && way.length > 150 ? ` · ${p50_ms < 10 ? p50_ms.toFixed(1) : Math.round(p50_ms)} ms` : "";
      const label = `${number(rate)}/s${failing}${time}`;
      const width = measure(label) + 12;
      // Where it covers least of what is there already: nodes, breakers, other rates.
      const spots = [0.5, 0.62, 0.38, 0.75, 0.25, 0.86, 0.14].map((part) => {
        const { x, y } = pointAt(way, part);
        const spot = { x: x - width / 2, y: y - 9, w: width, h: 18 };
        return { spot, covered: boxes.reduce((sum, box) => sum + shared(box, spot), 0) };
      });
      const { spot } = spots.reduce((best, one) => (one.covered < best.covered ? one : best));
      boxes.push(spot);
      const rated = element("g", errors > 0 ? "rate errors" : "rate", this.rates);
      rated.setAttribute("transform", `translate(${spot.x.toFixed(1)} ${spot.y.toFixed(1)})`);
      const rect = element("rect", "", rated);
      rect.setAttribute("width", String(width));
      rect.setAttribute("height", "18");
      rect.setAttribute("rx", "5");
      const text = element("text", "", rated);
      text.setAttribute("x", "6");
      text.setAttribute("y", "13");
      text.textContent = label;
    }
  }
}
