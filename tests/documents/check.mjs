// Holds documents against the standards: check.mjs FILE ... (openapi*.yaml, asyncapi*.yaml). Prints `ok FILE` or `FAIL FILE: why`.
//
// OpenAPI: the standard's own JSON Schema of 3.1, the recommended rules of Redocly's linter, and each example against its schema.
// AsyncAPI: the parser of its authors. Both: every reader of YAML must take the text for the same.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, resolve } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { createConfig, lint } from "@redocly/openapi-core";
import { Parser } from "@asyncapi/parser";
import { Validator } from "@seriousme/openapi-schema-validator";
import YAML from "yaml";

const require = createRequire(import.meta.url);
const Ajv = require("ajv/dist/2020.js").default;
const addFormats = require("ajv-formats").default;

const rules = {
  "info-license": "off", // a topology says nothing of one
  "no-server-example.com": "off", // where `ecomc up` serves it is the default that there is
  // Its recommendations hold the examples of bodies to their schemas, and leave these out.
  "no-invalid-schema-examples": "error",
  "no-invalid-parameter-examples": "error",
};

// What the linter has no rule for: the examples of headers, of replies and of components.
function headers(document) {
  const ajv = new Ajv({ strict: false, allErrors: true });
  addFormats(ajv);
  ajv.addSchema({ $id: "https://openapi.invalid/document", ...document });
  const wrong = [];
  const walk = (node, pointer) => {
    for (const [name, header] of Object.entries(node.headers ?? {})) {
      const at = `${pointer}/headers/${name}`;
      if (!header.schema || !("example" in header)) continue;
      const validate = ajv.compile({ $ref: `https://openapi.invalid/document#${at}/schema` });
      if (!validate(header.example)) wrong.push(`the example of ${at}: ${ajv.errorsText(validate.errors)}`);
    }
    for (const [key, below] of Object.entries(node))
      if (below && typeof below === "object") walk(below, `${pointer}/${key.replaceAll("~", "~0").replaceAll("/", "~1")}`);
  };
  walk(document, "");
  return wrong;
}

async function openapi(file) {
  const wrong = [];
  const validity = await new Validator().validate(readFileSync(file, "utf8"));
  if (!validity.valid) wrong.push(...[validity.errors].flat().map((error) => `schema: ${JSON.stringify(error)}`));
  const config = await createConfig({ extends: ["recommended"], rules });
  for (const problem of await lint({ ref: resolve(file), config }))
    wrong.push(`${problem.ruleId}: ${problem.message} at ${problem.location[0]?.pointer ?? "?"}`);
  return wrong.concat(headers(YAML.parse(readFileSync(file, "utf8"))));
}

// Recommendations for what a topology says nothing of, and of 3.1, which fewer tools read than 3.0.
const unsaid = ["asyncapi-id", "asyncapi-info-contact", "asyncapi-info-license", "asyncapi3-tags", "asyncapi-latest-version"];

async function asyncapi(file) {
  const { document, diagnostics } = await new Parser().parse(readFileSync(file, "utf8"));
  const wrong = diagnostics.filter((d) => !unsaid.includes(d.code)).map((d) => `${d.code}: ${d.message} at ${d.path.join("/")}`);
  if (!document && !wrong.length) wrong.push("no document");
  return wrong;
}

for (const file of process.argv.slice(2)) {
  const wrong = [];
  try {
    const text = readFileSync(file, "utf8");
    const now = YAML.parse(text, { version: "1.2", strict: true });
    if (!isDeepStrictEqual(now, YAML.parse(text, { version: "1.1" }))) wrong.push("YAML 1.1 and 1.2 take it for different things");
    wrong.push(...(await (basename(file).startsWith("openapi") ? openapi : asyncapi)(file)));
  } catch (error) {
    wrong.push(String(error));
  }
  console.log(wrong.length ? `FAIL ${file}: ${wrong.join("\n     ")}` : `ok ${file}`);
}
