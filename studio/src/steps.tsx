// The steps as a list: for reading, for choosing one, for screen readers.
import { useEffect, useRef } from "preact/hooks";
import type { Player } from "./clock";
import { restOf, toneOf, type Model } from "./frame";
import { usePlayer } from "./hooks";
import { besides, remarks } from "./text";

interface Props {
  model: Model;
  player: Player;
  marks?: Map<string, string>;
  /** How long each took when it was recorded. */
  times?: Map<string, string>;
  onOpen?: (number: number) => void;
}

export function Steps({ model, player, marks, times, onOpen }: Props) {
  usePlayer(player);
  const list = useRef<HTMLOListElement>(null);
  const beat = player.model !== model ? -1 : player.t === 0 && !player.playing ? -1 : player.ended ? model.plan.beats.length : player.beat;
  useEffect(() => {
    const observer = new ResizeObserver(() => show(true));
    observer.observe(list.current!);
    return () => observer.disconnect();
  }, []);
  useEffect(() => show(player.still), [beat, model, player]);
  const show = (atOnce: boolean) => {
    const box = list.current;
    if (!box) return;
    const current = box.querySelector<HTMLElement>("[aria-current]");
    if (!current) return;
    const top = current.offsetTop - box.offsetTop;
    if (top < box.scrollTop || top + current.offsetHeight > box.scrollTop + box.clientHeight) {
      box.scrollTo({ top: top - box.clientHeight / 3, behavior: atOnce ? "auto" : "smooth" });
    }
  };
  return (
    <ol class="steps" ref={list} aria-label="Steps">
      {model.plan.steps.map((entry) => {
        const { step, number } = entry;
        const now = entry.beat === beat;
        const notes = remarks(step);
        const together = besides(model.plan, entry) > 1;
        const mark = marks?.get(step.id);
        const time = times?.get(step.id);
        return (
          <li key={number} class={`step t-${toneOf(step)}${now ? " now" : entry.beat < beat ? " past" : ""}${together ? " together" : ""}`} aria-current={now ? "step" : undefined}>
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
      })}
    </ol>
  );
}
