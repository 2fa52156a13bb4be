// The AnimationPlayer's controls: which scenario, what happens, where in time.
import type { ComponentChildren, Ref } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { SPEEDS, type Player } from "./clock";
import { BEAT, restOf, toneOf, type Model } from "./frame";
import { usePlayer } from "./hooks";
import { Icon } from "./icons";
import type { Scheduled } from "./schedule";
import { apart, ending, outcome, total, where } from "./text";

interface Props {
  model: Model;
  player: Player;
  scenarios: { name: string; title: string }[];
  scenario: string;
  onScenario: (name: string) => void;
  sequence: boolean;
  onSequence: () => void;
  playButton: Ref<HTMLButtonElement>;
  switches?: ComponentChildren;
  children?: ComponentChildren;
}

export function Dock({ model, player, scenarios, scenario, onScenario, sequence, onSequence, playButton, switches, children }: Props) {
  usePlayer(player);
  const tabs = useRef<HTMLDivElement>(null);
  const centre = () => {
    const row = tabs.current;
    const tab = row?.querySelector<HTMLElement>("[aria-pressed=true]");
    if (row && tab) row.scrollLeft = tab.offsetLeft - row.offsetLeft - (row.clientWidth - tab.offsetWidth) / 2;
  };
  useEffect(centre, [scenario]);
  useEffect(() => {
    const observer = new ResizeObserver(centre);
    observer.observe(tabs.current!);
    return () => observer.disconnect();
  }, []);
  const ready = player.model === model; // it is loaded behind the drawing
  const current = !ready || (player.t === 0 && !player.playing) || player.ended ? [] : player.steps.map((index) => model.plan.steps[index]!);
  const tool = (name: Parameters<typeof Icon>[0]["name"], label: string, key: string, act: () => void) => (
    <button type="button" class="tool" onClick={act} aria-label={label} title={`${label} (${key})`}>
      <Icon name={name} />
    </button>
  );
  return (
    <section class="dock" aria-label="Player">
      <div class="tabs" ref={tabs} role="group" aria-label="Scenarios">
        {scenarios.map(({ name, title }) => (
          <button type="button" key={name} class="tab" aria-pressed={name === scenario} onClick={() => onScenario(name)}>
            {title}
          </button>
        ))}
      </div>
      {switches}
      <Narration model={model} player={player} current={current} />
      <Slider model={model} player={player} />
      <div class="controls">
        <div class="transport" role="group" aria-label="Playback">
          {tool("start", "To the beginning", "Home", () => (player.pause(), player.seek(0)))}
          {tool("back", "Step back", "Left", () => player.step(-1))}
          <button type="button" class="tool primary" ref={playButton} onClick={() => player.toggle()} aria-label={player.playing ? "Pause" : "Play"} title={`${player.playing ? "Pause" : "Play"} (Space)`}>
            <Icon name={player.playing ? "pause" : "play"} />
          </button>
          {tool("next", "Step forward", "Right", () => player.step(1))}
          {tool("end", "To the end", "End", () => (player.pause(), player.seek(model.length)))}
        </div>
        <label class="speed">
          <span class="visually-hidden">Speed</span>
          <select value={String(player.speed)} title="Speed (< and >)" onChange={(event) => player.setSpeed(Number(event.currentTarget.value))}>
            {SPEEDS.map((speed) => (
              <option key={speed} value={String(speed)}>
                {speed}×
              </option>
            ))}
          </select>
        </label>
        <span class="position">{position(model, player, current)}</span>
        <div class="controls-more">
          <button type="button" class="tool wide" aria-pressed={sequence} onClick={onSequence} title="Sequence (S)">
            <Icon name={sequence ? "diagram" : "sequence"} />
            <span>{sequence ? "Diagram" : "Sequence"}</span>
          </button>
          {children}
        </div>
      </div>
    </section>
  );
}

function position(model: Model, player: Player, current: Scheduled[]): string {
  if (player.ended) return `${total(model.plan)} played`;
  return current.length === 0 ? total(model.plan) : where(model.plan, current);
}

/** What happens, also for screen readers: the region is polite, and is written once a beat. */
function Narration({ model, player, current }: { model: Model; player: Player; current: Scheduled[] }) {
  const { title } = model.plan.scenario;
  const bad = current.some(({ step }) => toneOf(step) === "bad");
  const phase = current.some(({ step }) => step.phase === "undo") ? "undo" : bad ? "bad" : current.some(({ step }) => step.phase === "event") && current.length === 1 ? "event" : "";
  return (
    <div class={`narration ${phase}`} aria-live="polite" aria-atomic="true">
      {current.length === 0 ? (
        <p class="said whole">
          <b>{title}</b> {player.ended ? (model.plan.scenario.cut ? "goes on without an end." : "ends with ") : "will end with "}
          {!(player.ended && model.plan.scenario.cut) && <span class={`ending ${outcome(model.plan).bad ? "t-bad" : "t-good"}`}>{ending(model.plan)}</span>}
        </p>
      ) : (
        current.map((entry) => ({ ...entry, one: apart(entry) })).map(({ number, step, one }) => (
          <p class="said" key={`${number} ${step.id}`}>
            <span class="number">{number || "+"}</span>
            {one && <span class="note apart">{one[0]!.toUpperCase() + one.slice(1)}</span>}
            {phase === "undo" && step.phase === "undo" && <span class="note undo">Compensation</span>}
            {step.opens && <span class="note bad">The circuit opens</span>}
            {step.status === "hit" && <span class="note good">Cache hit</span>}
            {step.say}
          </p>
        ))
      )}
    </div>
  );
}

const PHASE_NAMES: Record<string, string> = { undo: "undo", event: "event", failed: "saga failed", done: "saga done" };

/** Seeking: a range, whose track shows the phases beat by beat. */
function Slider({ model, player }: { model: Model; player: Player }) {
  const input = useRef<HTMLInputElement>(null);
  const fill = useRef<HTMLDivElement>(null);
  const thumb = useRef<HTMLDivElement>(null);
  const shown = useRef(-1);
  const gap = Math.min(0.0012 * model.plan.beats.length, 0.06); // a pixel or two, however many beats there are
  const beats = model.plan.beats;
  const words = () => {
    if (player.t === 0 || player.model !== model) return `Beginning, ${total(model.plan)}`;
    if (player.ended) return `End: ${ending(model.plan)}`;
    return player.steps.map((index) => model.plan.steps[index]!).map((entry) => `${where(model.plan, [entry])}: ${entry.step.say}`).join("; ");
  };
  useEffect(() => void (shown.current = -1), [model]);
  useEffect(
    () =>
      player.onFrame((t) => {
        // What is seen moves with each frame and costs no layout; the range itself, which would, is set now and then.
        const part = model.length > 0 ? t / model.length : 0;
        fill.current!.style.transform = `scaleX(${part})`;
        thumb.current!.style.transform = `translateX(${part * 100}%)`;
        if (shown.current !== -1 && t !== 0 && t < model.length && Math.abs(t - shown.current) < BEAT / 4) return;
        shown.current = t;
        input.current!.value = String(Math.round(t));
      }),
    [player, model],
  );
  const text = words();
  return (
    <div class="slider">
      <svg class="phases" preserveAspectRatio="none" viewBox={`0 0 ${Math.max(beats.length, 1)} 1`} aria-hidden="true">
        {beats.map((list, i) => {
          const entries = list.map((index) => model.plan.steps[index]!);
          const steps = entries.map(({ step }) => step);
          const only = entries.every((entry) => entry.only === entries[0]!.only) ? entries[0]?.only : undefined; // half a track: the derived is the upper one
          const bad = steps.some((step) => step.status === "timeout" || step.status === "error" || step.status === "refused" || step.status === "failed" || step.status === "open");
          const phase = steps.find((step) => PHASE_NAMES[step.phase])?.phase ?? "request";
          return <rect key={i} class={`phase ph-${phase}${bad ? " bad" : ""}`} x={i + gap} y={only === "recorded" ? 0.5 : 0} width={1 - 2 * gap} height={only ? 0.5 : 1} />;
        })}
      </svg>
      <div class="filled" ref={fill} />
      <div class="thumb" ref={thumb} />
      <input
        ref={input}
        type="range"
        min="0"
        max={model.length}
        step="1"
        aria-label="Position"
        aria-valuetext={text}
        onInput={(event) => {
          player.pause();
          player.seek(Number(event.currentTarget.value));
        }}
      />
    </div>
  );
}

/** Keys of the player. True: the key was one of them. */
export function playerKey(event: KeyboardEvent, player: Player, acts: { sequence: () => void; copy: () => void }): boolean {
  const model = player.model;
  const quiet = () => player.pause();
  switch (event.key) {
    case " ":
      player.toggle();
      return true;
    case "ArrowRight":
      player.step(1);
      return true;
    case "ArrowLeft":
      player.step(-1);
      return true;
    case "Home":
      quiet();
      player.seek(0);
      return true;
    case "End":
      quiet();
      player.seek(model.length);
      return true;
    case "<":
    case ",":
      player.faster(-1);
      return true;
    case ">":
    case ".":
      player.faster(1);
      return true;
    case "s":
    case "S":
      acts.sequence();
      return true;
    case "c":
    case "C":
      acts.copy();
      return true;
  }
  if (/^[0-9]$/.test(event.key)) {
    quiet();
    const beat = Math.floor((Number(event.key) / 10) * model.plan.beats.length);
    player.seek(event.key === "0" ? 0 : Math.min(restOf(beat), model.length - 0.1 * BEAT));
    return true;
  }
  return false;
}
