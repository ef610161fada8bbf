/**
 * Results in order, each as soon as it and those before it are there; a few are worked at while one is in use.
 * @param atATime how many at most
 */
export async function* inOrder<T, R>(
  items: Iterable<T> | AsyncIterable<T>,
  atATime: number,
  work: (item: T) => Promise<R>,
): AsyncGenerator<R, void> {
  const iterator = Symbol.asyncIterator in items ? items[Symbol.asyncIterator]() : items[Symbol.iterator]();
  const waiting: Promise<R>[] = [];
  let coming: Promise<IteratorResult<T>> | undefined;
  let over = false;
  try {
    for (;;) {
      if (!over && waiting.length < atATime) coming ??= Promise.resolve(iterator.next());
      const [first] = waiting;
      if (coming === undefined && first === undefined) return;
      // Failures are thrown below, in their turn.
      const settled = <S>(promise: Promise<unknown> | undefined, what: S): Promise<S>[] =>
        promise === undefined
          ? []
          : [
              promise.then(
                () => what,
                () => what,
              ),
            ];
      const ready = await Promise.race([...settled(coming, 'item'), ...settled(first, 'result')]);
      if (ready === 'result') {
        waiting.shift();
        yield await first!;
        continue;
      }
      const item = await coming!;
      coming = undefined;
      over = item.done === true;
      if (item.done !== true) {
        const result = work(item.value);
        result.catch(() => {});
        waiting.push(result);
      }
    }
  } finally {
    await iterator.return?.();
  }
}
