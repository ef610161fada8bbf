/**
 * What callers of the library hand in and get back. The same in Node and browsers, so that a program written for one
 * runs on the other.
 */
import type { HostArray } from '../../runtime/types.ts';

/** Where bytes come from: a path (Node) or address as text, a URL, the bytes themselves, a Blob or File. */
export type BytesInput = string | URL | Uint8Array | ArrayBuffer | Blob;

/**
 * Weights: as `BytesInput` (safetensors under the names of OpenAI, open_clip or Hugging Face; a path on Node may be whatever
 * `zooc --weights` takes, a folder or a PyTorch checkpoint, say), `init:SEED` or `hash` as text, or a seed for the model's
 * own initialisers.
 */
export type WeightsInput = BytesInput | { readonly seed: number };

/** Pixels in rows from the top: RGB or RGBA bytes, `width * height * 3` or `* 4`. A browser's ImageData is such. */
export interface PixelsInput {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array | Uint8ClampedArray;
}

/** A decoded picture of a browser (ImageBitmap), which stays open. */
export interface BitmapInput {
  readonly width: number;
  readonly height: number;
  /** Frees it. */
  close(): void;
}

/** A picture: what a file would hold, pixels, or what a browser decoded. */
export type PictureInput = BytesInput | PixelsInput | BitmapInput;

/** Static parameters by path: `{ 'vision.layers': 2 }`, as `--set` of the command line. */
export type Settings = Readonly<Record<string, number | string | boolean>>;

/** Typed arrays by name, row-major. */
export type NamedArrays = Readonly<Record<string, HostArray>>;

/** One output of an entry. */
export interface NamedResult {
  readonly shape: readonly number[];
  /** Row-major. */
  readonly data: HostArray;
}

/** A label and its probability, as transformers.js names them. */
export interface Classification {
  readonly label: string;
  /** 0 to 1. */
  readonly score: number;
}

/** How a device is opened. */
export interface OpenOptions {
  /** A part of an adapter's name, as ZOOC_ADAPTER; Node only, browsers choose themselves. */
  readonly adapter?: string;
  /**
   * Schedules that plans for the device go without, by the names that `Gpu.selftest` reports; in Node those of ZOOC_AVOID by
   * default.
   */
  readonly avoid?: readonly string[];
  /** Remarks for a person; dropped by default. */
  readonly notify?: (text: string) => void;
}
