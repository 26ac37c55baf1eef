const {points} = data, lams = points.map(point => point.lam), KINDS = Object.keys(points[0].accuracies);
const RATES = Object.keys(points[0].rates), LOGS = lams.map(Math.log1p);
const $ = id => document.getElementById(id);
const rows = [...document.querySelectorAll("tbody tr")];
const shown = {at: nearest(FIRST), beside: null, round: 0};
let playing = null;

function nearest(lam) {
  return lams.reduce((best, value, i) => Math.abs(value - lam) < Math.abs(lams[best] - lam) ? i : best, 0);
}

// What is said when a λ is typed that was not trained.
function refusal(lam, i) {
  const above = lams.findIndex(value => value > lam);
  const start = `λ = ${lam} is not in the sweep`;
  if (above < 0) return `${start}, which ends at ${lams[lams.length - 1]}: what lies beyond was not measured.`;
  if (above > 0 && points[above].collapsed && !points[above - 1].collapsed) {
    return `${start}. It lies in a gap where nothing was trained: at ${lams[above - 1]} the mask works, ` +
      `at ${lams[above]} it has collapsed. The nearest is shown, ${lams[i]}; to which side λ = ${lam} belongs is not known.`;
  }
  return `${start}; the nearest one is shown, ${lams[i]}.`;
}

// How a λ is read out: with its name, if it has one.
function spoken(i) {
  return `λ = ${lams[i]}${points[i].name ? `, ${points[i].name}` : ""}`;
}

function marks(drawing, x) {
  const line = (i, look) => drawing.append(svg("line", {class: look, x1: x(LOGS[i]), x2: x(LOGS[i]), y1: TOP, y2: HEIGHT - BOTTOM}));
  line(shown.at, "here");
  if (shown.beside !== null) line(shown.beside, "there");
  points.forEach(({name}, i) => {
    if (!name) return;
    line(i, "named");
    drawing.append(svg("text", {class: "name", x: x(LOGS[i]) - 4, y: TOP + 10, "text-anchor": "end"}, name));
  });
  points.forEach((point, i) => {
    if (!point.collapsed || i === 0 || points[i - 1].collapsed) return;
    const [left, right] = [x(LOGS[i - 1]) + 6, x(LOGS[i]) - 6];
    if (right > left) drawing.append(svg("rect", {class: "gap", x: left, width: right - left, y: TOP, height: HEIGHT - TOP - BOTTOM}));
  });
}

// No line across the gap before a collapse: nobody knows what happens in it.
function broken(places) {
  return places.flatMap((place, i) => i && points[i].collapsed !== points[i - 1].collapsed ? [null, place] : [place]);
}

function accuracyByLam() {
  const low = $("whole").checked ? 0 : data.floor;
  const told = (p, {mean, seeds}) => p.parted ? seeds.map(value => value.toFixed(3)).join(" / ") : mean.toFixed(3);
  const words = points.map(p => `λ ${p.lam}: ` + KINDS.map(kind => `${kind} ${told(p, p.accuracies[kind])}`).join(", "));
  const [made, drawing] = figure("Accuracy by λ, with 95 % intervals", words.join("; "));
  const ticks = [...Array(6).keys()].map(i => low + (1 - low) * i / 5);
  const below = low - 0.08 * (1 - low);
  const {x, y} = axes(drawing, {xs: LOGS, labels: lams, low: below, high: 1, ticks, xlabel: "λ (shaded: nothing was trained here)"});
  marks(drawing, x);
  KINDS.forEach((kind, k) => {
    const found = points.map((point, i) => [x(LOGS[i]) + 3 * (k - 1), point.accuracies[kind]]);
    const inside = found.map(([px, a], i) => points[i].parted || a.mean < low ? null : [px, y(a.mean)]);
    line(drawing, broken(inside), COLOURS[k], k);
    found.forEach(([px, a], i) => {
      if (!inside[i]) {  // no mean: seeds by themselves, and an arrow for those below the axis
        a.seeds.filter(value => value >= low).forEach(value => marker(drawing, k, px, y(value), true));
        const under = k === 0 && a.seeds.some(value => value < low);
        if (under) drawing.append(svg("text", {x: px + 3, y: y(below) - 4, "text-anchor": "middle"}, "↓"));
        return;
      }
      const reach = [Math.max(below, a.mean - a.half), Math.min(1, a.mean + a.half)].map(y);
      if (a.half) drawing.append(svg("line", {x1: px, x2: px, y1: reach[0], y2: reach[1], style: `stroke: ${COLOURS[k]}`}));
      marker(drawing, k, px, inside[i][1], a.seeds.length === 1);
    });
  });
  legend(drawing, KINDS);
  pointed(made, drawing, LOGS.map(x), i => `λ = ${lams[i]}\n` + KINDS.map(kind => {
    const {mean, half, seeds} = points[i].accuracies[kind];
    if (points[i].parted) return `${kind} ${seeds.map(value => (100 * value).toFixed(1)).join(" / ")} %, by seed`;
    return `${kind} ${(100 * mean).toFixed(1)} %` + (seeds.length > 1 ? ` ± ${(100 * half).toFixed(1)}` : ", one seed");
  }).join("\n"), i => go({at: i}));
  return made;
}

function ratesByLam() {
  const values = points.flatMap(point => Object.values(point.rates).flat()).filter(value => value > 0);
  const low = 10 ** Math.floor(Math.log10(Math.min(...values))), high = 10 ** Math.ceil(Math.log10(Math.max(...values)));
  const ticks = [];
  for (let tick = low; tick <= high * 1.01; tick *= 10) ticks.push(tick);
  const [made, drawing] = figure("Bits per parameter by λ, logarithmic", $("caption").textContent);
  const {x, y} = axes(drawing, {xs: LOGS, labels: lams, low, high, ticks, log: true, xlabel: "λ"});
  marks(drawing, x);
  RATES.forEach((name, k) => {
    const heights = points.map(point => point.rates[name].map(value => y(Math.max(low, value))));
    line(drawing, broken(heights.map(([py], i) => points[i].parted ? null : [x(LOGS[i]), py])), COLOURS[k], k);
    heights.forEach((found, i) => found.forEach(py => marker(drawing, k, x(LOGS[i]), py, points[i].parted)));
  });
  legend(drawing, RATES);
  pointed(made, drawing, LOGS.map(x), i =>
    `λ = ${lams[i]}\n` + RATES.map(name => `${name} ${points[i].rates[name].map(value => value.toFixed(3)).join(" / ")}`).join("\n"), i => go({at: i}));
  return made;
}

// Lines over the rounds: those of λ, and dashed those of the λ beside it.
function byRound(title, names, high, ticks, digits) {
  const {rounds} = points[shown.at], [made, drawing] = figure(title, momentOf(points[shown.at]));
  const last = rounds.round[rounds.round.length - 1];
  const labels = rounds.round.map(r => r === 1 || r % Math.max(1, Math.round(last / 4)) === 0 ? r : "");
  const {x, y} = axes(drawing, {xs: rounds.round, labels, low: 0, high, ticks, xlabel: "round"});
  const now = x(rounds.round[shown.round]);
  drawing.append(svg("line", {class: "here", x1: now, x2: now, y1: TOP, y2: HEIGHT - BOTTOM}));
  for (const point of pair().reverse()) {
    names.forEach((name, k) => line(drawing, point.rounds.round.map((r, i) => {
      const value = point.rounds[name][i];
      return value === null || r > last ? null : [x(r), y(Math.min(high, value))];
    }), COLOURS[k], point !== points[shown.at]));
  }
  legend(drawing, names);
  pointed(made, drawing, rounds.round.map(x), i => `round ${rounds.round[i]}` + pair().map(point =>
    `\nλ = ${point.lam}: ` + names.map(name => `${name} ${(point.rounds[name][i] ?? NaN).toFixed(digits)}`).join(", ")).join(""),
  i => go({round: i}));
  return made;
}

function thetaFigure() {
  const [made, drawing] = figure("Share of weights, by θ", "");
  const bins = points[shown.at].thetas[0].map((_, i) => i / 10);
  const {x, y} = axes(drawing, {xs: bins, labels: bins.map(String), low: 0, high: 1, ticks: [0, 0.25, 0.5, 0.75, 1], xlabel: "θ, the probability that a weight is kept"});
  const shares = pair().map(point => {
    const counts = point.thetas[Math.min(shown.round, point.thetas.length - 1)], all = counts.reduce((a, b) => a + b);
    return counts.map(count => count / all);
  });
  shares.forEach((share, k) => share.forEach((part, i) => {
    const look = k ? "fill: none; stroke: var(--c1); stroke-width: 2" : "fill: var(--c0)";
    drawing.append(svg("rect", {x: x(bins[i]) - 14 + 4 * k, width: 28 - 8 * k, y: y(part), height: y(0) - y(part), style: look}));
  }));
  if (shares.length > 1) legend(drawing, pair().map(point => `λ = ${point.lam}`));
  const words = i => pair().map((point, k) => `λ = ${point.lam}: θ near ${bins[i]} for ${(100 * shares[k][i]).toFixed(1)} %`).join("\n");
  drawing.setAttribute("aria-label", `Share of weights, by θ. ${bins.map((_, i) => words(i)).join("; ")}`);
  pointed(made, drawing, bins.map(x), words);
  return made;
}

function pair() {
  return shown.beside === null ? [points[shown.at]] : [points[shown.at], points[shown.beside]];
}

function momentOf(point) {
  const {rounds} = point, i = Math.min(shown.round, rounds.round.length - 1);
  const told = KINDS.filter(kind => rounds[kind][i] !== null).map(kind => `${kind} ${(100 * rounds[kind][i]).toFixed(1)} %`);
  return `λ = ${point.lam}, round ${rounds.round[i]}: ${told.join(", ")}; ones ${(100 * rounds.ones[i]).toFixed(1)} %; ` +
    `so far ${rounds.up[i].toFixed(2)} MB up, ${rounds.down[i].toFixed(2)} MB down.`;
}

function drawRounds() {
  const {rounds, thetas} = points[shown.at];
  $("round").max = rounds.round.length - 1;
  $("round").min = 0;
  $("round").value = shown.round;
  $("round").setAttribute("aria-valuetext", `round ${rounds.round[shown.round]}`);
  $("moment").textContent = pair().map(momentOf).join(" ");
  const highest = Math.max(1, ...pair().flatMap(point => [...point.rounds.downlink, ...point.rounds.entropy].filter(Number.isFinite)));
  const top = Math.ceil(highest);
  const figures = [
    byRound("Accuracy by round", KINDS, 1, [0, 0.25, 0.5, 0.75, 1], 3),
    byRound("Bits per parameter by round", ["entropy", "uplink", "downlink"], top, [0, top / 4, top / 2, 3 * top / 4, top], 3),
    thetaFigure(),
    ...pair().map(point => maskFigure(`The mask of one layer at the end, λ = ${point.lam}`, point.mask)),
  ];
  if (pair().some(point => point.thetas.length === 1)) figures[2].querySelector("figcaption").textContent += ", at the end";
  $("by-round").replaceChildren(...figures);
}

function draw() {
  try {
    $("charts").hidden = false;
    $("place").value = shown.at;
    $("place").setAttribute("aria-valuetext", spoken(shown.at));
    $("number").value = lams[shown.at];
    $("compare").checked = !($("beside").hidden = $("caption-beside").hidden = shown.beside === null);
    if (shown.beside !== null) {
      $("beside").value = shown.beside;
      $("beside").setAttribute("aria-valuetext", `second ${spoken(shown.beside)}`);
      $("caption-beside").textContent = points[shown.beside].caption;
    }
    rows.forEach((row, i) => i === shown.at ? row.setAttribute("aria-current", "true") : row.removeAttribute("aria-current"));
    $("caption").textContent = points[shown.at].caption;
    $("by-lam").replaceChildren(accuracyByLam(), ratesByLam());
    drawRounds();
    $("alert").textContent = "";
  } catch (error) {
    $("charts").hidden = true;
    $("caption").textContent = "";
    $("alert").textContent = `λ = ${lams[shown.at]} cannot be shown: ${error.message}`;
  }
}

// Show something else, and let the address say what.
function go(change) {
  Object.assign(shown, change);
  shown.round = "at" in change ? points[shown.at].rounds.round.length - 1 : shown.round;
  $("note").textContent = "";
  const beside = shown.beside === null ? "" : `&beside=${lams[shown.beside]}`;
  try {
    history.replaceState(null, "", `#lam=${lams[shown.at]}${beside}`);
  } catch {
    // A page that is shown in a sandbox has no address of its own.
  }
  "round" in change ? drawRounds() : draw();
}

// Go to a λ that was typed or stands in an address; returns what there is to say.
function ask(text, name) {
  const lam = Number(text.trim().replace(",", "."));
  if (!text.trim() || !Number.isFinite(lam) || lam < 0) {
    return `“${text}” is no λ: that is a number of at least 0, such as 0.3 or 0,3.`;
  }
  const i = nearest(lam);
  go({[name]: i});
  return lams[i] === lam ? "" : refusal(lam, i);
}

function typed() {
  $("note").textContent = ask($("number").value, "at");
}

function read() {
  const asked = new URLSearchParams(location.hash.slice(1)), said = [];
  shown.beside = null;
  for (const [key, name] of [["beside", "beside"], ["lam", "at"]]) if (asked.has(key)) said.push(ask(asked.get(key), name));
  if (!asked.has("lam")) go({at: shown.at});
  $("note").textContent = said.join(" ");
}

function stop() {
  clearInterval(playing);
  playing = null;
  $("play").textContent = "play the rounds";
}

function play() {
  if (playing) return stop();
  const last = points[shown.at].rounds.round.length - 1;
  if (shown.round === last) go({round: 0});
  $("play").textContent = "stop";
  playing = setInterval(() => shown.round < points[shown.at].rounds.round.length - 1 ? go({round: shown.round + 1}) : stop(), 250);
}

$("named").append(...points.flatMap(({name}, i) => name ? [new Option(name, i)] : []));
$("place").max = $("beside").max = lams.length - 1;
$("place").addEventListener("input", () => go({at: $("place").valueAsNumber}));
$("beside").addEventListener("input", () => go({beside: $("beside").valueAsNumber}));
$("round").addEventListener("input", () => { stop(); go({round: $("round").valueAsNumber}); });
$("number").addEventListener("change", typed);
$("compare").addEventListener("change", () => go({beside: $("compare").checked ? 0 : null}));
$("whole").addEventListener("change", draw);
$("play").addEventListener("click", play);
rows.forEach((row, i) => row.addEventListener("click", event => { event.preventDefault(); go({at: i}); }));
document.querySelector("form").addEventListener("submit", event => event.preventDefault());
window.addEventListener("hashchange", read);
read();
