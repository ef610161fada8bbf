/** The pages in the order in which they are read; a test compares them with the files. */
interface Entry {
  text: string;
  link?: string;
  collapsed?: boolean;
  items?: Entry[];
}

const page = (text: string, link: string): Entry => ({ text, link });

export const sidebar: Entry[] = [
  { text: 'Tutorial', items: [page('Ten minutes', '/tutorial/ten-minutes')] },
  {
    text: 'The language by building CLIP',
    items: [
      page('Overview', '/tutorial/clip/'),
      page('1. A linear tower', '/tutorial/clip/1-linear'),
      page('2. Patches and positions', '/tutorial/clip/2-patches'),
      page('3. Attention', '/tutorial/clip/3-attention'),
      page('4. A vision transformer', '/tutorial/clip/4-vit'),
      page('5. The text tower', '/tutorial/clip/5-text'),
      page('6. Embedding, scale and loss', '/tutorial/clip/6-loss'),
      page('7. The gradient', '/tutorial/clip/7-gradient'),
      page('8. Plan and WGSL', '/tutorial/clip/8-plan'),
      page('9. Training', '/tutorial/clip/9-training'),
      page('10. ViT-L/14@336px', '/tutorial/clip/10-l14'),
    ],
  },
  {
    text: 'How-to',
    items: [
      page('Overview', '/how-to/'),
      page('Data', '/how-to/data'),
      page('Pictures', '/how-to/pictures'),
      page('Training', '/how-to/training'),
      page('Several ranks', '/how-to/scale'),
      page('Evaluation', '/how-to/evaluation'),
      page('Getting and sharing models', '/how-to/models'),
      page('Editors', '/how-to/editors'),
    ],
  },
  {
    text: 'Reference',
    items: [
      page('Overview', '/reference/'),
      page('The language', '/reference/language'),
      page('Words', '/reference/words'),
      page('Command line', '/reference/cli'),
      page('Errors', '/reference/errors'),
      page('Weights', '/reference/weights'),
      page('Formats of files', '/reference/formats'),
      page('Logs of a run', '/reference/logs'),
      page('Library', '/reference/library'),
    ],
  },
  {
    text: 'Explanation',
    items: [
      page('Overview', '/explanation/'),
      page('Architecture', '/explanation/architecture'),
      page('Performance', '/explanation/performance'),
      page('Security', '/explanation/security'),
    ],
  },
  {
    text: 'Decisions',
    collapsed: true,
    items: [
      page('Overview', '/decisions/'),
      page('A language of its own', '/decisions/language'),
      page('WebGPU', '/decisions/webgpu'),
      page('Plans ahead of time', '/decisions/plans'),
      page('Gradients as graph nodes', '/decisions/own-gradients'),
      page('Schedules never change a bit', '/decisions/bits'),
      page('A reference in double precision', '/decisions/reference'),
      page('Our own preprocessing', '/decisions/preprocessing'),
      page('Tokenizers by libraries', '/decisions/tokenizers'),
      page('MPI between machines', '/decisions/mpi'),
      page('No pickle is run', '/decisions/no-pickle'),
      page('No silent fallback', '/decisions/no-fallback'),
      page('No Python, no native code', '/decisions/no-python'),
      page('Typed tables instead of registries', '/decisions/typed-tables'),
    ],
  },
  {
    text: 'Contributing',
    collapsed: true,
    items: [
      page('Overview', '/examples/contributing'),
      page('An operation', '/contributing/op'),
      page('A pass', '/contributing/pass'),
      page('A schedule', '/contributing/schedule'),
      page('A model', '/contributing/model'),
      page('An objective', '/contributing/objective'),
      page('A format of weights', '/contributing/format'),
      page('A verb', '/contributing/verb'),
    ],
  },
  {
    text: 'Examples and tools',
    collapsed: true,
    items: [
      page('Emoji: a small CLIP', '/examples/emoji'),
      page('Three objectives compared', '/examples/ablation'),
      page('Learned prompts', '/examples/prompts'),
      page('The playground', '/examples/playground'),
      page('Beside other libraries', '/examples/bench'),
      page('Changes', '/examples/changes'),
    ],
  },
];
