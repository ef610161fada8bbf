/** Resources of a verb, closed in reverse order however it ends, so that Node can end, too. */

interface Closable {
  close(): void | Promise<void>;
}

/** Takes something that is to be closed, and hands it back. */
export type Keep = <C extends Closable>(resource: C) => C;

/** Runs `body`; whatever it passes through `keep` is closed afterwards, the last one first. */
export async function closing<T>(body: (keep: Keep) => Promise<T>): Promise<T> {
  const open: Closable[] = [];
  try {
    return await body((resource) => {
      open.push(resource);
      return resource;
    });
  } finally {
    for (const resource of open.reverse()) await resource.close();
  }
}
