// What can be taken along: the moment as SVG, the scenario as GIF, the player as one HTML file that plays offline. Loaded when it is asked for.
import { render } from "preact";
import type { Topology } from "./data";
import { Diagram } from "./diagram";
import { BEAT, frame, type Model } from "./frame";
import { Gif, Palette } from "./gif";
import { layout as arrange, type Layout } from "./layout";
import { paint, picture, toSvg } from "./picture";
import { Stage } from "./stage";

declare const STYLE_URL: string;
declare const ALONE_URL: string;

const GIF_WIDTH = 960; // pixels
const GIF_RATE = 12.5; // frames a second: delays of GIF are hundredths
const GIF_SPEED = 1.25;

export interface Taken {
  topology: Topology;
  layout: Layout;
  model: Model;
}

export function offer(name: string, data: BlobPart, type: string) {
  const url = URL.createObjectURL(new Blob([data], { type }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

const background = () => getComputedStyle(document.documentElement).getPropertyValue("--canvas").trim() || "#fff";

/** A drawing of its own behind the page, to be read and thrown away. */
function behind<T>({ layout, topology }: Taken, use: (svg: SVGSVGElement, stage: Stage) => T): { result: T; done: () => void } {
  const host = document.createElement("div");
  host.className = "behind";
  host.setAttribute("aria-hidden", "true");
  document.body.append(host);
  render(<Diagram layout={layout} title={topology.title} picture />, host);
  const svg = host.querySelector("svg")!;
  const done = () => {
    render(null, host);
    host.remove();
  };
  return { result: use(svg, new Stage(svg, layout)), done };
}

export function asSvg(taken: Taken, t: number, sequenceDrawings: SVGSVGElement[]): string {
  const title = taken.model.plan.scenario.title;
  if (sequenceDrawings.length > 0) return toSvg(picture(sequenceDrawings, background()), title);
  const { result, done } = behind(taken, (svg, stage) => {
    stage.setScope(taken.model);
    stage.show(frame(taken.model, t));
    return toSvg(picture([svg], background()), title);
  });
  done();
  return result;
}

export async function asGif(taken: Taken, progress: (part: number) => void, cancelled: () => boolean): Promise<Uint8Array | undefined> {
  const { layout, model } = taken;
  const scale = Math.min(GIF_WIDTH / layout.width, 1);
  const width = Math.round(layout.width * scale);
  const height = Math.round(layout.height * scale);
  const sheet = document.createElement("canvas");
  sheet.width = width;
  sheet.height = height;
  const pen = sheet.getContext("2d", { willReadFrequently: true })!;
  const rest = new OffscreenCanvas(width, height);
  const restPen = rest.getContext("2d")!;
  const { result: drawing, done } = behind(taken, (svg, stage) => {
    stage.setScope(model);
    const messages = svg.querySelector<SVGGElement>(".messages")!;
    let drawn = "";
    return (t: number) => {
      const now = frame(model, t);
      stage.show(now);
      // What stands still is painted once for each state; only messages are for each frame.
      const state = `${now.beat} ${now.arrived} ${now.messages.length}`;
      if (state !== drawn) {
        drawn = state;
        messages.style.display = "none";
        paint(restPen, picture([svg], background()), scale);
        messages.style.display = "";
      }
      pen.drawImage(rest, 0, 0);
      paint(pen, picture([messages], ""), scale);
      return pen.getImageData(0, 0, width, height).data;
    };
  });
  try {
    const palette = new Palette();
    for (let i = 0; i <= 8; i++) palette.add(drawing(Math.min(((i + 0.4) / 9) * model.length, model.length)));
    palette.seal();
    const gif = new Gif(width, height, palette);
    const step = (1000 / GIF_RATE) * GIF_SPEED;
    const count = Math.ceil(model.length / step);
    for (let i = 0; i <= count; i++) {
      gif.add({ pixels: palette.index(drawing(Math.min(i * step, model.length))), delay: i === count ? 300 : Math.round(100 / GIF_RATE) });
      if (i % 4 === 0) {
        progress(i / count);
        await new Promise((resolve) => setTimeout(resolve));
        if (cancelled()) return undefined;
      }
    }
    return gif.finish();
  } finally {
    done();
  }
}

const sha256 = async (text: string) => {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return btoa(String.fromCharCode(...new Uint8Array(digest)));
};

/** The page has its own CSP: only its own style and script run, and nothing is fetched. */
export async function asHtml({ topology, model }: Taken): Promise<string> {
  const [style, script] = await Promise.all([STYLE_URL, ALONE_URL].map(async (url) => (await (await fetch(url)).text()).trim()));
  const data = JSON.stringify({ layout: portable(arrange(topology)), topology, scenario: model.plan.scenario }).replace(/</g, "\\u003c");
  const inline = script!.replace(/<\/script/gi, "<\\/script");
  const policy = `default-src 'none'; script-src 'sha256-${await sha256(inline)}'; style-src 'sha256-${await sha256(style!)}'; base-uri 'none'; form-action 'none'`;
  const title = `${model.plan.scenario.title} · ${topology.title}`.replace(/[&<>]/g, (c) => `&#${c.charCodeAt(0)};`);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title}</title>
<style>${style}</style>
</head>
<body>
<div id="root"></div>
<script type="application/json" id="data">${data}</script>
<script>${inline}</script>
</body>
</html>
`;
}

/** Tables of points as plain numbers. */
function portable(layout: Layout) {
  const rounded = (value: number) => Math.round(value * 10) / 10;
  return { ...layout, edges: layout.edges.map((edge) => ({ ...edge, way: { ...edge.way, table: [...edge.way.table].map(rounded) } })) };
}

export const fileName = (model: Model, t: number, end: string) =>
  `${model.plan.scenario.name}${t > 0 && t < model.length ? `-${model.plan.steps[model.plan.beats[Math.floor(t / BEAT)]?.[0] ?? 0]?.number ?? 1}` : ""}.${end}`;
