export { cpuAttention as gpuAttention } from './attention-cpu.ts';
