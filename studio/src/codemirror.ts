// CodeMirror, with a small reader of the language for colours and the compiler's diagnostics. Owns a shadow root in its host.
import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { HighlightStyle, StreamLanguage, bracketMatching, indentUnit, syntaxHighlighting } from "@codemirror/language";
import { lintGutter, setDiagnostics, type Diagnostic as Mark } from "@codemirror/lint";
import { highlightSelectionMatches, search, searchKeymap } from "@codemirror/search";
import { EditorState, type Text } from "@codemirror/state";
import { EditorView, drawSelection, highlightActiveLine, keymap, lineNumbers } from "@codemirror/view";
import { tags } from "@lezer/highlight";
import type { Diagnostic } from "./data";

const WORDS = new Set(
  (
    "topology enum record error bus topic cache keyspace external service gateway saga policy edge forbid identity scenario invariant table database postgres " +
    "operation query on call step do undo done failed let return fail when for each if else match tx sql publish call route listen auth limit use timeout retry " +
    "breaker trip open probe concurrency backoff given assume expect say times fails hangs down setting env sandbox primary key unique index references was " +
    "keys partitions retention drop from group then dead-letter internal public reply accepted idempotent all required optional required jwt via while in per or and not " +
    "http https consume maybe one many exec failure consecutive timeouts failures true false null"
  ).split(" "),
);
const TYPES = new Set("text secret email int float bool uuid time json".split(" "));
const SQL = /^(select|from|where|and|or|not|insert|into|values|update|set|delete|returning|on|conflict|do|nothing|join|left|group|order|by|limit|case|when|then|else|end|as|with|in|is|null|exists|union|all|distinct|for|skip|locked)$/i;

const language = StreamLanguage.define<{ sql: boolean }>({
  name: "ecom",
  startState: () => ({ sql: false }),
  token(stream, state) {
    if (stream.match('"""')) {
      state.sql = !state.sql;
      return "string";
    }
    if (stream.eatSpace()) return null;
    if (state.sql) {
      if (stream.match(/^'[^']*'?/)) return "string";
      if (stream.match(/^::?[a-z_][\w.]*/i)) return "variableName";
      if (stream.match(/^[a-z_]\w*/i)) return SQL.test(stream.current()) ? "keyword" : null;
      if (stream.match(/^\d+/)) return "number";
      stream.next();
      return null;
    }
    if (stream.match("//")) {
      stream.skipToEnd();
      return "comment";
    }
    if (stream.match(/^"(?:[^"\\]|\\.)*"?/)) return "string";
    if (stream.match(/^-?\d[\d_]*(?:\.\d+)?(?:ms|[smhd]|\/[smh])?/)) return "number";
    if (stream.match(/^->|^\.\.\.?/)) return "operator";
    if (stream.match(/^[A-Z]\w*/)) return "typeName";
    if (stream.match(/^[a-z_](?:[\w]|-(?=\w))*/)) {
      const word = stream.current();
      return stream.match(/^\s*[:.]/, false) ? null : TYPES.has(word) ? "typeName" : WORDS.has(word) ? "keyword" : null;
    }
    stream.next();
    return null;
  },
});

const colours = HighlightStyle.define([
  { tag: tags.keyword, color: "var(--code-keyword)" },
  { tag: tags.string, color: "var(--code-string)" },
  { tag: tags.comment, color: "var(--muted)", fontStyle: "italic" },
  { tag: tags.number, color: "var(--code-number)" },
  { tag: tags.typeName, color: "var(--code-type)" },
  { tag: tags.variableName, color: "var(--code-number)" },
]);

const look = EditorView.theme({
  "&": { height: "100%", color: "var(--ink)", backgroundColor: "var(--surface)", fontSize: "13px" },
  ".cm-scroller": { fontFamily: "var(--mono)", lineHeight: "1.55" },
  ".cm-gutters": { backgroundColor: "var(--surface)", color: "var(--muted)", borderRight: "1px solid var(--line)" },
  ".cm-activeLine, .cm-activeLineGutter": { backgroundColor: "var(--hover)" },
  ".cm-cursor": { borderLeftColor: "var(--ink)" },
  "&.cm-focused .cm-selectionBackground, .cm-selectionBackground": { backgroundColor: "var(--picked) !important" },
  "&.cm-focused": { outline: "2px solid var(--accent)", outlineOffset: "-2px" },
  ".cm-tooltip, .cm-panels": { backgroundColor: "var(--surface)", color: "var(--ink)", borderColor: "var(--line)" },
  ".cm-diagnostic-error": { borderLeftColor: "var(--bad)" },
  // The package draws these with images of data:, which the page's CSP refuses.
  ".cm-lintRange": { backgroundImage: "none", textDecoration: "underline wavy var(--bad) 1px", textUnderlineOffset: "3px" },
  ".cm-lintRange-warning, .cm-lintRange-info": { textDecorationColor: "var(--event)" },
  ".cm-lint-marker": { content: "normal", width: "9px", height: "9px", margin: "5px 0 0 3px", borderRadius: "50%", backgroundColor: "var(--bad)" },
  ".cm-lint-marker-warning, .cm-lint-marker-info": { backgroundColor: "var(--event)", borderRadius: "2px" },
});

export interface TextEditor {
  text: () => string;
  replace: (text: string) => void;
  show: (diagnostics: Diagnostic[]) => void;
  goto: (line: number, column?: number) => void;
  destroy: () => void;
}

/** Columns of the compiler are bytes of UTF-8, from 1; places of the editor are UTF-16. */
export function offset(doc: Text, line: number, column: number): number {
  const at = doc.line(Math.min(Math.max(line, 1), doc.lines));
  let bytes = 0;
  let units = 0;
  for (const letter of at.text) {
    if (bytes >= column - 1) break;
    const code = letter.codePointAt(0)!;
    bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    units += letter.length;
  }
  return at.from + units;
}

export function makeEditor(host: HTMLElement, text: string, changed: () => void, save: () => void): TextEditor {
  const root = host.shadowRoot ?? host.attachShadow({ mode: "open" });
  root.replaceChildren();
  const view = new EditorView({
    root,
    parent: root,
    state: EditorState.create({
      doc: text,
      extensions: [
        lineNumbers(),
        history(),
        drawSelection(),
        highlightActiveLine(),
        highlightSelectionMatches(),
        bracketMatching(),
        indentUnit.of("  "),
        search({ top: true }),
        lintGutter(),
        language,
        syntaxHighlighting(colours),
        look,
        EditorView.contentAttributes.of({ "aria-label": "Text of the topology", spellcheck: "false" }),
        keymap.of([{ key: "Mod-s", preventDefault: true, run: () => (save(), true) }, ...defaultKeymap, ...historyKeymap, ...searchKeymap]),
        EditorView.updateListener.of((update) => void (update.docChanged && changed())),
      ],
    }),
  });
  view.scrollDOM.tabIndex = 0; // it scrolls, by keys too
  return {
    text: () => view.state.doc.toString(),
    replace: (next) => view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: next } }),
    show: (diagnostics) => {
      const { doc } = view.state;
      const marks = diagnostics.map(({ severity, line, column, end_line, end_column, message, code, help }): Mark => {
        const from = offset(doc, line, column);
        const to = Math.max(offset(doc, end_line, end_column), Math.min(from + 1, doc.length));
        return { from, to: Math.max(from, to), severity, message: `${message} (${code})${help ? `\n${help}` : ""}` };
      });
      view.dispatch(setDiagnostics(view.state, marks));
    },
    goto: (line, column = 1) => {
      const at = offset(view.state.doc, line, column);
      view.dispatch({ selection: { anchor: at }, effects: EditorView.scrollIntoView(at, { y: "center" }) });
      view.focus();
    },
    destroy: () => view.destroy(),
  };
}
