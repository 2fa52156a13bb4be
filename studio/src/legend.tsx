// What shapes and lines mean; of what is in the drawing.
import type { Layout } from "./layout";
import { DASHES, HEADS, KINDS, PROTOCOLS, shape } from "./shapes";

export function Legend({ layout, open }: { layout: Layout; open: boolean }) {
  const kinds = KINDS.filter(({ kind }) => layout.nodes.some(({ node }) => node.kind === kind));
  const protocols = PROTOCOLS.filter(({ protocol }) => layout.edges.some(({ edge }) => edge.protocol === protocol));
  return (
    <details class="legend" open={open}>
      <summary>Legend</summary>
      <ul>
        {kinds.map(({ kind, text }) => {
          const { outline, detail } = shape(kind, 30, 16, true);
          return (
            <li key={kind}>
              <svg viewBox="-1 -1 32 18" width="32" height="18" aria-hidden="true">
                <g class={`node k-${kind}`}>
                  <path class="outline" d={outline} />
                  {detail && (kind === "database" || kind === "bus") && <path class="detail" d={detail} />}
                </g>
              </svg>
              {text}
            </li>
          );
        })}
        {protocols.map(({ protocol, text }) => (
          <li key={protocol}>
            <svg viewBox="0 1 36 18" width="36" height="18" aria-hidden="true">
              <g class={`edge p-${protocol}`}>
                <path class="line" d="M0 10H34" stroke-dasharray={DASHES[protocol]} />
                <path class={HEADS[protocol].open ? "head open" : "head"} d={HEADS[protocol].d} transform="translate(35 10)" />
              </g>
            </svg>
            {text}
          </li>
        ))}
      </ul>
    </details>
  );
}
