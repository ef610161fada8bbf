/**
 * A filter for pipelines: each line is a path of a picture, or JSON `{"image": path}` or `{"text": "…"}` with further
 * fields; for each comes one line of JSON, in order, with `embedding`, or `error` where it cannot be had.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { DiagnosticError } from '../../grammar/diagnostics.ts';
import { parseJson } from '../../runtime/data/files/json.ts';
import { inOrder } from '../../runtime/data/in-order.ts';
import { DecodePool, type DecodeResult } from '../../runtime/data/pictures/decode.ts';
import type { Encoder } from '../run/encoder.ts';

type Fields = Readonly<Record<string, unknown>>;

/** What a line asks for, and the fields that its answer begins with. */
type Asked = { readonly fields: Fields } & (
  | { readonly image: string }
  | { readonly text: string }
  | { readonly error: string }
);

interface LinesRequest {
  /** Of a batch. */
  readonly rows: number;
  readonly workers: number;
  /** Takes lines of output. @returns whether more is wanted */
  print(text: string): Promise<boolean>;
}

interface LinesResult {
  readonly lines: number;
  readonly errors: number;
}

function parseLine(line: string): Asked {
  if (line.trim() === '') return { fields: {}, error: 'an empty line' };
  if (!line.trimStart().startsWith('{')) return { fields: { image: line }, image: line };
  const value = parseJson(line);
  if (value === undefined) return { fields: { line }, error: 'this is no JSON' };
  const fields = value as Fields;
  const { image, text } = fields;
  if (typeof image === 'string' && text === undefined) return { fields, image };
  if (typeof text === 'string' && image === undefined) return { fields, text };
  return { fields, error: 'expected a string, either "image" or "text"' };
}

/** Lines as they come, as many at once as are there. */
async function* groupsOf(lines: AsyncIterator<string>, most: number): AsyncGenerator<string[], void> {
  let coming = lines.next();
  for (let over = false; !over; ) {
    const group: string[] = [];
    let found: IteratorResult<string> | undefined = await coming;
    while (found !== undefined && found.done !== true) {
      group.push(found.value);
      coming = lines.next();
      found = group.length === most ? undefined : await Promise.race([coming, turn(undefined)]);
    }
    over = found?.done === true;
    if (group.length > 0) yield group;
  }
}

type Decoded = Asked & { readonly picture?: Uint8Array };

async function decode(line: string, pool: () => DecodePool): Promise<Decoded> {
  const asked = parseLine(line);
  if (!('image' in asked)) return asked;
  const { fields, image } = asked;
  const result = await pool()
    .decode(image)
    .catch((error: unknown): DecodeResult => {
      if (!(error instanceof DiagnosticError)) throw error;
      return { kind: 'unreadable', reason: error.diagnostics[0]!.message };
    });
  return 'bytes' in result ? { ...asked, picture: result.bytes } : { fields, error: result.reason };
}

/** The shortest digits that give the same float again. */
function digits(features: Float32Array): number[] {
  return Array.from(features, (value) => Number(value.toPrecision(9)));
}

async function encode(group: readonly Decoded[], encoder: Encoder): Promise<object[]> {
  const pictures = group.flatMap((asked) => ('image' in asked ? [asked] : []));
  const texts = group.flatMap((asked) => ('text' in asked ? [asked.text] : []));
  const none = new Float32Array();
  const ofPictures =
    pictures.length === 0
      ? none
      : await encoder.encodeFitted(
          pictures.map(({ picture }) => picture!),
          (i) => pictures[i]!.image,
        );
  const ofTexts = texts.length === 0 ? none : await encoder.encodeTexts(texts);
  const { embed } = encoder;
  const taken = { image: 0, text: 0 };
  return group.map((asked) => {
    if ('error' in asked) return { ...asked.fields, error: asked.error };
    const [kind, all] = 'image' in asked ? (['image', ofPictures] as const) : (['text', ofTexts] as const);
    const at = embed * taken[kind]++;
    return { ...asked.fields, embedding: digits(all.subarray(at, at + embed)) };
  });
}

/** Groups that are decoded ahead, and those that the device has or is being handed. */
const [decodedAhead, onDevice] = [2, 2];

/**
 * Answers lines until they end, or nobody reads the answers.
 * @throws DiagnosticError Z435, Z704
 */
export async function embedLines(
  encoder: Encoder,
  lines: AsyncIterator<string>,
  { rows, workers, print }: LinesRequest,
): Promise<LinesResult> {
  // A model may take texts alone.
  let opened: DecodePool | undefined;
  const pool = () => (opened ??= new DecodePool(encoder.fitting(), workers));
  let [done, errors] = [0, 0];
  try {
    const decoded = inOrder(groupsOf(lines, rows), decodedAhead, (group) =>
      Promise.all(group.map((line) => decode(line, pool))),
    );
    for await (const answers of inOrder(decoded, onDevice, (group) => encode(group, encoder))) {
      done += answers.length;
      errors += answers.filter((answer) => 'error' in answer).length;
      if (!(await print(answers.map((answer) => `${JSON.stringify(answer)}\n`).join('')))) break;
    }
  } finally {
    await opened?.close();
  }
  return { lines: done, errors };
}
