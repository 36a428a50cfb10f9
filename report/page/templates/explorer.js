const at = (id) => document.getElementById(id);
const content = JSON.parse(at("content").textContent);
const { look, sheets, axes, measured, names, labels, classes, starts } = content;
const count = axes[0].values.length;
const side = axes[0].places.length;
const choices = [...axes, ...measured];
const minus = (words) => words.replace("-", "−");
const text = (value) => (value === null || value === undefined ? "–" : minus(value.toFixed(2)));

const make = (parent, name, attributes = {}, words = "") => {
  const element = document.createElementNS(parent.namespaceURI, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.textContent = words;
  return parent.appendChild(element);
};

// A datum in its view is a picture, cut out of a sheet, or a profile, with dots for x and a line
// for its expectation.
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
  const bytes = (sheet) => sheet.levels.subarray(index * length, (index + 1) * length);
  const heights = (sheet) => Array.from(bytes(sheet), y);
  view.replaceChildren();
  make(view, "line", { class: "grid", x1: 40, x2: 295, y1: 118, y2: 118 });
  make(view, "text", { x: 36, y: 14, "text-anchor": "end" }, text(look.high));
  make(view, "text", { x: 36, y: 121, "text-anchor": "end" }, text(look.low));
  if (look.columns === null) {
    make(view, "text", { x: 167, y: 140, "text-anchor": "middle" }, "dimension");
  } else {
    look.columns.forEach((name, k) => {
      const place = `translate(${x(k) + 4} 130) rotate(-35)`;
      make(view, "text", { transform: place, "text-anchor": "end" }, name);
    });
    const longest = Math.max(...look.columns.map((name) => name.length));
    view.setAttribute("viewBox", `0 0 300 ${140 + 4 * longest}`);
  }
  make(view, "path", { d: "M" + heights(line).map((height, k) => `${x(k)} ${height}`).join("L") });
  const r = length > 60 ? 1.4 : 2.4;
  if (dots) heights(dots).forEach((cy, k) => make(view, "circle", { cx: x(k), cy, r }));
};
const showDatum = (index) => {
  if (!look.picture) return drawProfile(at("mean"), sheets.mean, index, sheets.x);
  drawPicture(at("x"), sheets.x, index);
  drawPicture(at("mean"), sheets.mean, index);
};
const showDecoded = (index) => {
  const draw = look.picture ? drawPicture : drawProfile;
  draw(at("decoded"), sheets.decoded, index);
};
const opened = Object.values(sheets).map((sheet) => {
  if (look.picture) {
    sheet.image = new Image();
    sheet.image.src = sheet.source;
    return sheet.image.decode();
  }
  sheet.levels = Uint8Array.from(atob(sheet.bytes), (character) => character.charCodeAt(0));
});

// The axes of the map are any two of the latent dimensions and the measured values.
const map = at("map");
const frame = { left: 56, right: 510, top: 10, bottom: 452 };
const label = (i) =>
  `datum ${i + 1}: ${names[i]}` + (labels ? `, label ${classes[labels[i]]}` : "");
const points = Array.from({ length: count }, (_, i) => {
  return make(at("points"), "circle", {
    r: count > 200 ? 4.5 : 5.5,
    class: labels ? `s${labels[i] % 10}` : "",
    role: "option",
    tabindex: -1,
    "aria-label": label(i),
  });
});
let [across, up, chosen] = [0, Math.min(1, choices.length - 1), 0];
const ends = (choice) => {
  if (choice.places) return [choice.places[0], choice.places.at(-1)];
  const finite = choice.values.filter((value) => value !== null && value !== undefined);
  const [least, largest] = [Math.min(...finite), Math.max(...finite)];
  const room = 0.04 * (largest - least) || 1;
  return [least - room, largest + room];
};
const scale = (choice, start, end) => {
  const [low, high] = ends(choice);
  const to = (value) => start + ((value - low) / (high - low)) * (end - start);
  const from = (pixel) => low + ((pixel - start) / (end - start)) * (high - low);
  const power = 10 ** Math.floor(Math.log10((high - low) / 4));
  const step = [1, 2, 5, 10].map((m) => m * power).find((size) => size >= (high - low) / 4);
  const decimals = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const ticks = [];
  for (let k = Math.ceil(low / step); k * step <= high; k += 1) {
    ticks.push([to(k * step), minus((k * step).toFixed(decimals))]);
  }
  return { to, from, ticks };
};
const scales = () => [
  scale(choices[across], frame.left, frame.right),
  scale(choices[up], frame.bottom, frame.top),
];
const drawMap = () => {
  const [x, y] = scales();
  const grid = at("grid");
  grid.replaceChildren();
  const { left, right, top, bottom } = frame;
  const write = (words, place) => make(grid, "text", place, words);
  for (const [place, words] of x.ticks) {
    make(grid, "line", { class: "grid", x1: place, x2: place, y1: top, y2: bottom });
    write(words, { x: place, y: bottom + 16, "text-anchor": "middle" });
  }
  for (const [place, words] of y.ticks) {
    make(grid, "line", { class: "grid", x1: left, x2: right, y1: place, y2: place });
    write(words, { x: left - 6, y: place + 4, "text-anchor": "end" });
  }
  const below = { x: (left + right) / 2, y: bottom + 38, "text-anchor": "middle" };
  const beside = `translate(13 ${(top + bottom) / 2}) rotate(-90)`;
  write(choices[across].name, below);
  write(choices[up].name, { transform: beside, "text-anchor": "middle" });
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
  const shown = new Set(labels ?? []);
  if (shown.size > 30) return;
  const boxes = [];
  for (const number of shown) {
    const those = points.filter((point, i) => labels[i] === number && !point.hasAttribute("hidden"));
    if (those.length === 0) continue;
    const [x, y] = [0, 1].map((axis) => middle(those.map((point) => point.place[axis])));
    const place = { x, y: y + 6, "text-anchor": "middle", "aria-hidden": true };
    const name = make(at("points"), "text", place, classes[number]);
    boxes.push({ name, x, y: y + 6, width: name.getBBox().width + 6, height: 19 });
  }
  apart(boxes);
  boxes.forEach(({ name, x, y }) => {
    name.setAttribute("x", x);
    name.setAttribute("y", y);
  });
};
// Names that overlap move apart, each by half of the shorter way, for as long as some do.
const apart = (boxes) => {
  for (let round = 0, moved = true; moved && round < 100; round += 1) {
    moved = false;
    boxes.forEach((one, i) => boxes.slice(i + 1).forEach((other) => {
      const [dx, dy] = [other.x - one.x, other.y - one.y];
      const [wide, high] = [(one.width + other.width) / 2 - Math.abs(dx), one.height - Math.abs(dy)];
      if (wide <= 0.1 || high <= 0.1) return;
      const [axis, way] = wide < high ? ["x", dx < 0 ? -wide : wide] : ["y", dy < 0 ? -high : high];
      one[axis] -= way / 2;
      other[axis] += way / 2;
      moved = true;
    }));
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
    const { name: doubtful, above } = content.doubtful;
    const doubt = name === doubtful && above !== null && values[i] > above;
    make(at("values"), "dt", {}, name);
    make(at("values"), "dd", {}, text(values[i]));
    make(at("values"), "dd", {}, doubt ? `above ${text(above)}: do not trust IWAE here` : "");
  }
  showDatum(i);
};

// What is decoded is a place of the plane, or a datum's code with one dimension varied.
const nearest = (places, value) => {
  const distances = places.map((place) => Math.abs(place - value));
  return distances.indexOf(Math.min(...distances));
};
let start = 0;
let varied = 0;
const sliders = axes.map(({ name }, k) => {
  const row = make(at("sliders"), "label");
  make(row, "span", {}, name);
  const range = { type: "range", min: 0, max: side - 1, step: 1, "aria-label": name };
  const input = make(row, "input", range);
  const value = make(row, "output");
  input.addEventListener("input", () => decode(k));
  return { input, value };
});
const position = (k) => sliders[k].input.valueAsNumber;
const code = () => axes.map(({ places, values }, k) => {
  return content.plane || k === varied ? places[position(k)] : values[starts[start]];
});
const onLine = (k) => {
  const place = `${axes[k].name} = ${text(code()[k])}`;
  const others = "the other dimensions at the code of";
  return axes.length > 1 ? `${place}, ${others} ${label(starts[start])}` : place;
};
const moveTo = (k, value) => { sliders[k].input.value = nearest(axes[k].places, value); };
const decode = (moved) => {
  varied = moved;
  let index = 0;
  if (content.plane) {
    index = position(1) * side + position(0);
  } else {
    axes.forEach(({ values }, k) => { if (k !== moved) moveTo(k, values[starts[start]]); });
    index = (start * axes.length + moved) * side + position(moved);
  }
  code().forEach((value, k) => {
    sliders[k].value.textContent = text(value);
    sliders[k].input.setAttribute("aria-valuetext", text(value));
  });
  at("place").textContent = content.plane ? `z = (${code().map(text).join(", ")})` : onLine(moved);
  showDecoded(index);
  drawCross();
};
const drawCross = () => {
  const [x, y] = scales();
  const seen = across < axes.length && up < axes.length;
  at("cross").style.display = seen ? "" : "none";
  if (!seen) return;
  const [left, top] = [x.to(code()[across]), y.to(code()[up])];
  at("cross").setAttribute("transform", `translate(${left} ${top})`);
};
const goTo = (x, y) => {
  if (!content.plane || across !== 0 || up !== 1) return;
  const [right, upward] = scales();
  moveTo(0, right.from(x));
  moveTo(1, upward.from(y));
  decode(0);
};
if (starts.length > 1) {
  starts.forEach((i, k) => make(at("start"), "option", { value: k }, label(i)));
  at("start").addEventListener("change", () => {
    start = Number(at("start").value);
    reset();
  });
}
const reset = () => {
  axes.forEach(({ values }, k) => moveTo(k, values[starts.length ? starts[start] : chosen]));
  decode(varied);
};

// Pointing chooses the nearest datum within reach, and decodes the place itself.
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

// An arrow key walks to the next datum in its direction; Home and End go to the first and the last.
const directions = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const jumps = { Home: 0, End: count - 1 };
const next = ([dx, dy]) => {
  const [x, y] = points[chosen].place;
  let [best, least] = [chosen, Infinity];
  points.forEach((other, i) => {
    if (i === chosen || other.hasAttribute("hidden")) return;
    const [right, down] = [other.place[0] - x, other.place[1] - y];
    const [ahead, aside] = [right * dx + down * dy, right * dy + down * dx];
    const cost = ahead + 2 * Math.abs(aside);
    if (ahead > 0.01 && cost < least) [best, least] = [i, cost];
  });
  return best;
};
at("points").addEventListener("keydown", (event) => {
  const direction = directions[event.key];
  const target = direction ? next(direction) : jumps[event.key];
  if (target === undefined) return;
  event.preventDefault();
  points[target].focus();
});
points.forEach((circle, i) => circle.addEventListener("focus", () => {
  choose(i);
  goTo(...circle.place);
}));

for (const [id, begin] of [["across", across], ["up", up]]) {
  choices.forEach(({ name }, k) => make(at(id), "option", { value: k }, name));
  at(id).value = begin;
  at(id).addEventListener("change", () => {
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
