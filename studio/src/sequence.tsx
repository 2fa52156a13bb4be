// The same steps as a sequence: a line of life for each node that takes part, a row for each step, what happens at the same time bracketed at the
// left. A database is told on its service's line. Rows that are current are marked by SequenceStage, as the diagram is by Stage.
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import type { Player } from "./clock";
import type { Protocol, Step, Topology } from "./data";
import { caption, frame, toneOf, type Model } from "./frame";
import { DASHES, HEADS, shape } from "./shapes";

const ROW = 34;
/** Width of a lane: what there is, between these. */
const NARROWEST = 108;
const WIDEST = 150;
const HEAD = 62;
const LEFT = 56;

export interface Lane {
  id: string;
  title: string;
  kind: Topology["nodes"][number]["kind"];
}

export interface SequenceRow {
  step: Step;
  number: number;
  beat: number;
  /** Beside another sequence both have the same rows. */
  row: number;
  from: number;
  to: number;
  /** A question to the lane's own database. */
  own: boolean;
}

/** Which nodes have a lane, in the order in which the story meets them; the outside is last. Pure. */
export function sequence(topology: Topology, model: Model): { lanes: Lane[]; rows: SequenceRow[] } {
  const byId = new Map(topology.nodes.map((node) => [node.id, node]));
  const lane = (id: string) => {
    const node = byId.get(id);
    return node?.kind === "database" && node.of && byId.has(node.of) ? node.of : id;
  };
  const met: string[] = [];
  for (const { step } of model.plan.steps) for (const id of [lane(step.from), lane(step.to)]) if (!met.includes(id)) met.push(id);
  const last = (id: string) => ["service", "client", "gateway"].indexOf(byId.get(id)?.kind ?? "") < 0;
  const outside = (id: string) => byId.get(id)?.kind === "external";
  const order = [...met.filter((id) => !last(id)), ...met.filter((id) => last(id) && !outside(id)), ...met.filter(outside)];
  const lanes = order.map((id) => ({ id, title: byId.get(id)?.title ?? id, kind: byId.get(id)?.kind ?? "service" }));
  const at = new Map(order.map((id, i) => [id, i]));
  const rows = model.plan.steps.map(({ step, number, beat, row }, index) => ({
    step,
    number,
    beat,
    row: row ?? index,
    from: at.get(lane(step.from))!,
    to: at.get(lane(step.to))!,
    own: lane(step.from) === lane(step.to),
  }));
  return { lanes, rows };
}

const rowY = (index: number) => ROW * (index + 0.5) + 6;

/** Text that fits; the whole is in the title. */
const fit = (text: string, width: number) => {
  const room = Math.floor(width / 6.2);
  return text.length > room ? `${text.slice(0, Math.max(room - 1, 1))}…` : text;
};

interface Props {
  topology: Topology;
  model: Model;
  player: Player;
  onStep: (number: number) => void;
  marks?: Map<string, string>;
  /** What it is, beside another. */
  label?: string;
}

export function SequenceView({ topology, model, player, onStep, marks, label }: Props) {
  const { lanes, rows } = useMemo(() => sequence(topology, model), [topology, model]);
  const scroller = useRef<HTMLDivElement>(null);
  const body = useRef<SVGSVGElement>(null);
  const [{ room, tall }, setSize] = useState({ room: 1000, tall: 0 });
  const lane = Math.min(Math.max((room - LEFT - 24) / Math.max(lanes.length, 1), NARROWEST), WIDEST);
  const laneX = (index: number) => LEFT + lane * (index + 0.5);
  const behind = rows.some(({ own, from }) => own && from === lanes.length - 1) ? 84 : 24; // what a service asks its database stands beside its lane
  const width = Math.max(LEFT + lanes.length * lane + behind, room);
  const height = (Math.max(...rows.map(({ row }) => row)) + 1) * ROW + 20;

  useLayoutEffect(() => {
    const view = scroller.current!;
    const measure = () => setSize({ room: view.clientWidth, tall: view.clientHeight });
    const observer = new ResizeObserver(measure);
    observer.observe(view);
    measure();
    return () => observer.disconnect();
  }, []);
  useEffect(() => {
    const groups = [...body.current!.querySelectorAll<SVGGElement>(".row")];
    const dots = groups.map((group) => group.querySelector<SVGCircleElement>(".dot")!);
    let shown = -2;
    let moving: number[] = [];
    return player.onFrame((t) => {
      const now = frame(model, t, player.still);
      const position = t <= 0 ? -1 : t >= model.length ? model.plan.beats.length : now.beat;
      if (position !== shown) {
        shown = position;
        rows.forEach((row, i) => {
          const looks = row.beat === position ? "now" : row.beat < position ? "past" : "next";
          const group = groups[i]!;
          group.classList.remove("now", "past", "next");
          group.classList.add(looks);
        });
        const current = position < 0 ? 0 : t >= model.length ? rows.length - 1 : rows.findIndex((row) => row.beat === position);
        const view = scroller.current;
        if (current >= 0 && view) {
          const top = rowY(rows[current]!.row) + HEAD;
          const [begin, back] = [laneX(rows[current]!.from), rows[current]!.from > rows[current]!.to];
          const [a, b] = [rows[current]!.from, rows[current]!.to].map(laneX).sort((p, q) => p - q) as [number, number];
          const hidden = b + (rows[current]!.own ? lane : lane / 2) > view.scrollLeft + view.clientWidth || a - lane / 2 < view.scrollLeft;
          const away = top < view.scrollTop + HEAD + ROW || top > view.scrollTop + view.clientHeight - 2 * ROW;
          if (hidden || away) {
            const wide = b - a + lane > view.clientWidth; // then where it begins, with its text
            const left = !hidden ? view.scrollLeft : !wide ? (a + b - view.clientWidth) / 2 : back ? begin + lane / 2 - view.clientWidth : begin - lane / 2;
            view.scrollTo({ top: away ? top - view.clientHeight / 2 : view.scrollTop, left, behavior: player.still ? "auto" : "smooth" });
          }
        }
        moving = model.plan.beats[now.beat] ?? [];
      }
      now.messages.forEach((message, k) => {
        const index = moving[k]!;
        const row = rows[index]!;
        const part = row.step.kind === "reply" ? 1 - message.at : message.at;
        const x = row.own ? laneX(row.from) + 22 * part : laneX(row.from) + (laneX(row.to) - laneX(row.from)) * part;
        dots[index]!.setAttribute("cx", x.toFixed(1));
      });
    });
  }, [player, model, rows, lane, room, tall]); // in another room what plays is looked for anew

  return (
    <div class="sequence" ref={scroller} tabIndex={0} role="region" aria-label={label ? `${label} sequence` : "Sequence of the same steps"}>
      <div class="sequence-sheet">
        <svg class="lanes" xmlns="http://www.w3.org/2000/svg" width={width} height={HEAD} viewBox={`0 0 ${width} ${HEAD}`} aria-hidden="true">
          <rect class="sheet" width={width} height={HEAD} />
          {lanes.map(({ id, kind }, i) => {
            const w = lane - 12;
            const { outline, detail } = shape(kind, w, 42);
            return (
              <g key={id} class={`node k-${kind}`} transform={`translate(${laneX(i) - w / 2} 10)`}>
                <path class="outline" d={outline} />
                {detail && <path class="detail" d={detail} />}
                <text class="id" x={w / 2} y={kind === "client" ? 32 : 26}>
                  {fit(id, w + 16)}
                </text>
              </g>
            );
          })}
        </svg>
        <svg class="rows" xmlns="http://www.w3.org/2000/svg" width={width} height={height} viewBox={`0 0 ${width} ${height}`} ref={body} aria-hidden="true">
          <rect class="sheet" width={width} height={height} />
          {lanes.map(({ id }, i) => (
            <path key={id} class="life" d={`M${laneX(i)} 0V${height}`} />
          ))}
          {model.plan.beats.map((beat, i) =>
            beat.length > 1 ? <path key={i} class="together" d={`M40 ${rowY(rows[beat[0]!]!.row) - 12}h-5V${rowY(rows[beat[beat.length - 1]!]!.row) + 12}h5`} /> : null,
          )}
          {rows.map((row, i) => (
            <Row key={i} row={row} y={rowY(row.row)} width={width} lane={lane} mark={marks?.get(row.step.id)} onStep={onStep} />
          ))}
        </svg>
      </div>
      {label && <h2 class="canvas-label">{label}</h2>}
    </div>
  );
}

const PROTOCOL: Record<Step["kind"], Protocol> = {
  request: "http",
  call: "http",
  reply: "http",
  external: "https",
  sql: "sql",
  cache: "redis",
  publish: "kafka",
  deliver: "kafka",
};

interface RowProps {
  row: SequenceRow;
  y: number;
  width: number;
  lane: number;
  mark?: string;
  onStep: (number: number) => void;
}

function Row({ row, y, width, lane, mark, onStep }: RowProps) {
  const laneX = (index: number) => LEFT + lane * (index + 0.5);
  const { step } = row;
  const tone = toneOf(step);
  const text = caption(step);
  const a = laneX(row.from);
  const b = laneX(row.to);
  const head = HEADS[PROTOCOL[step.kind]];
  const dash = step.kind === "reply" ? "3 4" : DASHES[PROTOCOL[step.kind]];
  const back = b < a;
  const stop = step.status === "open" || step.status === "timeout" || step.status === "refused";
  const end = step.status === "open" ? a + (b - a) * 0.24 : b;
  return (
    <g class={`row t-${tone} ${step.kind} next${mark ? ` m-${mark}` : ""}`} data-step={row.number} onClick={() => onStep(row.number)}>
      <title>{`${row.number || "+"}. ${step.say}`}</title>
      <rect class="band" x="0" y={y - ROW / 2} width={width} height={ROW} />
      <text class="number" x="30" y={y + 4}>
        {row.number || "+"}
      </text>
      {row.own ? (
        <g>
          <path class="arrow" d={`M${a} ${y}h20`} />
          <path class="store" d={`M${a + 22} ${y - 6}v12a6 2.5 0 0 0 12 0v-12a6 2.5 0 0 0 -12 0a6 2.5 0 0 0 12 0`} />
          <text class="label own" x={a + 40} y={y + 4}>
            {fit(text, width - a - 48)}
          </text>
        </g>
      ) : (
        <g>
          <path class="arrow" d={`M${a} ${y + 6}H${end}`} stroke-dasharray={dash} />
          {stop ? (
            <path class="stop" d={`M${end + (back ? 6 : -6) - 5} ${y + 1}l10 10m-10 0l10 -10`} />
          ) : (
            <path class={head.open ? "head open" : "head"} d={head.d} transform={`translate(${end} ${y + 6})${back ? " rotate(180)" : ""}`} />
          )}
          <text class="label" x={back ? Math.max(b, a - lane * 1.5) + 12 : a + 12} y={y}>
            {fit(text, width - Math.min(a, end) - 24)}
          </text>
        </g>
      )}
      <circle class="dot" cx={a} cy={row.own ? y : y + 6} r="5" />
    </g>
  );
}
