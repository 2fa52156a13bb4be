// Hooks that several parts share.
import { useEffect, useReducer, useState } from "preact/hooks";
import type { Player } from "./clock";

/** Draws anew when the player's beat, speed or play state changes. */
export function usePlayer(player: Player) {
  const [, draw] = useReducer((n: number) => n + 1, 0);
  useEffect(() => {
    const again = () => draw(undefined as never);
    again(); // it may have changed since this was drawn
    return player.onChange(again);
  }, [player]);
  return player;
}

export function useMedia(query: string): boolean {
  const [matches, set] = useState(() => matchMedia(query).matches);
  useEffect(() => {
    const list = matchMedia(query);
    const changed = () => set(list.matches);
    changed();
    list.addEventListener("change", changed);
    return () => list.removeEventListener("change", changed);
  }, [query]);
  return matches;
}

export const REDUCED = "(prefers-reduced-motion: reduce)";
export const NARROW = "(max-width: 860px)";
