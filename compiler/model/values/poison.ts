/** The value of what went wrong: an error was reported, and whoever meets it stays silent. */
export interface Poison {
  readonly kind: 'poison';
}

export const poison: Poison = { kind: 'poison' };
