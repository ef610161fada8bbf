/**
 * The C library behind MPI: Open MPI or MPICH, loaded at run time through `koffi`, an optional dependency.
 *
 * Their functions are called alike; what differs are the handles: addresses of objects in Open MPI, numbers in
 * MPICH (mpi.h of either). Which of them it is, the library says itself.
 */
import { fail } from '../../../grammar/diagnostics.ts';

/** A function of the library on a thread of its own: resolves with MPI's error code. */
type MpiCall = (...values: readonly unknown[]) => Promise<number>;

export interface MpiLibrary {
  /** Such as `Open MPI v4.1.4`. */
  readonly version: string;
  readonly world: unknown;
  readonly byte: unknown;
  readonly rank: number;
  readonly size: number;
  readonly allGather: MpiCall;
  readonly allToAll: MpiCall;
  readonly broadcast: MpiCall;
  readonly finalize: MpiCall;
  abort(code: number): void;
}

/** Threads of MPI that any may call (MPI_THREAD_MULTIPLE). */
const threadMultiple = 3;
const mpichWorld = 0x44000000;
const mpichByte = 0x4c00010d;
/** Bytes of the longest version text (MPI_MAX_LIBRARY_VERSION_STRING of MPICH is 8192). */
const versionBytes = 8192;
/** MPICH crashes on the 128 KiB that koffi gives a call on another thread. */
const stackBytes = 4 * 2 ** 20;

/**
 * UCX and Open MPI watch memory by rewriting the code of `mmap` and `munmap` while it may run on V8's threads, and UCX
 * takes over SIGSEGV: about one start in thirty crashed or hung. Neither is needed where messages are plain memory. A
 * user's own values stay.
 */
const quietly = {
  UCX_MEM_EVENTS: 'n',
  UCX_MEM_MMAP_HOOK_MODE: 'none',
  UCX_MEM_MALLOC_HOOKS: 'n',
  UCX_ERROR_SIGNALS: '',
  OMPI_MCA_memory: '^patcher',
  // A rank that waits leaves its core to whoever computes.
  OMPI_MCA_mpi_yield_when_idle: '1',
} as const;

type Koffi = typeof import('koffi');
type Loaded = ReturnType<Koffi['load']>;

async function loadKoffi(): Promise<Koffi> {
  try {
    return (await import('koffi')).default as unknown as Koffi;
  } catch {
    return fail('Z630', 'several ranks need the package koffi, which is not installed', 'npm install koffi');
  }
}

function loadFirst(koffi: Koffi, names: readonly string[]): Loaded {
  const problems: string[] = [];
  for (const name of names) {
    try {
      // Open MPI's own plugins look for its symbols among the global ones.
      return koffi.load(name, { global: true, lazy: true });
    } catch (error) {
      problems.push((error as Error).message);
    }
  }
  return fail(
    'Z630',
    `this process is one of several ranks, and no MPI library can be loaded: ${problems.join('; ')}`,
    'apt install libopenmpi3 (or libmpich12), whichever mpirun is of, or ZOOC_MPI=/path/to/libmpi.so',
  );
}

/**
 * Has the process end without its libraries' last words, and without waiting for calls that wait for other ranks. Open MPI unloads its parts when it is left, among them code that
 * the threads of koffi's calls would run as they end: with messages over TCP every rank crashed behind its last line.
 */
function endQuickly(koffi: Koffi): void {
  const end = koffi.load(null).func('void _exit(int code)');
  process.on('exit', (code) => {
    end(code);
  });
}

/**
 * Loads the library and joins the other ranks.
 * @throws DiagnosticError Z630 (no library, no koffi, no threads)
 */
export async function openMpiLibrary(names: readonly string[]): Promise<MpiLibrary> {
  const koffi = await loadKoffi();
  koffi.config({ async_stack_size: stackBytes, sync_stack_size: stackBytes });
  for (const [name, value] of Object.entries(quietly)) process.env[name] ??= value;
  const library = loadFirst(koffi, names);
  const text = Buffer.alloc(versionBytes);
  const length = Int32Array.of(0);
  library.func('int MPI_Get_library_version(void *text, void *length)')(text, length);
  const version = text
    .toString('latin1', 0, length[0])
    .split(/[,\n\0]/)[0]!
    .trim();
  const isOpenMpi = version.startsWith('Open MPI');
  const handle = isOpenMpi ? 'void *' : 'int';
  const world: unknown = isOpenMpi ? library.symbol('ompi_mpi_comm_world') : mpichWorld;
  const byte: unknown = isOpenMpi ? library.symbol('ompi_mpi_byte') : mpichByte;
  const provided = Int32Array.of(-1);
  const began = library.func('int MPI_Init_thread(void *argc, void *argv, int required, void *provided)')(
    null,
    null,
    threadMultiple,
    provided,
  );
  if (began !== 0 || provided[0] !== threadMultiple)
    fail(
      'Z630',
      `${version} cannot be used: MPI_Init_thread gave ${began}, threads ${provided[0]}`,
      'a library with MPI_THREAD_MULTIPLE, as of Debian',
    );
  const asked = (name: string): number => {
    const found = Int32Array.of(0);
    library.func(`int ${name}(${handle} world, void *found)`)(world, found);
    return found[0]!;
  };
  const call = (definition: string): MpiCall => {
    const known = library.func(definition);
    return (...values) =>
      new Promise((resolve, reject) => {
        known.async(...values, (error: Error | null, code: number) => {
          if (error) reject(error);
          else resolve(code);
        });
      });
  };
  endQuickly(koffi);
  const pairs = `void *from, int count, ${handle} type, void *to, int received, ${handle} as, ${handle} world`;
  const abort = library.func(`int MPI_Abort(${handle} world, int code)`);
  return {
    version,
    world,
    byte,
    rank: asked('MPI_Comm_rank'),
    size: asked('MPI_Comm_size'),
    allGather: call(`int MPI_Allgather(${pairs})`),
    allToAll: call(`int MPI_Alltoall(${pairs})`),
    broadcast: call(`int MPI_Bcast(void *data, int count, ${handle} type, int root, ${handle} world)`),
    finalize: call('int MPI_Finalize()'),
    abort: (code) => {
      abort(world, code);
    },
  };
}
