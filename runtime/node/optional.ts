/** Packages that are installed unless somebody leaves them out: what needs them says so, in words, when it is used. */
import { type Diagnostic, DiagnosticError } from '../../grammar/diagnostics.ts';

const optional: Readonly<Record<string, string>> = {
  webgpu: 'running on a GPU in Node',
  sharp: 'reading pictures in Node',
};

/** What an import failed for, where it is such a package. */
export function missingPackage(error: unknown): Diagnostic | undefined {
  if ((error as NodeJS.ErrnoException | undefined)?.code !== 'ERR_MODULE_NOT_FOUND') return undefined;
  const name = /Cannot find package '([^']+)'/.exec((error as Error).message)?.[1];
  const use = name === undefined ? undefined : optional[name];
  if (use === undefined) return undefined;
  return {
    code: 'Z636',
    severity: 'error',
    message: `${use} takes the package ${name}, which is not installed`,
    help: `npm install ${name}`,
  };
}

/** What `load` imports. @throws DiagnosticError Z636 */
export async function optionalPackage<T>(load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (error) {
    const missing = missingPackage(error);
    throw missing === undefined ? error : new DiagnosticError([missing]);
  }
}
