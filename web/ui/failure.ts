/** What went wrong, in words: diagnostics with their code and remedy. */
import { type Diagnostic, DiagnosticError } from '../../grammar/diagnostics.ts';
import { h } from './dom.ts';

export function diagnosticElement({ code, severity, message, help }: Diagnostic): HTMLElement {
  const told = h('p', {}, h('code', { class: severity }, code), ` ${message}`);
  return h(
    'div',
    { class: 'diagnostic' },
    told,
    help === undefined ? undefined : h('p', { class: 'hint' }, help),
  );
}

/** An error of any kind. What is no diagnostic is a defect, and says so. */
export function failureElements(error: unknown): HTMLElement[] {
  if (error instanceof DiagnosticError) return error.diagnostics.map(diagnosticElement);
  const message = error instanceof Error ? error.message : String(error);
  return [h('p', {}, `A defect of this page: ${message}`)];
}
