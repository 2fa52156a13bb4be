/**
 * Starts `ecomc lsp` over stdio and shows in the language status whether it runs. It is started anew by the restart command, when
 * `ecom.path` changes, when the workspace becomes trusted, when a folder comes that has it, and a few times when it ends by itself.
 *
 * A Run is one process and its client; the Server owns the only one there is. Starts and stops wait for each other in `turn`; one that
 * still starts is killed by the next, so that a program that hangs does not hold up a restart.
 */
import { spawn, type ChildProcess } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import * as vscode from "vscode";
import { CloseAction, ErrorAction, LanguageClient, type LanguageClientOptions } from "vscode-languageclient/node";

const RESTARTS = 4; // by itself, within PERIOD; after that it is left alone
const PERIOD = 180_000; // ms
const PATIENCE = 2000; // ms that a process has to end, first when asked, then before it is killed

interface Program {
  command: string;
  cwd: string | undefined; // undefined: that of the extension host
}

interface Run {
  program: Program;
  client: LanguageClient;
  child?: ChildProcess;
  said?: Promise<unknown>; // all that it had to say has been read
  stderr: string; // the end of what it said
  running: boolean; // it has answered `initialize`
  ended: boolean; // by us
}

/** What goes wrong before it runs is told by Server, once. */
class Client extends LanguageClient {
  override error(message: string, data?: unknown, show?: boolean | "force"): void {
    super.error(message, data, this.isRunning() ? show : false);
  }
}

function executable(file: string): boolean {
  try {
    fs.accessSync(file, fs.constants.X_OK);
    return fs.statSync(file).isFile();
  } catch {
    return false;
  }
}

function onPath(name: string): string | undefined {
  const file = process.platform === "win32" && !path.extname(name) ? `${name}.exe` : name;
  return (process.env["PATH"] ?? "")
    .split(path.delimiter)
    .filter((folder) => path.isAbsolute(folder)) // never what lies in the working folder
    .map((folder) => path.join(folder, file))
    .find(executable);
}

/** The program to run, or why there is none. */
function find(): Program | string {
  const folders = (vscode.workspace.workspaceFolders ?? []).filter((f) => f.uri.scheme === "file").map((f) => f.uri.fsPath);
  const setting = vscode.workspace.getConfiguration("ecom").get<string>("path", "").trim();
  const local = setting || (process.platform === "win32" ? "" : "ecom");
  const file = local.startsWith("~/") ? path.join(os.homedir(), local.slice(2)) : local;

  if (path.isAbsolute(file)) {
    return executable(file) ? { command: file, cwd: folders[0] } : `ecom.path is ${setting}, which is not a program`;
  }
  for (const folder of file ? folders : []) {
    const command = path.join(folder, file);
    if (executable(command)) return { command, cwd: folder };
  }
  const command = setting ? path.basename(setting) === setting && onPath(setting) : onPath("ecomc");
  if (command) return { command, cwd: folders[0] };
  return setting
    ? `ecom.path is ${setting}, which is neither in the workspace nor on the PATH`
    : "ecomc was not found: there is no ./ecom in the workspace and no ecomc on the PATH";
}

function launch(run: Run): Promise<ChildProcess> {
  return new Promise((resolve, reject) => {
    if (run.ended) return reject(new Error("ended before it was started"));
    const child = spawn(run.program.command, ["lsp"], run.program.cwd === undefined ? {} : { cwd: run.program.cwd });
    run.child = child;
    run.said = new Promise((done) => child.once("close", done));
    child.stderr.on("data", (data: Buffer) => (run.stderr = (run.stderr + data.toString()).slice(-2000)));
    child.stdin.on("error", () => undefined); // it has ended; its exit tells that
    child.once("error", reject);
    child.once("spawn", () => resolve(child));
  });
}

/** Waits until the process has ended, and sees to it that it does; `asked`: it has been told in its own way. */
async function gone(child: ChildProcess | undefined, asked: boolean): Promise<void> {
  if (!child?.pid || child.exitCode !== null || child.signalCode !== null) return;
  if (!asked) child.kill();
  const exit = new Promise((resolve) => child.once("exit", resolve));
  const timer = setTimeout(() => child.kill("SIGKILL"), PATIENCE);
  await exit;
  clearTimeout(timer);
}

class Server implements vscode.Disposable {
  private run: Run | undefined;
  private turn: Promise<void> = Promise.resolve();
  private crashes: number[] = [];
  private told = ""; // the failure that was shown last; the same is not shown twice
  private readonly releases = vscode.workspace.createFileSystemWatcher("**/ecom.lock"); // diagnostics depend on them, too
  private readonly output = vscode.window.createOutputChannel("ecom");
  private readonly status = vscode.languages.createLanguageStatusItem("ecom.server", { language: "ecom" });

  constructor() {
    this.status.name = "ecomc";
    this.status.command = { command: "ecom.restart", title: "Restart" };
  }

  /** Ends the one that runs, if any, and starts what `find` finds. What is wrong is shown, not thrown. */
  restart(): Promise<void> {
    this.crashes = [];
    this.told = "";
    return this.next(() => this.begin());
  }

  /** For an event that may have brought a program. */
  retry(): void {
    if (!this.run) void this.restart();
  }

  stop(): Promise<void> {
    return this.next(() => undefined);
  }

  dispose(): void {
    this.status.dispose();
    this.output.dispose();
    this.releases.dispose();
  }

  private next(then: () => Promise<void> | undefined): Promise<void> {
    if (this.run && !this.run.running) {
      this.run.ended = true;
      void gone(this.run.child, false); // then begin() goes on
    }
    this.turn = this.turn.then(() => this.end()).then(then);
    return this.turn;
  }

  private async end(): Promise<void> {
    const run = this.run;
    this.run = undefined;
    if (!run) return;
    run.ended = true;
    try {
      if (run.running) await run.client.stop(PATIENCE);
    } catch (error) {
      this.output.appendLine(`it did not end as asked: ${String(error)}`);
    }
    await gone(run.child, run.running);
  }

  private async begin(): Promise<void> {
    if (!vscode.workspace.isTrusted) {
      this.show("ecomc: workspace not trusted", vscode.LanguageStatusSeverity.Warning, "ecomc runs only where the workspace is trusted");
      return;
    }
    const program = find();
    if (typeof program === "string") return this.failed(program);
    const run: Run = { program, client: this.client(() => run), stderr: "", running: false, ended: false };
    this.run = run;
    this.output.appendLine(`${program.command} lsp`);
    this.show("ecomc: starting", vscode.LanguageStatusSeverity.Information, program.command, true);
    try {
      await run.client.start();
      if (!run.client.isRunning()) throw new Error("it ended"); // the client does not always throw then
      run.running = true;
      const info = run.client.initializeResult?.serverInfo;
      this.show(info ? `${info.name} ${info.version ?? ""}`.trim() : "ecomc", vscode.LanguageStatusSeverity.Information, program.command);
    } catch (error) {
      if (run.ended) return;
      if (this.run === run) this.run = undefined;
      run.ended = true;
      await gone(run.child, false);
      await Promise.race([run.said, new Promise((done) => setTimeout(done, PATIENCE))]);
      this.failed(`${program.command} lsp did not start: ${run.stderr.trim().split("\n").at(-1) || (error as Error).message}`);
    }
  }

  private client(of: () => Run): LanguageClient {
    const options: LanguageClientOptions = {
      documentSelector: [
        { language: "ecom", scheme: "file" },
        { language: "ecom", scheme: "untitled" },
      ],
      synchronize: { fileEvents: this.releases },
      outputChannel: this.output,
      initializationFailedHandler: () => false, // begin() tells it
      errorHandler: {
        error: () => ({ action: ErrorAction.Continue, handled: true }),
        closed: () => {
          this.closed(of());
          return { action: CloseAction.DoNotRestart, handled: true };
        },
      },
    };
    return new Client("ecom", "ecom", () => launch(of()), options);
  }

  /** It ended by itself. While it starts, begin() learns of it, too. */
  private closed(run: Run): void {
    if (run.ended || !run.running) return;
    run.ended = true;
    if (this.run === run) this.run = undefined;
    const now = Date.now();
    this.crashes = [...this.crashes.filter((at) => now - at < PERIOD), now];
    if (this.crashes.length > RESTARTS) {
      this.failed(`${run.program.command} lsp ended ${this.crashes.length} times in 3 minutes and is not started again`);
      return;
    }
    void this.next(() => this.begin());
  }

  private show(text: string, severity: vscode.LanguageStatusSeverity, detail: string, busy = false): void {
    Object.assign(this.status, { text, severity, detail, busy });
  }

  private failed(why: string): void {
    this.show("ecomc: not running", vscode.LanguageStatusSeverity.Error, why);
    this.output.appendLine(why);
    if (why === this.told) return;
    this.told = why;
    void vscode.window.showErrorMessage(`${why}. Colours and snippets work without it.`, "Open Settings", "Show Output").then((choice) => {
      if (choice === "Open Settings") void vscode.commands.executeCommand("workbench.action.openSettings", "ecom.path");
      if (choice === "Show Output") this.output.show();
    });
  }
}

let server: Server | undefined;

export function activate(context: vscode.ExtensionContext): void {
  const mine = (server = new Server());
  context.subscriptions.push(
    mine,
    vscode.commands.registerCommand("ecom.restart", () => mine.restart()),
    vscode.workspace.onDidChangeConfiguration((change) => {
      if (change.affectsConfiguration("ecom.path")) void mine.restart();
    }),
    vscode.workspace.onDidGrantWorkspaceTrust(() => mine.retry()),
    vscode.workspace.onDidChangeWorkspaceFolders(() => mine.retry()),
  );
  void mine.restart();
}

export async function deactivate(): Promise<void> {
  await server?.stop();
}
