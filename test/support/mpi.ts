/** Launchers of several ranks, for tests that start some. */
import { spawnSync } from 'node:child_process';
import { skipFor } from './needs.ts';

/** Root and more ranks than cores are what Open MPI refuses by itself. */
export const ranksEnvironment = {
  ...process.env,
  OMPI_ALLOW_RUN_AS_ROOT: '1',
  OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: '1',
  OMPI_MCA_rmaps_base_oversubscribe: '1',
  // As between machines, not through shared memory.
  OMPI_MCA_pml: 'ob1',
  OMPI_MCA_btl: 'tcp,self',
};

/** By library; Debian installs both side by side. */
export const launchers = ['mpirun.openmpi', 'mpirun.mpich'].filter(
  (name) => spawnSync(name, ['--version']).error === undefined,
);
if (launchers.length < 2)
  skipFor(
    `of mpirun.openmpi and mpirun.mpich there is ${launchers.join() || 'none'} (apt install openmpi-bin mpich)`,
  );
