// What opens below a line: risk over the horizons, why, what to do, and the last weeks.
(() => {
  "use strict";
  const { data, words, dom, charts } = window.bancast;
  const { t, tn, number, percent, date, dayOf, pick, duration } = words;
  const { el, svg, meter } = dom;

  const reasonWords = (reason) => {
    const [feature, value, usual] = reason;
    return { ...data.features[feature], value: pick(data.quantities[value]), usual: pick(data.quantities[usual]) };
  };
  // An action that eases nothing the model measures leaves the risk as it is: that is no estimate of its worth.
  const arrow = (before, after) =>
    after > before - 0.0005 ? el("span", { class: "arrow small", text: t("effect not measured") }) : el("span", { class: "arrow" }, percent(before), el("span", { text: " → ", "aria-label": " " + t("then") + " " }), el("b", { text: percent(after) }));

  const risks = (row) => {
    const most = Math.max(...row.risk, 0.01);
    const bars = el("div", { class: "bars" });
    data.horizons.forEach((days, place) => {
      const main = place === data.headline ? "main" : "";
      bars.append(
        el("span", { class: main, text: tn("{n} day", "{n} days", days) }), meter(row.risk[place], most),
        el("span", { class: "num " + main, text: percent(row.risk[place]) }));
    });
    return el("div", { class: data.levels[row.level][0] }, el("h3", { text: t("Risk of a ban within") }), bars);
  };

  const why = (row) => {
    const items = row.reasons.map(reasonWords).map((reason) => el("li", {},
      el("span", { class: "tag", text: pick(reason.family) }),
      el("span", { class: "doc", text: pick(reason.doc) }),
      el("b", { text: reason.value }), " ",
      el("span", { class: "small", text: t("usual for the carrier: {usual}", { usual: reason.usual }) })));
    const body = items.length ? el("ul", { class: "reasons" }, ...items) : el("p", { class: "small", text: t("Nothing stands out.") });
    return el("div", {}, el("h3", { text: t("Why") }), body);
  };

  const todo = (row) => {
    const items = row.actions.map(([place, after]) => {
      const action = data.actions[place];
      return el("li", {},
        el("span", { class: "after" }, arrow(row.risk[data.headline], after)),
        el("span", { class: "name", text: pick(action.title) }), el("p", { text: pick(action.text) }));
    });
    if (!items.length) return el("div", {}, el("h3", { text: t("What to do") }), el("p", { class: "small", text: t("Nothing needs to be done for now.") }));
    return el("div", {}, el("h3", { text: t("What to do, and the risk expected after it") }), el("ul", { class: "todo" }, ...items),
      el("p", { class: "caveat", text: t("A model's estimate, no promise.") }));
  };

  const weeksChart = (host, row) => {
    const labels = row.calls.map((_, place) => date(dayOf(place), "short"));
    const most = Math.max(...row.calls, 1);
    charts.chart(host, {
      tooltip: charts.tooltip(),
      legend: { top: 0, right: 0, itemWidth: 12, itemHeight: 9, selectedMode: false, textStyle: { color: charts.colour("soft") } },
      grid: { left: 4, right: 8, top: 28, bottom: 2, containLabel: true },
      xAxis: { type: "category", data: labels, axisTick: { show: false }, axisLine: { lineStyle: { color: charts.colour("line") } },
        axisLabel: { color: charts.colour("faint"), fontSize: 11, interval: 6 } },
      yAxis: [{ type: "value", ...charts.quietAxis() }, { type: "value", show: false, max: 1, min: 0 }],
      series: [
        { name: t("Calls"), type: "bar", data: row.calls, barCategoryGap: "25%", itemStyle: { color: charts.colour("accent"), opacity: 0.65 } },
        { name: t("Complaints"), type: "scatter", symbol: "diamond", itemStyle: { color: charts.colour("orange") },
          symbolSize: (value) => 8 + Math.min(8, 2 * value[2]),
          data: row.complaints.map(([day, n]) => [labels[day], Math.min(most, row.calls[day] + most * 0.08), n]),
          encode: { x: 0, y: 1, tooltip: 2 } },
        { name: t("Ban began"), type: "scatter", symbol: "triangle", symbolSize: 13, itemStyle: { color: charts.colour("red") },
          data: row.bans.map((day) => [labels[day], most * 0.04, 1]), encode: { x: 0, y: 1, tooltip: 2 } },
      ].filter((series) => series.type === "bar" || series.data.length),
    }, t("Calls a day over the last 8 weeks, with complaints and bans"));
  };

  const weeks = (row) => {
    const [calls, talk, complaints, bans] = row.facts;
    const facts = [
      [t("Calls, 7 days"), number(calls)], [t("Talk time, 7 days"), duration(talk)],
      [t("Complaints, 28 days"), number(complaints)], [t("Bans so far"), number(bans)],
    ].map(([name, value]) => el("div", {}, el("dt", { text: name }), el("dd", { text: value })));
    const host = el("div", { class: "chart", role: "img" });
    const part = el("div", { class: "weeks" },
      el("div", { class: "weeks-head" }, el("h3", { text: t("Calls a day over the last 8 weeks") }), el("dl", {}, ...facts)),
      row.calls.length ? host : el("p", { class: "small", text: t("No calls in the last 8 weeks.") }));
    return { part, draw: () => row.calls.length && weeksChart(host, row), close: () => charts.close(host) };
  };

  const sheet = (row) => {
    const last = weeks(row);
    return { part: el("div", { class: "sheet" }, risks(row), why(row), todo(row), last.part), draw: last.draw, close: last.close };
  };

  const sparkline = (row) => {
    if (!row.calls.length) return el("span", { class: "quiet-line", text: "–" });
    const most = Math.max(...row.calls, 1), width = 96, height = 30;
    const x = (place) => ((place + 0.5) * width) / row.calls.length;
    const points = row.calls.map((n, place) => x(place).toFixed(1) + " " + (height - 2 - (n / most) * (height - 4)).toFixed(1));
    const label = t("Calls a day over 8 weeks: at most {most}, {last} on the last day", { most: number(most), last: number(row.calls[row.calls.length - 1]) });
    const picture = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label },
      svg("path", { class: "area", d: `M${x(0)} ${height} L${points.join(" L")} L${x(row.calls.length - 1)} ${height}Z` }),
      svg("path", { class: "edge", d: `M${points.join(" L")}` }));
    const title = svg("title", {});
    title.textContent = label;
    picture.prepend(title);
    for (const [day] of row.complaints) picture.append(svg("path", { class: "mark", d: `M${x(day)} ${height}v-5` }));
    return picture;
  };

  window.bancast.detail = { sheet, sparkline, reasonWords, arrow };
})();
