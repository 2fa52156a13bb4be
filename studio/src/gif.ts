// A GIF encoder (GIF89a, W3C; Welch, "A Technique for High-Performance Data Compression", 1984). One palette for all frames, of the colours that
// are met most; of each frame only the rectangle that differs from the one before. Pure.

export interface GifFrame {
  /** Index into the palette, a byte a pixel. */
  pixels: Uint8Array;
  /** Hundredths of a second. */
  delay: number;
}

type Colour = [number, number, number];
const key = (r: number, g: number, b: number) => ((r >> 3) << 10) | ((g >> 3) << 5) | (b >> 3);

/** Collects colours of some frames (RGBA), then names the nearest of 256 to each. */
export class Palette {
  private count = new Map<number, [number, number, number, number]>();
  colours: Colour[] = [];
  private nearest = new Int16Array(32768).fill(-1);

  add(rgba: Uint8ClampedArray) {
    for (let i = 0; i < rgba.length; i += 4) {
      const k = key(rgba[i]!, rgba[i + 1]!, rgba[i + 2]!);
      const entry = this.count.get(k);
      if (entry) {
        entry[0]++;
        entry[1] += rgba[i]!;
        entry[2] += rgba[i + 1]!;
        entry[3] += rgba[i + 2]!;
      } else this.count.set(k, [1, rgba[i]!, rgba[i + 1]!, rgba[i + 2]!]);
    }
  }

  /** The colours that are met most, but none that stands close to one that was taken. */
  seal() {
    const sorted = [...this.count.values()].sort((a, b) => b[0] - a[0]);
    for (const apart of [10, 5, 0]) {
      for (const [n, r, g, b] of sorted) {
        if (this.colours.length === 256) return;
        const colour: Colour = [Math.round(r / n), Math.round(g / n), Math.round(b / n)];
        if (this.colours.every((other) => Math.hypot(other[0] - colour[0], other[1] - colour[1], other[2] - colour[2]) > apart)) this.colours.push(colour);
      }
    }
  }

  index(rgba: Uint8ClampedArray): Uint8Array {
    const out = new Uint8Array(rgba.length / 4);
    for (let i = 0, p = 0; i < rgba.length; i += 4, p++) {
      const k = key(rgba[i]!, rgba[i + 1]!, rgba[i + 2]!);
      if (this.nearest[k]! < 0) this.nearest[k] = this.find(this.mean(k) ?? [rgba[i]!, rgba[i + 1]!, rgba[i + 2]!]);
      out[p] = this.nearest[k]!;
    }
    return out;
  }

  /** Colours that are told apart by less than a bin are one; what is met most among them says which. */
  private mean(k: number): Colour | undefined {
    const entry = this.count.get(k);
    return entry && [entry[1] / entry[0], entry[2] / entry[0], entry[3] / entry[0]];
  }

  private find([red, green, blue]: Colour): number {
    let best = 0;
    let least = Infinity;
    this.colours.forEach(([r, g, b], n) => {
      const far = (r - red) ** 2 + (g - green) ** 2 + (b - blue) ** 2;
      if (far < least) {
        least = far;
        best = n;
      }
    });
    return best;
  }
}

class Bytes {
  private data = new Uint8Array(1 << 16);
  length = 0;

  byte(value: number) {
    if (this.length === this.data.length) {
      const wider = new Uint8Array(this.data.length * 2);
      wider.set(this.data);
      this.data = wider;
    }
    this.data[this.length++] = value;
  }

  short(value: number) {
    this.byte(value & 255);
    this.byte((value >> 8) & 255);
  }

  text(value: string) {
    for (let i = 0; i < value.length; i++) this.byte(value.charCodeAt(i));
  }

  patch(at: number, short: number) {
    this.data[at] = short & 255;
    this.data[at + 1] = (short >> 8) & 255;
  }

  done() {
    return this.data.slice(0, this.length);
  }
}

/** Codes of 9 to 12 bits, in blocks of up to 255 bytes; the table begins anew when it is full. */
function compress(out: Bytes, pixels: Uint8Array) {
  const CLEAR = 256;
  const END = 257;
  let block: number[] = [];
  let bits = 0;
  let held = 0;
  let size = 9;
  let next = 258;
  let table = new Map<number, number>();
  const flush = () => {
    out.byte(block.length);
    for (const byte of block) out.byte(byte);
    block = [];
  };
  const put = (code: number) => {
    held |= code << bits;
    bits += size;
    while (bits >= 8) {
      block.push(held & 255);
      held >>>= 8;
      bits -= 8;
      if (block.length === 255) flush();
    }
  };
  out.byte(8);
  put(CLEAR);
  let current = pixels[0]!;
  for (let i = 1; i < pixels.length; i++) {
    const pixel = pixels[i]!;
    const pair = (current << 8) | pixel;
    const known = table.get(pair);
    if (known !== undefined) {
      current = known;
      continue;
    }
    put(current);
    current = pixel;
    if (next === 4096) {
      put(CLEAR);
      table = new Map();
      next = 258;
      size = 9;
    } else {
      if (next === 1 << size && size < 12) size++;
      table.set(pair, next++);
    }
  }
  put(current);
  put(END);
  if (bits > 0) block.push(held & 255);
  if (block.length > 0) flush();
  out.byte(0);
}

export class Gif {
  private out = new Bytes();
  private before: Uint8Array | undefined;
  private waiting: { at: number; delay: number } | undefined;

  constructor(
    private width: number,
    private height: number,
    palette: Palette,
  ) {
    const { out } = this;
    out.text("GIF89a");
    out.short(width);
    out.short(height);
    out.byte(0xf7); // a palette of 256
    out.byte(0);
    out.byte(0);
    for (let i = 0; i < 256; i++) for (const part of palette.colours[i] ?? [0, 0, 0]) out.byte(part);
    out.byte(0x21);
    out.byte(0xff);
    out.byte(11);
    out.text("NETSCAPE2.0"); // for ever
    out.byte(3);
    out.byte(1);
    out.short(0);
    out.byte(0);
  }

  add({ pixels, delay }: GifFrame) {
    const { width, height, before } = this;
    let [left, top, right, bottom] = [0, 0, width, height];
    if (before) {
      [left, top, right, bottom] = [width, height, 0, 0];
      for (let y = 0; y < height; y++) {
        for (let x = 0, i = y * width; x < width; x++, i++) {
          if (pixels[i] === before[i]) continue;
          if (x < left) left = x;
          if (x >= right) right = x + 1;
          if (y < top) top = y;
          bottom = y + 1;
        }
      }
      if (right === 0) return this.longer(delay); // nothing moved
    }
    this.before = pixels;
    const part = new Uint8Array((right - left) * (bottom - top));
    for (let y = top, i = 0; y < bottom; y++, i += right - left) part.set(pixels.subarray(y * width + left, y * width + right), i);
    const { out } = this;
    for (const byte of [0x21, 0xf9, 4, 0x04]) out.byte(byte); // stays until the next
    this.waiting = { at: out.length, delay };
    out.short(delay);
    out.byte(0);
    out.byte(0);
    out.byte(0x2c);
    for (const value of [left, top, right - left, bottom - top]) out.short(value);
    out.byte(0);
    compress(out, part);
  }

  private longer(delay: number) {
    const waiting = this.waiting!;
    waiting.delay += delay;
    this.out.patch(waiting.at, waiting.delay);
  }

  finish(): Uint8Array {
    this.out.byte(0x3b);
    return this.out.done();
  }
}
