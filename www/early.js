// Applies the chosen theme before the first paint, so that no page flashes in the other one.
// Knows one key of localStorage; everything else about the page comes later, in modules.
try {
  const theme = localStorage.getItem("lovejoy.theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // Storage is blocked: the system's theme it is.
}
