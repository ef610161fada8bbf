/**
 * What launchers tell a process: that it is a rank of several, and whose library carries their messages.
 *
 * `mpirun` of Open MPI and of MPICH, `srun` and an MPIJob each leave their own variables; the first that is there
 * decides, in the order that open_clip has, too.
 */

type Variables = Readonly<Record<string, string | undefined>>;

export interface RankEnvironment {
  readonly rank: number;
  readonly size: number;
  /** Libraries to try, the likeliest first. */
  readonly libraries: readonly string[];
}

const openMpi = ['libmpi.so.40', 'libmpi.so.80', 'libmpi.40.dylib', 'libmpi.so'];
const mpich = ['libmpich.so.12', 'libmpi.so.12', 'libmpi.12.dylib', 'libmpich.so'];

interface Launcher {
  readonly rank: string;
  readonly size: string;
  readonly libraries: readonly string[];
}

const launchers: readonly Launcher[] = [
  { rank: 'OMPI_COMM_WORLD_RANK', size: 'OMPI_COMM_WORLD_SIZE', libraries: openMpi },
  { rank: 'PMI_RANK', size: 'PMI_SIZE', libraries: mpich },
  { rank: 'SLURM_PROCID', size: 'SLURM_NTASKS', libraries: [...openMpi, ...mpich] },
];

/**
 * Undefined for a process that stands alone. One task of an interactive Slurm allocation does, too: there
 * `SLURM_NTASKS` is that of the allocation, and `SLURM_STEP_ID` is missing.
 */
export function rankEnvironment(variables: Variables): RankEnvironment | undefined {
  for (const launcher of launchers) {
    const rank = Number(variables[launcher.rank]);
    const size = Number(variables[launcher.size]);
    if (!Number.isInteger(rank) || !Number.isInteger(size) || size < 2) continue;
    if (launcher.size === 'SLURM_NTASKS' && variables.SLURM_STEP_ID === undefined) continue;
    const named = variables.ZOOC_MPI;
    return { rank, size, libraries: named ? [named] : launcher.libraries };
  }
  return undefined;
}
