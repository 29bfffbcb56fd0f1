// The timeline around the fault: a plot for each arm, with zoom, exact values and one cursor for all. The drawing that it
// stands for stays in the page for paper. Every figure comes with the page.
(() => {
  const root = document.documentElement;
  const ink = (name) => () => getComputedStyle(root).getPropertyValue(name).trim();
  const faint = (name, opacity) => () => {
    const [red, green, blue] = [1, 3, 5].map((at) => parseInt(ink(name)().slice(at, at + 2), 16));
    return `rgba(${red},${green},${blue},${opacity})`;
  };
  const format = new Intl.NumberFormat("en", { maximumFractionDigits: 3 });
  const shown = (figure) => format.format(figure).replace("-", "−");

  function element(name, className, text = "") {
    const made = document.createElement(name);
    made.className = className;
    made.textContent = text;
    return made;
  }

  function button(text, act) {
    const made = element("button", "", text);
    made.type = "button";
    made.addEventListener("click", act);
    return made;
  }

  // A box to tick that says what is drawn.
  function toggle(text, className, act) {
    const label = element("label", "toggle");
    const box = document.createElement("input");
    box.type = "checkbox";
    box.checked = true;
    box.addEventListener("change", () => act(box.checked));
    if (className) label.append(element("span", `swatch ${className}`));
    label.prepend(box);
    label.append(text);
    return label;
  }

  // The columns of a plot: when a window begins, and its figures. The last one is repeated where the window ends.
  const CORRECT = [1, 2, 3], FAILED = [4, 5];
  function columns(panel, to) {
    const of = (figure) => panel.windows.map(figure);
    const last = panel.windows.length - 1;
    const data = [
      of((window) => window.from),
      of((window) => window.correct.most),
      of((window) => window.correct.least),
      of((window) => window.correct.median),
      of((window) => window.failed.median),
      // It comes down where nothing failed any more. Along the ground it would say that something did.
      of(({ failed }, place) => failed.most || (panel.windows[place - 1]?.failed.most ? 0 : null)),
    ].map((column) => [...column, column[last]]);
    data[0][last + 1] = panel.windows[last].to;
    // All plots have the same ends, however long they were observed.
    if (panel.windows[last].to < to) data.forEach((column, place) => column.push(place ? null : to));
    return data;
  }

  function markers(panel, fault) {
    return (plot) => {
      const { left, top, width, height } = plot.bbox;
      const context = plot.ctx, ratio = devicePixelRatio;
      const draw = (at, name, colour, side) => {
        const x = Math.round(plot.valToPos(at, "x", true));
        if (x < left || x > left + width) return;
        context.strokeStyle = context.fillStyle = colour();
        context.beginPath();
        context.moveTo(x, top);
        context.lineTo(x, top + height);
        context.stroke();
        context.textAlign = side < 0 ? "right" : "left";
        context.fillText(name, x + side * 4 * ratio, top - 5 * ratio);
      };
      context.save();
      context.lineWidth = 1.5 * ratio;
      context.setLineDash([5 * ratio, 3 * ratio]);
      context.font = `${12 * ratio}px system-ui, sans-serif`;
      context.textBaseline = "alphabetic";
      panel.faults.forEach((at) => draw(at, fault, ink("--ink-text"), -1));
      if (panel.ready !== null) draw(panel.ready, "ready", ink("--ink-good"), 1);
      context.restore();
    };
  }

  function told(window, fault) {
    const spread = (rates) => {
      const range = rates.least === rates.most ? "" : ` (${shown(rates.least)} to ${shown(rates.most)})`;
      return `${shown(rates.median)}/s${range}`;
    };
    const time = `${shown(window.from)} to ${shown(window.to)} s after the ${fault}`;
    return `${time}: correct ${spread(window.correct)}, failed ${spread(window.failed)}`;
  }

  class Timeline {
    constructor(figure, data) {
      this.figure = figure;
      this.data = data;
      this.panels = [];
      const live = element("div", "live");
      this.grid = element("div", data.panels.length > 3 ? "panels two" : "panels");
      live.append(this.head(), this.controls(), this.grid, this.foot());
      figure.prepend(live);
      figure.classList.add("is-live");
      data.panels.forEach((panel) => this.add(panel));
      new ResizeObserver(() => this.resize()).observe(live);
      this.whole.disabled = true;
      matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.each((plot) => plot.redraw()));
    }

    each(act) {
      this.panels.forEach(({ plot }) => act(plot));
    }

    head() {
      const head = element("div", "head");
      head.append(element("h3", "", this.data.title), element("p", "", this.data.subtitle));
      return head;
    }

    foot() {
      const foot = element("div", "foot");
      foot.append(element("p", "", `seconds after the ${this.data.fault}`));
      this.data.silent.forEach(([name, why]) => {
        const line = element("p", "");
        line.append(element("strong", "", name), ` ${why}`);
        foot.append(line);
      });
      return foot;
    }

    controls() {
      const bar = element("div", "controls");
      const group = (name, ...parts) => {
        const made = element("div", "group");
        made.setAttribute("role", "group");
        made.setAttribute("aria-label", name);
        made.append(...parts);
        bar.append(made);
      };
      const series = (places) => (show) => this.each((plot) => places.forEach((place) => plot.setSeries(place, { show })));
      group(
        "What is drawn",
        toggle("correct, median and range", "correct", series(CORRECT)),
        toggle("failed, median below the most", "failed", series(FAILED)),
      );
      if (this.data.panels.length > 1) {
        group("Arms", ...this.data.panels.map((panel, place) => toggle(panel.name, "", (show) => this.show(place, show))));
      }
      this.whole = button("Whole time", () => this.zoom(this.data.from, this.data.to));
      group("Zoom", button("Zoom in", () => this.scale(0.5)), button("Zoom out", () => this.scale(2)), this.whole);
      return bar;
    }

    show(place, is) {
      this.panels[place].box.hidden = !is;
      this.resize();
    }

    add(panel) {
      const { data } = this;
      const box = element("div", "panel");
      const reading = element("p", "reading", panel.about);
      const held = element("div", "plot");
      held.tabIndex = 0;
      held.setAttribute("role", "group");
      held.setAttribute("aria-label", `${panel.name}: operations per second. Arrow keys read the values, + and − zoom, 0 shows all.`);
      box.append(element("h4", "", panel.name), reading, held);
      this.grid.append(box);
      const stepped = uPlot.paths.stepped({ align: 1 });
      const line = (stroke, width, more) => ({ stroke, width, paths: stepped, points: { show: false }, ...more });
      const none = () => "transparent";
      const axis = (more) => ({
        stroke: ink("--ink-muted"), font: "12px system-ui, sans-serif", ticks: { stroke: ink("--ink-axis"), width: 1, size: 4 },
        gap: 3, ...more,
      });
      const options = {
        width: 300, height: 150, padding: [20, 8, 0, 0], legend: { show: false },
        scales: { x: { time: false }, y: { range: [0, data.most] } },
        cursor: {
          y: false, points: { show: false }, drag: { x: true, y: false, setScale: false },
          bind: { dblclick: () => () => this.zoom(data.from, data.to) },
          sync: { key: "timeline", scales: ["x", null], filters: { pub: (type) => type.startsWith("mouse") && !/down|up/.test(type) } },
        },
        axes: [
          axis({ grid: { show: false }, size: 26, values: (_, at) => at.map((one) => shown(one)) }),
          axis({ grid: { stroke: ink("--ink-grid"), width: 1 }, size: 48, space: 34 }),
        ],
        series: [
          {},
          line(none, 0), line(none, 0), line(ink("--ink-measure"), 2),
          line(none, 0, { fill: faint("--ink-loss", 0.7) }), line(ink("--ink-loss"), 1),
        ],
        bands: [{ series: [1, 2], fill: faint("--ink-measure", 0.22) }],
        hooks: {
          draw: [markers(panel, data.fault)],
          setSelect: [(plot) => this.select(plot)],
          setCursor: [(plot) => {
            const at = plot.cursor.left < 0 ? null : plot.posToVal(plot.cursor.left, "x");
            const window = at === null ? null : panel.windows.find(({ from, to }) => from <= at && at < to);
            reading.textContent = window ? told(window, data.fault) : panel.about;
          }],
        },
      };
      const plot = new uPlot(options, columns(panel, data.to), held);
      held.addEventListener("keydown", (event) => this.key(event, plot, panel, reading));
      held.addEventListener("blur", () => {
        reading.removeAttribute("aria-live");
        plot.setCursor({ left: -10, top: -10 }, true, true);
      });
      this.panels.push({ plot, box });
    }

    key(event, plot, panel, reading) {
      const { min, max } = plot.scales.x;
      const acts = {
        "+": () => this.scale(0.5), "=": () => this.scale(0.5), "-": () => this.scale(2), 0: () => this.whole.click(),
        ArrowLeft: () => this.step(plot, panel, -1), ArrowRight: () => this.step(plot, panel, 1),
      };
      const act = acts[event.key];
      if (!act || event.ctrlKey || event.metaKey || event.altKey || !(min < max)) return;
      event.preventDefault();
      reading.setAttribute("aria-live", "polite");
      act();
    }

    // Moves the cursor to the next window; at first to the one of the fault.
    step(plot, panel, by) {
      const at = plot.cursor.left < 0 ? null : plot.posToVal(plot.cursor.left, "x");
      const place = at === null
        ? panel.windows.findIndex(({ to }) => to > 0)
        : panel.windows.findIndex(({ to }) => to > at) + by;
      const window = panel.windows[Math.min(Math.max(place, 0), panel.windows.length - 1)];
      const left = plot.valToPos((window.from + window.to) / 2, "x");
      plot.setCursor({ left, top: 20 }, true, true);
    }

    // Shows a part of what is shown, or more: around the cursor, or else around the fault.
    scale(by) {
      const { plot } = this.panels.find(({ box }) => !box.hidden) ?? this.panels[0];
      const { min, max } = plot.scales.x;
      const { left } = plot.cursor;
      const middle = left >= 0 ? plot.posToVal(left, "x") : min < 0 && 0 < max ? 0 : (min + max) / 2;
      const share = (middle - min) / (max - min);
      const width = (max - min) * by;
      this.zoom(middle - share * width, middle + (1 - share) * width);
    }

    // Shows what was marked by dragging.
    select(plot) {
      const { left, width } = plot.select;
      if (width === 0) return;
      plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
      this.zoom(plot.posToVal(left, "x"), plot.posToVal(left + width, "x"));
    }

    // Shows this part of the time in all plots, and not less than a window.
    zoom(from, to) {
      const { data } = this;
      const more = Math.max(data.window - (to - from), 0) / 2;
      const [min, max] = [Math.max(from - more, data.from), Math.min(to + more, data.to)];
      this.each((plot) => plot.setScale("x", { min, max }));
      this.whole.disabled = min <= data.from && max >= data.to;
    }

    resize() {
      this.panels.forEach(({ plot, box }) => {
        const width = box.clientWidth;
        if (width > 0 && width !== plot.width) plot.setSize({ width, height: 150 });
      });
    }
  }

  // The page has a window as a list, which is short.
  const rates = (median, least, most) => ({ median, least, most });
  const unpacked = ([from, to, ...of]) => ({ from, to, correct: rates(...of.slice(0, 3)), failed: rates(...of.slice(3)) });

  document.querySelectorAll("figure > script.series").forEach((held) => {
    const data = JSON.parse(held.textContent);
    data.panels.forEach((panel) => { panel.windows = panel.windows.map(unpacked); });
    new Timeline(held.parentElement, data);
  });
})();
