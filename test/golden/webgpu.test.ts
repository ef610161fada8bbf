import { describeOnAdapter } from './webgpu-cases.ts';

describeOnAdapter(['tiny_vit', 'hash_rn']);
