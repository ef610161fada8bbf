/** The bytes 0x80 to 0x9f of windows-1252, which other programs' texts often hold as control characters. */
import { decodeHTML } from 'entities';

/** A C1 control read as the windows-1252 character of that byte, as HTML does for numeric references. */
export function readC1(c: string): string {
  return decodeHTML(`&#${c.charCodeAt(0)};`);
}
