// The charts of the overview: groups by level, main reasons, and the days before.
(() => {
  "use strict";
  const { data, words, dom } = window.bancast;
  const { t, tn, number, date, pick } = words;
  const MOST_BARS = 8;
  const live = new Map();

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
  const font = () => getComputedStyle(document.body).fontFamily;
  const chart = (host, option, label) => {
    if (live.has(host)) live.get(host).dispose();
    const made = echarts.init(host, null, { renderer: "svg" });
    made.setOption({ animation: false, textStyle: { fontFamily: font(), color: colour("soft") }, ...option });
    live.set(host, made);
    if (label) host.setAttribute("aria-label", label);
    return made;
  };
  const close = (host) => {
    if (live.has(host)) live.get(host).dispose();
    live.delete(host);
  };
  const tooltip = () => ({
    trigger: "axis", axisPointer: { type: "shadow" }, confine: true, backgroundColor: colour("panel"), borderColor: colour("line"),
    textStyle: { color: colour("ink"), fontSize: 12 },
  });
  const quietAxis = () => ({
    axisLine: { show: false }, axisTick: { show: false }, axisLabel: { color: colour("faint"), fontSize: 11 },
    splitLine: { lineStyle: { color: colour("line") } }, minInterval: 1,
  });
  const nameAxis = (names, width) => ({
    type: "category", inverse: true, data: names, axisLine: { lineStyle: { color: colour("line") } }, axisTick: { show: false },
    axisLabel: { color: colour("ink"), fontSize: 12, width, overflow: "truncate", interval: 0 },
  });
  const levelName = (place) => data.levels[place][1] + " " + t(data.levels[place][2]);
  const groupName = (group) => (group.name === null ? t("not known") : group.name);

  const drawGroups = (kind, onPick) => {
    const host = dom.get("group-chart");
    const all = data.groups[kind].filter((group) => group.levels[0] + group.levels[1] + group.levels[2] > 0);
    const shown = all.slice(0, MOST_BARS);
    const narrow = host.clientWidth < 420;
    const made = chart(host, {
      tooltip: tooltip(),
      legend: { bottom: 0, left: 0, itemWidth: 12, itemHeight: 10, itemGap: 16, selectedMode: false, textStyle: { color: colour("soft") } },
      grid: { left: 4, right: narrow ? 12 : 110, top: 6, bottom: 32, containLabel: true },
      xAxis: { type: "value", ...quietAxis() },
      yAxis: nameAxis(shown.map(groupName), narrow ? 90 : 130),
      series: [0, 1, 2].map((level) => ({
        name: levelName(level), type: "bar", stack: "levels", barMaxWidth: 18, cursor: "pointer",
        itemStyle: { color: colour(data.levels[level][0]), borderColor: colour("panel"), borderWidth: 1 },
        data: shown.map((group) => group.levels[level]),
      })).concat(narrow ? [] : [{
        name: t("Expected bans"), type: "bar", stack: "levels", data: shown.map(() => 0), tooltip: { show: false }, legendHoverLink: false,
        itemStyle: { color: "transparent" }, silent: true,
        label: { show: true, position: "right", color: colour("soft"), fontSize: 11,
          formatter: (item) => t("{n} bans expected", { n: number(shown[item.dataIndex].expected, 1) }) },
      }]),
    }, t("Lines on the list by group and level; the table below says the same"));
    made.setOption({ legend: { data: [0, 1, 2].map(levelName) } });
    made.on("click", (event) => onPick(shown[event.dataIndex].name));
  };

  const drawGroupTable = (kind, onPick) => {
    const { el } = dom;
    const heads = [t("Name"), t("Lines"), ...[0, 1, 2].map(levelName), t("Expected bans"), t("Per 100 lines")];
    const rows = data.groups[kind].map((group) => {
      const button = el("button", { type: "button", text: groupName(group) });
      button.addEventListener("click", () => onPick(group.name));
      return el("tr", {}, el("th", { scope: "row" }, button), ...[
        number(group.lines), ...group.levels.slice(0, 3).map((n) => number(n)), number(group.expected, 1),
        number((100 * group.expected) / group.lines, 1),
      ].map((text) => el("td", { text })));
    });
    dom.get("group-table").replaceChildren(
      el("thead", {}, el("tr", {}, ...heads.map((text) => el("th", { scope: "col", text })))), el("tbody", {}, ...rows));
  };

  const drawFamilies = (onPick) => {
    const host = dom.get("family-chart");
    const shown = data.families.slice(0, MOST_BARS);
    const made = chart(host, {
      tooltip: tooltip(),
      grid: { left: 4, right: 36, top: 2, bottom: 4, containLabel: true },
      xAxis: { type: "value", show: false },
      yAxis: nameAxis(shown.map((family) => pick(family.label)), 150),
      series: [{
        name: t("Lines"), type: "bar", barMaxWidth: 16, data: shown.map((family) => family.lines), cursor: "pointer",
        itemStyle: { color: colour("accent"), borderRadius: [0, 3, 3, 0] },
        label: { show: true, position: "right", color: colour("soft"), formatter: (item) => number(item.value) },
      }],
    }, shown.map((family) => pick(family.label) + " " + number(family.lines)).join(", "));
    made.on("click", (event) => onPick(shown[event.dataIndex].name));
  };

  const drawTrend = () => {
    const days = data.trend;
    if (days.length < 2) return dom.get("trend-panel").closest(".overview").classList.add("two");
    dom.get("trend-panel").hidden = false;
    dom.get("trend-sub").textContent = tn("{n} scored day", "{n} scored days", days.length);
    chart(dom.get("trend-chart"), {
      tooltip: { ...tooltip(), valueFormatter: (value) => number(value, Number.isInteger(value) ? 0 : 1) },
      legend: { bottom: 0, left: 0, itemWidth: 14, itemHeight: 10, itemGap: 16, selectedMode: false, textStyle: { color: colour("soft") } },
      grid: { left: 4, right: 10, top: 10, bottom: 32, containLabel: true },
      xAxis: { type: "category", data: days.map((day) => date(day.day, "short")), axisTick: { show: false },
        axisLine: { lineStyle: { color: colour("line") } }, axisLabel: { color: colour("faint"), fontSize: 11, hideOverlap: true } },
      yAxis: { type: "value", ...quietAxis() },
      series: [
        { name: levelName(0), type: "bar", barMaxWidth: 18, data: days.map((day) => day.levels[0]), itemStyle: { color: colour("red"), opacity: 0.75 } },
        { name: t("Expected bans"), type: "line", symbol: "circle", symbolSize: 5, data: days.map((day) => day.expected),
          lineStyle: { color: colour("accent"), width: 2 }, itemStyle: { color: colour("accent") } },
      ],
    }, t("Red lines and expected bans on each scored day"));
    return null;
  };

  window.addEventListener("resize", () => live.forEach((made) => made.resize()));
  window.addEventListener("beforeprint", () => live.forEach((made) => made.resize()));
  window.bancast.charts = { chart, close, colour, tooltip, quietAxis, levelName, drawGroups, drawGroupTable, drawFamilies, drawTrend };
})();
