const every = (selector, from = document) => Array.from(from.querySelectorAll(selector));

// The settings that something belongs to: one, or the two of a pair.
const keys = (part) => part.dataset.key.trim().split(" ");

// A click on a heading sorts by it, and a second click reverses the order.
for (const table of every("table.sortable")) {
  const headings = every("thead th", table);
  for (const [column, heading] of headings.entries()) {
    heading.querySelector("button")?.addEventListener("click", () => {
      const down = heading.getAttribute("aria-sort") === "ascending";
      headings.forEach((other) => other.removeAttribute("aria-sort"));
      heading.setAttribute("aria-sort", down ? "descending" : "ascending");
      const value = (row) => row.cells[column].dataset.value ?? "";
      const number = (text) => (text === "" ? NaN : Number(text));
      // Words come after numbers, in the order of the alphabet.
      const order = (a, b) => {
        const [x, y] = [value(a), value(b)];
        const [p, q] = [number(x), number(y)];
        if (Number.isNaN(p) || Number.isNaN(q)) {
          const words = Number.isNaN(p) && Number.isNaN(q);
          return words ? x.localeCompare(y) : Number.isNaN(p) - Number.isNaN(q);
        }
        return p - q;
      };
      const body = table.tBodies[0];
      body.append(...Array.from(body.rows).sort((a, b) => (down ? -1 : 1) * order(a, b)));
    });
  }
}

// Only settings that contain every word are shown, with all that belongs to them.
const filter = document.getElementById("filter");
filter.addEventListener("input", () => {
  const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
  const shown = new Set();
  for (const row of every("tr[data-words]")) {
    const text = row.dataset.words.toLowerCase();
    if (words.every((word) => text.includes(word))) shown.add(row.dataset.key.trim());
  }
  for (const part of every("[data-key]")) {
    part.classList.toggle("out", !keys(part).every((key) => shown.has(key)));
  }
  document.querySelector(".nothing").hidden = shown.size > 0;
});

// A setting that has the pointer or the focus is highlighted everywhere.
const point = (some) => {
  document.body.classList.toggle("pointing", some.length > 0);
  for (const part of every("[data-key]")) {
    part.classList.toggle("here", keys(part).every((key) => some.includes(key)));
  }
};
for (const part of every(".grid tr[data-key], .mark, .pictures figure")) {
  part.addEventListener("pointerenter", () => point(keys(part)));
  part.addEventListener("pointerleave", () => point([]));
  part.addEventListener("focus", () => point(keys(part)));
  part.addEventListener("blur", () => point([]));
}
