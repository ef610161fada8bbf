/** `zooc report`: the page of one run, or of several side by side. */
import { join } from 'node:path';
import { reportName, writeReport } from '../../../../runtime/report/node/write.ts';
import { print } from '../../output.ts';

interface ReportOptions {
  readonly out?: string;
}

export async function report(folders: readonly string[], options: ReportOptions): Promise<void> {
  const [first, ...others] = folders;
  // Of one run beside its files, where training writes it; of several where the caller stands.
  const out = options.out ?? (others.length === 0 ? join(first!, reportName) : reportName);
  await writeReport(out, folders);
  print(out);
}
