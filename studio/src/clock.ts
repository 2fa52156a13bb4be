// The player's time: one requestAnimationFrame loop, which runs only while something plays. Who shows something subscribes; what is shown is a
// function of `t` alone.
import { BEAT, beatAt, restOf, type Model } from "./frame";
import { numberAt } from "./schedule";

export const SPEEDS = [0.25, 0.5, 1, 1.5, 2, 4];

export class Player {
  t = 0;
  playing = false;
  speed = 1;
  /** With reduced motion nothing travels, so a step is shown at once. */
  still = false;
  private until = Infinity;
  private request = 0;
  private last = 0;
  private frames = new Set<(t: number) => void>();
  private changes = new Set<() => void>();
  private told = "";

  constructor(public model: Model) {}

  /** Called for each frame. */
  onFrame(listener: (t: number) => void) {
    this.frames.add(listener);
    listener(this.t);
    return () => void this.frames.delete(listener);
  }

  /** Called when the beat, the speed, or whether it plays has changed. */
  onChange(listener: () => void) {
    this.changes.add(listener);
    return () => void this.changes.delete(listener);
  }

  get beat() {
    return beatAt(this.model, this.t);
  }

  get ended() {
    return this.t >= this.model.length;
  }

  /** The numbers of the steps that are shown. */
  get steps(): number[] {
    return this.model.plan.beats[this.beat] ?? [];
  }

  /** The number of the first of them; of one that is recorded alone, the number before. */
  get number(): number | undefined {
    const { plan } = this.model;
    return plan.steps[this.steps[0]!]?.number || numberAt(plan, this.beat) || undefined;
  }

  load(model: Model, t = 0) {
    this.pause();
    this.model = model;
    this.told = "";
    this.seek(t);
  }

  play() {
    if (this.ended) this.set(0);
    this.until = Infinity;
    this.run();
  }

  pause() {
    this.playing = false;
    cancelAnimationFrame(this.request);
    this.tell();
  }

  toggle() {
    if (this.playing) this.pause();
    else this.play();
  }

  seek(t: number) {
    this.until = Infinity;
    this.set(Math.min(Math.max(t, 0), this.model.length));
  }

  /** Forward: a message travels, then it stops; back: at once. */
  step(by: 1 | -1) {
    const last = this.model.plan.beats.length - 1;
    if (by < 0) {
      const beat = this.beat;
      this.pause();
      this.seek(this.ended ? restOf(last) : beat > 0 ? restOf(beat - 1) : 0);
      return;
    }
    const stepping = this.playing && this.until !== Infinity; // pressed again while it goes
    const next = stepping || this.t >= restOf(this.beat) - 1 ? this.beat + 1 : this.beat;
    if (this.still || next > last) {
      this.pause();
      this.seek(next > last ? this.model.length : restOf(next));
      return;
    }
    this.until = restOf(next);
    this.set(Math.max(this.t, next * BEAT));
    this.run();
  }

  faster(by: 1 | -1) {
    const at = SPEEDS.indexOf(this.speed);
    this.setSpeed(SPEEDS[Math.min(Math.max(at + by, 0), SPEEDS.length - 1)]!);
  }

  setSpeed(speed: number) {
    this.speed = speed;
    this.tell();
  }

  private run() {
    cancelAnimationFrame(this.request);
    this.playing = true;
    this.last = 0;
    this.request = requestAnimationFrame(this.tick);
    this.tell();
  }

  private tick = (now: number) => {
    const passed = this.last === 0 ? 0 : Math.min(now - this.last, 100); // a tab that slept goes on where it was
    this.last = now;
    this.set(Math.min(this.t + passed * this.speed, this.until, this.model.length));
    if (this.t >= this.until || this.ended) {
      this.until = Infinity;
      this.pause();
    } else {
      this.request = requestAnimationFrame(this.tick);
    }
  };

  private set(t: number) {
    this.t = t;
    for (const listener of this.frames) listener(t);
    this.tell();
  }

  private tell() {
    const now = `${this.beat} ${this.ended} ${this.playing} ${this.speed} ${this.t === 0}`;
    if (now === this.told) return;
    this.told = now;
    for (const listener of this.changes) listener();
  }
}
