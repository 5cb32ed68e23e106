// Light or dark: as the system has it, until somebody switches.

const STORED = "pyro-explorer-theme";
const system = matchMedia("(prefers-color-scheme: dark)");

function stored() {
  try {
    return localStorage.getItem(STORED);
  } catch {
    return null;
  }
}

function store(theme) {
  try {
    localStorage.setItem(STORED, theme);
  } catch {
    // Then it lasts as long as the page.
  }
}

function apply(theme) {
  if (theme === "light" || theme === "dark") {
    document.documentElement.dataset.theme = theme;
  }
  const dark = document.documentElement.dataset.theme
    ? document.documentElement.dataset.theme === "dark"
    : system.matches;
  const themeSwitch = document.getElementById("theme-switch");
  themeSwitch?.setAttribute("aria-checked", String(dark));
  return dark;
}

function connect() {
  apply(stored());
  document.getElementById("theme-switch").addEventListener("click", () => {
    const theme = apply(null) ? "light" : "dark";
    store(theme);
    apply(theme);
  });
}

apply(stored());
system.addEventListener("change", () => apply(stored()));
if (document.readyState === "loading") {
  document.addEventListener("DOMContentLoaded", connect);
} else {
  connect();
}
