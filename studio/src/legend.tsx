// What shapes and lines mean; of what is in the drawing.
import type { Layout } from "./layout";
import { DASHES, HEADS, KINDS, PROTOCOLS, shape } from "./shapes";

export function Legend({ layout }: { layout: Layout }) {
  const kinds = KINDS.filter(({ kind }) => layout.nodes.some(({ node }) => node.kind === kind));
  const protocols = PROTOCOLS.filter(({ protocol }) => layout.edges.some(({ edge }) => edge.protocol === protocol));
  return (
    <details class="legend" open={matchMedia("(min-width: 1200px)").matches}>
      <summary>Legend</summary>
      <ul>
        {kinds.map(({ kind, text }) => {
          const { outline, detail } = shape(kind, 34, 18);
          return (
            <li key={kind}>
              <svg viewBox="-1 -1 36 20" width="36" height="20" aria-hidden="true">
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
            <svg viewBox="0 0 36 20" width="36" height="20" aria-hidden="true">
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
