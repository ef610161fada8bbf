/** Checks of open documents, in steps between which a server answers: what fails or is overtaken ends no other. */
import { expect, it } from 'vitest';
import { Checking, turn } from '../../../editor/server/checking.ts';
import { createService, type ServiceDiagnostic } from '../../../editor/service/index.ts';
import { memoryHost } from '../../errors/report.ts';

/** What is told of checks that are these generators, by path. */
function watched(
  checks: Readonly<Record<string, () => Generator<undefined, ServiceDiagnostic[] | undefined>>>,
) {
  const [told, failures]: [string[], unknown[]] = [[], []];
  const service = { ...createService(memoryHost({})), diagnosing: (path: string) => checks[path]!() };
  const checking = new Checking(
    service,
    (path) => told.push(path),
    (error) => failures.push(error),
  );
  return { checking, told, failures };
}

async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await turn();
}

function* sound() {
  yield undefined;
  return [];
}

it('a check that fails is told as such, and the next one goes on', async () => {
  const defect = new Error('defect');
  const { checking, told, failures } = watched({
    *bad() {
      yield undefined;
      throw defect;
    },
    good: sound,
  });
  checking.want(['bad', 'good']);
  await settle();
  expect(told).toEqual(['good']);
  expect(failures).toEqual([defect]);
  checking.want(['good']);
  await settle();
  expect(told).toEqual(['good', 'good']);
});

it('what is wanted later takes the place of what was not begun', async () => {
  const { checking, told } = watched({ one: sound, two: sound, three: sound });
  checking.want(['one', 'two']);
  await turn();
  checking.want(['three']);
  await settle();
  expect(told).toEqual(['one', 'three']);
});

it('a check whose text has changed tells nothing', async () => {
  const { checking, told } = watched({
    *left() {
      yield undefined;
      return undefined;
    },
    good: sound,
  });
  checking.want(['left', 'good']);
  await settle();
  expect(told).toEqual(['good']);
});
