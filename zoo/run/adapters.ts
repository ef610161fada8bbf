/**
 * Which adapter each of several ranks uses: WebGPU numbers none, so they are told apart by name and by host.
 */
import { hostname } from 'node:os';
import { fail } from '../../grammar/diagnostics.ts';
import { allTexts, type Collective } from '../../runtime/dist/collective.ts';
import type { Executor } from './devices.ts';

/**
 * The pattern of this rank: `ZOOC_ADAPTER=4090;7900` gives the first rank of a host the first, the second the second,
 * and begins again.
 */
export async function placeOfRank(
  group: Collective,
  patterns: string | undefined,
): Promise<{ adapter?: string }> {
  const list = (patterns ?? '').split(';').filter((pattern) => pattern !== '');
  if (group.size === 1 || list.length < 2) return {};
  const hosts = await allTexts(group, 'the hosts of the ranks', hostname());
  const before = hosts.slice(0, group.rank).filter((host) => host === hostname()).length;
  return { adapter: list[before % list.length]! };
}

/**
 * Two ranks on one discrete GPU share its memory and its time, and are slower than one: that is to be asked for.
 * @throws DiagnosticError Z634
 */
export async function refuseShared(group: Collective, executor: Executor): Promise<void> {
  if (group.size === 1) return;
  const isDiscrete = executor.kind === 'device' && executor.type === 'discrete';
  const own = isDiscrete ? `${hostname()}: ${executor.name}` : '';
  const places = await allTexts(group, 'the adapters of the ranks', own);
  const twice = places.findIndex((place, rank) => place !== '' && places.indexOf(place) !== rank);
  if (twice < 0 || process.env.ZOOC_SHARE_ADAPTER === '1') return;
  fail(
    'Z634',
    `ranks ${places.indexOf(places[twice]!)} and ${twice} would share one GPU, ${places[twice]}`,
    'one rank a host; or ZOOC_ADAPTER="NAME;OTHER NAME" where the GPUs of a host have different names; or a container for each GPU (docs/how-to/scale.md); ZOOC_SHARE_ADAPTER=1 shares it',
  );
}
