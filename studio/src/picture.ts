// A drawing on the page as a picture of its own: SVG text, or strokes on a canvas. What is seen is what is written, since each part's look is
// asked of the page (getComputedStyle) and nothing is drawn a second way. Knows path, rect, circle, text, g; transforms translate, rotate and scale.

interface Part {
  name: string;
  transform: string;
  style: Record<string, string>;
  shape: Record<string, string>;
  text: string;
  children: Part[];
}

const SHAPES: Record<string, string[]> = {
  path: ["d"],
  rect: ["x", "y", "width", "height", "rx"],
  circle: ["cx", "cy", "r"],
  text: ["x", "y"],
  g: [],
};
const PAINT = ["fill", "stroke", "stroke-width", "stroke-dasharray", "stroke-linecap", "stroke-linejoin", "opacity", "fill-opacity", "stroke-opacity", "paint-order"];
const FONT = ["font-family", "font-size", "font-weight", "text-anchor"];

export function read(element: Element): Part | undefined {
  const name = element.localName;
  const wanted = SHAPES[name];
  if (!wanted) return undefined;
  const look = getComputedStyle(element);
  if (look.display === "none" || look.visibility === "hidden" || look.opacity === "0") return undefined;
  const style: Record<string, string> = {};
  for (const key of name === "g" ? ["opacity"] : name === "text" ? [...PAINT, ...FONT] : PAINT) style[key] = look.getPropertyValue(key);
  const shape: Record<string, string> = {};
  for (const key of wanted) {
    const value = element.getAttribute(key);
    if (value !== null) shape[key] = value;
  }
  const children = name === "g" ? [...element.children].map(read).filter((part) => part !== undefined) : [];
  return { name, transform: element.getAttribute("transform") ?? "", style, shape, text: name === "text" ? (element.textContent ?? "") : "", children };
}

type Pen = CanvasRenderingContext2D | OffscreenCanvasRenderingContext2D;

export interface Picture {
  width: number;
  height: number;
  background: string;
  parts: Part[];
}

/** Several drawings one below the other, as the sequence has them. */
export function picture(drawings: Element[], background: string): Picture {
  const parts: Part[] = [];
  let width = 0;
  let height = 0;
  for (const svg of drawings) {
    const [, , w = 0, h = 0] = (svg.getAttribute("viewBox") ?? "").split(" ").map(Number);
    const children = [...svg.children].map(read).filter((part) => part !== undefined);
    parts.push({ name: "g", transform: `translate(0 ${height})`, style: {}, shape: {}, text: "", children });
    width = Math.max(width, w);
    height += h;
  }
  return { width, height, background, parts };
}

const DEFAULTS: Record<string, string> = {
  opacity: "1",
  "fill-opacity": "1",
  "stroke-opacity": "1",
  "stroke-dasharray": "none",
  "stroke-linecap": "butt",
  "stroke-linejoin": "miter",
  "text-anchor": "start",
  "paint-order": "normal",
};
const escape = (text: string) => text.replace(/[&<>"]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c]!);

function write(part: Part): string {
  const attributes = [
    ...(part.transform ? [["transform", part.transform]] : []),
    ...Object.entries(part.shape),
    ...Object.entries(part.style).filter(([key, value]) => value !== "" && value !== DEFAULTS[key] && !(key.startsWith("stroke") && part.style.stroke === "none" && key !== "stroke")),
  ].map(([key, value]) => ` ${key}="${escape(value!)}"`);
  const inner = part.children.map(write).join("") + escape(part.text);
  if (part.name === "g" && inner === "") return "";
  return inner ? `<${part.name}${attributes.join("")}>${inner}</${part.name}>` : `<${part.name}${attributes.join("")}/>`;
}

export function toSvg({ width, height, background, parts }: Picture, title: string): string {
  const head = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">`;
  return `${head}<title>${escape(title)}</title><rect width="${width}" height="${height}" fill="${background}"/>${parts.map(write).join("")}</svg>\n`;
}

function transform(pen: Pen, text: string) {
  for (const [, name, values] of text.matchAll(/(\w+)\(([^)]*)\)/g)) {
    const [a = 0, b = 0] = values!.split(/[\s,]+/).map(Number);
    if (name === "translate") pen.translate(a, b);
    else if (name === "rotate") pen.rotate((a * Math.PI) / 180);
    else if (name === "scale") pen.scale(a, a);
  }
}

function draw(pen: Pen, part: Part) {
  const { style, shape } = part;
  const opacity = Number(style.opacity ?? 1);
  pen.save();
  transform(pen, part.transform);
  pen.globalAlpha *= Number.isFinite(opacity) ? opacity : 1;
  if (part.name === "g") {
    for (const child of part.children) draw(pen, child);
    return pen.restore();
  }
  const number = (key: string) => Number(shape[key] ?? 0);
  const path = new Path2D(part.name === "path" ? (shape.d ?? "") : "");
  if (part.name === "rect") path.roundRect(number("x"), number("y"), number("width"), number("height"), number("rx"));
  if (part.name === "circle") path.arc(number("cx"), number("cy"), number("r"), 0, 7);
  const alpha = pen.globalAlpha;
  if (part.name === "text") {
    pen.font = `${style["font-weight"]} ${style["font-size"]} ${style["font-family"]}`;
    pen.textAlign = style["text-anchor"] === "middle" ? "center" : style["text-anchor"] === "end" ? "right" : "left";
    if (style.stroke && style.stroke !== "none") {
      pen.strokeStyle = style.stroke;
      pen.lineWidth = parseFloat(style["stroke-width"] ?? "1");
      pen.lineJoin = "round";
      pen.strokeText(part.text, number("x"), number("y"));
    }
    pen.fillStyle = style.fill ?? "#000";
    pen.fillText(part.text, number("x"), number("y"));
  } else {
    if (style.fill && style.fill !== "none") {
      pen.globalAlpha = alpha * Number(style["fill-opacity"] ?? 1);
      pen.fillStyle = style.fill;
      pen.fill(path);
    }
    if (style.stroke && style.stroke !== "none") {
      pen.globalAlpha = alpha * Number(style["stroke-opacity"] ?? 1);
      pen.strokeStyle = style.stroke;
      pen.lineWidth = parseFloat(style["stroke-width"] ?? "1");
      pen.lineCap = (style["stroke-linecap"] as CanvasLineCap | undefined) ?? "butt";
      pen.lineJoin = (style["stroke-linejoin"] as CanvasLineJoin | undefined) ?? "miter";
      const dashes = style["stroke-dasharray"] ?? "none";
      pen.setLineDash(dashes === "none" ? [] : dashes.split(/[\s,]+/).map(parseFloat));
      pen.stroke(path);
    }
  }
  pen.restore();
}

/** Without a background: over what is there. */
export function paint(pen: Pen, { width, height, background, parts }: Picture, scale: number) {
  pen.save();
  pen.scale(scale, scale);
  if (background) {
    pen.fillStyle = background;
    pen.fillRect(0, 0, width, height);
  }
  for (const part of parts) draw(pen, part);
  pen.restore();
}
