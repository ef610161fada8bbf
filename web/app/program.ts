/** The text of the language that the page's parts share. It survives a reload. */

export interface ProgramState {
  readonly text: string;
  /** The model that is looked at, where the text has several. */
  readonly model: string | undefined;
  /** Static parameters by path, as `--set`. */
  readonly settings: Readonly<Record<string, string>>;
}

const key = 'zooc.program';
/** The text that the first one was put in place of. */
const keyBefore = 'zooc.program.before';

export const firstProgram: ProgramState = {
  text: `# A small CLIP. Change a number: what follows from it is checked as you type.
import clip { CLIP, VisionTransformer, TextTransformer }
import losses { contrastive }

model "mini" = CLIP(
  vision = VisionTransformer(resolution = 32, patch = 8, width = 64, layers = 2, embed = 64),
  text = TextTransformer(context = 24, vocab = 4096, width = 64, layers = 1, embed = 64)
)

train "quick" of "mini" {
  objective = contrastive
  batch = 32
  optimizer = adamw(lr = 1.5e-3, beta1 = 0.9, beta2 = 0.98, eps = 1e-6, weight_decay = 0.1)
  schedule = cosine(warmup = 20 steps, total = 300 steps)
  clamp logit_scale in 0 .. ln(100)
  seed = 1
}
`,
  model: undefined,
  settings: {},
};

function stored(key: string): ProgramState | undefined {
  try {
    const text = localStorage.getItem(key);
    return text === null ? undefined : (JSON.parse(text) as ProgramState);
  } catch {
    // A browser that keeps nothing for this page, or what an older page left.
    return undefined;
  }
}

function store(key: string, state: ProgramState | undefined): void {
  try {
    if (state === undefined) localStorage.removeItem(key);
    else localStorage.setItem(key, JSON.stringify(state));
  } catch {
    // It lives as long as the page, then.
  }
}

export class Program {
  #state: ProgramState = stored(key) ?? firstProgram;
  #before: ProgramState | undefined = stored(keyBefore);
  readonly #listeners = new Set<(state: ProgramState) => void>();

  get state(): ProgramState {
    return this.#state;
  }

  change(change: Partial<ProgramState>): void {
    this.#state = { ...this.#state, ...change };
    store(key, this.#state);
    for (const listener of this.#listeners) listener(this.#state);
  }

  /** The visitor's text while the first one is in its place. */
  get before(): ProgramState | undefined {
    return this.#before;
  }

  /** Takes the first text back; the visitor's is kept. */
  takeFirst(): void {
    this.#keep(this.#state);
    this.change(firstProgram);
  }

  /** Puts the text back that `takeFirst` kept. */
  putBack(): void {
    const before = this.#before;
    if (before === undefined) return;
    // What was made of the first one meanwhile is kept in turn.
    this.#keep(this.#state.text === firstProgram.text ? undefined : this.#state);
    this.change(before);
  }

  #keep(state: ProgramState | undefined): void {
    this.#before = state;
    store(keyBefore, state);
  }

  /** Calls `listener` after each change. */
  listen(listener: (state: ProgramState) => void): void {
    this.#listeners.add(listener);
  }
}
