/** Values of parquet files as texts. */
import { decodeUtf8 } from '../shards/selection.ts';

/**
 * The text of a cell; that of what is neither text nor number is empty.
 * @param split what joins a list, a blank where it is empty
 * @throws Unusable for bytes that are no UTF-8
 */
export function textIn(value: unknown, column: string, split: string): string {
  if (typeof value === 'string') return value;
  if (value instanceof Uint8Array) return decodeUtf8(value, column);
  if (Array.isArray(value))
    return value.map((item) => textIn(item, column, split)).join(split === '' ? ' ' : split);
  return typeof value === 'number' || typeof value === 'bigint' ? String(value) : '';
}
