/** Models as values: from a name or a text, looked at, and compiled without a device. */
import { withSources } from '../../compiler/graph/sources.ts';
import { checkFile, resolveModel, resolveRecipe, type TextOverride } from '../../compiler/model/index.ts';
import type { EntryInfo, Model, ModuleHost, Recipe, Result } from '../../compiler/model/types.ts';
import type { Plan } from '../../compiler/plan/types.ts';
import type { DeviceProfile } from '../../compiler/profile.ts';
import { type ProfileKind, profiles } from '../../compiler/profiles.ts';
import { type Diagnostic, DiagnosticError, fail } from '../../grammar/diagnostics.ts';
import { makeNormalizer } from '../../runtime/data/pictures/fit.ts';
import { checkTokenizer, makeTokenizer, mergesOf, type Tokenizer } from '../../runtime/data/texts/bpe.ts';
import { compileFitting, type EntryRequest, traceGraph } from '../run/compiled.ts';
import {
  featureWidth,
  pictureTower,
  type TowerInfo,
  textTower,
  tokenizerSize,
  towersOf,
} from '../run/towers/of-model.ts';
import { fitPicture } from './bytes.ts';
import { type Explanation, explain } from './explain/explanation.ts';
import { GraphView } from './explain/graph-view.ts';
import { type CostedBlock, costedTree, type TreeBlock, treeOf, type WeightInfo } from './explain/tree.ts';
import type { PlanSet } from './plans.ts';
import type { Platform } from './platform.ts';
import type { PictureInput, Settings } from './types.ts';

/** What is traced. */
export interface TraceOptions {
  /** `encode_image`, `encode_text`, `forward`, `loss`, or what the model declares. */
  readonly entry: string;
  /** Rows of every input, above 0; 1 by default. */
  readonly batch?: number;
  /** `eval` by default. */
  readonly mode?: 'eval' | 'train';
}

/** What is compiled, and what for. */
export interface CompileOptions {
  /** `encode_image`, `encode_text`, `forward`, `loss`, or what the model declares. */
  readonly entry: string;
  /** Rows of every input, above 0. */
  readonly batch: number;
  /** `eval` by default. */
  readonly mode?: 'eval' | 'train';
  /** Also `grad.WEIGHT` for every trainable weight; of the entry `loss` only. */
  readonly gradients?: boolean;
  /** f32 by default. */
  readonly precision?: 'f32' | 'mixed';
  /** A kind of device, or the profile of an open one; `gpu` by default. */
  readonly profile?: ProfileKind | DeviceProfile;
}

/** What plans are made for. */
export interface PlansOptions {
  /** `gpu` by default: limits that are common on discrete cards. */
  readonly profile?: ProfileKind | DeviceProfile;
  /** Pictures or texts at a time, 1 by default. */
  readonly batch?: number;
}

function profileOf({ profile = 'gpu' }: CompileOptions): DeviceProfile {
  return typeof profile === 'string' ? profiles[profile] : profile;
}

/** What `text` is called in diagnostics. */
const textPath = 'text.zoo';

/** Whether it is the language itself, not a name or a path. */
function isText(source: string): boolean {
  return /[\n={]/.test(source);
}

interface Located {
  readonly host: ModuleHost;
  readonly reference: string;
}

/** A text as a file beside those of the host. */
function textHost(host: ModuleHost, text: string): ModuleHost {
  return { ...host, read: (path) => (path === textPath ? text : host.read(path)) };
}

function locate(host: ModuleHost, source: string, name: string | undefined): Located {
  const suffix = name === undefined ? '' : `#${name}`;
  if (!isText(source)) return { host, reference: `${source}${suffix}` };
  return { host: textHost(host, source), reference: `${textPath}${suffix}` };
}

function overridesOf(settings: Settings): TextOverride[] {
  return Object.entries(settings).map(([path, value]) => ({ path, value: String(value) }));
}

function unwrap<T>({ diagnostics, ...result }: Result<T>): T {
  if (!result.ok) throw new DiagnosticError(diagnostics);
  return result.value;
}

/**
 * @throws DiagnosticError Z1xx to Z5xx
 * @internal
 */
export function recipeOf(
  host: ModuleHost,
  source: string,
  settings: Settings,
  name: string | undefined,
  more: readonly TextOverride[],
): { readonly recipe: Recipe; readonly warnings: readonly Diagnostic[] } {
  const { host: reading, reference } = locate(host, source, name);
  const result = resolveRecipe(reading, reference, [...overridesOf(settings), ...more]);
  return { recipe: unwrap(result), warnings: result.diagnostics };
}

/**
 * Everything that is wrong with a text, in one run; nothing is thrown.
 * @internal
 */
export function checkText(host: ModuleHost, text: string): readonly Diagnostic[] {
  return checkFile(textHost(host, text), textPath).diagnostics;
}

/** A model that was checked: every size is a number. */
export class ZooModel {
  /** @internal */
  readonly model: Model;
  /** What is worth a look though nothing is wrong. */
  readonly warnings: readonly Diagnostic[];
  readonly #platform: Platform;
  #tokenizer: Promise<Tokenizer> | undefined;

  /** @internal */
  constructor(platform: Platform, model: Model, warnings: readonly Diagnostic[]) {
    this.#platform = platform;
    this.model = model;
    this.warnings = warnings;
  }

  /**
   * @throws DiagnosticError Z1xx to Z3xx
   * @internal
   */
  static from(platform: Platform, source: string, settings: Settings, name?: string): ZooModel {
    const { host, reference } = locate(platform.host, source, name);
    const result = resolveModel(host, reference, overridesOf(settings));
    return new ZooModel(platform, unwrap(result), result.diagnostics);
  }

  /** As the text calls it. */
  get name(): string {
    return this.model.name;
  }

  /** Elements of all trainable weights. */
  get parameters(): number {
    return this.model.parameters;
  }

  /** Named functions with the shapes that they take and give, `B` for the batch: `images [B, 3, 32, 32]`. */
  get entries(): readonly EntryInfo[] {
    return this.model.entries;
  }

  /** In the order of a state_dict. */
  get weights(): readonly WeightInfo[] {
    return this.model.weights.map(({ name, shape, dtype, kind }) => ({ name, shape, dtype, kind }));
  }

  /**
   * The model as a tree of blocks, with arguments, weights and the place of each in the text; for an entry also what each block
   * computes: FLOPs and the shapes that it gives.
   * @throws DiagnosticError Z3xx where a batch does not trace, Z703, Z704 for another entry
   */
  tree(): TreeBlock;
  tree(options: TraceOptions): CostedBlock;
  tree(options?: TraceOptions): TreeBlock {
    return options === undefined ? treeOf(this.model) : costedTree(this.model, this.#request(options));
  }

  /**
   * The graph of an entry as its text says it, each node with its block and its place in the text. Cheaper than `explain`.
   * @throws as `tree`
   */
  trace(options: TraceOptions): GraphView {
    const graph = traceGraph(this.model, { ...this.#request(options), gives: () => {} });
    return new GraphView(this.model, withSources(graph));
  }

  /**
   * The plan that `compile` gives, with what it does not say: where in the text each step came from, the graphs that it was made
   * of, and what lies in memory when.
   * @throws as `compile`
   */
  explain(options: CompileOptions): Explanation {
    return explain(this.model, this.#request(options), profileOf(options));
  }

  /**
   * The plan of an entry: kernels in WGSL (`plan.pipelines`), buffers and steps, as JSON. No device is needed.
   * @throws DiagnosticError Z605 where such a device cannot hold it, naming a batch that it can; Z704 for another entry
   */
  compile(options: CompileOptions): Plan {
    return compileFitting(this.model, this.#request(options), profileOf(options)).plan;
  }

  /** @throws DiagnosticError Z703, Z704 */
  #request(options: TraceOptions & Partial<CompileOptions>): EntryRequest {
    const { entry, batch = 1, mode = 'eval', gradients = false, precision = 'f32' } = options;
    checkEntry(this.model, entry, batch);
    return { entry, batch, mode, gradients, precision };
  }

  /**
   * The plans of the model's towers with all else that classifying takes, as JSON for `zooc/plan`: a page that loads them needs
   * no compiler.
   * @throws DiagnosticError Z414, Z605, Z704 for a model that gives no features
   */
  async plans({ profile = 'gpu', batch = 1 }: PlansOptions = {}): Promise<PlanSet> {
    const { model } = this;
    const embed = featureWidth(model);
    const { picture, text } = towersOf(model);
    const planOf = ({ entry }: TowerInfo) => this.compile({ entry, batch, profile });
    const { mean, std } = model.normalization;
    const size = text && tokenizerSize(text);
    if (size !== undefined) checkTokenizer(size);
    const count = size === undefined ? 0 : mergesOf(size.vocab);
    return {
      format: 1,
      model: model.name,
      embed,
      ...(picture && { picture: { size: picture.input.sizes[1]!, mean, std, plan: planOf(picture) } }),
      ...(text &&
        size && {
          text: {
            ...size,
            merges: (await this.#platform.merges(count)).slice(0, count),
            plan: planOf(text),
          },
        }),
    };
  }

  /**
   * Ids of texts, as the model takes them: i32 [n, context], SOT, the text, EOT, zeros; what is too long is cut.
   * @throws DiagnosticError Z414 for a vocabulary without a tokenizer, Z704 for a model without texts
   */
  async tokens(texts: readonly string[]): Promise<Int32Array> {
    this.#tokenizer ??= tokenizerOf(this.#platform, this.model);
    const { context, encodeInto } = await this.#tokenizer;
    const ids = new Int32Array(texts.length * context);
    for (const [i, text] of texts.entries()) encodeInto(ids.subarray(i * context, (i + 1) * context), text);
    return ids;
  }

  /**
   * Pictures as the model takes them: f32 [n, 3, R, R], fitted and normalised as for `encodeImage`.
   * @throws DiagnosticError Z405, Z704
   */
  async pixels(pictures: readonly PictureInput[]): Promise<Float32Array> {
    const size = pictureTower(this.model).input.sizes[1]!;
    const normalize = makeNormalizer(this.model.normalization);
    const out = new Float32Array(pictures.length * 3 * size * size);
    for (const [i, picture] of pictures.entries())
      normalize(out, i * 3 * size * size, await fitPicture(this.#platform, picture, { size }));
    return out;
  }
}

/**
 * @throws DiagnosticError Z703, Z704
 * @internal
 */
export function checkEntry(model: Model, entry: string, batch: number): void {
  if (!Number.isSafeInteger(batch) || batch < 1)
    fail('Z703', `batch ${batch}: expected a whole number above 0`);
  const known = model.entries.map(({ name }) => name);
  if (!known.includes(entry))
    fail('Z704', `${model.name} has no entry ${entry}`, `entries: ${known.join(', ')}`);
}

/**
 * The tokenizer of a model's texts. @throws DiagnosticError Z414, Z704
 * @internal
 */
export async function tokenizerOf(platform: Platform, model: Model): Promise<Tokenizer> {
  const size = tokenizerSize(textTower(model));
  checkTokenizer(size);
  return makeTokenizer(await platform.merges(mergesOf(size.vocab)), size);
}
