/** What both entries of the library export beside the functions of `Library`. */
export type { DType } from '../../compiler/graph/types.ts';
export type { ScheduleChoice, ScheduleFamily } from '../../compiler/kernels/text/choices.ts';
export type { ConfigValue, EntryInfo, ModelInput, StaticScalar } from '../../compiler/model/types.ts';
export type {
  BufferRole,
  InputSlot,
  MemoryTable,
  Plan,
  PlanBinding,
  PlanBuffer,
  PlanPipeline,
  PlanSection,
  PlanStep,
  ScalerInfo,
  Shard,
  Slot,
  WeightSlot,
} from '../../compiler/plan/types.ts';
export type {
  DeviceKind,
  DeviceLimits,
  DeviceProfile,
  MatrixComponent,
  MatrixConfig,
} from '../../compiler/profile.ts';
export { type ProfileKind, profiles } from '../../compiler/profiles.ts';
export type { Share } from '../../compiler/shards.ts';
export {
  type Diagnostic,
  DiagnosticError,
  type Fix,
  type Label,
  type Severity,
} from '../../grammar/diagnostics.ts';
export { type RenderOptions, renderDiagnostics as render } from '../../grammar/render.ts';
export type { SourceFile, Span } from '../../grammar/source.ts';
export type {
  FailedSchedule,
  SelftestCheck,
  SelftestFailure,
  SelftestPart,
  SuspectKernel,
  WrongOutput,
} from '../../runtime/selftest/types.ts';
export type { HostArray } from '../../runtime/types.ts';
export type { AdapterReport } from '../../runtime/webgpu/adapter.ts';
export { selftestMarkdown } from '../selftest/report.ts';
export type { ProductCeiling, SelftestCeilings, SelftestOptions, SelftestReport } from '../selftest/types.ts';
export { Explanation, type StepInfo } from './explain/explanation.ts';
export {
  type GraphEdge,
  type GraphNode,
  GraphView,
  type NodeOrigin,
  type SubGraph,
} from './explain/graph-view.ts';
export type { MemoryRange, MemoryView } from './explain/memory.ts';
export type { Place } from './explain/places.ts';
export type { StepTime } from './explain/times.ts';
export type { CostedBlock, TensorShape, TreeBlock, WeightInfo } from './explain/tree.ts';
export { type Classifier, Encoder } from './features.ts';
export { Gpu, LoadedModel, type RunOptions, type TimeOptions } from './gpu.ts';
export {
  type CompileOptions,
  type PlansOptions,
  type TraceOptions,
  ZooModel,
} from './model.ts';
export type { PlanSet } from './plans.ts';
export { type TrainOptions, TrainRun, type TrainStep } from './train.ts';
export type {
  BitmapInput,
  BytesInput,
  Classification,
  NamedArrays,
  NamedResult,
  OpenOptions,
  PictureInput,
  PixelsInput,
  Settings,
  WeightsInput,
} from './types.ts';
