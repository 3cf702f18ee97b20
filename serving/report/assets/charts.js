// Charts: what all of them share.
(() => {
  "use strict";
  const { data, words } = window.bancast;
  const { t } = words;
  const live = new Map();

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
  const font = () => getComputedStyle(document.body).fontFamily;
  const chart = (host, option, label) => {
    if (live.has(host)) live.get(host).dispose();
    const made = echarts.init(host, null, { renderer: "svg" });
    made.setOption({ animation: false, useUTC: true, textStyle: { fontFamily: font(), color: colour("soft") }, ...option });
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
  const legend = (more = {}) => ({
    bottom: 0, left: 0, itemWidth: 14, itemHeight: 10, itemGap: 16, selectedMode: false, textStyle: { color: colour("soft") }, ...more,
  });
  // A calendar day as a moment of a chart: in UTC, so that it is that day in every reader's zone.
  const at = (day) => day + "T00:00:00Z";
  const DAY = 86400000;
  // Says the days given, or whole days where there are none; never one twice.
  const timeAxis = (format, days, more = {}) => ({
    type: "time", minInterval: DAY, axisTick: { show: false }, axisLine: { lineStyle: { color: colour("line") } }, splitLine: { show: false },
    axisLabel: { color: colour("faint"), fontSize: 11, hideOverlap: true, ...(days.length ? { customValues: days.map(at) } : {}), formatter: (value) => format(new Date(value).toISOString().slice(0, 10)) }, ...more,
  });
  const levelName = (place) => data.levels[place][1] + " " + t(data.levels[place][2]);
  // A sign for each level beside its colour, as in the words.
  const SIGNS = ["triangle", "diamond", "circle", "emptyCircle"];

  window.addEventListener("resize", () => live.forEach((made) => made.resize()));
  window.addEventListener("beforeprint", () => live.forEach((made) => made.resize()));
  window.bancast.charts = { chart, close, colour, tooltip, quietAxis, nameAxis, legend, at, timeAxis, levelName, SIGNS };
})();
