/** Bytes and pictures from whatever a caller has. */
import { DiagnosticError, fail } from '../../grammar/diagnostics.ts';
import type { Decoded } from '../../runtime/data/pictures/decoded.ts';
import { type FitSettings, fitImage } from '../../runtime/data/pictures/fit.ts';
import type { Platform } from './platform.ts';
import type { BytesInput, PictureInput, PixelsInput } from './types.ts';

/** The bytes of any input but a name. */
export async function ownBytes(source: Exclude<BytesInput, string | URL>): Promise<Uint8Array> {
  if (source instanceof Uint8Array) return source;
  return new Uint8Array(source instanceof ArrayBuffer ? source : await source.arrayBuffer());
}

export function isNamed(source: unknown): source is string | URL {
  return typeof source === 'string' || source instanceof URL;
}

/** What an input is called in messages. */
export function nameOf(source: unknown): string {
  return isNamed(source) ? String(source) : 'the picture';
}

/** @throws DiagnosticError Z701 when an address cannot be read */
export async function fetchBytes(source: string | URL): Promise<Uint8Array> {
  let response: Response;
  try {
    response = await fetch(source);
  } catch (error) {
    fail('Z701', `${source} cannot be fetched: ${(error as Error).message}`);
  }
  if (!response.ok) fail('Z701', `${source} cannot be fetched: ${response.status} ${response.statusText}`);
  return new Uint8Array(await response.arrayBuffer());
}

function isPixels(picture: PictureInput): picture is PixelsInput {
  return typeof picture === 'object' && 'data' in picture && 'width' in picture;
}

/** @throws DiagnosticError Z405 where the bytes are not those of RGB or RGBA pixels */
function decodedPixels({ width, height, data }: PixelsInput): Decoded {
  const channels = data.length / (width * height);
  if (channels !== 3 && channels !== 4)
    fail('Z405', `${width} x ${height} pixels of RGB or RGBA have 3 or 4 bytes each, not ${channels}`);
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.length);
  return { width, height, channels, mode: channels === 3 ? 'colours' : 'alpha', data: bytes };
}

/** A picture as RGB bytes [size, size, 3]. @throws DiagnosticError Z405 */
export async function fitPicture(
  platform: Pick<Platform, 'fit'>,
  picture: PictureInput,
  settings: FitSettings,
): Promise<Uint8Array> {
  if (isPixels(picture)) return fitImage(decodedPixels(picture), settings.size);
  try {
    return await platform.fit(picture, settings);
  } catch (error) {
    if (error instanceof DiagnosticError) throw error;
    fail('Z405', `${nameOf(picture)} cannot be read as an image: ${(error as Error).message}`);
  }
}
