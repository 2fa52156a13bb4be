// The steps as a list: for reading, for choosing one, for screen readers.
import type { VNode } from "preact";
import { useEffect, useMemo, useRef } from "preact/hooks";
import type { Player } from "./clock";
import { beatAt, restOf, toneOf, type Model } from "./frame";
import { usePlayer } from "./hooks";
import { besides, remarks } from "./text";

interface Props {
  model: Model;
  player: Player;
  marks?: Map<string, string>;
  /** How long each took when it was recorded. */
  times?: Map<string, string>;
  /** A recording is shown beside it. */
  beside?: boolean;
  onOpen?: (number: number) => void;
}

export function Steps({ model, player, marks, times, beside, onOpen }: Props) {
  usePlayer(player);
  const list = useRef<HTMLOListElement>(null);
  // Beside a longer recording, which is what is played then, it is where its own drawing is.
  const there = player.model === model || beside;
  const beat = !there || (player.t === 0 && !player.playing) ? -1 : player.t >= model.length ? model.plan.beats.length : beatAt(model, player.t);
  useEffect(() => {
    const observer = new ResizeObserver(() => show(true, true));
    observer.observe(list.current!);
    return () => observer.disconnect();
  }, []);
  useEffect(() => show(player.still), [beat, model, player]);
  const show = (atOnce: boolean, resized = false) => {
    const box = list.current;
    if (!box) return;
    // Behind the end it is the last, before the beginning the first.
    const current = box.querySelector<HTMLElement>("[aria-current], .past:last-child") ?? (resized ? null : (box.firstElementChild as HTMLElement | null));
    if (!current) return;
    const top = current.offsetTop; // in the list, which is positioned
    if (top < box.scrollTop || top + current.offsetHeight > box.scrollTop + box.clientHeight) {
      box.scrollTo({ top: top - box.clientHeight / 3, behavior: atOnce ? "auto" : "smooth" });
    }
  };
  // What was made for a step stays as long as it looks the same: a beat makes anew what begins and what ends, not the whole list.
  const made = useMemo(() => new Map<number, { when: string; item: VNode }>(), [model, marks, times, player, onOpen]);
  return (
    <ol class="steps" ref={list} aria-label="Steps">
      {model.plan.steps.map((entry) => {
        const when = entry.beat === beat ? " now" : entry.beat < beat ? " past" : "";
        const kept = made.get(entry.number);
        if (kept?.when === when) return kept.item;
        const { step, number } = entry;
        const notes = remarks(step);
        const together = besides(model.plan, entry) > 1;
        const mark = marks?.get(step.id);
        const time = times?.get(step.id);
        const item = (
          <li key={number} class={`step t-${toneOf(step)}${when}${together ? " together" : ""}`} aria-current={when === " now" ? "step" : undefined}>
            <button
              type="button"
              onClick={() => {
                player.pause();
                player.seek(restOf(entry.beat));
                onOpen?.(number);
              }}
            >
              <span class="number">{number}</span>
              <span class="what">
                <span class="say">{step.say}</span>
                <span class="ends">
                  {step.from} {"→"} {step.to} <b>{step.label}</b>
                </span>
                {(notes.length > 0 || mark || time) && (
                  <span class="notes">
                    {mark && <span class={`note m-${mark}`}>{mark}</span>}
                    {time && <span class="note">{time}</span>}
                    {notes.map((note) => (
                      <span class="note" key={note}>
                        {note}
                      </span>
                    ))}
                  </span>
                )}
              </span>
            </button>
          </li>
        );
        made.set(number, { when, item });
        return item;
      })}
    </ol>
  );
}
