// The player's two views and its list, as the page and the page of one file have them in common.
import { useEffect, useMemo, useRef } from "preact/hooks";
import { Player } from "./clock";
import type { Scenario, Topology } from "./data";
import { buildModel, restOf, type Model } from "./frame";
import { REDUCED, useMedia } from "./hooks";
import { beatOfNumber } from "./schedule";

export function useModel(topology: Topology | undefined, scenario: Scenario | undefined): Model | undefined {
  return useMemo(() => (topology && scenario ? buildModel(topology, scenario) : undefined), [topology, scenario]);
}

export const timeOfStep = (model: Model, step: number | undefined) => (step ? restOf(beatOfNumber(model.plan, step)) : 0);

const nothing: Model = buildModel({ title: "", nodes: [], edges: [], scenarios: [] }, { name: "", title: "", expect: { status: 200 }, steps: [] });

/** One player for the page's life; it follows reduced motion. */
export function useOnePlayer(): Player {
  const held = useRef<Player | undefined>(undefined);
  held.current ??= new Player(nothing);
  const player = held.current;
  const reduced = useMedia(REDUCED);
  player.still = reduced;
  useEffect(() => () => player.pause(), [player]);
  return player;
}

/** Keys belong to who has the focus where text is written or chosen. */
export function typing(target: EventTarget | null): boolean {
  const element = target as HTMLElement | null;
  if (!element?.closest) return false;
  if (element.closest("input[type=range]")) return false;
  return element.closest("input, textarea, select, [contenteditable=true], .cm-editor, .editor-host") !== null;
}

/** Space and Enter press the button that has the focus, arrows move in what scrolls. */
export function pressing(event: KeyboardEvent): boolean {
  const element = event.target as HTMLElement | null;
  return event.key === " " && element?.closest?.("button, a, summary, [role=button], [role=menuitem]") !== null && element?.closest !== undefined;
}
