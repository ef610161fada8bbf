/**
 * TensorBoard's messages: the few fields of `event.proto`, `summary.proto`, `tensor.proto` and the hparams plugin that
 * training writes, by number. Numbers are those of tensorflow/tensorboard's `compat/proto` and `plugins/hparams`.
 */
import { BinaryWriter } from '@bufbuild/protobuf/wire';

/** Writes a message inside of another one. */
type Part = (message: BinaryWriter) => BinaryWriter;

/** One value of a summary. */
export type Value = Part;

const nested = (message: BinaryWriter, field: number, part: Part): BinaryWriter => {
  message.tag(field, 2).fork();
  return part(message).join();
};

function event(wallTime: number, step: number, part: Part): Uint8Array {
  const message = new BinaryWriter().tag(1, 1).double(wallTime);
  if (step !== 0) message.tag(2, 0).int64(step);
  return part(message).finish();
}

/** The first event of a file. @param wallTime seconds since 1970, as in all events */
export function fileVersion(wallTime: number): Uint8Array {
  return event(wallTime, 0, (e) => e.tag(3, 2).string('brain.Event:2'));
}

/** A run begins again at `step`: points of that step and later that older files hold are no longer of it. */
export function sessionStart(wallTime: number, step: number): Uint8Array {
  return event(wallTime, step, (e) => nested(e, 7, (log) => log.tag(1, 0).int32(1)));
}

export function summary(wallTime: number, step: number, values: readonly Value[]): Uint8Array {
  return event(wallTime, step, (e) =>
    nested(e, 5, (s) => {
      for (const value of values) nested(s, 1, value);
      return s;
    }),
  );
}

export function scalar(tag: string, value: number): Value {
  return (v) => v.tag(1, 2).string(tag).tag(2, 5).float(value);
}

/** What a plugin is told of a tag: its name, bytes of its own, and what people read above it. */
interface Metadata {
  readonly plugin?: string;
  readonly content?: Uint8Array;
  readonly displayName?: string;
  readonly description?: string;
}

function metadata(
  message: BinaryWriter,
  { plugin, content, displayName, description }: Metadata,
): BinaryWriter {
  return nested(message, 9, (m) => {
    if (plugin !== undefined)
      nested(m, 1, (data) => {
        data.tag(1, 2).string(plugin);
        return content === undefined ? data : data.tag(2, 2).bytes(content);
      });
    if (displayName !== undefined) m.tag(2, 2).string(displayName);
    return description === undefined ? m : m.tag(3, 2).string(description);
  });
}

export interface Picture {
  readonly png: Uint8Array;
  readonly width: number;
  readonly height: number;
}

/** @param name shown in place of the tag; `description`, in Markdown, is shown beside the picture */
export function image(
  tag: string,
  { png, width, height }: Picture,
  name: string,
  description: string,
): Value {
  return (v) => {
    v.tag(1, 2).string(tag);
    nested(v, 4, (i) =>
      i.tag(1, 0).int32(height).tag(2, 0).int32(width).tag(3, 0).int32(3).tag(4, 2).bytes(png),
    );
    return metadata(v, { displayName: name, description });
  };
}

const dtypes = { float: 1, string: 7 } as const;

/** @param markdown shown by the plugin `text` */
export function text(tag: string, markdown: string): Value {
  return (v) => {
    v.tag(1, 2).string(`${tag}/text_summary`);
    nested(v, 8, (tensor) => {
      tensor.tag(1, 0).int32(dtypes.string);
      nested(tensor, 2, (shape) => nested(shape, 2, (dim) => dim.tag(1, 0).int64(1)));
      return tensor.tag(8, 2).bytes(new TextEncoder().encode(markdown));
    });
    return metadata(v, { plugin: 'text' });
  };
}

/** A value whose content is all that the plugin reads: its tensor is empty. */
function hparams(tag: string, part: Part): Value {
  const content = part(new BinaryWriter()).finish();
  return (v) => {
    v.tag(1, 2).string(tag);
    nested(v, 8, (tensor) => {
      tensor.tag(1, 0).int32(dtypes.float);
      return nested(tensor, 2, (shape) => nested(shape, 2, (dim) => dim));
    });
    return metadata(v, { plugin: 'hparams', content });
  };
}

/** What a run was made with, by name. @param began seconds since 1970 */
export function hparamsStart(values: Readonly<Record<string, string | number>>, began: number): Value {
  return hparams('_hparams_/session_start_info', (data) =>
    nested(data, 3, (info) => {
      for (const [name, value] of Object.entries(values))
        nested(info, 1, (entry) =>
          nested(entry.tag(1, 2).string(name), 2, (v) =>
            typeof value === 'number' ? v.tag(2, 1).double(value) : v.tag(3, 2).string(value),
          ),
        );
      return info.tag(5, 1).double(began);
    }),
  );
}

/** A run has come to its end. */
export function hparamsEnd(ended: number): Value {
  const status = 1;
  return hparams('_hparams_/session_end_info', (data) =>
    nested(data, 4, (info) => info.tag(1, 0).int32(status).tag(2, 1).double(ended)),
  );
}
