// The bundle that the .vsix has, with the real `ecomc lsp` and a thin stand-in of VS Code's API: which program is started, what is said
// when there is none, what becomes of one that ends, hangs or knows no `lsp`. (workbench.mjs has the same bundle in VS Code itself.)
//
// usage: node client.mjs EXTENSION ECOMC FOLDER     EXTENSION: the folder of the unpacked .vsix; FOLDER: an empty one
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import Module, { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [extension, ecomc, folder] = process.argv.slice(2);
const workspace = join(folder, "notes");
const topology = join(workspace, "topology.ecom");
const pids = join(folder, "pids");
let passed = 0;

// ------------------------------------------------------------------ the stand-in

const seen = { messages: [], output: "", status: {}, diagnostics: new Map(), providers: {}, commands: {}, listeners: {} };
const host = { settings: {}, trusted: true, folders: [workspace] };
const nothing = { dispose() {} };
const unasked = { isCancellationRequested: false, onCancellationRequested: () => nothing };

class Position {
  constructor(line, character) {
    Object.assign(this, { line, character });
  }
}
class Range {
  constructor(...args) {
    const [start, end] = args.length === 4 ? [new Position(args[0], args[1]), new Position(args[2], args[3])] : args;
    Object.assign(this, { start, end });
  }
}
class Uri {
  constructor(text) {
    const url = new URL(text);
    const path = decodeURIComponent(url.pathname);
    Object.assign(this, { text, scheme: url.protocol.slice(0, -1), path, fsPath: path });
  }
  static parse = (text) => new Uri(text);
  static file = (path) => new Uri(pathToFileURL(path).href);
  toString() {
    return this.text;
  }
}
class Kind {
  constructor(value) {
    this.value = value;
  }
  static Empty = new Kind("");
  append(part) {
    return new Kind(this.value ? `${this.value}.${part}` : part);
  }
}
const emit = (event, value) => [...(seen.listeners[event] ?? [])].forEach((listener) => listener(value));
const source = () => readFileSync(topology, "utf8");
const file = {
  languageId: "ecom", version: 1, isClosed: false,
  get uri() { return Uri.file(topology); },
  getText: source,
};

/** What has no part of its own here: a class for Names, an event for onNames, else a function whose result can be disposed of. */
function rest(part, known) {
  return new Proxy(known, {
    get(target, key) {
      if (key in target || typeof key === "symbol") return target[key];
      if (/^[A-Z]/.test(key)) return (target[key] = class { constructor(...args) { this.args = args; } });
      if (/^on[A-Z]/.test(key))
        return (target[key] = (listener) => {
          (seen.listeners[key] ??= new Set()).add(listener);
          return { dispose: () => seen.listeners[key].delete(listener) };
        });
      const provider = /^register(\w+)Provider$/.exec(key);
      return (target[key] = (...args) => {
        if (provider) seen.providers[provider[1]] = args[1];
        return nothing;
      });
    },
  });
}
const api = rest("vscode", {
  Position, Range, Uri, CodeActionKind: Kind,
  version: "1.82.0",
  Disposable: class { constructor(dispose) { this.dispose = dispose; } static from = () => nothing; },
  Diagnostic: class { constructor(range, message, severity) { Object.assign(this, { range, message, severity }); } },
  MarkdownString: class { constructor(value = "") { this.value = value; } appendMarkdown(text) { this.value += text; return this; } },
  Hover: class { constructor(contents, range) { Object.assign(this, { contents: [contents].flat(), range }); } },
  CancellationTokenSource: class { token = unasked; cancel() {} dispose() {} },
  EventEmitter: class { event = () => nothing; fire() {} dispose() {} },
  LanguageStatusSeverity: { Information: 0, Warning: 1, Error: 2 },
  DiagnosticSeverity: { Error: 0, Warning: 1, Information: 2, Hint: 3 },
  env: rest("env", { appName: "stand-in", language: "en" }),
  extensions: rest("extensions", { getExtension: () => undefined }),
  commands: rest("commands", {
    registerCommand: (name, work) => ((seen.commands[name] = work), nothing),
    executeCommand: async () => undefined,
  }),
  window: rest("window", {
    visibleTextEditors: [], terminals: [], tabGroups: rest("tabGroups", { all: [] }),
    createOutputChannel: () => ({
      append: (text) => (seen.output += text), appendLine: (text) => (seen.output += text + "\n"),
      show() {}, clear() {}, dispose() {},
    }),
    showErrorMessage: async (text) => void seen.messages.push(text),
  }),
  languages: rest("languages", {
    match: (selector, document) => ([selector].flat().some((s) => s.language === document.languageId) ? 10 : 0),
    createLanguageStatusItem: () => Object.assign(seen.status, nothing),
    createDiagnosticCollection: () => ({
      set: (uri, list) => seen.diagnostics.set(String(uri), list), clear: () => seen.diagnostics.clear(),
      delete() {}, dispose: () => seen.diagnostics.clear(),
    }),
  }),
  workspace: rest("workspace", {
    textDocuments: [file], notebookDocuments: [],
    fs: { isWritableFileSystem: () => true },
    createFileSystemWatcher: () => rest("watcher", { ...nothing }),
    get isTrusted() { return host.trusted; },
    get workspaceFolders() { return host.folders.map((path) => ({ uri: Uri.file(path), name: "notes", index: 0 })); },
    getWorkspaceFolder: () => undefined,
    getConfiguration: (section) => ({
      get: (key, otherwise) => host.settings[[section, key].filter(Boolean).join(".")] ?? otherwise,
      has: () => true, inspect: () => undefined,
    }),
  }),
});
const load = Module._load;
Module._load = (name, ...more) => (name === "vscode" ? api : load(name, ...more));
const { activate, deactivate } = createRequire(join(extension, "x.js"))("./dist/extension.js");

// ------------------------------------------------------------------ helpers

async function step(name, work) {
  await work();
  passed++;
  console.log(`ok   ${name}`);
}

async function until(what, condition) {
  for (const end = Date.now() + 60_000; ; await new Promise((r) => setTimeout(r, 50))) {
    const value = await condition();
    if (value) return value;
    const state = () => JSON.stringify({ status: seen.status, messages: seen.messages });
    assert.ok(Date.now() < end, `not within 60 s: ${what}; ${state()}`);
  }
}

const started = () => (existsSync(pids) ? readFileSync(pids, "utf8").trim().split("\n").map(Number) : []);
const alive = (pid) => existsSync(`/proc/${pid}`) && !/^State:\tZ/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
const running = () => seen.status.severity === 0 && !seen.status.busy && /^ecomc/.test(seen.status.text);
const restart = () => seen.commands["ecom.restart"]();

function program(path, lines) {
  writeFileSync(path, `#!/bin/sh\necho $$ >>'${pids}'\n${lines}\n`, { mode: 0o755 });
  return path;
}

async function set(path) {
  host.settings["ecom.path"] = path;
  emit("onDidChangeConfiguration", { affectsConfiguration: (section) => section === "ecom.path" });
}

/** Waits for a process after the first n, and that it serves. */
async function serves(n) {
  await until("a process that serves", () => started().length > n && running());
  return started().at(-1);
}

// ------------------------------------------------------------------ the steps

execFileSync(ecomc, ["init", workspace]);
writeFileSync(topology, source() + "edge browser        -> note-svc     { http }\n"); // E0403
const empty = join(folder, "empty");
mkdirSync(empty);
const path = process.env.PATH;
process.env.PATH = `${empty}:relative`;
process.on("unhandledRejection", (error) => (seen.output += `unhandled: ${error?.stack}\n`)); // as VS Code does
const context = { subscriptions: [] };

try {
  await step("without ecomc it says so, once, and what to do", async () => {
    activate(context);
    await until("a message", () => seen.messages.length);
    await restart();
    assert.match(seen.messages[0], /ecomc was not found: there is no \.\/ecom in the workspace and no ecomc on the PATH/);
    assert.equal(seen.status.severity, 2);
    assert.equal(seen.messages.length, 2, "once for each time that it was asked to start");
  });

  await step("a setting that is no program is named", async () => {
    await set("/nowhere/ecomc");
    await until("a message", () => seen.messages.some((m) => m.includes("ecom.path is /nowhere/ecomc, which is not a program")));
    await set("nothing-so-named");
    await until("a message", () => seen.messages.some((m) => m.includes("which is neither in the workspace nor on the PATH")));
  });

  await step("nothing runs while the workspace is not trusted", async () => {
    program(join(workspace, "ecom"), `PATH='${path}' exec '${ecomc}' "$@"`);
    host.trusted = false;
    host.settings["ecom.path"] = "";
    await restart();
    assert.match(seen.status.text, /not trusted/);
    assert.deepEqual(started(), []);
    host.trusted = true;
    emit("onDidGrantWorkspaceTrust");
    await serves(0);
  });

  await step("the workspace's ./ecom serves: diagnostics, hover, its name and version", async () => {
    const list = await until("diagnostics", () => seen.diagnostics.get(String(file.uri)));
    assert.ok(list.some((d) => d.severity === 0 && JSON.stringify(d.code ?? "").includes("E0403")), JSON.stringify(list));
    const at = source().split("\n").findIndex((line) => line.startsWith("edge api-gateway"));
    const column = source().split("\n")[at].indexOf("note-svc") + 2;
    const hover = await seen.providers.Hover.provideHover(file, new Position(at, column), unasked);
    assert.match(JSON.stringify(hover.contents), /note-svc/);
    assert.match(seen.status.text, /^ecomc \d/);
    assert.match(seen.status.detail, /\/notes\/ecom$/);
    for (const what of ["Definition", "Rename", "DocumentFormattingEdit"]) assert.ok(seen.providers[what], what);
  });

  await step("ecom.lock is watched", async () => {
    const lock = join(workspace, "ecom.lock");
    const codes = () => JSON.stringify(seen.diagnostics.get(String(file.uri)));
    writeFileSync(lock, "no lock");
    emit("onDidCreate", Uri.file(lock));
    await until("a lock that does not fit is told", () => codes().includes("E0651"));
    rmSync(lock);
    emit("onDidDelete", Uri.file(lock));
    await until("it is gone", () => !codes().includes("E0651"));
  });

  await step("a restart ends the one before", async () => {
    const first = started().at(-1);
    await restart();
    const second = await serves(1);
    assert.ok(second !== first && !alive(first) && alive(second));
  });

  await step("one that is killed is started again, four times in three minutes and no more", async () => {
    for (let i = 0; i < 4; i++) {
      const n = started().length;
      process.kill(started().at(-1), "SIGKILL");
      await serves(n);
    }
    const n = started().length;
    process.kill(started().at(-1), "SIGKILL");
    await until("a message", () => seen.messages.some((m) => m.includes("ended 5 times in 3 minutes and is not started again")));
    assert.equal(seen.status.severity, 2);
    assert.equal(started().length, n);
    await restart();
    await serves(n);
  });

  await step("a program without `lsp` is told with what it said", async () => {
    const before = started().at(-1);
    await set(program(join(folder, "old"), "echo \"unknown command 'lsp'\" >&2; exit 64"));
    await until("a message", () => seen.messages.some((m) => m.includes("/old lsp did not start: unknown command 'lsp'")));
    assert.ok(!alive(before));
    assert.equal(seen.messages.at(-2).includes("5 times"), true, "and is told once");
  });

  await step("one that never answers holds up nothing", async () => {
    await set(program(join(folder, "deaf"), `trap '' TERM; PATH='${path}' exec sleep 1000`));
    const deaf = await until("it runs", () => seen.status.busy && alive(started().at(-1)) && started().at(-1));
    const n = started().length;
    const messages = seen.messages.length;
    await set("./ecom");
    await serves(n);
    assert.ok(!alive(deaf));
    assert.equal(seen.messages.length, messages, seen.messages.slice(messages).join("\n"));
  });

  await step("a name is looked for on the PATH, in absolute folders alone", async () => {
    const n = started().length;
    program(join(empty, "ecomc"), `PATH='${path}' exec '${ecomc}' "$@"`);
    host.folders = [];
    await set("");
    await serves(n);
    assert.equal(seen.status.detail, join(empty, "ecomc"));
  });

  await step("the trace goes to the output", async () => {
    host.settings["ecom.trace.server"] = "messages";
    const n = started().length;
    await restart();
    await serves(n);
    assert.match(seen.output, /\[Trace.*Sending request 'initialize/);
  });

  await step("deactivation ends the process", async () => {
    const last = started().at(-1);
    await deactivate();
    context.subscriptions.forEach((s) => s.dispose());
    assert.ok(!alive(last));
    assert.deepEqual(started().filter(alive), []);
  });
  console.log(`${passed} passed, 0 failed`);
} catch (error) {
  console.log(`FAIL after ${passed} steps: ${error.stack}\n${seen.output}`);
  console.log(`${passed} passed, 1 failed`);
  process.exitCode = 1;
  await deactivate();
}
for (const pid of started().filter(alive)) process.kill(pid, "SIGKILL");
process.exit();
