// The page of a run that goes on. The run tells it twice a second what to show; at the end it is told where the report is, and loads
// that. Every text and every figure comes ready to be shown.
(() => {
  const root = document.documentElement;
  const ink = (name) => () => getComputedStyle(root).getPropertyValue(name).trim();
  const faint = (name) => () => `${ink(name)()}B3`;
  const at = (id) => document.getElementById(id);
  const write = (id, text) => {
    if (at(id).textContent !== text) at(id).textContent = text;
  };
  function element(name, className, text = "") {
    const made = document.createElement(name);
    made.className = className;
    made.textContent = text;
    return made;
  }

  const STAGES = {
    preparing: ["Preparing", "The trials have not begun yet."],
    running: ["Running", "The report opens here when the run ends."],
    judging: ["Judging", "The trials are over. The report is being made, and opens here."],
    lost: ["Disconnected", "The run has ended or was stopped. The terminal says what came of it."],
  };
  function stage(name) {
    const [strong, rest] = STAGES[name];
    const box = at("stage");
    if (box.dataset.name === name) return;
    box.dataset.name = name;
    box.className = `verdict measured ${name}`;
    box.replaceChildren(element("strong", "", strong), element("span", "", rest));
  }

  const MINUTE = [-60, 0], HEIGHT = 170;
  const stepped = uPlot.paths.stepped({ align: 1 });
  const axis = (more) => ({
    stroke: ink("--ink-muted"), font: "12px system-ui, sans-serif", ticks: { stroke: ink("--ink-axis"), width: 1, size: 4 }, gap: 3, ...more,
  });
  // A line where a fault was begun.
  let faults = [];
  function mark(plot) {
    const { left, top, height } = plot.bbox;
    const context = plot.ctx;
    context.save();
    context.strokeStyle = ink("--ink-text")();
    context.lineWidth = 1.5 * devicePixelRatio;
    context.setLineDash([5 * devicePixelRatio, 3 * devicePixelRatio]);
    faults.map((one) => Math.round(plot.valToPos(one, "x", true))).filter((x) => x >= left).forEach((x) => {
      context.beginPath();
      context.moveTo(x, top);
      context.lineTo(x, top + height);
      context.stroke();
    });
    context.restore();
  }
  const format = new Intl.NumberFormat("en", { maximumFractionDigits: 3 });
  function chart(id, scale, series) {
    const held = at(id);
    const options = {
      width: held.clientWidth, height: HEIGHT, padding: [8, 20, 0, 0], legend: { show: false }, cursor: { show: false }, hooks: { draw: [mark] },
      scales: { x: { time: false, range: () => MINUTE }, y: scale },
      axes: [
        axis({ grid: { show: false }, size: 28, values: (_, places) => places.map((one) => (one ? `${-one} s ago` : "now")), space: 80 }),
        axis({ grid: { stroke: ink("--ink-grid"), width: 1 }, size: 58, space: 34, values: (_, places) => places.map((one) => (one === null ? "" : format.format(one))) }),
      ],
      series: [{}, ...series.map((one) => ({ points: { show: false }, paths: stepped, ...one }))],
    };
    const plot = new uPlot(options, [[], ...series.map(() => [])], held);
    new ResizeObserver(() => plot.setSize({ width: held.clientWidth, height: HEIGHT })).observe(held);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => plot.redraw());
    return plot;
  }
  const upTo = (_, low, high) => [0, Math.max(high ?? 0, 1) * 1.1];
  // A factor of ten at least: noise is not to look like news.
  const decades = (_, low, high) => {
    const least = 10 ** Math.floor(Math.log10(Math.max(low ?? 1, 0.01)));
    return [least, Math.max(10 ** Math.ceil(Math.log10(high ?? 10)), least * 10)];
  };
  const rates = chart("rates", { range: upTo }, [
    { stroke: ink("--ink-axis"), width: 2, dash: [6, 4] },
    { stroke: ink("--ink-loss"), width: 1, fill: faint("--ink-loss") },
    { stroke: ink("--ink-measure"), width: 2 },
  ]);
  const latencies = chart("latencies", { distr: 3, range: decades }, [{ stroke: ink("--ink-measure"), width: 2 }]);

  // A list is replaced only if it changed: what a reader marked stays marked.
  const told = new Map();
  function list(id, value, make) {
    const text = JSON.stringify(value);
    if (told.get(id) === text) return;
    told.set(id, text);
    const place = at(id);
    (place.tBodies?.[0] ?? place).replaceChildren(...value.map(make));
  }

  function show(run) {
    write("name", run.name);
    document.title = `${run.number}/${run.total} · ${run.name}`;
    write("trial", `Trial ${run.number} of ${run.total}`);
    write("arm", run.trial);
    write("left", run.left);
    at("progress").max = run.total;
    at("progress").value = run.ended;
    list("phases", run.phases, ({ name, state }) => {
      const item = element("li", state, name);
      if (state === "now") item.setAttribute("aria-current", "step");
      return item;
    });
    const { load, series } = run;
    ["answered", "failed", "median", "slowest"].forEach((name) => write(name, load[name]));
    write("offered", `of ${load.offered} offered`);
    at("failed").className = load.is_failing ? "bad" : "";
    faults = series.faults_s;
    rates.setData([series.at_s, series.offered_per_s, series.failed_per_s, series.correct_per_s]);
    latencies.setData([series.at_s, series.slowest_ms]);
    const landed = run.landed.length ? run.landed : [null];
    list("landed", landed, (one) => {
      if (!one) return element("li", "none", "None yet.");
      const item = element("li", "");
      item.append(element("time", "", one.after), element("span", "", one.what));
      return item;
    });
    write("ledger", run.ledger.join(", "));
    at("lost").hidden = !run.lost?.length;
    list("lost", run.lost ?? [], (one) => {
      const row = element("tr", "");
      const head = element("th", "", one.arm);
      head.scope = "row";
      row.append(head, element("td", one.is_loss ? "bad" : "good", one.gone), element("td", "", one.looked_at));
      return row;
    });
  }

  const source = new EventSource("/events");
  source.addEventListener("moment", ({ data }) => {
    const moment = JSON.parse(data);
    stage(moment.stage);
    if (moment.run) show(moment.run);
  });
  source.addEventListener("report", ({ data }) => {
    source.close();
    location.replace(data);
  });
  source.addEventListener("error", () => {
    source.close();
    stage("lost");
  });
})();
