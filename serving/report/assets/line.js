// The page of one line: risk through time, calls and complaints, why, what to do and what it would bring, and its report card.
(() => {
  "use strict";
  const { data, words, dom, lines, parts, charts, table } = window.bancast;
  const { t, tn, number, percent, date, dayOf, dayBefore, pick, duration } = words;
  const { el, meter, get } = dom;
  const hosts = [];

  const risks = (row) => {
    const most = Math.max(...row.risk, 0.01);
    const bars = el("div", { class: "bars" });
    data.horizons.forEach((days, step) => {
      const cls = step === data.headline ? "main" : "";
      bars.append(el("span", { class: cls, text: tn("{n} day", "{n} days", days) }), meter(row.risk[step], most), el("span", { class: "num " + cls, text: percent(row.risk[step]) }));
    });
    const more = [];
    if (row.daysToRed !== null) more.push(tn("Going on like this, its risk adds up to the red level within {n} day.", "Going on like this, its risk adds up to the red level within {n} days.", row.daysToRed));
    if (row.riskBefore !== null && data.previous) more.push(t("{risk} on {date}.", { risk: percent(row.riskBefore), date: date(data.previous.day) }));
    return el("section", { class: "panel " + data.levels[row.level][0] }, el("h3", { text: t("Risk of a ban within") }), bars,
      more.length ? el("p", { class: "small", text: words.sentences(more) }) : null);
  };

  const why = (row) => {
    const items = row.reasons.map(parts.reasonWords).map((reason) => el("li", {},
      el("span", { class: "tag", text: reason.family }), el("span", { class: "doc", text: reason.doc }), el("b", { text: reason.value }), " ",
      el("span", { class: "small", text: t("usual for the carrier: {usual}", { usual: reason.usual }) })));
    return el("section", { class: "panel" }, el("h3", { text: t("Why") }),
      items.length ? el("ul", { class: "reasons" }, ...items) : parts.quiet(t("Nothing stands out.")));
  };

  const whatIf = (row) => {
    const now = row.risk[data.headline];
    const items = row.actions.map(({ action, after, below, plan }) => {
      const known = parts.measured(now, after), steps = parts.planWords(plan);
      return el("li", {},
        el("div", { class: "if-head" }, el("span", { class: "name", text: pick(action.title) }), parts.arrow(now, after)),
        known ? el("span", { class: "versus", "aria-hidden": "true" }, meter(now), meter(after)) : null,
        steps.length ? el("p", { class: "plan" }, el("b", { text: steps.join(t(", ")) })) : null,
        known && below !== null ? el("p", { class: "verdict", text: below ? t("✓ enough to bring it to a lower level") : t("not enough alone to bring it to a lower level") }) : null,
        el("p", { text: pick(action.text) }));
    });
    if (!items.length) return el("section", { class: "panel" }, el("h3", { text: t("What to do") }), parts.quiet(t("Nothing needs to be done for now.")));
    return el("section", { class: "panel" }, el("h3", { text: t("What if: what to do, and the risk expected after it") }), el("ul", { class: "todo" }, ...items),
      el("p", { class: "caveat", text: data.forecasts ? t("A model's estimate, no promise.") : t("An estimate by the rule of thumb, no promise.") }));
  };

  const card = (row) => {
    if (!row.grades.length) return null;
    return el("section", { class: "panel" }, el("h3", { text: t("Report card") }), el("dl", { class: "report-card" }, ...row.grades.map((one) => {
      const { label, about, letters } = data.gradeWords[one.name];
      return el("div", {}, el("dt", {}, el("span", { class: "name", text: t(label) }), el("span", { class: "small", text: t(about) })),
        el("dd", {}, parts.grade(one), el("span", { class: "small", text: one.letter ? t(letters[one.letter]) : t("too little is known") })));
    })), el("p", { class: "caveat", text: t("Grades sum up how the line behaved; they are no part of its risk. A is best.") }));
  };

  const facts = (row) => {
    const rows = [
      [t("Days on the list"), row.listed === null ? "–" : row.listed === 0 ? t("since today") : tn("{n} day, since {date}", "{n} days, since {date}", row.listed, { date: date(dayBefore(row.listed)) })],
      [t("Calls, 7 days"), number(row.calls7)], [t("Talk time, 7 days"), duration(row.talk7)],
      [t("Complaints, 28 days"), number(row.complaints28)], [t("Bans so far"), number(row.bansEver)],
      [t("Team"), row.groups.team || t("not known")], [t("Carrier"), row.groups.carrier || t("not known")], [t("Number pool"), row.groups.number_pool || t("not known")],
    ];
    return el("section", { class: "panel" }, el("h3", { text: t("Facts") }), el("dl", { class: "facts" },
      ...rows.map(([name, value]) => el("div", {}, el("dt", { text: name }), el("dd", { text: value })))));
  };

  const short = (day) => date(day, "short");
  const drawRisk = (host, past) => charts.chart(host, {
    tooltip: { ...charts.tooltip(), axisPointer: { type: "line" }, formatter: ([point]) => point && `${short(point.value[0].slice(0, 10))}  ${percent(point.value[1])}  ${charts.levelName(point.value[2])}` },
    grid: { left: 4, right: 16, top: 12, bottom: 4, containLabel: true },
    xAxis: charts.timeAxis(short, past.map(({ day }) => day)),
    yAxis: { type: "value", min: 0, ...charts.quietAxis(), minInterval: 0, axisLabel: { color: charts.colour("faint"), fontSize: 11, formatter: (value) => (value === 0 ? "0%" : percent(value)) } },
    series: [{ type: "line", symbolSize: 9, lineStyle: { color: charts.colour("accent"), width: 1.6 },
      data: past.map(({ day, risk, level }) => ({ value: [charts.at(day), risk, level], symbol: charts.SIGNS[level], itemStyle: { color: charts.colour(data.levels[level][0]) } })) }],
  }, t("Risk of a ban within {n} days on each scored day; the table below says the same", { n: data.horizons[data.headline] }));

  const drawWeeks = (host, row, past) => {
    const most = Math.max(...row.calls, 1), top = most * 1.12, from = dayOf(0);
    const flags = past.filter(({ day, level }) => level < 3 && day >= from);
    const at = (day, y, n) => [charts.at(dayOf(day)), y, n];
    const mark = (name, symbol, size, colour, points) => ({ name, type: "scatter", symbol, symbolSize: size, itemStyle: { color: charts.colour(colour) }, data: points, encode: { x: 0, y: 1, tooltip: 2 } });
    charts.chart(host, {
      tooltip: { ...charts.tooltip(), axisPointer: { type: "line" } },
      legend: charts.legend(),
      grid: { left: 4, right: 16, top: 10, bottom: 30, containLabel: true },
      xAxis: charts.timeAxis(short, [], { min: charts.at(from), max: charts.at(data.asOf) }),
      yAxis: { type: "value", ...charts.quietAxis(), max: Math.ceil(top * 1.05) },
      series: [
        { name: t("Calls"), type: "bar", barWidth: "60%", data: Array.from(row.calls, (n, day) => at(day, n, n)), encode: { x: 0, y: 1, tooltip: 2 }, itemStyle: { color: charts.colour("accent"), opacity: 0.55 } },
        mark(t("Complaints"), "diamond", 11, "orange", row.complaints.map(([day, n]) => at(day, Math.min(most, row.calls[day] + most * 0.06), n))),
        mark(t("Flagged"), "pin", 15, "yellow-ink", flags.map(({ day, risk }) => [charts.at(day), top, percent(risk)])),
        mark(t("Ban began"), "triangle", 14, "red", row.bans.map((day) => at(day, most * 0.04, 1))),
      ].filter((series) => series.type === "bar" || series.data.length),
    }, t("Calls a day over the last 8 weeks, with complaints, flags and bans; the table below says the same"));
  };

  const tables = (row, past) => {
    const riskRows = past.slice().reverse().map(({ day, risk, level }) => [date(day), percent(risk), charts.levelName(level)]);
    const many = new Map(row.complaints), bans = new Set(row.bans);
    const dayRows = Array.from(row.calls, (n, day) => ({ n, day })).reverse().filter(({ n, day }) => n || many.has(day) || bans.has(day))
      .map(({ n, day }) => [date(dayOf(day)), number(n), number(many.get(day) || 0), bans.has(day) ? t("yes") : "–"]);
    return [
      el("details", {}, el("summary", { text: t("As a table") }), parts.table([t("Day"), t("Risk"), { words: t("Level") }], riskRows, t("Risk through time"))),
      el("details", {}, el("summary", { text: t("As a table") }), parts.table([t("Day"), t("Calls"), t("Complaints"), t("Ban began")], dayRows, t("Calls and complaints through time"))),
    ];
  };

  const show = (id) => {
    while (hosts.length) charts.close(hosts.pop());
    const place = lines.place(id);
    const host = get("line");
    if (place < 0) {
      host.replaceChildren(el("p", {}, el("a", { href: "#view=lines", text: t("← All lines") })), el("h2", { tabindex: "-1", text: id }),
        parts.quiet(t("This line is not on the page: it was not scored on this day, or is below the lines that the page holds.")));
      return;
    }
    const row = lines.at(place);
    const past = [...lines.history(place), { day: data.asOf, level: row.level, risk: row.risk[data.headline] }];
    const [before, after] = table.beside(place);
    const step = (to, text) => (to < 0 ? el("span", { class: "off", "aria-hidden": "true", text }) : el("a", { href: "#line=" + encodeURIComponent(lines.ids[to]), text }));
    const riskHost = el("div", { class: "chart", role: "img" }), weeksHost = el("div", { class: "chart", role: "img" });
    const [riskTable, weeksTable] = tables(row, past), called = row.calls.some((n) => n > 0);
    host.replaceChildren(
      el("nav", { class: "line-nav", "aria-label": t("Lines") }, el("a", { href: "#view=lines", text: t("← All lines") }), el("span", {}, step(before, t("‹ Line before")), step(after, t("Next line ›")))),
      el("div", { class: "line-head" }, el("h2", { tabindex: "-1" }, el("span", { class: "sr", text: t("Line") + " " }), row.id), parts.levelChip(row.level),
        row.isNew ? el("span", { class: "badge", text: t("new") }) : null, parts.ackBadge(row),
        row.isUp ? el("span", { class: "was", text: t("↑ was {level}", { level: charts.levelName(row.levelBefore) }) }) : null,
        el("p", { class: "small", text: t("Rank {rank} of {all}", { rank: number(row.rank), all: number(data.total) }) + (row.where ? " · " + row.where : "") }),
        row.ack ? el("p", { class: "small", text: parts.ackWords(row.ack) }) : null),
      el("div", { class: "line-grid three" }, risks(row), why(row), whatIf(row)),
      el("div", { class: "line-grid two" },
        el("section", { class: "panel" }, el("h3", { text: t("Risk through time") }), riskHost, riskTable),
        el("section", { class: "panel" }, el("h3", { text: t("Calls and complaints through time") }), called ? weeksHost : parts.quiet(t("No calls in the last 8 weeks.")), called ? weeksTable : null)),
      el("div", { class: "line-grid two" }, ...[card(row), facts(row)].filter(Boolean)));
    hosts.push(riskHost);
    drawRisk(riskHost, past);
    if (called) {
      hosts.push(weeksHost);
      drawWeeks(weeksHost, row, past);
    }
  };
  window.bancast.line = { show };
})();
