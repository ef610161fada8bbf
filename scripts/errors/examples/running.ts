/** Z6xx and Z7xx: devices, running, the command line. */
import type { Code } from '../../../grammar/codes.ts';
import { once, pairs, picture, recipe, tiny, trainCall } from '../fixtures.ts';
import type { Example } from '../types.ts';

const training = (wrong: string, mended: string, call = trainCall): Example => ({
  call,
  files: { ...pairs, 'r.zoo': wrong },
  mendedFiles: { 'r.zoo': mended },
});
const unread = (result: string): string => `block T {
  param used: [4] = ones
  param other: [4] = ones
  forward(x: [B, 4]) -> { values: [B, 4], rest: [B, 4] } = { values = x * used, rest = x * other }
}
model "t" = T()
objective o(out: { values: [B, D], rest: [B, D] }) -> [] = mean(gather(${result}))
train "r" of "t" {
  data = tensors("b.safetensors")
  objective = o
  batch = 2
  schedule = constant(warmup = 1 steps, total = 1 steps)
}
`;

const chunked = (image: string, text: string): string =>
  once(undefined, 'objective = near\nchunk = 1').replace(
    'train ',
    `objective near(out: { image: [B, E], text: [B, E], scale: [] }) -> [] = out.scale * mean((${image} - ${text}) ^ 2)\ntrain `,
  );

export const running = {
  Z601: {
    told: "No GPU driver was found that speaks Vulkan, Metal or D3D12. Install that of the GPU; without a GPU, `npm run setup:driver` in a checkout, or the system's Mesa (`apt install mesa-vulkan-drivers`), brings a software adapter. `zooc devices` shows what there is; `--device reference` needs none.",
  },
  Z602: {
    told: "`ZOOC_ADAPTER=geforce` names a part of no adapter's name. `zooc devices` lists the names; unset it to have one chosen.",
  },
  Z603: {
    told: 'An adapter gives less than a plan needs, or refuses to open. The message says which limit; a smaller batch, or another adapter (`ZOOC_ADAPTER`), helps.',
  },
  Z604: {
    told: 'The driver refused a kernel or failed in running it. `zooc selftest --out report.md` says which kernel, and `ZOOC_AVOID` goes round it.',
  },
  Z605: {
    call: 'compile m.zoo --entry encode_image --batch 512 --memory 0.001 -o plan',
    mendedCall: 'compile m.zoo --entry encode_image --batch 32 --memory 0.001 -o plan',
    files: tiny,
  },
  Z606: {
    told: 'The driver took the device away: it was reset, ran out of memory, or a step took so long that the system ended it. `zooc train --resume` goes on from the last checkpoint; smaller `chunk`s make shorter steps.',
  },
  Z607: training(once(undefined, 'precision = mixed(compute = f16)'), once()),
  Z608: training(once(undefined, 'freeze "**"'), once(undefined, 'freeze "visual.**"')),
  Z609: {
    told: 'The loss or the gradient became NaN or infinite and stayed so. Nothing was saved of that step. A smaller rate, a longer warm-up, or `grad_clip = norm(1.0)` keep it finite.',
  },
  Z610: training(recipe('data = csv("pairs.csv")\nbatch = 2\nschedule = cosine(warmup = 1 steps)'), once()),
  Z611: {
    told: 'A checkpoint is damaged and none before it is whole, or `--resume` finds none. Start anew in another folder, from `--weights` of an export if there is one.',
  },
  Z612: {
    told: '`--resume` in a folder whose checkpoint was made with another model, optimizer, batch or data: the message says what differs. Undo that, or start a new run from its weights: `--weights RUN`.',
  },
  Z613: {
    call: trainCall,
    mendedCall: trainCall.replace('--out run', '--out runs/first'),
    files: { ...pairs, 'r.zoo': once(), 'run/notes.txt': 'mine' },
  },
  Z614: {
    call: 'compile r.zoo --train -o plan',
    files: { ...pairs, 'r.zoo': chunked('out.image', 'out.text') },
    mendedFiles: { 'r.zoo': chunked('gather(out.image)', 'gather(out.text)') },
  },
  Z615: {
    told: '`precision = mixed(…)` needs an adapter with half floats (`shader-f16` in `zooc devices`). Leave the setting out: `--set precision=f32`.',
  },
  Z616: {
    call: 'compile r.zoo --train -o plan',
    files: { 'r.zoo': unread('out.values') },
    mendedFiles: { 'r.zoo': unread('out.values + out.rest') },
    remark: 'A warning.',
  },
  Z617: {
    told: 'Another process trains into the folder; the message says which one, on which machine, since when. Wait for it, or name another `--out`.',
  },
  Z618: {
    told: 'The newest checkpoint is damaged, and the one before was taken. Nothing is to be done; look at the disk.',
  },
  Z619: {
    told: '`metrics.jsonl` lacks rows that the run has been through, since it was changed or a disk lost them. Curves have a gap there; weights are not touched.',
  },
  Z620: {
    told: 'What was changed since the run began and is taken over, such as a longer `total`. It is recorded in `run.json`.',
  },
  Z621: {
    told: 'The lock of a process on another machine was not touched for five minutes, so it is taken for dead. If it is not, it ends with Z613.',
  },
  Z630: {
    told: 'Several ranks need an MPI library (Open MPI or MPICH), its `mpirun`, and the package `koffi`. Install them, or leave `--ranks` out.',
  },
  Z631: {
    told: 'MPI failed or a rank did not come: the message names rank, operation and step. Look at the rank that is named; `--resume` goes on.',
  },
  Z632: {
    call: 'plan r.zoo --ranks 3',
    mendedCall: 'plan r.zoo --ranks 2',
    files: { ...pairs, 'r.zoo': once().replace('batch = 2', 'batch = 4') },
  },
  Z633: {
    told: 'Ranks were started with different recipes, data or versions. Start all of them by the same command, from the same files.',
  },
  Z634: {
    told: 'Two ranks of a machine would compute on the same GPU, which makes both slower. Start as many as there are GPUs, or say that it is meant: `ZOOC_SHARE_ADAPTER=1`.',
  },
  Z635: {
    told: "TensorBoard's events or `report.html` could not be written and are left out; training goes on. The message says why.",
  },
  Z636: {
    told: '`npm install --omit=optional` left out `webgpu` or `sharp`, which this call needs. `npm install webgpu sharp`.',
  },
  Z637: {
    told: '`ZOOC_AVOID` names a schedule that the adapter does not have; the message lists those that it has.',
  },
  Z638: { told: '`ZOOC_AVOID` leaves a kernel no schedule. Take out one of the names.' },
  Z639: {
    told: 'Of `zooc plan`: the objective cannot be shared by rows, so every rank computes the loss of the whole batch, and more ranks do not make it faster. Fewer ranks, or a smaller batch.',
  },
  Z640: {
    told: '`zooc selftest` found that the adapter computes something wrong; the report names family, schedule and kernel. Update the driver, or go round it with the `ZOOC_AVOID` that it prints.',
  },
} as const satisfies Partial<Record<Code, Example>>;

export const commandLine = {
  Z700: { call: 'shwo ViT-B/32', mendedCall: 'show ViT-B/32' },
  Z701: { call: 'fmt nowhere.zoo', mendedCall: 'fmt m.zoo', files: tiny },
  Z702: {
    call: 'classify m.zoo --weights init:1 --labels labels.json cat.bmp --device reference',
    files: { ...tiny, 'cat.bmp': () => picture(), 'labels.json': '["cat", "dog"\n' },
    mendedFiles: { 'labels.json': '["cat", "dog"]\n' },
  },
  Z703: {
    call: 'compile m.zoo --entry encode_text --batch 0 -o plan',
    mendedCall: 'compile m.zoo --entry encode_text --batch 1 -o plan',
    files: tiny,
  },
  Z704: {
    call: 'compile m.zoo --entry encode_sound --batch 1 -o plan',
    mendedCall: 'compile m.zoo --entry encode_text --batch 1 -o plan',
    files: tiny,
  },
  Z705: {
    call: 'fmt --check a.zoo',
    files: { 'a.zoo': 'fn twice(x: [...]) -> [...] =\n  2*x\n' },
    mendedFiles: { 'a.zoo': 'fn twice(x: [...]) -> [...] = 2 * x\n' },
  },
} as const satisfies Partial<Record<Code, Example>>;
