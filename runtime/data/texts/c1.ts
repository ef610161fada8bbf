/** C1 controls, which in texts are characters of windows-1252 that were read as ISO 8859-1. */
import { decodeHTML } from 'entities';

/** The windows-1252 character of that byte, as HTML reads numeric references. */
export function readC1(c: string): string {
  return decodeHTML(`&#${c.charCodeAt(0)};`);
}

/** Every C1 control of a text read so. */
export function readAllC1(text: string): string {
  return text.replace(/[\u0080-\u009f]/g, readC1);
}
