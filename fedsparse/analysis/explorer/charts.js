// Line charts, bars and the mask: each a figure with words for readers who cannot see it, and values under the pointer.
const COLOURS = ["var(--c0)", "var(--c1)", "var(--c2)", "var(--c3)"];
const WIDTH = 420, HEIGHT = 270, LEFT = 46, RIGHT = 12, TOP = 26, BOTTOM = 36;

function svg(name, attributes, text) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const key in attributes) made.setAttribute(key, attributes[key]);
  if (text !== undefined) made.textContent = text;
  return made;
}

function short(value) {
  return value === null ? "" : String(Number(value.toPrecision(3)));
}

function figure(title, words) {
  const made = document.createElement("figure");
  made.className = "chart";
  const caption = document.createElement("figcaption");
  caption.textContent = title;
  const drawing = svg("svg", {viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": `${title}. ${words}`});
  made.append(caption, drawing);
  return [made, drawing];
}

// Axes from `low` to `high`; the functions that they return give pixels.
function axes(drawing, {xs, labels, low, high, ticks, log, xlabel}) {
  const [first, last] = [xs[0], xs[xs.length - 1]];
  const pad = 12, room = WIDTH - LEFT - RIGHT - 2 * pad;
  const x = value => LEFT + pad + room * (value - first) / (last - first || 1);
  const f = log ? Math.log10 : Number;
  const y = value => TOP + (HEIGHT - TOP - BOTTOM) * (1 - (f(value) - f(low)) / (f(high) - f(low)));
  for (const tick of ticks) {
    drawing.append(svg("line", {class: "grid", x1: LEFT, x2: WIDTH - RIGHT, y1: y(tick), y2: y(tick)}));
    drawing.append(svg("text", {x: LEFT - 6, y: y(tick) + 4, "text-anchor": "end"}, short(tick)));
  }
  let end = -Infinity;
  xs.forEach((value, i) => {
    if (labels[i] === "" || x(value) - end < 24) return;
    drawing.append(svg("text", {x: x(value), y: HEIGHT - BOTTOM + 17, "text-anchor": "middle"}, labels[i]));
    end = x(value);
  });
  drawing.append(svg("text", {x: (LEFT + WIDTH) / 2, y: HEIGHT - 3, "text-anchor": "middle"}, xlabel));
  return {x, y};
}

function line(drawing, points, colour, dashed) {
  let path = "", open = false;
  for (const point of points) {
    path += point ? `${open ? "L" : "M"}${point[0].toFixed(1)} ${point[1].toFixed(1)}` : "";
    open = Boolean(point);
  }
  const look = {d: path, fill: "none", "stroke-width": 2, "stroke-dasharray": dashed ? "5 4" : "none"};
  drawing.append(svg("path", {...look, style: `stroke: ${colour}`}));
}

// A circle, a square, a diamond or a triangle; hollow if it stands for one seed.
function marker(drawing, kind, x, y, hollow) {
  const shapes = ["M-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0", "M-4-4h8v8h-8z", "M0-5 5 0 0 5-5 0z", "M0-5 5 4H-5z"];
  const fill = hollow ? "var(--paper)" : COLOURS[kind];
  const place = `translate(${x.toFixed(1)} ${y.toFixed(1)})`;
  drawing.append(svg("path", {d: shapes[kind], transform: place, style: `fill: ${fill}; stroke: ${COLOURS[kind]}`}));
}

function legend(drawing, names) {
  let x = LEFT;
  names.forEach((name, i) => {
    marker(drawing, i, x + 6, 11, false);
    drawing.append(svg("text", {x: x + 15, y: 15}, name));
    x += 32 + 7 * name.length;
  });
}

// Under the pointer, the words of the nearest x; a click picks it.
function pointed(made, drawing, pixels, words, pick) {
  const tip = document.createElement("div");
  tip.className = "tip";
  tip.hidden = true;
  made.append(tip);
  const nearest = event => {
    const box = drawing.getBoundingClientRect();
    const at = (event.clientX - box.left) * WIDTH / box.width;
    return pixels.reduce((best, x, i) => Math.abs(x - at) < Math.abs(pixels[best] - at) ? i : best, 0);
  };
  drawing.addEventListener("pointermove", event => {
    const i = nearest(event), share = pixels[i] / WIDTH;
    tip.textContent = words(i);
    tip.hidden = false;
    tip.style.top = "3.2rem";
    tip.style.left = share < 0.5 ? `${100 * share + 3}%` : "auto";
    tip.style.right = share < 0.5 ? "auto" : `${103 - 100 * share}%`;
  });
  drawing.addEventListener("pointerleave", () => { tip.hidden = true; });
  if (pick) {
    drawing.classList.add("picked");
    drawing.addEventListener("click", event => pick(nearest(event)));
  }
}

function maskFigure(title, mask) {
  const [made, drawing] = figure(title, "");
  const bytes = Uint8Array.from(atob(mask.bits), c => c.charCodeAt(0));
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [mask.columns, mask.rows];
  const image = new ImageData(mask.columns, mask.rows);
  let ones = 0;
  for (let i = 0; i < mask.rows * mask.columns; i++) {
    const one = bytes[i >> 3] >> (7 - (i & 7)) & 1;
    image.data.set(one ? [0, 158, 115, 255] : [255, 255, 255, 255], 4 * i);
    ones += one;
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `${title}: ${(100 * ones / mask.rows / mask.columns).toFixed(1)} % of its weights are ones`);
  const axis = document.createElement("p");
  axis.className = "axis";
  axis.textContent = "→ inputs of the layer, ↓ its outputs; an empty row is an output that hears nothing";
  drawing.replaceWith(canvas, axis);
  return made;
}
