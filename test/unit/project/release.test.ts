/** What a release makes of the changelog and the citation. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { cited, released } from '../../../scripts/release.ts';

describe('a release', () => {
  it('moves what was unreleased below its version', () => {
    expect(
      released(
        '# Changes\n\n## [Unreleased]\n\n- one\n\n## [0.1.0] - 2026-01-01\n\n- old\n',
        '0.2.0',
        '2026-12-01',
      ),
    ).toBe(
      '# Changes\n\n## [Unreleased]\n\n## [0.2.0] - 2026-12-01\n\n- one\n\n## [0.1.0] - 2026-01-01\n\n- old\n',
    );
  });

  it('is refused where the changelog says nothing', () => {
    const empty = '# Changes\n\n## [Unreleased]\n\n## [0.1.0] - 2026-01-01\n\n- old\n';
    expect(() => released(empty, '0.2.0', '2026-12-01')).toThrow('says nothing');
    expect(() => released('# Changes\n', '0.2.0', '2026-12-01')).toThrow('one heading');
  });

  it('is what the citation names', () => {
    const once = cited('title: zooc\nversion: 0.1.0\nlicense: MIT\n', '0.2.0', '2026-12-01');
    expect(once).toBe('title: zooc\nversion: 0.2.0\ndate-released: 2026-12-01\nlicense: MIT\n');
    expect(cited(once, '0.3.0', '2027-01-01')).toBe(
      'title: zooc\nversion: 0.3.0\ndate-released: 2027-01-01\nlicense: MIT\n',
    );
  });

  it('has one version everywhere', () => {
    const { version } = JSON.parse(readFileSync('package.json', 'utf8'));
    expect(readFileSync('CITATION.cff', 'utf8')).toContain(`\nversion: ${version}\n`);
    expect(JSON.parse(readFileSync('package-lock.json', 'utf8')).packages[''].version).toBe(version);
  });
});
