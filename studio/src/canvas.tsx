// The drawing in its window: pan, zoom, fit, follow; and the Stage that writes the player's frames into it.
import Panzoom, { type PanzoomObject } from "@panzoom/panzoom";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Player } from "./clock";
import { pointAt } from "./curve";
import type { Traffic } from "./data";
import { Diagram } from "./diagram";
import { frame, type Model } from "./frame";
import { NARROW, REDUCED, useMedia } from "./hooks";
import { Icon } from "./icons";
import type { Layout } from "./layout";
import { Legend } from "./legend";
import { Stage } from "./stage";

interface Props {
  layout: Layout;
  title: string;
  /** What it is, beside another. */
  label?: string;
  /** There is little room for it: what moves is followed. */
  near?: boolean;
  player: Player;
  /** What plays; none: the drawing alone. */
  model?: Model;
  selected?: string;
  /** Edges on which derived and recorded differ. */
  marked?: Set<string>;
  traffic?: Traffic;
  onNode: (id: string) => void;
  onEdge: (name: string) => void;
}

const MOST = 3; // scale
const LEAST = 0.12;
const READABLE = 0.6;
const GLIDE = 260; // ms

interface View {
  scale: number;
  x: number;
  y: number;
}

export function Canvas({ layout, title, label, near, player, model, selected, marked, traffic, onNode, onEdge }: Props) {
  const holder = useRef<HTMLDivElement>(null);
  const stage = useRef<Stage>(undefined!);
  const zoom = useRef<PanzoomObject>(undefined!);
  const float = useRef<HTMLDivElement>(null);
  const gliding = useRef(0);
  const moved = useRef(false);
  const narrow = useMedia(NARROW);
  const reduced = useMedia(REDUCED);
  const [follow, setFollow] = useState(narrow || near || label !== undefined);
  const aim = useRef<() => void>(undefined); // what is followed comes into sight again
  const free = useRef(false); // the user has moved it: it is not fitted again by itself
  useEffect(() => setFollow(narrow || near || label !== undefined), [narrow, near, label]);

  /** A point of the drawing comes to the middle. Panzoom translates before it scales. */
  const centred = (scale: number, x: number, y: number) => {
    const view = holder.current!.getBoundingClientRect();
    return { scale, x: view.width / 2 / scale - x, y: view.height / 2 / scale - y };
  };
  const whole = () => {
    const view = holder.current!.getBoundingClientRect();
    const scale = Math.min(view.width / layout.width, view.height / layout.height);
    return centred(Math.min(Math.max(scale, LEAST), 1.25), layout.width / 2, layout.height / 2);
  };
  /** On a narrow screen all of it could not be read: it begins with what stands at the left. */
  const opening = () => {
    const all = whole();
    const first = layout.nodes.reduce((a, b) => (b.x < a.x ? b : a));
    if (!matchMedia(NARROW).matches || all.scale >= READABLE) return all; // asked now: a page that becomes narrow is told so later than its size
    const view = holder.current!.getBoundingClientRect();
    const half = view.height / 2 / READABLE; // where all of its height has room, it stands in the middle
    const y = 2 * half >= layout.height ? layout.height / 2 : Math.min(Math.max(first.y + first.h / 2, half), layout.height - half);
    return centred(READABLE, view.width / 2 / READABLE, y);
  };
  /** One way for all changes of the view but the user's own: each frame of it is told to the Stage, too. */
  const go = (to: View, animate: boolean) => {
    cancelAnimationFrame(gliding.current);
    const made = zoom.current;
    const put = ({ scale, x, y }: View) => {
      made.zoom(scale, { force: true, silent: true });
      made.pan(x, y, { force: true });
    };
    if (!animate || reduced) return put(to);
    // Both ends as what is in the middle of the window, between which it goes evenly.
    const view = holder.current!.getBoundingClientRect();
    const middle = ({ scale, x, y }: View) => ({ scale, x: view.width / 2 / scale - x, y: view.height / 2 / scale - y });
    const from = middle({ scale: made.getScale(), ...made.getPan() });
    const end = middle(to);
    let begun = 0;
    const tick = (now: number) => {
      begun ||= now;
      const part = Math.min((now - begun) / GLIDE, 1);
      const eased = 1 - (1 - part) ** 3;
      const between = (a: number, b: number) => a + (b - a) * eased;
      put(centred(between(from.scale, end.scale), between(from.x, end.x), between(from.y, end.y)));
      if (part < 1) gliding.current = requestAnimationFrame(tick);
    };
    gliding.current = requestAnimationFrame(tick);
  };
  const fit = (animate = false) => {
    go(whole(), animate);
    free.current = narrow;
  };

  useLayoutEffect(() => {
    const svg = holder.current!.querySelector<SVGSVGElement>("svg.diagram")!;
    const world = holder.current!.querySelector<HTMLElement>(".world")!;
    const { scale, x, y } = opening();
    const made = Panzoom(world, {
      startScale: scale,
      startX: x,
      startY: y,
      canvas: true,
      maxScale: MOST,
      minScale: LEAST,
      step: 0.25,
      cursor: "grab",
      overflow: "hidden",
      origin: "0 0",
      handleStartEvent: () => undefined,
      excludeClass: "none",
    });
    zoom.current = made;
    stage.current = new Stage(svg, layout, float.current!);
    stage.current.setView({ scale, x, y });
    stage.current.setWidth(holder.current!.clientWidth);
    const changed = (event: Event) => stage.current.setView((event as CustomEvent<View>).detail);
    world.addEventListener("panzoomchange", changed);
    let start = { x: 0, y: 0 };
    const down = (event: PointerEvent) => {
      cancelAnimationFrame(gliding.current);
      start = { x: event.clientX, y: event.clientY };
      moved.current = false;
    };
    const move = (event: PointerEvent) => {
      if (event.buttons && Math.hypot(event.clientX - start.x, event.clientY - start.y) > 4) moved.current = free.current = true;
    };
    const wheel = (event: WheelEvent) => {
      event.preventDefault();
      cancelAnimationFrame(gliding.current);
      free.current = true;
      made.zoomWithWheel(event, { step: 0.2 });
    };
    const box = holder.current!;
    box.addEventListener("pointerdown", down, true);
    box.addEventListener("pointermove", move, true);
    box.addEventListener("wheel", wheel, { passive: false });
    const observer = new ResizeObserver(() => {
      stage.current!.setWidth(box.clientWidth);
      if (box.clientWidth === 0) return;
      if (aim.current) aim.current();
      else if (!free.current) go(opening(), false);
    });
    observer.observe(box);
    return () => {
      observer.disconnect();
      cancelAnimationFrame(gliding.current);
      world.removeEventListener("panzoomchange", changed);
      made.destroy();
      box.removeEventListener("pointerdown", down, true);
      box.removeEventListener("pointermove", move, true);
      box.removeEventListener("wheel", wheel);
    };
  }, [layout]);

  useLayoutEffect(() => {
    const now = stage.current!;
    now.setScope(model);
    if (!model) return;
    return player.onFrame((t) => {
      now.show(frame(model, t, player.still));
    });
  }, [layout, model, player, reduced]);

  useEffect(() => {
    if (performance.getEntriesByName("first-diagram").length === 0) performance.mark("first-diagram"); // of the tests
  }, []);
  useLayoutEffect(() => stage.current!.select(selected ?? "", marked), [layout, selected, marked, model]);
  useLayoutEffect(() => stage.current!.showTraffic(traffic), [layout, traffic]);

  // Follow: what moves stays in sight, at a size that can be read.
  useEffect(() => {
    if (!model || !follow) return;
    const look = (animate: boolean) => {
      if (!holder.current) return; // it has gone, and is told so in a moment
      if (player.t === 0 || player.ended) return fit(animate);
      const ends = (model.plan.beats[player.beat] ?? []).map((index) => layout.edges.find(({ name }) => name === model.plan.steps[index]!.step.edge)).filter((e) => e !== undefined);
      if (ends.length === 0) return;
      const points = ends.flatMap(({ way }) => [pointAt(way, 0), pointAt(way, 0.5), pointAt(way, 1)]);
      const boxes = layout.nodes.filter(({ node }) => ends.some(({ edge }) => edge.from === node.id || edge.to === node.id)); // whole, with their names
      const [left, right] = [Math.min(...points.map((p) => p.x - 40), ...boxes.map((b) => b.x - 16)), Math.max(...points.map((p) => p.x + 40), ...boxes.map((b) => b.x + b.w + 16))];
      const [top, bottom] = [Math.min(...points.map((p) => p.y - 70), ...boxes.map((b) => b.y - 16)), Math.max(...points.map((p) => p.y + 70), ...boxes.map((b) => b.y + b.h + 16))];
      const view = holder.current!.getBoundingClientRect();
      const scale = Math.min(Math.max(Math.min(view.width / (right - left), view.height / (bottom - top)), 0.45), 1.1);
      go(centred(scale, (left + right) / 2, (top + bottom) / 2), animate);
    };
    let beat = -1;
    const changed = () => {
      if (player.beat === beat && !player.ended && player.t !== 0) return;
      beat = player.beat;
      look(true);
    };
    changed();
    aim.current = () => look(false);
    const leave = player.onChange(changed);
    return () => {
      aim.current = undefined;
      leave();
    };
  }, [layout, model, follow, player, reduced]);

  const by = (factor: number) => {
    free.current = true;
    const view = holder.current!.getBoundingClientRect();
    const { x, y } = zoom.current.getPan();
    const old = zoom.current.getScale();
    go(centred(Math.min(Math.max(old * factor, LEAST), MOST), view.width / 2 / old - x, view.height / 2 / old - y), true);
  };
  const pick = <T,>(act: (value: T) => void) => (value: T) => {
    if (!moved.current) act(value);
  };
  return (
    <div class="canvas" role="region" aria-label={label ? `${label} diagram` : "Diagram"}>
      {label && !narrow && <h2 class="canvas-label">{label}</h2>}
      <div class="canvas-view" ref={holder}>
        <div class="world">
          <Diagram layout={layout} title={title} onNode={pick(onNode)} onEdge={pick(onEdge)} />
        </div>
        <div class="float" ref={float} aria-hidden="true" />
      </div>
      <div class="canvas-bar">
        {label && narrow ? <h2 class="canvas-label">{label}</h2> : <Legend layout={layout} open={!model && !narrow} />}
        <div class="zoom" role="group" aria-label="View of the diagram">
          <button type="button" class="tool" onClick={() => by(1.3)} aria-label="Zoom in" title="Zoom in (+)" data-key="+">
            <Icon name="plus" />
          </button>
          <button type="button" class="tool" onClick={() => by(1 / 1.3)} aria-label="Zoom out" title="Zoom out (-)" data-key="-">
            <Icon name="minus" />
          </button>
          <button type="button" class="tool" onClick={() => fit(true)} aria-label="Fit the whole diagram" title="Fit (F)" data-key="f">
            <Icon name="fit" />
          </button>
          {model && (
            <button type="button" class="tool" aria-pressed={follow} onClick={() => (setFollow(!follow), follow && fit(true))} aria-label="Follow what moves" title="Follow what moves">
              <Icon name="follow" />
            </button>
          )}
        </div>
      </div>
    </div>
  );
}
