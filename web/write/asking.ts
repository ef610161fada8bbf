/** Questions to the language worker about the editor's text. */
import type { EditorState, Text } from '@codemirror/state';
import type { EditorView } from '@codemirror/view';
import type { Remote } from 'comlink';
import type { Context } from '../app/context.ts';
import type { Editing } from '../worker/editing.ts';

/**
 * Runs one at a time; of wishes that come meanwhile, the last one: a worker that is behind is not left further behind.
 */
export function latest(run: () => Promise<void>): () => void {
  let [running, wanted] = [false, false];
  const go = async (): Promise<void> => {
    wanted = true;
    if (running) return;
    running = true;
    try {
      while (wanted) {
        wanted = false;
        await run();
      }
    } finally {
      running = false;
    }
  };
  return () => void go();
}

export class Asking {
  readonly #context: Context;
  /** What the worker has. */
  #sent: Text | undefined;

  constructor(context: Context) {
    this.#context = context;
  }

  /** The answer to a question about a view's text; undefined where the text is another one by then. */
  async ask<T>(view: EditorView, question: (editing: Remote<Editing>) => Promise<T>): Promise<T | undefined> {
    const { doc }: EditorState = view.state;
    const { editing } = this.#context.language;
    try {
      // The worker takes messages in order.
      if (this.#sent !== doc) void editing.open(doc.toString());
      this.#sent = doc;
      const answer = await question(editing);
      return view.state.doc === doc ? answer : undefined;
    } catch (error) {
      this.#context.report(error);
      return undefined;
    }
  }
}
