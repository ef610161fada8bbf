/** What the page's program is called in the language service. */
export const programPath = 'program.zoo';
