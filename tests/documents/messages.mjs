// Holds messages against asyncapi.yaml: messages.mjs ASYNCAPI MESSAGES, a JSON list of {topic, key, headers, payload}.
// Each must be one of its channel's messages by ce_type, with headers, key and payload that fit; each schema must refuse what is spoiled.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import YAML from "yaml";

const require = createRequire(import.meta.url);
const Ajv = require("ajv/dist/2020.js").default;
const addFormats = require("ajv-formats").default;

const [, , file, list] = process.argv;
const document = YAML.parse(readFileSync(file, "utf8"));
const ajv = new Ajv({ strict: false, allErrors: true });
addFormats(ajv);
ajv.addSchema({ $id: "https://asyncapi.invalid/document", ...document });

const at = (ref) => ref.slice(2).split("/").reduce((node, part) => node[part], document);
const wrong = [];

function fits(what, pointer, value, spoil) {
  const validate = ajv.compile({ $ref: `https://asyncapi.invalid/document#${pointer}` });
  if (!validate(value)) wrong.push(`${what}: ${ajv.errorsText(validate.errors)}: ${JSON.stringify(value)}`);
  if (validate(spoil(value))) wrong.push(`${what}: a spoiled one fits, too`);
}

const without = (name) => (value) => Object.fromEntries(Object.entries(value).filter(([key]) => key !== name));
const messages = JSON.parse(readFileSync(list, "utf8"));
for (const { topic, key, headers, payload } of messages) {
  const channel = Object.values(document.channels).find((c) => c.address === topic);
  const found = Object.entries(channel.messages).find(([, ref]) => at(ref.$ref).name === headers.ce_type);
  if (!found) {
    wrong.push(`${topic} has no ${headers.ce_type}`);
    continue;
  }
  const pointer = `/components/messages/${found[0]}`;
  fits(`${headers.ce_type} headers`, `${pointer}/headers`, headers, without("ce_id"));
  fits(`${headers.ce_type} payload`, `${pointer}/payload`, payload, without(Object.keys(payload)[0]));
  fits(`${headers.ce_type} key`, `${pointer}/bindings/kafka/key`, key, () => "no key");
}
if (wrong.length) {
  console.log(wrong.join("\n"));
  process.exit(1);
}
console.log(`${messages.length} messages fit`);
