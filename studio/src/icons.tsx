// Icons, drawn on 20 by 20.
const PATHS = {
  play: "M6 4l10 6-10 6z",
  pause: "M6 4h3v12H6zM11 4h3v12h-3z",
  next: "M5 4l8 6-8 6zM14 4h2v12h-2z",
  back: "M15 4l-8 6 8 6zM4 4h2v12H4z",
  start: "M5 4h2v12H5zM16 4v12l-8-6z",
  end: "M13 4h2v12h-2zM4 4v12l8-6z",
} as const;
const LINES = {
  close: "M5 5l10 10M15 5L5 15",
  sequence: "M4 3v14M10 3v14M16 3v14M4 7h5M10 12h5",
  diagram: "M3 4h5v4H3zM12 12h5v4h-5zM8 6h3a2 2 0 0 1 2 2v4",
  copy: "M7 7h9v10H7zM4 13V3h9v2",
  more: "M10 3v10M6 9l4 4 4-4M4 17h12",
  help: "M7 7.5a3 3 0 1 1 4 2.8c-.7.3-1 .8-1 1.7M10 15.5v.01",
  edit: "M4 16l1-4 8-8 3 3-8 8zM11 6l3 3",
  fit: "M3 8V3h5M12 3h5v5M17 12v5h-5M8 17H3v-5",
  plus: "M10 4v12M4 10h12",
  minus: "M4 10h12",
  menu: "M3 5h14M3 10h14M3 15h14",
  follow: "M10 3v3M10 14v3M3 10h3M14 10h3M10 10m-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0",
  live: "M10 10m-2 0a2 2 0 1 0 4 0a2 2 0 1 0 -4 0M5.5 5.5a6.4 6.4 0 0 0 0 9M14.5 5.5a6.4 6.4 0 0 1 0 9",
  fault: "M11 3L4 12h6l-1 5 7-9h-6z",
  list: "M8 5h9M8 10h9M8 15h9M3.5 5h.01M3.5 10h.01M3.5 15h.01",
  theme: "M10 3a7 7 0 1 0 0 14zM10 3a7 7 0 0 1 0 14",
} as const;

export type IconName = keyof typeof PATHS | keyof typeof LINES;

export function Icon({ name }: { name: IconName }) {
  const solid = PATHS[name as keyof typeof PATHS];
  return (
    <svg class={solid ? "icon solid" : "icon"} viewBox="0 0 20 20" width="20" height="20" aria-hidden="true">
      <path d={solid ?? LINES[name as keyof typeof LINES]} />
    </svg>
  );
}
