"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const tip = document.getElementById("tip");
  const NS = "http://www.w3.org/2000/svg";
  const VIRIDIS = [[68, 1, 84], [65, 68, 135], [42, 120, 142], [34, 168, 132], [122, 209, 81], [253, 231, 37]];
  const KINDS = 7;
  const colour = (index) => `var(--k${index % KINDS})`;
  const again = (index) => index >= KINDS; // a colour that is used already

  // All text goes through textContent or setAttribute, so nothing in the data becomes markup.
  function make(name, attributes = {}, ...children) {
    const svg = make.svg.has(name);
    const element = svg ? document.createElementNS(NS, name) : document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
      if (key === "style") Object.assign(element.style, value);
      else if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
      else if (value !== null && value !== false) element.setAttribute(key, value === true ? "" : value);
    }
    element.append(...children.filter((child) => child !== null));
    return element;
  }
  make.svg = new Set(["svg", "g", "circle", "line", "path", "polyline", "polygon", "rect", "text", "title"]);

  const sum = (numbers) => numbers.reduce((a, b) => a + b, 0);
  const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
  const percent = (share) => `${(100 * share).toFixed(1)} %`;
  function short(value) {
    const size = Math.abs(value);
    for (const [unit, letter] of [[1e9, "G"], [1e6, "M"], [1e3, "k"]]) {
      if (size >= unit) return `${parseFloat((value / unit).toPrecision(4))}${letter}`;
    }
    return size !== 0 && size < 1e-3 ? value.toExponential(2) : `${parseFloat(value.toPrecision(4))}`;
  }
  const cut = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}\u2026` : text);
  // A name whose lines break behind underscores rather than anywhere.
  const breakable = (name) => name.split(/(?<=_)/).flatMap((part, i) => (i ? [make("wbr"), part] : [part]));
  function heat(share) {
    const at = clamp(share, 0, 1) * (VIRIDIS.length - 1);
    const low = Math.min(Math.floor(at), VIRIDIS.length - 2);
    const mixed = VIRIDIS[low].map((part, i) => Math.round(part + (VIRIDIS[low + 1][i] - part) * (at - low)));
    return `rgb(${mixed.join(",")})`;
  }
  function showTip(text, x, y) {
    tip.textContent = text;
    tip.hidden = false;
    const box = tip.getBoundingClientRect();
    tip.style.left = `${clamp(x + 14, 6, innerWidth - box.width - 6)}px`;
    tip.style.top = `${y - box.height - 12 < 6 ? y + 18 : y - box.height - 12}px`;
  }
  const hideTip = () => { tip.hidden = true; };

  // ---- tables ---------------------------------------------------------------------------------------------
  function sortable(table) {
    const body = table.tBodies[0];
    const original = [...body.rows];
    const heads = [...table.tHead.rows[0].cells];
    const collator = new Intl.Collator("en", { numeric: true });
    const key = (row, column) => {
      const cell = row.cells[column];
      if (cell.dataset.value !== undefined) return parseFloat(cell.dataset.value);
      const text = cell.textContent.trim();
      const time = text.match(/^(?:(\d+) h ?)?(?:(\d+) min ?)?(?:([\d.]+) s)?$/);
      if (text && time) return 3600 * (time[1] ?? 0) + 60 * (time[2] ?? 0) + 1 * (time[3] ?? 0);
      return /^[-+]?[0-9.]+(e[-+]?[0-9]+)?$/i.test(text) ? parseFloat(text) : text;
    };
    function sort(column, direction) {
      const rows = [...original];
      if (direction !== "none") {
        const sign = direction === "ascending" ? 1 : -1;
        const missing = (value) => value === "" || value === "missing" || Number.isNaN(value);
        rows.sort((one, other) => {
          const [a, b] = [key(one, column), key(other, column)];
          if (missing(a) || missing(b)) return missing(a) - missing(b);
          return sign * (typeof a === "number" && typeof b === "number" ? a - b : collator.compare(a, b));
        });
      }
      body.append(...rows);
      heads.forEach((head, i) => head.setAttribute("aria-sort", i === column ? direction : "none"));
    }
    heads.forEach((head, column) => {
      const button = make("button", { type: "button" });
      const arrow = head.querySelector(".arrow");
      if (arrow) head.querySelector(".title").append("\u00a0", arrow); // no line ends between them
      button.append(...head.childNodes);
      (button.querySelector(".below") ?? button).insertAdjacentElement(
        button.querySelector(".below") ? "afterbegin" : "beforeend", make("span", { class: "sort", "aria-hidden": "true" }));
      if (!button.textContent.trim()) button.setAttribute("aria-label", "Row");
      const first = head.dataset.better === "higher" ? "descending" : "ascending";
      const second = first === "ascending" ? "descending" : "ascending";
      button.addEventListener("click", () => {
        const now = head.getAttribute("aria-sort");
        sort(column, now === first ? second : now === second ? "none" : first);
      });
      head.append(button);
      head.setAttribute("aria-sort", "none");
    });
  }
  // Narrow screens show a row of claims as a card, which takes from tables what they are to screen readers.
  function keepRoles(table) {
    const roles = [["thead, tbody", "rowgroup"], ["tr", "row"], ["thead th", "columnheader"], ["tbody th", "rowheader"],
      ["td", "cell"]];
    table.setAttribute("role", "table");
    for (const [what, role] of roles) {
      for (const element of table.querySelectorAll(what)) element.setAttribute("role", role);
    }
  }
  function allOrNone(claims) {
    const parts = [...claims.querySelectorAll(".of-verdict")];
    const button = make("button", { type: "button", class: "chip", onclick: () => {
      const open = parts.some((part) => !part.open);
      for (const part of parts) part.open = open;
    } });
    const name = () => { button.textContent = parts.some((part) => !part.open) ? "show all" : "show counts alone"; };
    for (const part of parts) part.addEventListener("toggle", name);
    name();
    claims.querySelector("h3").after(button);
  }
  // A table that is too wide gets narrower columns, then puts what is behind ± on lines of its own, then is printed
  // smaller; what is too wide then, too, scrolls below the names of its rows, and only that is a stop of the Tab key.
  const DENSITIES = [[], ["tight"], ["tight", "stacked"], ["tight", "stacked", "small"]];
  function fit(scroller) {
    const first = scroller.querySelector("thead th");
    const names = { role: "region", tabindex: "0", "aria-label": scroller.getAttribute("aria-label") };
    function adjust() {
      if (!scroller.clientWidth) return;
      const narrow = (classes) => {
        scroller.classList.remove("tight", "stacked", "small", "scrolls");
        scroller.classList.add(...classes);
        return scroller.scrollWidth <= scroller.clientWidth;
      };
      const fits = DENSITIES.some(narrow);
      scroller.classList.toggle("scrolls", !fits);
      scroller.style.scrollPaddingInlineStart = fits ? "" : `${first.offsetWidth}px`;
      for (const [name, value] of Object.entries(names)) {
        if (fits) scroller.removeAttribute(name);
        else scroller.setAttribute(name, value);
      }
    }
    let known = -1;
    new ResizeObserver(() => {
      if (scroller.clientWidth !== known) { known = scroller.clientWidth; adjust(); }
    }).observe(scroller);
    adjust();
  }

  // ---- charts ---------------------------------------------------------------------------------------------
  function ticks(low, high, count) {
    const rough = (high - low) / count || 1;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= rough);
    const found = [];
    for (let n = Math.ceil(low / step - 1e-9); n * step <= high + step * 1e-9; n += 1) {
      found.push(parseFloat((n * step).toPrecision(12)));
    }
    return found;
  }
  function logTicks(low, high) {
    const [from, to] = [Math.floor(low), Math.ceil(high)];
    const steps = to - from > 4 ? [1] : to - from > 2 ? [1, 3] : [1, 2, 5];
    const found = [];
    for (let power = from; power <= to; power += 1) found.push(...steps.map((n) => n * 10 ** power));
    return found.filter((n) => Math.log10(n) >= low && Math.log10(n) <= high);
  }
  const select = (label, options, onchange) => make("label", { class: "field" }, label, make("select",
    { onchange: (event) => onchange(event.target.value) },
    ...options.map((option) => make("option", { value: option.value }, option.label))));

  function drawChart(place, spec) {
    const chosen = Object.fromEntries(spec.filters.map((filter) => [filter.key, filter.options[0].value]));
    const off = new Set();
    let tracks = [];
    let current = null;
    let wanted = null; // logarithmic or not; nobody has said yet
    const live = make("p", { class: "sr", "aria-live": "polite" });
    const plot = make("div");
    const chips = spec.groups.map((label, group) => make("button", {
      type: "button", class: "chip", "aria-pressed": "true",
      onclick: (event) => {
        const button = event.currentTarget;
        if (off.delete(group)) button.setAttribute("aria-pressed", "true");
        else { off.add(group); button.setAttribute("aria-pressed", "false"); }
        draw();
      },
    }, make("i"), label));
    function paint(chip, group) {
      const dot = chip.querySelector("i");
      const hollow = off.has(group) || again(group);
      dot.style.background = hollow ? "transparent" : colour(group);
      dot.style.border = off.has(group) || !again(group) ? "" : `3px solid ${colour(group)}`;
    }
    const filters = spec.filters.filter((filter) => filter.options.length > 1).map((filter) =>
      select(filter.label, filter.options, (value) => { chosen[filter.key] = value; draw(); }));
    const scale = make("button", { type: "button", class: "chip scale", "aria-pressed": "false",
      onclick: () => { wanted = scale.getAttribute("aria-pressed") === "false"; draw(); } }, "logarithmic");
    place.replaceChildren(
      make("h3", {}, spec.title),
      make("p", { class: "note" }, spec.note),
      make("div", { class: "bar" }, ...filters, scale),
      make("div", { class: "bar", role: "group", "aria-label": "Shown" },
        ...chips.filter((_, group) => spec.series.some((one) => one.g === group))),
      plot, live);
    plot.className = "plot";

    function yName() {
      const filter = spec.filters.find((one) => one.key === spec.named);
      return filter ? filter.options.find((option) => option.value === chosen[filter.key]).label : spec.y;
    }
    // The mean of each arm's seeds where all of them have a value, if there are several and one line for each.
    function meansOf(lines) {
      return [...new Set(lines.map((one) => one.g))].flatMap((g) => {
        const of = lines.filter((one) => one.g === g && one.p.length);
        const seeds = [...new Set(of.map((one) => one.seed))].sort((a, b) => a - b);
        if (of.length < 2 || seeds.length < of.length) return [];
        const values = new Map();
        for (const one of of) {
          for (let i = 0; i < one.p.length; i += 2) values.set(one.p[i], [...(values.get(one.p[i]) ?? []), one.p[i + 1]]);
        }
        const p = [...values].filter(([, ys]) => ys.length === of.length).sort(([a], [b]) => a - b)
          .flatMap(([x, ys]) => [x, sum(ys) / ys.length]);
        return p.length ? [{ g, label: `mean of seeds ${seeds.join(", ")}`, line: 1, p }] : [];
      });
    }
    function visible() {
      return spec.series.filter((one) => !off.has(one.g)
        && spec.filters.every((filter) => !(filter.key in one.keys) || one.keys[filter.key] === chosen[filter.key]));
    }
    function draw() {
      chips.forEach((chip, group) => paint(chip, group));
      hideTip();
      const width = Math.max(280, plot.clientWidth || 640);
      const height = clamp(width * 0.52, 230, 400);
      const shown = visible();
      const xs = shown.flatMap((one) => one.p.filter((_, i) => i % 2 === 0));
      const ys = shown.flatMap((one) => one.p.filter((_, i) => i % 2 === 1));
      const range = (numbers) => {
        const low = numbers.reduce((a, b) => Math.min(a, b), numbers.length ? Infinity : 0);
        const high = numbers.reduce((a, b) => Math.max(a, b), numbers.length ? -Infinity : 1);
        const pad = (high - low || Math.abs(high) || 1) * 0.04;
        return [low - pad, high + pad];
      };
      const [x0, x1] = range(xs);
      const smallest = ys.reduce((a, b) => Math.min(a, b), Infinity);
      const decades = ys.length && smallest > 0 ? Math.log10(ys.reduce((a, b) => Math.max(a, b)) / smallest) : 0;
      const log = decades > 0 && (wanted ?? (decades > 2 && shown.some((one) => one.line)));
      scale.hidden = decades < 1;
      scale.setAttribute("aria-pressed", String(log));
      const height01 = log ? Math.log10 : (y) => y;
      const [y0, y1] = range(ys.map(height01));
      const rows = log ? logTicks(y0, y1) : ticks(y0, y1, 5);
      const left = 34 + 7 * Math.max(...rows.map((y) => short(y).length));
      const box = { left, right: width - 12, top: 10, bottom: height - 44 };
      const px = (x) => box.left + (x - x0) / (x1 - x0) * (box.right - box.left);
      const py = (y) => box.bottom - (height01(y) - y0) / (y1 - y0) * (box.bottom - box.top);
      const svg = make("svg", {
        viewBox: `0 0 ${width} ${height}`, tabindex: "0", role: "group", "aria-roledescription": "chart",
        "aria-label": `${spec.title}: ${yName()} against ${spec.x}${log ? ", logarithmic" : ""}. Left and right `
          + "read the points, up and down go to the next line or arm.",
        onpointermove: hover, onpointerleave: leave, onkeydown: step, onblur: leave,
      });
      for (const y of rows) {
        svg.append(make("line", { class: "rule", x1: box.left, x2: box.right, y1: py(y), y2: py(y) }),
          make("text", { x: box.left - 8, y: py(y) + 4, "text-anchor": "end" }, short(y)));
      }
      for (const x of ticks(x0, x1, width / 110)) {
        svg.append(make("text", { x: px(x), y: box.bottom + 18, "text-anchor": "middle" }, short(x)));
      }
      svg.append(
        make("line", { class: "axis", x1: box.left, x2: box.right, y1: box.bottom, y2: box.bottom }),
        make("text", { x: (box.left + box.right) / 2, y: height - 6, "text-anchor": "middle" }, spec.x),
        make("text", { transform: `translate(13 ${(box.top + box.bottom) / 2}) rotate(-90)`, "text-anchor": "middle" },
          yName()));
      const pointsOf = (one) => one.p.filter((_, i) => i % 2 === 0).map((x, i) => (
        { x: px(x), y: py(one.p[2 * i + 1]), at: [x, one.p[2 * i + 1]], one }));
      const line = (points, group, width, opacity) => make("polyline", {
        points: points.map((p) => `${p.x.toFixed(1)},${p.y.toFixed(1)}`).join(" "), fill: "none",
        style: { stroke: colour(group) }, "stroke-width": width, "stroke-opacity": opacity,
        "stroke-dasharray": again(group) ? "6 3" : null, "stroke-linejoin": "round" });
      const means = meansOf(shown.filter((one) => one.line));
      const ofArm = new Map();
      tracks = means.map(pointsOf);
      for (const one of shown) {
        const points = pointsOf(one);
        if (one.line) {
          const alone = !means.some((mean) => mean.g === one.g);
          svg.append(line(points, one.g, alone ? 1.8 : 1, alone ? 1 : 0.35));
          tracks.push(points);
        } else {
          for (const p of points) {
            svg.append(make("circle", { cx: p.x.toFixed(1), cy: p.y.toFixed(1), r: again(one.g) ? 3.4 : 4,
              style: again(one.g) ? { stroke: colour(one.g) } : { fill: colour(one.g) },
              fill: again(one.g) ? "none" : null, "stroke-width": again(one.g) ? 1.8 : null, "fill-opacity": 0.8 }));
          }
          ofArm.set(one.g, [...(ofArm.get(one.g) ?? []), ...points]);
        }
      }
      for (const mean of means) svg.append(line(pointsOf(mean), mean.g, 2.6, 1));
      tracks.push(...[...ofArm.values()].map((points) => points.sort((a, b) => a.x - b.x || b.y - a.y)));
      tracks = tracks.filter((track) => track.length);
      current = null;
      svg.append(make("circle", { class: "ring", r: 7, fill: "none", "stroke-width": 2, visibility: "hidden",
        style: { stroke: "var(--ink)" } }));
      plot.replaceChildren(svg);
      live.textContent = "";
    }
    const words = (mark) => `${spec.groups[mark.one.g]}\n${mark.one.label}\n${spec.x}: ${short(mark.at[0])}\n`
      + `${yName()}: ${short(mark.at[1])}`;
    function point(mark) {
      current = mark;
      const ring = plot.querySelector(".ring");
      if (!mark) { ring.setAttribute("visibility", "hidden"); hideTip(); return; }
      ring.setAttribute("cx", mark.x);
      ring.setAttribute("cy", mark.y);
      ring.setAttribute("visibility", "visible");
      const svg = plot.querySelector("svg");
      const rect = svg.getBoundingClientRect();
      const size = rect.width / svg.viewBox.baseVal.width;
      showTip(words(mark), rect.left + mark.x * size, rect.top + mark.y * size);
    }
    function hover(event) {
      const svg = plot.querySelector("svg");
      const rect = svg.getBoundingClientRect();
      const size = svg.viewBox.baseVal.width / rect.width;
      const [x, y] = [(event.clientX - rect.left) * size, (event.clientY - rect.top) * size];
      let best = null;
      let least = 28 ** 2;
      for (const track of tracks) {
        for (const mark of track) {
          const far = (mark.x - x) ** 2 + (mark.y - y) ** 2;
          if (far < least) { least = far; best = mark; }
        }
      }
      point(best);
    }
    function leave() { if (current) point(null); }
    function step(event) {
      const along = { ArrowRight: 1, ArrowLeft: -1 };
      const across = { ArrowUp: -1, ArrowDown: 1 };
      if (event.key === "Escape") { point(null); return; }
      if (!(event.key in along || event.key in across || event.key === "Home" || event.key === "End") || !tracks.length) return;
      event.preventDefault();
      const at = Math.max(0, tracks.findIndex((track) => track.includes(current)));
      const track = tracks[at];
      let next;
      if (!current) next = event.key === "ArrowLeft" || event.key === "End" ? track.at(-1) : track[0];
      else if (event.key in across) {
        const other = tracks[(at + across[event.key] + tracks.length) % tracks.length];
        next = other.reduce((best, mark) => (Math.abs(mark.x - current.x) < Math.abs(best.x - current.x) ? mark : best));
      } else if (event.key in along) next = track[(track.indexOf(current) + along[event.key] + track.length) % track.length];
      else next = event.key === "Home" ? track[0] : track.at(-1);
      point(next);
      live.textContent = words(next).replaceAll("\n", ", ");
    }
    draw();
    let known = plot.clientWidth;
    new ResizeObserver(() => {
      if (plot.clientWidth !== known) { known = plot.clientWidth; draw(); }
    }).observe(plot);
  }

  // ---- explorer -------------------------------------------------------------------------------------------
  function explore(place, spec) {
    const count = spec.tasks.length;
    const state = { controller: spec.controllers[0], r: spec.tasks.map(() => 1 / count), c: 0, mix: false };
    const decoded = new Map();
    const lattices = spec.lattices.map((lattice) => {
      const rows = [];
      for (let i = 0; i < lattice.preferences.length; i += count) {
        rows.push(lattice.preferences.slice(i, i + count).map((part) => part / lattice.unit));
      }
      return rows;
    });
    function indices(grid) {
      if (!decoded.has(grid)) {
        const numbers = [];
        for (let i = 0; i < grid.runs.length; i += 2) numbers.push(...Array(grid.runs[i]).fill(grid.runs[i + 1]));
        decoded.set(grid, numbers);
      }
      return decoded.get(grid);
    }
    const far = (one, other) => sum(one.map((part, i) => (part - other[i]) ** 2));
    function nearest(rows, r) {
      let best = 0;
      let least = Infinity;
      rows.forEach((row, i) => { const d = far(row, r); if (d < least) { least = d; best = i; } });
      return best;
    }
    const nearestOf = (numbers, x) => numbers.reduce((best, n, i) =>
      (Math.abs(n - x) < Math.abs(numbers[best] - x) ? i : best), 0);
    const pointAt = (controller, c) => {
      const all = controller.recorded;
      return all[nearestOf(all.map((point) => point.c ?? 0), c)];
    };
    const resourcesOf = (controller) => (controller.grid
      ? controller.grid.resources : [...new Set(controller.recorded.map((point) => point.c ?? 0))].sort((a, b) => a - b));

    // What the grid holds at its nearest point, or a record where that is nearer, so that both agree where both are.
    function predicted() {
      const { controller, r, c } = state;
      const { grid } = controller;
      const point = pointAt(controller, c);
      const recorded = nearest(point.preferences, r);
      const away = Math.sqrt(far(point.preferences[recorded], r));
      if (grid) {
        const rows = lattices[grid.lattice];
        const row = nearestOf(grid.resources, c);
        const cell = nearest(rows, r);
        const distance = Math.sqrt(far(rows[cell], r));
        const evaluated = Math.abs((point.c ?? 0) - grid.resources[row]) < 1e-9 && point.trees[recorded];
        if (!evaluated || distance <= away) {
          const tree = indices(grid)[row * rows.length + cell];
          return { tree: grid.trees[tree], parameters: grid.parameters[tree], macs: grid.macs[tree], point, recorded, away,
            distance };
        }
      }
      return { tree: point.trees[recorded] ?? null, parameters: point.parameters[recorded] ?? null,
        macs: point.macs[recorded] ?? null, point, recorded, away, distance: null };
    }
    function weights(point) {
      if (!state.mix) return point.preferences.map((_, i) => (i === nearest(point.preferences, state.r) ? 1 : 0));
      const raw = point.preferences.map((row) => 1 / (far(row, state.r) + 1e-6));
      const total = sum(raw);
      return raw.map((weight) => weight / total);
    }

    // controls
    const seedPlace = make("span");
    let arm = state.controller.arm;
    const armSelect = select("Arm", spec.arms.map((one, i) => ({ value: i, label: one.label })), (value) => {
      arm = Number(value);
      chooseSeed();
    });
    function chooseSeed() {
      const of = spec.controllers.filter((one) => one.arm === arm);
      const same = of.find((one) => one.seed === state.controller.seed) ?? of[0];
      const field = select("Seed", of.map((one) => ({ value: one.seed, label: `seed ${one.seed}` })), (value) => {
        setController(of.find((one) => one.seed === Number(value)));
      });
      field.querySelector("select").value = String(same.seed);
      seedPlace.replaceChildren(field);
      setController(same);
    }
    const sliders = spec.tasks.map((task, i) => {
      const output = make("output", {});
      const input = make("input", {
        type: "range", min: 0, max: 1, step: 0.01, "aria-label": `Share of ${task} in the preference`,
        "data-task": i, oninput: (event) => setShare(i, Number(event.target.value)),
      });
      return { output, input, row: make("div", { class: "slider" },
        make("b", {}, make("i", { style: { background: colour(i) } }), ...breakable(task)), output, input) };
    });
    const presets = [["equal", spec.tasks.map(() => 1 / count)],
      ...(count <= 5 ? spec.tasks.map((task, i) => [task, spec.tasks.map((_, j) => (i === j ? 1 : 0))]) : [])];
    const resourceOutput = make("output", {});
    const resourceInput = make("input", {
      type: "range", min: 0, max: 1, step: 0.05, id: "explorer-c", "aria-label": "Resource preference c",
      oninput: (event) => { state.c = Number(event.target.value); update(); },
    });
    const ternary = count === 3 ? makeTernary() : null;
    const legend = make("div", { class: "legend" }, make("span"), make("i"), make("span"));
    const controls = make("div", { class: "controls" },
      ternary ? ternary.svg : null, ternary ? legend : null,
      make("div", { class: count > 6 ? "many" : "" }, ...sliders.map((slider) => slider.row)),
      make("div", { class: "bar", role: "group", "aria-label": "Preferences to jump to" },
        ...presets.map(([label, r]) => make("button", { type: "button", class: "chip",
          onclick: () => { state.r = [...r]; update(); } }, label))),
      make("div", { class: "resource" },
        make("div", { class: "slider" }, make("b", {}, "Resource preference c"), resourceOutput, resourceInput),
        make("div", { class: "ends" }, make("span", {}, "0 accurate"), make("span", {}, "frugal 1"))));

    // outcome
    const parameters = make("dd", { id: "explorer-parameters" });
    const share = make("p", { class: "note" });
    const meter = make("i");
    const macs = make("dd", { id: "explorer-macs" });
    const shape = make("dd", { id: "explorer-shape" });
    const shapeNote = make("p", { class: "note" });
    const tree = make("div", { class: "wide", id: "explorer-tree" });
    const losses = make("div", { class: "wide" });
    const source = make("p", { class: "source" });
    const live = make("p", { class: "sr", "aria-live": "polite", id: "explorer-live" });
    const mixed = make("button", { type: "button", class: "chip", "aria-pressed": "false",
      onclick: () => {
        state.mix = !state.mix;
        mixed.setAttribute("aria-pressed", String(state.mix));
        update();
      } }, "interpolate losses");
    mixed.style.textDecoration = "none";
    const outcome = make("div", { class: "outcome" },
      make("dl", { class: "numbers" },
        make("div", {}, make("dt", {}, "active parameters"), parameters,
          make("dd", { class: "note" }, make("div", { class: "meter" }, meter), share)),
        make("div", {}, make("dt", {}, "MACs for an image"), macs),
        make("div", {}, make("dt", {}, "nodes that run"), shape, make("dd", { class: "note" }, shapeNote))),
      tree, losses, source, make("div", { class: "bar" }, mixed), live);
    place.replaceChildren(make("div", { class: "bar head" }, armSelect, seedPlace), controls, outcome);

    // What moves says itself where it is; what comes of it is said once it stands still.
    let telling = 0;
    let moved = false;
    function tell(text) {
      if (!moved) return;
      clearTimeout(telling);
      telling = setTimeout(() => { if (live.textContent !== text) live.textContent = text; }, 600);
    }
    function setShare(task, value) {
      const rest = 1 - state.r[task];
      state.r = state.r.map((part, i) => {
        if (i === task) return value;
        return rest > 1e-9 ? part * (1 - value) / rest : (1 - value) / (count - 1);
      });
      update();
    }
    function setController(controller) {
      state.controller = controller;
      const resources = resourcesOf(controller);
      const gaps = resources.slice(1).map((c, i) => c - resources[i]);
      const even = gaps.every((gap) => Math.abs(gap - gaps[0]) < 1e-9);
      resourceInput.disabled = resources.length < 2;
      resourceInput.min = resources[0] ?? 0;
      resourceInput.max = resources.at(-1) ?? 0;
      resourceInput.step = even && gaps.length ? gaps[0] : 0.01;
      if (even) state.c = resources[nearestOf(resources, state.c)] ?? 0;
      update();
    }
    function update() {
      const { controller, r, c } = state;
      const found = predicted();
      sliders.forEach((slider, i) => {
        slider.input.value = r[i];
        slider.input.setAttribute("aria-valuetext", percent(r[i]));
        slider.output.textContent = percent(r[i]);
      });
      resourceInput.value = c;
      resourceOutput.textContent = c.toFixed(2);
      const known = found.parameters !== null;
      parameters.textContent = known ? short(found.parameters) : "not recorded";
      share.textContent = known ? `${percent(found.parameters / controller.anchor)} of the anchor net` : "";
      meter.style.width = known ? `${100 * found.parameters / controller.anchor}%` : "0";
      macs.textContent = found.macs !== null && found.macs !== undefined ? short(found.macs) : "not recorded";
      drawTree(found.tree);
      drawLosses(found);
      if (ternary) ternary.update();
      tell(`${parameters.textContent} active parameters, ${macs.textContent} MACs, ${shape.textContent} nodes run`);
    }
    function drawTree(paths) {
      if (!paths) {
        tree.replaceChildren(make("p", { class: "note" }, "This method has no trees."));
        shape.textContent = "–";
        shapeNote.textContent = "";
        return;
      }
      const layers = paths[0].length;
      const names = Math.max(...spec.tasks.map((task) => cut(task, 28).length));
      const gap = layers > 8 ? 52 : 82;
      const lane = count > 8 ? 26 : 52;
      const left = 98;
      const width = left + gap * (layers - 1) + gap + 20 + names * 8;
      const height = lane * count + 40;
      const x = (layer) => left + layer * gap;
      const y = (stream) => 24 + lane * (stream + 0.5);
      const svg = make("svg", { class: "tree", viewBox: `0 0 ${width} ${height}`, role: "img",
        style: count > 8 ? { minWidth: `${Math.min(width, 640)}px`, maxHeight: "none" } : {} });
      const used = new Set();
      paths.forEach((path) => path.forEach((stream, layer) => used.add(`${layer},${stream}`)));
      const offset = (task) => (task - (count - 1) / 2) * Math.min(5, 18 / count);
      paths.forEach((path, task) => {
        const shift = offset(task);
        const points = [[50, y((count - 1) / 2) + shift], ...path.map((stream, layer) => [x(layer), y(stream) + shift]),
          [x(layers - 1) + gap, y(task)]];
        const d = points.map(([a, b], i) => {
          if (!i) return `M${a} ${b}`;
          const middle = (points[i - 1][0] + a) / 2;
          return `C${middle} ${points[i - 1][1]} ${middle} ${b} ${a} ${b}`;
        }).join("");
        svg.append(make("path", { d, fill: "none", style: { stroke: colour(task) },
          "stroke-width": (1.4 + 3 * state.r[task]).toFixed(2), "stroke-linecap": "round" }));
      });
      for (let layer = 0; layer < layers; layer += 1) {
        svg.append(make("text", { x: x(layer), y: height - 4, "text-anchor": "middle" },
          layers > 12 ? `${layer + 1}` : `layer ${layer + 1}`));
        for (let stream = 0; stream < count; stream += 1) {
          const on = used.has(`${layer},${stream}`);
          svg.append(make("circle", { cx: x(layer), cy: y(stream), r: on ? (count > 8 ? 6 : 11) : 4,
            class: on ? "on" : "off", "fill-opacity": on ? 0.85 : 1 }));
        }
      }
      svg.append(make("text", { x: 4, y: y((count - 1) / 2) + 4 }, "image"));
      paths.forEach((_, task) => svg.append(
        make("circle", { cx: x(layers - 1) + gap, cy: y(task), r: 5, style: { fill: colour(task) } }),
        make("text", { class: "name", x: x(layers - 1) + gap + 11, y: y(task) + 4 }, cut(spec.tasks[task], 28))));
      const shared = paths.length * layers - used.size;
      shape.textContent = `${used.size} of ${layers * count}`;
      shapeNote.textContent = shared ? `${shared} saved by sharing` : "nothing is shared";
      svg.setAttribute("aria-label", `Predicted tree: ${spec.tasks.map((task, i) =>
        `${task} passes streams ${paths[i].map((stream) => stream + 1).join(" ")}`).join("; ")}`);
      tree.replaceChildren(svg);
    }
    function drawLosses({ point, recorded, away, distance }) {
      const share = weights(point);
      const mean = (values) => sum(values.map((value, i) => value * share[i]));
      const kinds = [...new Set(Object.keys(point.metrics).map((name) => name.split("/").slice(1).join("/")))];
      const rows = spec.tasks.map((task, i) => make("tr", {},
        make("th", { scope: "row" }, make("i", { style: { background: colour(i) } }), ...breakable(task)),
        make("td", {}, percent(state.r[i])),
        make("td", {}, short(mean(point.losses.map((row) => row[i])))),
        ...kinds.map((kind) => {
          const values = point.metrics[`${task}/${kind}`];
          return make("td", {}, values ? short(mean(values)) : "–");
        })));
      losses.replaceChildren(make("table", { class: "losses" },
        make("thead", {}, make("tr", {}, make("th", { scope: "col" }, "task"), make("th", { scope: "col" }, "share"),
          make("th", { scope: "col" }, "test loss"), ...kinds.map((kind) =>
            make("th", { scope: "col" }, kind.replaceAll("_", " "))))),
        make("tbody", {}, ...rows)));
      const at = count > 6 ? `number ${recorded + 1} of ${point.preferences.length}`
        : point.preferences[recorded].map((part) => part.toFixed(2)).join(", ");
      const c = point.c === null ? "" : `, c = ${point.c}`;
      const evaluated = `the nearest evaluated preference (${at}${c}), ${away.toFixed(2)} away`;
      const computed = !state.controller.grid
        ? "The controller's weights are not in the store: all is shown as recorded at the nearest evaluated preference. "
        : distance === null ? `Tree, parameters and multiply-accumulates: as recorded at ${evaluated}. `
          : "Tree, parameters and multiply-accumulates: what the trained controller predicts at the nearest point of a "
            + `grid, ${distance.toFixed(2)} away. `;
      source.textContent = computed + (state.mix
        ? `Losses: inverse-distance mean of ${point.preferences.length} recorded preferences${c}; nothing was measured here.`
        : `Losses: as recorded at ${evaluated}.`)
        + ` Record ${state.controller.address}.`;
    }

    function makeTernary() {
      const size = 300;
      const corners = [[150, 26], [22, 248], [278, 248]];
      const place2 = (r) => [0, 1].map((axis) => sum(r.map((part, i) => part * corners[i][axis])));
      const svg = make("svg", { class: "ternary", viewBox: `0 0 ${size} 274`, role: "group",
        "aria-label": "Task preference as a point in a triangle" });
      const cells = make("g", { "aria-hidden": "true" });
      const seen = make("g", { "aria-hidden": "true" });
      const ring = make("circle", { class: "ring", r: 9, fill: "none", "stroke-width": 2.5, style: { stroke: "#fff" } });
      const handle = make("g", { class: "handle", tabindex: 0, role: "slider", "aria-label":
        "Task preference. Arrow keys move it; hold Shift for large steps.", "aria-valuemin": 0, "aria-valuemax": 100 },
      make("circle", { r: 17, fill: "transparent" }),
      make("circle", { r: 11.5, fill: "none", stroke: "#000", "stroke-width": 2 }), ring,
      make("circle", { r: 2.5, fill: "#fff", stroke: "#000" }));
      svg.append(cells, make("polygon", { points: corners.map((corner) => corner.join(",")).join(" "), fill: "none",
        class: "axis" }), seen);
      corners.forEach(([cx, cy], i) => {
        const long = i > 0 && spec.tasks[i].length > 8; // begins or ends at the edge, so that it stays inside
        svg.append(make("text", { class: "corner", x: !long ? clamp(cx, 34, 266) : i === 1 ? 0 : size,
          y: cy + (i ? 20 : -10), "text-anchor": !long ? "middle" : i === 1 ? "start" : "end" }, cut(spec.tasks[i], 17)));
      });
      svg.append(handle);
      let drawn = null;
      let shapes = [];
      const extremes = new Map();

      function fromPoint(event) {
        const matrix = svg.getScreenCTM().inverse();
        const p = new DOMPoint(event.clientX, event.clientY).matrixTransform(matrix);
        const [[ax, ay], [bx, by], [cx, cy]] = corners;
        const area = (by - cy) * (ax - cx) + (cx - bx) * (ay - cy);
        const a = ((by - cy) * (p.x - cx) + (cx - bx) * (p.y - cy)) / area;
        const b = ((cy - ay) * (p.x - cx) + (ax - cx) * (p.y - cy)) / area;
        const raw = [a, b, 1 - a - b].map((part) => Math.max(0, part));
        state.r = raw.map((part) => part / sum(raw));
        update();
      }
      svg.addEventListener("pointerdown", (event) => {
        svg.setPointerCapture(event.pointerId);
        event.preventDefault();
        handle.focus({ preventScroll: true });
        fromPoint(event);
      });
      svg.addEventListener("pointermove", (event) => {
        if (svg.hasPointerCapture(event.pointerId)) fromPoint(event);
      });
      handle.addEventListener("keydown", (event) => {
        const step = event.shiftKey ? 0.1 : 0.02;
        const moves = { ArrowUp: [1, -0.5, -0.5], ArrowDown: [-1, 0.5, 0.5], ArrowRight: [0, -1, 1],
          ArrowLeft: [0, 1, -1], Home: null };
        if (!(event.key in moves)) return;
        event.preventDefault();
        if (event.key === "Home") state.r = [1 / 3, 1 / 3, 1 / 3];
        else {
          const raw = state.r.map((part, i) => Math.max(0, part + step * moves[event.key][i]));
          state.r = raw.map((part) => part / sum(raw));
        }
        update();
      });

      function rangeOf(controller) {
        if (!extremes.has(controller)) {
          const values = controller.grid ? controller.grid.parameters
            : controller.recorded.flatMap((point) => point.parameters);
          extremes.set(controller, [Math.min(...values), Math.max(...values)]);
        }
        return extremes.get(controller);
      }
      function redraw() {
        const { controller, c } = state;
        const [low, high] = rangeOf(controller);
        const point = pointAt(controller, c);
        const grid = controller.grid;
        const rows = grid ? lattices[grid.lattice] : point.preferences;
        if (drawn !== rows) {
          shapes = rows.map((row) => {
            const [cx, cy] = place2(row);
            return make("circle", { cx: cx.toFixed(1), cy: cy.toFixed(1), r: grid ? 3.9 : 6 });
          });
          cells.replaceChildren(...shapes);
          drawn = rows;
        }
        const offset = grid ? nearestOf(grid.resources, c) * rows.length : 0;
        shapes.forEach((shape, i) => {
          const value = grid ? grid.parameters[indices(grid)[offset + i]] : point.parameters[i];
          shape.setAttribute("fill", value === undefined ? "var(--faint)"
            : heat(high > low ? (value - low) / (high - low) : 1));
        });
        seen.replaceChildren(...(grid ? point.preferences.map((row) => {
          const [cx, cy] = place2(row);
          return make("circle", { cx: cx.toFixed(1), cy: cy.toFixed(1), r: 2.2, fill: "#fff", stroke: "#000",
            "stroke-width": 0.8 });
        }) : []));
        const [first, , last] = legend.children;
        first.textContent = Number.isFinite(low) ? short(low) : "";
        last.textContent = Number.isFinite(high) ? `${short(high)} active parameters` : "";
      }
      let key = "";
      return { svg, update() {
        const next = `${spec.controllers.indexOf(state.controller)} ${state.c}`;
        if (next !== key) { key = next; redraw(); }
        const [x, y] = place2(state.r);
        handle.setAttribute("transform", `translate(${x.toFixed(2)} ${y.toFixed(2)})`);
        handle.setAttribute("aria-valuenow", Math.round(100 * state.r[0]));
        handle.setAttribute("aria-valuetext", spec.tasks.map((task, i) => `${task} ${percent(state.r[i])}`).join(", "));
      } };
    }
    chooseSeed();
    moved = true;
  }

  // ---- page -----------------------------------------------------------------------------------------------
  document.getElementById("unscripted").remove();
  for (const table of document.querySelectorAll(".dymu-table table")) sortable(table);
  for (const table of document.querySelectorAll(".claims table")) keepRoles(table);
  for (const claims of document.querySelectorAll(".claims")) allOrNone(claims);
  for (const scroller of document.querySelectorAll(".dymu-table .scroll")) fit(scroller);
  if (data.explorer) explore(document.getElementById("explorer-view"), data.explorer);
  for (const chart of data.charts) drawChart(document.getElementById(`chart-${chart.id}`), chart);
  const links = new Map([...document.querySelectorAll("nav a")].map((link) => [link.hash.slice(1), link]));
  const watcher = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      for (const link of links.values()) link.removeAttribute("aria-current");
      links.get(entry.target.id)?.setAttribute("aria-current", "true");
    }
  }, { rootMargin: "-15% 0px -75% 0px" });
  for (const section of document.querySelectorAll("main section")) watcher.observe(section);
  document.documentElement.dataset.ready = "true";
})();
