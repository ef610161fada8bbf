/** `zooc evaluate`: the numbers that papers print, as JSON for scripts and a table for people. */
import { basename } from 'node:path';
import { fail } from '../../../../grammar/diagnostics.ts';
import { type Result, type Task, taskNames, tasks } from '../../../evaluate/results.ts';
import { type DeviceChoice, openExecutor } from '../../../run/devices.ts';
import { closing } from '../../closing.ts';
import { note, table, writeText } from '../../output.ts';
import { type FeatureOptions, fromFiles } from './from-features.ts';

interface EvaluateOptions extends FeatureOptions {
  readonly task?: Task;
  readonly out: string;
  readonly device: DeviceChoice;
}

/** A row for each metric. */
function tableOf(results: readonly Result[]): string {
  return table(
    results.flatMap(({ dataset, n, metrics, ci95 }) =>
      Object.entries(metrics).map(([name, value]) => {
        const [low, high] = ci95?.[name] ?? [];
        const range = low === undefined ? '' : `${low.toFixed(4)} to ${high!.toFixed(4)}`;
        return [dataset, `n ${n}`, name, (value as number).toPrecision(6), range];
      }),
    ),
  );
}

export async function evaluate(options: EvaluateOptions): Promise<void> {
  const { task } = options;
  if (task === undefined)
    fail('Z703', 'evaluate of --features or --test needs --task', `--task ${tasks.join(', --task ')}`);
  const measured = await closing((keep) => {
    const open = async () => {
      const executor = keep(await openExecutor(options.device, { notify: note }));
      return executor.kind === 'device' ? executor.device : undefined;
    };
    let device: ReturnType<typeof open> | undefined;
    return fromFiles[task](options, () => (device ??= open()), keep);
  });
  const result: Result = {
    dataset: basename(options.test!, '.safetensors'),
    task: taskNames[task],
    ...measured,
  };
  await writeText(options.out, `${JSON.stringify([result], null, 2)}\n`);
  note(tableOf([result]));
}
