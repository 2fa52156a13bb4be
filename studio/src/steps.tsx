// The steps as a list: for reading, for choosing one, for screen readers.
import type { VNode } from "preact";
import { useEffect, useMemo, useRef } from "preact/hooks";
import type { Player } from "./clock";
import { beatAt, restOf, toneOf, type Model } from "./frame";
import { usePlayer } from "./hooks";
import type { Marks } from "./pairs";
import type { Scheduled } from "./schedule";
import { apart, besides, remarks } from "./text";

interface Props {
  model: Model;
  player: Player;
  /** Of a recording beside it: what differs, and how long each took. */
  marks?: Marks;
  onOpen?: (entry: Scheduled) => void;
}

export function Steps({ model, player, marks, onOpen }: Props) {
  usePlayer(player);
  const list = useRef<HTMLOListElement>(null);
  const there = player.model === model;
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
  const made = useMemo(() => new Map<number, { when: string; item: VNode }>(), [model, marks, player, onOpen]);
  return (
    <ol class="steps" ref={list} aria-label="Steps">
      {model.plan.steps.map((entry, index) => {
        const when = entry.beat === beat ? " now" : entry.beat < beat ? " past" : "";
        const kept = made.get(index);
        if (kept?.when === when) return kept.item;
        const { step, number } = entry;
        const notes = remarks(step);
        const together = besides(model.plan, entry) > 1;
        const mark = (entry.only === "recorded" ? marks?.recorded : marks?.derived)?.get(step.id);
        const time = entry.recorded && marks?.times.get(entry.recorded.id);
        const one = mark ? "" : apart(entry);
        const item = (
          <li key={index} class={`step${entry.only ? " apart" : ""} t-${toneOf(step)}${when}${together ? " together" : ""}`} aria-current={when === " now" ? "step" : undefined}>
            <button
              type="button"
              onClick={() => {
                player.pause();
                player.seek(restOf(entry.beat));
                onOpen?.(entry);
              }}
            >
              <span class="number">{number || "+"}</span>
              <span class="what">
                <span class="say">{step.say}</span>
                <span class="ends">
                  {step.from} {"→"} {step.to} <b>{step.label}</b>
                </span>
                {(notes.length > 0 || mark || one || time) && (
                  <span class="notes">
                    {mark && <span class={`note m-${mark}`}>{mark}</span>}
                    {one && <span class="note apart">{one}</span>}
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
        made.set(index, { when, item });
        return item;
      })}
    </ol>
  );
}
