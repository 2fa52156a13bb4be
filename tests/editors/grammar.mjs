// The grammar of editors/vscode against the compiler: each word of each topology is a keyword for the one where it is for the other.
//
// usage: node grammar.mjs WORDS FILE ...     WORDS: the program of words.c
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));
const require = createRequire(root + "editors/vscode/");
const { Registry, INITIAL, parseRawGrammar } = require("vscode-textmate");
const oniguruma = require("vscode-oniguruma");
const text = (path) => readFileSync(path, "utf8");
const [words, ...files] = process.argv.slice(2);
let passed = 0;
let failed = 0;

function check(name, problems) {
  if (problems.length) {
    failed++;
    console.log(`FAIL ${name}: ${problems.length}\n  ${problems.slice(0, 20).join("\n  ")}`);
  } else {
    passed++;
  }
}

await oniguruma.loadWASM(readFileSync(require.resolve("vscode-oniguruma/release/onig.wasm")).buffer);
const { contributes } = require("./package.json");
const paths = Object.fromEntries(contributes.grammars.map((g) => [g.scopeName, root + "editors/vscode/" + g.path]));
const source = JSON.parse(text(paths["source.ecom"]));
paths["source.sql"] = require.resolve("tm-grammars/grammars/sql.json"); // VS Code's own
const onigLib = { createOnigScanner: (p) => new oniguruma.OnigScanner(p), createOnigString: (s) => new oniguruma.OnigString(s) };
const registry = new Registry({
  onigLib: Promise.resolve(onigLib),
  loadGrammar: async (scope) => (paths[scope] ? parseRawGrammar(text(paths[scope]), paths[scope]) : null),
});
const grammar = await registry.loadGrammar("source.ecom");

/** Tokens with absolute places in UTF-16 units, and how deep the grammar is at the end. */
function tokenize(content) {
  const tokens = [];
  let stack = INITIAL;
  let at = 0;
  for (const line of content.split("\n")) {
    const done = grammar.tokenizeLine(line, stack);
    for (const t of done.tokens) {
      const end = Math.min(t.endIndex, line.length);
      if (end > t.startIndex) tokens.push({ start: at + t.startIndex, end: at + end, scopes: t.scopes.slice(1) });
    }
    stack = done.ruleStack;
    at += line.length + 1;
  }
  return { tokens, depth: stack.depth };
}

function place(content, at) {
  const before = content.slice(0, at).split("\n");
  return `${before.length}:${before.at(-1).length + 1}`;
}

const keyword = /^(keyword\.(?!operator)|keyword\.operator\.logical|storage|constant\.language).*\.ecom$/;
const isKeyword = (scopes) => scopes.some((s) => keyword.test(s));
const isString = (scopes) => scopes.some((s) => s.startsWith("string.quoted.double.ecom"));
const isNumber = (scopes) => scopes.some((s) => /^constant\.numeric\.(?!version)/.test(s)); // of an event: a name
const isSql = (scopes) => scopes.some((s) => s.startsWith("meta.embedded."));
const classOf = (scopes) =>
  isSql(scopes) ? "sql" : isString(scopes) ? "string" : isKeyword(scopes) ? "keyword" : isNumber(scopes) ? "number" : "name";

// ------------------------------------------------------------------ the list of keywords

const lexer = new Set([...text(root + "dsl/lexer.re").matchAll(/^\s*"([a-z][a-z-]*)"\s+\{ TOKEN\(/gm)].map((m) => m[1]));

/** Each word that a pattern with a scope of keywords spells out. */
function spelled(rule, key = "") {
  if (Array.isArray(rule)) return rule.flatMap((r) => spelled(r));
  if (typeof rule !== "object") return [];
  const scopes = [rule.name, ...["captures", "beginCaptures"].flatMap((c) => Object.values(rule[c] ?? {}).map((v) => v.name))];
  const found = scopes.some((s) => isKeyword([s ?? ""])) ? [rule.match ?? rule.begin] : [];
  const nested = Object.entries(rule).flatMap(([k, v]) => (/^(patterns|repository)$/.test(k) || key === "repository" ? spelled(v, k) : []));
  return [...found.flatMap((p) => literals(p)), ...nested];
}

function literals(pattern) {
  const bare = pattern.replace(/\[(?:\\.|[^\]])*\]/g, " ").replace(/\\./g, " "); // sets and escapes
  const plain = bare.replace(/\(\?<?[=!](?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)/g, " "); // what is looked at, two deep
  return plain.match(/[a-z]+(?:-[a-z]+)*/g) ?? [];
}

const ours = new Set(spelled(source.patterns).concat(Object.entries(source.repository).flatMap(([k, v]) => spelled(v, k))));
check("lexer.re was read", lexer.size > 100 ? [] : [`${lexer.size} keywords`]);
check("the grammar has each keyword of lexer.re", [...lexer].filter((w) => !ours.has(w)));
check("lexer.re has each keyword of the grammar", [...ours].filter((w) => !lexer.has(w)));

// ------------------------------------------------------------------ each topology

const seen = new Set();
let compared = 0;
let name = "";
const classes = new Map(); // file -> [[start, end, class]] in bytes
for (const line of execFileSync(words, files, { encoding: "utf8", maxBuffer: 1 << 28 }).split("\n")) {
  const [start, end, kind] = line.split(" ");
  if (kind) classes.get(name).push([Number(start), Number(end), kind]);
  else if (line) classes.set((name = line), []);
}
check("the compiler has read topologies", classes.size > 20 ? [] : [`${classes.size} of ${files.length}`]);

for (const [file, tokens] of classes) {
  const bytes = readFileSync(file);
  const content = bytes.toString("utf8");
  const { tokens: got, depth } = tokenize(content);
  const problems = [];
  const unit = new Uint32Array(bytes.length + 1); // byte -> UTF-16 unit
  for (let b = 0, u = 0; b < bytes.length; b++) {
    unit[b] = u;
    if ((bytes[b] & 0xc0) !== 0x80) u += bytes[b] >= 0xf0 ? 2 : 1;
    unit[b + 1] = u;
  }
  let i = 0;
  for (const [from, to, kind] of tokens) {
    const start = unit[from];
    const end = unit[to];
    const word = content.slice(start, end);
    while (i < got.length && got[i].end <= start) i++;
    if (kind === "sign") continue;
    compared++;
    const parts = [];
    for (let k = i; k < got.length && got[k].start < end; k++) parts.push(got[k]);
    const where = `${place(content, start)} ${JSON.stringify(word.slice(0, 40))}`;
    if (kind === "sql" || kind === "raw") {
      const inner = parts.filter((p) => p.start >= start + (kind === "sql" ? 3 : 1) && p.end <= end - (kind === "sql" ? 3 : 1));
      const outer = [got.findLast((t) => t.end <= start), got.find((t) => t.start >= end)].filter(Boolean);
      if (!inner.every((p) => isSql(p.scopes)) || outer.some((p) => isSql(p.scopes))) problems.push(`${where}: SQL for the compiler`);
      continue;
    }
    const found = new Set(parts.map((p) => classOf(p.scopes)));
    if (found.size !== 1 || !found.has(kind)) problems.push(`${where}: ${kind}, here ${[...found].join(" and ")}`);
    else if (kind === "keyword") seen.add(word);
  }
  for (const t of got) if (t.scopes.some((s) => s.includes("invalid"))) problems.push(`${place(content, t.start)}: invalid`);
  if (depth !== 1) problems.push(`something is still open at the end (${depth})`);
  check(file, problems);
}
check("each keyword stands somewhere", [...lexer].filter((w) => !seen.has(w)));
for (const bad of ["edge a -> b { http; }", "service a 'b' { }", "/* no */", 'topology "a\\x"', 'service a "A" { op B() { fail C when d || e } }']) {
  check(`wrong: ${bad}`, tokenize(bad).tokens.some((t) => t.scopes.some((s) => s.includes("invalid"))) ? [] : ["nothing is invalid"]);
}
console.log(`${compared} words, numbers and texts of ${classes.size} topologies compared`);
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed ? 1 : 0;
