/** What stands at an offset of a file. */
import type { Binding } from './binding/bind.ts';
import { NameScope, type Occurrence } from './binding/named.ts';

/** The name at an offset; one that ends there too. */
export function occurrenceAt({ occurrences }: Binding, offset: number): Occurrence | undefined {
  const around = occurrences.filter(({ name: { span } }) => span.start <= offset && offset <= span.end);
  return around.find(({ name: { span } }) => offset < span.end) ?? around[0];
}

/** Names in reach at an offset: of the innermost part of the file that begins before it. */
export function scopeAt({ scopes }: Binding, offset: number): NameScope {
  const around = scopes.filter(({ start, end }) => start <= offset && offset <= end);
  return around.at(-1)?.scope ?? new NameScope();
}
