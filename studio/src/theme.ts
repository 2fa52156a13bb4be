// Light or dark, as the system has it or as the user chose: data-theme on the root, which the style sheet asks.
import { useEffect, useState } from "preact/hooks";
import { useMedia } from "./hooks";

export type Theme = "system" | "light" | "dark";
const KEY = "studio-theme";

function remembered(): Theme {
  try {
    const value = localStorage.getItem(KEY);
    return value === "light" || value === "dark" ? value : "system";
  } catch {
    return "system"; // a file without storage
  }
}

export function useTheme(): [Theme, (theme: Theme) => void] {
  const [theme, set] = useState(remembered);
  const dark = useMedia("(prefers-color-scheme: dark)");
  const shown = theme === "system" ? (dark ? "dark" : "light") : theme;
  document.documentElement.dataset.theme = shown;
  useEffect(() => {
    try {
      if (theme === "system") localStorage.removeItem(KEY);
      else localStorage.setItem(KEY, theme);
    } catch {
      // it holds until the page goes
    }
  }, [theme]);
  return [theme, set];
}
