// Builds the page into dist/: index.html and assets/ with hashed names. The same sources and the lock give the same bytes.
//
//   node build.mjs [--out FOLDER]   the page
//   node build.mjs --test           bundles test/*.test.ts and runs them with node's test runner
import { build } from "esbuild";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const args = process.argv.slice(2);
const common = {
  absWorkingDir: here,
  bundle: true,
  minify: true,
  metafile: true,
  target: ["chrome109", "firefox115", "safari16.4"],
  jsx: "automatic",
  jsxImportSource: "preact",
  legalComments: "none",
  charset: "utf8",
  logLevel: "warning",
};

/** What comes later stands on the page as a whole: then what they share is one file, and not one for each set of them. */
const together = {
  name: "together",
  setup({ onLoad }) {
    onLoad({ filter: /\/src\/(editor|sequence|help|exports)\.tsx$/ }, ({ path }) => ({ contents: `import "./app";\n${readFileSync(path, "utf8")}`, loader: "tsx" }));
  },
};

if (args[0] === "--test") {
  const out = mkdtempSync(join(tmpdir(), "studio-test-"));
  try {
    const entries = readdirSync(join(here, "test")).filter((file) => file.endsWith(".test.ts"));
    await build({
      ...common,
      entryPoints: entries.map((file) => join("test", file)),
      outdir: out,
      outExtension: { ".js": ".mjs" },
      platform: "node",
      format: "esm",
      minify: false,
      target: "node18",
      define: { PROJECT: JSON.stringify(dirname(here)) },
    });
    const run = spawnSync(process.execPath, ["--test", ...entries.map((file) => join(out, file.replace(/\.ts$/, ".mjs")))], { stdio: "inherit" });
    process.exitCode = run.status ?? 1;
  } finally {
    rmSync(out, { recursive: true });
  }
} else {
  await page(resolve(args[0] === "--out" ? args[1] : join(here, "dist")));
}

/** What was there stays until the new one is whole. */
async function page(target) {
  if (existsSync(target) && !existsSync(join(target, "index.html")) && readdirSync(target).length > 0) throw new Error(`${target} is no build of the page`);
  const out = `${target}.new`;
  const assets = join(out, "assets");
  rmSync(out, { recursive: true, force: true });
  mkdirSync(assets, { recursive: true });
  const naming = { entryNames: "[name]-[hash]", chunkNames: "[name]-[hash]", assetNames: "[name]-[hash]", outdir: assets };
  const style = await build({ ...common, ...naming, entryPoints: ["src/style.css"] });
  const styleFile = named(style, "src/style.css");
  // What a page of one file runs: the player without the rest.
  const alone = await build({ ...common, ...naming, entryPoints: ["src/alone.tsx"], format: "iife" });
  const main = await build({
    ...common,
    ...naming,
    entryPoints: ["src/first.ts", "src/main.tsx"],
    format: "esm",
    splitting: true,
    plugins: [together],
    define: { STYLE_URL: JSON.stringify(`/assets/${styleFile}`), ALONE_URL: JSON.stringify(`/assets/${named(alone, "src/alone.tsx")}`) },
  });
  const icon = await build({ ...common, ...naming, entryPoints: ["src/icon.svg"], loader: { ".svg": "copy" } });
  const entries = ["src/first.ts", "src/main.tsx"].map((source) => Object.values(main.metafile.outputs).find(({ entryPoint }) => entryPoint === source));
  const imports = entries.flatMap((entry) => entry.imports.filter(({ kind }) => kind === "import-statement").map(({ path }) => path.slice(path.lastIndexOf("/") + 1)));
  const chunks = [...new Set(imports)];
  const preload = chunks.map((chunk) => `<link rel="modulepreload" href="/assets/${chunk}" />`).join("\n    ");
  const html = readFileSync(join(here, "src/index.html"), "utf8");
  writeFileSync(join(out, "index.html"), html.replace("PRELOAD", preload).replace("ICON", named(icon, "src/icon.svg")).replace("STYLE", styleFile).replace("FIRST", named(main, "src/first.ts")).replace("SCRIPT", named(main, "src/main.tsx")));
  licenses(out, [style, alone, main]);
  writeFileSync(join(out, "sources.txt"), `${sources()}\n`);
  rmSync(target, { recursive: true, force: true });
  renameSync(out, target);
}

/** What it was built from, as one hash; ./ecom makes the same of the files that are there and builds only when it is another. */
function sources() {
  const files = ["build.mjs", "package-lock.json", ...["src", "src/style"].flatMap((folder) => names(folder).map((name) => `${folder}/${name}`))];
  const hash = createHash("sha256");
  for (const file of files) hash.update(readFileSync(join(here, file)));
  return hash.digest("hex");
}

function names(folder) {
  return readdirSync(join(here, folder), { withFileTypes: true }).filter((entry) => entry.isFile()).map(({ name }) => name).sort();
}

function named(result, entry) {
  const [path] = Object.entries(result.metafile.outputs).find(([, output]) => output.entryPoint === entry);
  return path.slice(path.lastIndexOf("/") + 1);
}

/** The licenses of what is bundled, as those ask for. */
function licenses(out, results) {
  const mit = readFileSync(join(here, "node_modules/preact/LICENSE"), "utf8").replace(/^[^]*?(?=Permission is)/, "").trim();
  const inputs = results.flatMap((result) => Object.keys(result.metafile.inputs));
  const folders = inputs.map((path) => path.match(/^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//)?.[1]).filter(Boolean);
  const texts = [...new Set(folders)].sort().map((folder) => {
    const { name, version, license, author } = JSON.parse(readFileSync(join(here, folder, "package.json"), "utf8"));
    const file = readdirSync(join(here, folder)).find((entry) => /^licen[cs]e/i.test(entry));
    if (!file && license !== "MIT") throw new Error(`${name} has no license file`);
    const text = file ? readFileSync(join(here, folder, file), "utf8").trim() : `Copyright (c) ${author.name}\n\n${mit}`;
    return `${name} ${version} (${license})\n\n${text}\n`;
  });
  writeFileSync(join(out, "LICENSES.txt"), texts.join(`\n${"-".repeat(80)}\n`));
}
