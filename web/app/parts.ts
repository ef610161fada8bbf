/** The five parts: what they are called, and where they come from. Each is loaded when it is first shown. */
import type { Context, Part, PartName } from './context.ts';

interface PartInfo {
  readonly title: string;
  readonly load: () => Promise<(context: Context) => Part>;
}

export const parts: Readonly<Record<PartName, PartInfo>> = {
  try: { title: 'Try', load: async () => (await import('../try/part.ts')).makeTry },
  write: { title: 'Write', load: async () => (await import('../write/part.ts')).makeWrite },
  explore: { title: 'Explore', load: async () => (await import('../explore/part.ts')).makeExplore },
  train: { title: 'Train', load: async () => (await import('../train/part.ts')).makeTrain },
  compare: { title: 'Compare', load: async () => (await import('../compare/part.ts')).makeCompare },
};
