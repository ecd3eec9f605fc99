// Runs before anything is drawn: a theme that was chosen is there from the first frame.
(() => {
  try {
    const chosen = localStorage.getItem('interline.theme');
    if (chosen === 'light' || chosen === 'dark') document.documentElement.dataset.theme = chosen;
  } catch {
    // Without storage the system decides.
  }
})();
