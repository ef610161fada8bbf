/** Light, dark, or as the system has it. */

const names = ['auto', 'light', 'dark'] as const;
type Theme = (typeof names)[number];
const key = 'zooc.theme';

function stored(): Theme {
  try {
    return names.find((name) => name === localStorage.getItem(key)) ?? 'auto';
  } catch {
    return 'auto';
  }
}

/** Makes a button that goes through the themes. */
export function startTheme(button: HTMLButtonElement): void {
  let theme = stored();
  const apply = () => {
    if (theme === 'auto') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    button.textContent = `Theme: ${theme}`;
  };
  button.addEventListener('click', () => {
    theme = names[(names.indexOf(theme) + 1) % names.length]!;
    try {
      localStorage.setItem(key, theme);
    } catch {
      // For this visit only, then.
    }
    apply();
  });
  apply();
}
