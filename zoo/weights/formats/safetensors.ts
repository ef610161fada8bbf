/**
 * The safetensors format, as the rest of `zoo/` names it.
 *
 * It lives in `runtime/data/safetensors/` because the runtime reads batches and writes checkpoints in it, and
 * a folder imports only from folders to its left.
 */
export * from '../../../runtime/data/safetensors/file.ts';
export * from '../../../runtime/data/safetensors/tensors.ts';
