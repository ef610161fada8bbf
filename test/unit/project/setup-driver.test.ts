/** Which commands install a software Vulkan driver, by distribution and rights. */
import { describe, expect, it } from 'vitest';
import { planDriver, type System } from '../../../scripts/setup-driver.ts';

const bookworm = 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nVERSION_CODENAME=bookworm\nID=debian\n';
const trixie = 'PRETTY_NAME="Debian GNU/Linux 13 (trixie)"\nVERSION_CODENAME=trixie\nID=debian\n';
const noble = 'PRETTY_NAME="Ubuntu 24.04 LTS"\nVERSION_CODENAME=noble\nID=ubuntu\nID_LIKE=debian\n';

function plan(osRelease: string, changes: Partial<System> = {}) {
  return planDriver({ osRelease, aptSources: [], root: true, sudo: false, ...changes });
}

const install = 'apt-get install -y --no-install-recommends';

describe('setup:driver', () => {
  it('takes the plain package where Mesa is new enough', () => {
    for (const system of [trixie, noble])
      expect(plan(system)).toEqual({
        ok: true,
        commands: [['apt-get', 'update'], `${install} mesa-vulkan-drivers libvulkan1`.split(' ')],
      });
  });

  it("adds Debian 12's backports from the system's own mirror, once", () => {
    const sources = ['Types: deb\nURIs: http://mirror.example/debian\nSuites: bookworm\nComponents: main\n'];
    const wanted = `${install} -t bookworm-backports mesa-vulkan-drivers libvulkan1`.split(' ');
    expect(plan(bookworm, { aptSources: sources })).toEqual({
      ok: true,
      source: {
        path: '/etc/apt/sources.list.d/backports.list',
        text: 'deb http://mirror.example/debian bookworm-backports main\n',
      },
      commands: [['apt-get', 'update'], wanted],
    });
    const present = 'deb http://mirror.example/debian bookworm-backports main\n';
    expect(plan(bookworm, { aptSources: [...sources, present] })).toEqual({
      ok: true,
      commands: [['apt-get', 'update'], wanted],
    });
    expect(plan(bookworm, { aptSources: [`# ${present}`] })).toHaveProperty('source');
  });

  it('uses sudo where it must, and says so where it cannot', () => {
    expect(plan(trixie, { root: false, sudo: true })).toMatchObject({
      commands: [['sudo', 'apt-get', 'update'], { 0: 'sudo' }],
    });
    expect(plan(trixie, { root: false })).toEqual({
      ok: false,
      reason: 'installing mesa-vulkan-drivers needs root: run this as root, or install sudo',
    });
  });

  it('says what to do on systems it does not know', () => {
    expect(plan('PRETTY_NAME="Fedora 42"\nID=fedora\n')).toMatchObject({
      ok: false,
      reason: expect.stringMatching(/^Fedora 42 is not Debian or Ubuntu/),
    });
    expect(plan('PRETTY_NAME="Debian 11"\nID=debian\nVERSION_CODENAME=bullseye\n')).toMatchObject({
      ok: false,
    });
    expect(plan('')).toMatchObject({ ok: false });
  });
});
