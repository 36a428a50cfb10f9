const at = (id) => document.getElementById(id);
const content = JSON.parse(at("content").textContent);
const { look, sheets, axes, measured, labels, starts } = content;
const count = axes[0].values.length;
const side = axes[0].places.length;
const choices = [...axes, ...measured];
const text = (value) => (value === null || value === undefined ? "–" : value.toFixed(2).replace("-", "−"));

const make = (parent, name, attributes = {}, words = "") => {
  const element = document.createElementNS(parent.namespaceURI, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.textContent = words;
  return parent.appendChild(element);
};

// A datum in its view: a picture cut out of a sheet, or a profile with dots for x and a line for its expectation.
const drawPicture = (view, sheet, index) => {
  const [height, width] = look.drawn;
  [view.width, view.height] = [width, height];
  const [left, top] = [(index % sheet.columns) * width, Math.floor(index / sheet.columns) * height];
  view.getContext("2d").drawImage(sheet.image, left, top, width, height, 0, 0, width, height);
};
const drawProfile = (view, line, index, dots) => {
  const [length] = look.drawn;
  const x = (k) => 40 + (255 * (k + 0.5)) / length;
  const y = (byte) => 118 - (108 * byte) / 255;
  const heights = (sheet) => Array.from(sheet.levels.subarray(index * length, (index + 1) * length), y);
  view.replaceChildren();
  make(view, "line", { class: "grid", x1: 40, x2: 295, y1: 118, y2: 118 });
  make(view, "text", { x: 36, y: 14, "text-anchor": "end" }, text(look.high));
  make(view, "text", { x: 36, y: 121, "text-anchor": "end" }, text(look.low));
  make(view, "text", { x: 167, y: 140, "text-anchor": "middle" }, "dimension");
  make(view, "path", { d: "M" + heights(line).map((height, k) => `${x(k)} ${height}`).join("L") });
  if (dots) heights(dots).forEach((height, k) => make(view, "circle", { cx: x(k), cy: height, r: length > 60 ? 1.4 : 2.4 }));
};
const showDatum = (index) => {
  if (!look.picture) return drawProfile(at("mean"), sheets.mean, index, sheets.x);
  drawPicture(at("x"), sheets.x, index);
  drawPicture(at("mean"), sheets.mean, index);
};
const showDecoded = (index) => (look.picture ? drawPicture : drawProfile)(at("decoded"), sheets.decoded, index);
const opened = Object.values(sheets).map((sheet) => {
  if (look.picture) {
    sheet.image = new Image();
    sheet.image.src = sheet.source;
    return sheet.image.decode();
  }
  sheet.levels = Uint8Array.from(atob(sheet.bytes), (character) => character.charCodeAt(0));
});

// The map: any two of the latent dimensions and the measured values.
const map = at("map");
const frame = { left: 56, right: 510, top: 10, bottom: 452 };
const label = (i) => `datum ${i + 1}` + (labels ? `, label ${labels[i]}` : "");
const points = Array.from({ length: count }, (_, i) => {
  const series = labels ? `s${labels[i] % 10}` : "";
  return make(at("points"), "circle", { r: count > 200 ? 4.5 : 5.5, class: series, role: "option", tabindex: -1, "aria-label": label(i) });
});
let [across, up, chosen] = [0, Math.min(1, choices.length - 1), 0];
const scale = (choice, start, end) => {
  const finite = choice.values.filter((value) => value !== null && value !== undefined);
  const room = 0.04 * (Math.max(...finite) - Math.min(...finite)) || 1;
  const [low, high] = choice.places ? [choice.places[0], choice.places.at(-1)] : [Math.min(...finite) - room, Math.max(...finite) + room];
  const to = (value) => start + ((value - low) / (high - low)) * (end - start);
  const from = (pixel) => low + ((pixel - start) / (end - start)) * (high - low);
  const power = 10 ** Math.floor(Math.log10((high - low) / 4));
  const step = [1, 2, 5, 10].map((m) => m * power).find((size) => size >= (high - low) / 4);
  const ticks = [];
  for (let k = Math.ceil(low / step); k * step <= high; k += 1) ticks.push([to(k * step), (k * step).toFixed(Math.max(0, -Math.floor(Math.log10(step) + 1e-9)))]);
  return { to, from, ticks };
};
const scales = () => [scale(choices[across], frame.left, frame.right), scale(choices[up], frame.bottom, frame.top)];
const drawMap = () => {
  const [x, y] = scales();
  const grid = at("grid");
  grid.replaceChildren();
  for (const [place, words] of x.ticks) {
    make(grid, "line", { class: "grid", x1: place, x2: place, y1: frame.top, y2: frame.bottom });
    make(grid, "text", { x: place, y: frame.bottom + 16, "text-anchor": "middle" }, words.replace("-", "−"));
  }
  for (const [place, words] of y.ticks) {
    make(grid, "line", { class: "grid", x1: frame.left, x2: frame.right, y1: place, y2: place });
    make(grid, "text", { x: frame.left - 6, y: place + 4, "text-anchor": "end" }, words.replace("-", "−"));
  }
  make(grid, "text", { x: (frame.left + frame.right) / 2, y: frame.bottom + 38, "text-anchor": "middle" }, choices[across].name);
  make(grid, "text", { transform: `translate(13 ${(frame.top + frame.bottom) / 2}) rotate(-90)`, "text-anchor": "middle" }, choices[up].name);
  points.forEach((point, i) => {
    const [p, q] = [choices[across].values[i] ?? null, choices[up].values[i] ?? null];
    point.toggleAttribute("hidden", p === null || q === null);
    point.place = [x.to(p), y.to(q)];
    point.setAttribute("cx", point.place[0]);
    point.setAttribute("cy", point.place[1]);
  });
  drawNames();
  drawCross();
};
const middle = (values) => values.sort((a, b) => a - b)[values.length >> 1];
const drawNames = () => {
  document.querySelectorAll("#points text").forEach((name) => name.remove());
  for (const name of labels ? new Set(labels) : []) {
    const places = points.filter((point, i) => labels[i] === name && !point.hasAttribute("hidden")).map((point) => point.place);
    if (places.length && new Set(labels).size <= 30) {
      make(at("points"), "text", { x: middle(places.map((p) => p[0])), y: middle(places.map((p) => p[1])) + 6, "text-anchor": "middle", "aria-hidden": true }, name);
    }
  }
};

const choose = (i) => {
  points[chosen].classList.remove("chosen");
  points[chosen].setAttribute("tabindex", -1);
  points[chosen].removeAttribute("aria-selected");
  chosen = i;
  points[i].classList.add("chosen");
  points[i].setAttribute("tabindex", 0);
  points[i].setAttribute("aria-selected", true);
  at("which").textContent = label(i)[0].toUpperCase() + label(i).slice(1);
  at("values").replaceChildren();
  for (const { name, values } of measured) {
    const doubt = name === content.doubtful.name && values[i] > content.doubtful.above;
    make(at("values"), "dt", {}, name);
    make(at("values"), "dd", {}, text(values[i]));
    make(at("values"), "dd", {}, doubt ? `above ${text(content.doubtful.above)}: IWAE is not to be trusted here` : "");
  }
  showDatum(i);
};

// Decoded codes: a place of the plane, or one dimension varied from a datum's code.
const nearest = (places, value) => places.reduce((best, place, k) => (Math.abs(place - value) < Math.abs(places[best] - value) ? k : best), 0);
let start = 0;
let varied = 0;
const sliders = axes.map(({ name }, k) => {
  const row = make(at("sliders"), "label");
  make(row, "span", {}, name);
  const input = make(row, "input", { type: "range", min: 0, max: side - 1, step: 1, "aria-label": name });
  const value = make(row, "output");
  input.addEventListener("input", () => decode(k));
  return { input, value };
});
const code = () => axes.map(({ places, values }, k) => (content.plane || k === varied ? places[sliders[k].input.valueAsNumber] : values[starts[start]]));
const decode = (moved) => {
  varied = moved;
  if (!content.plane) sliders.forEach(({ input }, k) => { if (k !== moved) input.value = nearest(axes[k].places, axes[k].values[starts[start]]); });
  const [first, second] = content.plane ? [sliders[1], sliders[0]].map(({ input }) => input.valueAsNumber) : [0, sliders[moved].input.valueAsNumber];
  const index = content.plane ? first * side + second : (start * axes.length + moved) * side + second;
  code().forEach((value, k) => {
    sliders[k].value.textContent = text(value);
    sliders[k].input.setAttribute("aria-valuetext", text(value));
  });
  const others = axes.length > 1 ? `, the other dimensions at the code of ${label(starts[start])}` : "";
  at("place").textContent = content.plane ? `z = (${code().map(text).join(", ")})` : `${axes[moved].name} = ${text(code()[moved])}${others}`;
  showDecoded(index);
  drawCross();
};
const drawCross = () => {
  const [x, y] = scales();
  const seen = across < axes.length && up < axes.length;
  at("cross").style.display = seen ? "" : "none";
  if (seen) at("cross").setAttribute("transform", `translate(${x.to(code()[across])} ${y.to(code()[up])})`);
};
const goTo = (x, y) => {
  if (!content.plane || across !== 0 || up !== 1) return;
  const [right, upward] = scales();
  sliders[0].input.value = nearest(axes[0].places, right.from(x));
  sliders[1].input.value = nearest(axes[1].places, upward.from(y));
  decode(0);
};
if (starts.length > 1) {
  starts.forEach((i, k) => make(at("start"), "option", { value: k }, label(i)));
  at("start").addEventListener("change", () => { start = Number(at("start").value); reset(); });
}
const reset = () => {
  sliders.forEach(({ input }, k) => { input.value = nearest(axes[k].places, axes[k].values[starts.length ? starts[start] : chosen]); });
  decode(varied);
};

// Pointing: the nearest datum within reach, and the place itself.
const point = (event) => {
  const box = map.getBoundingClientRect();
  const zoom = 520 / box.width;
  const [x, y] = [(event.clientX - box.left) * zoom, (event.clientY - box.top) * zoom];
  const reach = (event.pointerType === "mouse" ? 8 : 20) * zoom;
  let [best, shortest] = [-1, reach];
  points.forEach((other, i) => {
    const distance = Math.hypot(other.place[0] - x, other.place[1] - y);
    if (distance < shortest && !other.hasAttribute("hidden")) [best, shortest] = [i, distance];
  });
  if (best >= 0) choose(best);
  goTo(x, y);
};
map.addEventListener("pointermove", point);
map.addEventListener("pointerdown", point);

// Walking: the next datum in the direction of the arrow; Home and End are the first and the last.
const directions = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const next = ([dx, dy]) => {
  const [x, y] = points[chosen].place;
  let [best, least] = [chosen, Infinity];
  points.forEach((other, i) => {
    const [ahead, aside] = [(other.place[0] - x) * dx + (other.place[1] - y) * dy, (other.place[0] - x) * dy + (other.place[1] - y) * dx];
    const cost = ahead + 2 * Math.abs(aside);
    if (i !== chosen && ahead > 0.01 && cost < least && !other.hasAttribute("hidden")) [best, least] = [i, cost];
  });
  return best;
};
at("points").addEventListener("keydown", (event) => {
  const target = directions[event.key] ? next(directions[event.key]) : { Home: 0, End: count - 1 }[event.key];
  if (target === undefined) return;
  event.preventDefault();
  points[target].focus();
});
points.forEach((circle, i) => circle.addEventListener("focus", () => {
  choose(i);
  goTo(...circle.place);
}));

choices.forEach(({ name }, k) => [at("across"), at("up")].forEach((select) => make(select, "option", { value: k }, name)));
for (const [select, begin] of [["across", across], ["up", up]]) {
  at(select).value = begin;
  at(select).addEventListener("change", () => {
    [across, up] = [Number(at("across").value), Number(at("up").value)];
    drawMap();
  });
}
Promise.all(opened).then(() => {
  choose(0);
  reset();
  drawMap();
  map.dataset.ready = "yes";
});
