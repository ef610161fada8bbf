/** Checks of the open documents, in steps between which other questions are answered. */
import type { LanguageService, ServiceDiagnostic } from '../service/index.ts';

/** Until what the client has sent meanwhile is read. */
export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

export class Checking {
  readonly #service: LanguageService;
  readonly #tell: (path: string, found: readonly ServiceDiagnostic[]) => void;
  readonly #failed: (error: unknown) => void;
  /** In order. */
  #wanted: readonly string[] = [];
  #running = false;

  constructor(
    service: LanguageService,
    tell: (path: string, found: readonly ServiceDiagnostic[]) => void,
    failed: (error: unknown) => void,
  ) {
    this.#service = service;
    this.#tell = tell;
    this.#failed = failed;
  }

  /** A text has changed: these are checked anew, in this order, whatever was wanted before. */
  want(paths: readonly string[]): void {
    this.#wanted = paths;
    if (!this.#running) void this.#run();
  }

  async #run(): Promise<void> {
    this.#running = true;
    for (let path = this.#next(); path !== undefined; path = this.#next())
      try {
        await this.#check(path);
      } catch (error) {
        this.#failed(error);
      }
    this.#running = false;
  }

  #next(): string | undefined {
    const [path] = this.#wanted;
    this.#wanted = this.#wanted.slice(1);
    return path;
  }

  async #check(path: string): Promise<void> {
    await turn();
    const steps = this.#service.diagnosing(path);
    for (;;) {
      const { done, value } = steps.next();
      // Without an answer a text has changed, and it is wanted again.
      if (done === true) return value && this.#tell(path, value);
      await turn();
    }
  }
}
