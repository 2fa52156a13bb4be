// Where one is, as the part of the address behind #: `#/ecommerce/payment-failure?step=7&view=sequence&with=a,b`. Pure.

export interface Route {
  example?: string;
  scenario?: string;
  /** From 1; none: the beginning. */
  step?: number;
  sequence: boolean;
  /** Ids of failure switches that are on. */
  switches: string[];
}

export function parseRoute(hash: string): Route {
  const [path = "", query = ""] = hash.replace(/^#?\/?/, "").split("?", 2);
  const [example, scenario] = path.split("/").map(decode);
  const values = new URLSearchParams(query);
  const step = Number(values.get("step"));
  return {
    ...(example ? { example } : {}),
    ...(example && scenario ? { scenario } : {}),
    ...(Number.isInteger(step) && step > 0 ? { step } : {}),
    sequence: values.get("view") === "sequence",
    switches: (values.get("with") ?? "").split(",").filter(Boolean),
  };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export function formatRoute(route: Route): string {
  if (!route.example) return "#/";
  let path = `#/${encodeURIComponent(route.example)}`;
  if (!route.scenario) return path;
  path += `/${encodeURIComponent(route.scenario)}`;
  const query = [
    ...(route.step ? [`step=${route.step}`] : []),
    ...(route.sequence ? ["view=sequence"] : []),
    ...(route.switches.length > 0 ? [`with=${route.switches.map(encodeURIComponent).join(",")}`] : []),
  ];
  return query.length > 0 ? `${path}?${query.join("&")}` : path;
}
