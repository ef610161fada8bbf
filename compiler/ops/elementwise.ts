/** Facts that ops share which compute each element of the result from the elements at its place. */
import { samplewise } from './slices.ts';
import { elementwiseStrips } from './strips.ts';

export const elementwiseTraits = {
  role: 'kernel',
  slices: samplewise(),
  half: 'elementwise',
  layout: 'any',
  behind: false,
  strips: elementwiseStrips,
} as const;
