// Where the risk is: teams, carriers and pools, main reasons, the days before; and what changed since last week.
(() => {
  "use strict";
  const { data, words, dom, lines, parts, charts, table } = window.bancast;
  const { t, tn, number, percent, date, pick } = words;
  const { el, get } = dom;
  const MOST_BARS = 10, MOST_LINES = 50;
  let kind = "team", open = () => {};

  const groupName = (group) => (group.name === null ? t("not known") : group.name);
  const toGroup = (by, name) => {
    table.group(by, name);
    open("lines");
  };
  const expectedText = (group) => number(group.expected, 1) + (group.range ? " " + t("({low} to {high})", { low: number(group.range[0]), high: number(group.range[1]) }) : "");

  const drawGroups = () => {
    const host = get("group-chart");
    const shown = data.groups[kind].filter((group) => group.levels[0] + group.levels[1] + group.levels[2] > 0).slice(0, MOST_BARS);
    const narrow = host.clientWidth < 420;
    host.hidden = !shown.length;
    get("group-none").hidden = shown.length > 0;
    if (shown.length) {
      host.style.height = 60 + 26 * Math.max(3, shown.length) + "px";
      const made = charts.chart(host, {
        tooltip: charts.tooltip(),
        legend: charts.legend({ itemWidth: 12, data: [0, 1, 2].map(charts.levelName) }),
        grid: { left: 4, right: narrow || !data.forecasts ? 12 : 120, top: 6, bottom: 32, containLabel: true },
        xAxis: { type: "value", ...charts.quietAxis() },
        yAxis: charts.nameAxis(shown.map(groupName), narrow ? 90 : 140),
        series: [0, 1, 2].map((level) => ({
          name: charts.levelName(level), type: "bar", stack: "levels", barMaxWidth: 18, cursor: "pointer",
          itemStyle: { color: charts.colour(data.levels[level][0]), borderColor: charts.colour("panel"), borderWidth: 1 },
          data: shown.map((group) => group.levels[level]),
        })).concat(narrow || !data.forecasts ? [] : [{
          name: t("Expected bans"), type: "bar", stack: "levels", data: shown.map(() => 0), tooltip: { show: false }, silent: true, itemStyle: { color: "transparent" },
          label: { show: true, position: "right", color: charts.colour("soft"), fontSize: 11, formatter: (item) => t("{n} bans expected", { n: number(shown[item.dataIndex].expected, 1) }) },
        }]),
      }, t("Lines on the list by group and level; the table below says the same"));
      made.on("click", (event) => toGroup(kind, shown[event.dataIndex].name));
    }
    const heads = [t("Name"), t("Lines"), ...[0, 1, 2].map(charts.levelName),
      ...(data.forecasts ? [t("Bans expected, {n} days", { n: data.horizons[data.headline] }), t("Per 100 lines")] : [])];
    const rows = data.groups[kind].map((group) => {
      const button = el("button", { type: "button", text: groupName(group) });
      button.addEventListener("click", () => toGroup(kind, group.name));
      return [button, number(group.lines), ...group.levels.slice(0, 3).map((n) => number(n)),
        ...(data.forecasts ? [expectedText(group), number((100 * group.expected) / group.lines, 1)] : [])];
    });
    get("group-table").replaceChildren(parts.table(heads, rows, data.forecasts ? t("Lines and expected bans by group") : t("Lines by group and level")));
    document.querySelectorAll("[data-kind]").forEach((one) => one.setAttribute("aria-pressed", String(one.dataset.kind === kind)));
  };

  const drawFamilies = () => {
    const shown = data.families.slice(0, MOST_BARS), host = get("family-chart");
    get("family-none").hidden = shown.length > 0;
    host.hidden = !shown.length;
    if (!shown.length) return;
    const made = charts.chart(host, {
      tooltip: charts.tooltip(),
      grid: { left: 4, right: 36, top: 2, bottom: 4, containLabel: true },
      xAxis: { type: "value", show: false },
      yAxis: charts.nameAxis(shown.map((family) => pick(family.label)), 150),
      series: [{
        name: t("Lines"), type: "bar", barMaxWidth: 16, data: shown.map((family) => family.lines), cursor: "pointer",
        itemStyle: { color: charts.colour("accent"), borderRadius: [0, 3, 3, 0] },
        label: { show: true, position: "right", color: charts.colour("soft"), formatter: (item) => number(item.value) },
      }],
    }, shown.map((family) => pick(family.label) + " " + number(family.lines)).join(t(", ")));
    made.on("click", (event) => toGroup("family", shown[event.dataIndex].name));
  };

  const drawTrend = () => {
    const days = data.trend, short = (day) => date(day, "short"), forecast = days.some((day) => day.expected !== null);
    get("trend-panel").hidden = days.length < 2;
    if (days.length < 2) return;
    get("trend-sub").textContent = tn("{n} scored day", "{n} scored days", days.length);
    const line = (name, colour, symbol, value) => ({ name, type: "line", symbol, symbolSize: 6, data: days.map((day) => [charts.at(day.day), value(day)]), lineStyle: { color: charts.colour(colour), width: 2 }, itemStyle: { color: charts.colour(colour) } });
    charts.chart(get("trend-chart"), {
      tooltip: { ...charts.tooltip(), axisPointer: { type: "line" }, valueFormatter: (value) => (value === null || value === undefined ? "–" : number(value, Number.isInteger(value) ? 0 : 1)) },
      legend: charts.legend(),
      grid: { left: 4, right: 12, top: 10, bottom: 32, containLabel: true },
      xAxis: charts.timeAxis(short, days.map(({ day }) => day)),
      yAxis: { type: "value", ...charts.quietAxis() },
      series: [line(charts.levelName(0), "red", "triangle", (day) => day.levels[0]),
        ...(forecast ? [line(t("Expected bans"), "accent", "circle", (day) => day.expected)] : [])],
    }, forecast ? t("Red lines and expected bans on each scored day") : t("Red lines on each scored day"));
  };

  const places = (test) => {
    const found = [];
    for (let place = 0; place < lines.count && found.length < MOST_LINES; place++) if (test(lines.columns, place)) found.push(lines.at(place));
    return found;
  };
  const part = (title, many, rows, heads, none, change) => {
    const more = el("button", { type: "button", class: "quiet", text: t("Show them in the list") });
    more.addEventListener("click", () => { table.only({ change }); open("lines"); });
    return el("section", { class: "panel" }, el("h3", {}, title, " ", el("span", { class: "tally", text: number(many) })),
      rows.length ? parts.table(heads, rows, title) : parts.quiet(none),
      many > rows.length && rows.length ? el("p", { class: "small", text: t("{shown} of {all} are shown.", { shown: number(rows.length), all: number(many) }) }) : null,
      rows.length && change ? el("p", { class: "panel-foot" }, more) : null);
  };
  const drawChanges = () => {
    const host = get("changes-body");
    if (!data.previous) return host.replaceChildren(parts.quiet(t("This is the first scored day here: what changed shows from the next one on.")));
    const main = data.headline, risk = (row) => percent(row.risk[main]), then = (row) => (row.riskBefore === null ? t("not scored") : percent(row.riskBefore));
    const reason = (row) => (row.reasons.length ? parts.reasonWords(row.reasons[0]).doc : "–");
    const line = (row) => parts.lineLink(row.id), level = (row) => parts.levelChip(row.level);
    const before = (row) => (row.levelBefore === null ? t("not scored") : charts.levelName(row.levelBefore));
    host.replaceChildren(
      part(t("New on the list"), data.newLines, places((c, at) => c.new[at] === 1).map((row) => [line(row), level(row), then(row) + " → " + risk(row), reason(row)]),
        [t("Line"), { words: t("Level") }, { words: t("Risk then and now") }, { words: t("Why") }], t("Nothing is new on the list."), "new"),
      part(t("Went up a level"), data.upLines, places((c, at) => c.up[at] === 1).map((row) => [line(row), level(row), before(row), then(row) + " → " + risk(row), reason(row)]),
        [t("Line"), { words: t("Level") }, { words: t("Level then") }, { words: t("Risk then and now") }, { words: t("Why") }], t("No line went up a level."), "up"),
      part(t("Back to green"), data.clearedLines, places((c, at) => c.level[at] === 3 && c.level_before[at] < 3).map((row) => [line(row), before(row), then(row) + " → " + risk(row)]),
        [t("Line"), { words: t("Level then") }, { words: t("Risk then and now") }], t("No line of that list is back to green.")),
      part(t("No longer scored"), data.goneLines, data.gone.slice(0, MOST_LINES).map(([id, was, banned]) => [id, charts.levelName(was), banned ? t("a ban began") : t("given up, or banned before")]),
        [t("Line"), { words: t("Level then") }, { words: t("Why") }], t("Every line of that list is still scored.")));
    return null;
  };

  document.querySelectorAll("[data-kind]").forEach((one) => one.addEventListener("click", () => { kind = one.dataset.kind; drawGroups(); }));
  window.bancast.where = {
    drawWhere: () => { drawGroups(); drawFamilies(); drawTrend(); },
    drawChanges,
    onOpen: (go) => { open = go; },
  };
})();
