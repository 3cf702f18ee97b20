// Were the warnings right: last week's list against the bans that followed, and the weeks before.
(() => {
  "use strict";
  const { data, words, dom, parts, charts } = window.bancast;
  const { t, tn, number, percent, date } = words;
  const { el, get } = dom;
  const card = data.sections.scorecard;
  // Where all lists were the rule's, no number of bans was ever forecast.
  const forecast = Boolean(card) && card.weeks.some((week) => week.expected !== null);
  const share = (value) => (value === null || value === undefined ? "–" : percent(value));

  // What the headline says of last week; null where nothing can be said.
  const headline = () => {
    const week = card && card.last && card.weeks.find((one) => one.as_of === card.last.as_of);
    if (!week) return null;
    if (week.hindsight) return { main: "–", sub: t("that week's list was made later, so it warned nobody"), final: true };
    return {
      main: week.bans ? t("{hits} of {bans}", { hits: number(week.hits), bans: number(week.bans) }) : t("no bans"),
      sub: week.bans ? t("bans warned of; {n} flagged without a ban", { n: number(week.false_alarms) }) : tn("{n} line was flagged", "{n} lines were flagged", week.flagged),
      final: card.last.final,
    };
  };

  const sentence = () => {
    const week = card.weeks.find((one) => one.as_of === card.last.as_of), parts = [];
    const from = { from: date(week.as_of), to: date(week.until) };
    if (!week.bans) parts.push(t("From {from} to {to}, no line was banned; {n} were on the list.", { ...from, n: number(week.flagged) }));
    else {
      parts.push(t("From {from} to {to}, {bans} lines were banned. The list had warned of {hits} of them; {misses} were scored but not on it.", { ...from, bans: number(week.bans), hits: number(week.hits), misses: number(week.misses) }));
      parts.push(t("Of {flagged} lines on the list, {n} were not banned.", { flagged: number(week.flagged), n: number(week.false_alarms) }));
    }
    if (week.unscored) parts.push(tn("{n} banned line had not been scored.", "{n} banned lines had not been scored.", week.unscored));
    if (week.warning) parts.push(tn("Half of the warnings came {n} day or more before the ban.", "Half of the warnings came {n} days or more before the ban.", Math.round(week.warning[1])));
    if (week.hindsight) parts.push(t("This list was made later, by a model that had learnt from what came: it warned nobody."));
    if (!card.last.final) parts.push(t("Not final: bans of that week can still become known."));
    return words.sentences(parts);
  };

  const drawWeeks = (host) => {
    const weeks = card.weeks, bar = (name, colour, key, decal) => ({
      name, type: "bar", stack: "bans", barMaxWidth: 26, data: weeks.map((week) => week[key]),
      itemStyle: { color: charts.colour(colour), ...(decal ? { decal: { symbol: "rect", dashArrayX: [1, 0], dashArrayY: [2, 4], rotation: -Math.PI / 4, color: charts.colour("panel") } } : {}) },
    });
    charts.chart(host, {
      tooltip: { ...charts.tooltip(), valueFormatter: (value) => (value === null || value === undefined ? "–" : number(value, Number.isInteger(value) ? 0 : 1)) },
      legend: charts.legend(),
      grid: { left: 4, right: 12, top: 10, bottom: 34, containLabel: true },
      xAxis: { type: "category", data: weeks.map((week) => date(week.as_of, "short")), axisTick: { show: false }, axisLine: { lineStyle: { color: charts.colour("line") } },
        axisLabel: { color: charts.colour("faint"), fontSize: 11, hideOverlap: true } },
      yAxis: { type: "value", ...charts.quietAxis() },
      series: [bar(t("Bans warned of"), "accent", "hits", false), bar(t("Bans missed"), "red", "misses", true),
        ...(forecast ? [{ name: t("Expected bans"), type: "line", symbol: "circle", symbolSize: 6, data: weeks.map((week) => week.expected), connectNulls: true,
          lineStyle: { color: charts.colour("ink"), type: "dashed", width: 1.5 }, itemStyle: { color: charts.colour("ink") } }] : [])],
    }, forecast ? t("Bans warned of and missed in each week, with the number expected; the table below says the same")
      : t("Bans warned of and missed in each week; the table below says the same"));
  };

  const weekTable = () => parts.table(
    [t("Week from"), t("On the list"), t("Red"), t("Bans"), t("Warned of"), t("Missed"), t("Flagged, no ban"), t("Precision"), t("Recall"), ...(forecast ? [t("Expected bans")] : []), t("Days of warning")],
    card.weeks.slice().reverse().map((week) => [
      date(week.as_of) + (week.final ? "" : " *") + (week.hindsight ? " †" : ""), number(week.flagged), number(week.red), number(week.bans), number(week.hits), number(week.misses), number(week.false_alarms),
      share(week.precision), share(week.recall), ...(forecast ? [week.expected === null ? "–" : number(week.expected, 1)] : []), week.warning ? number(week.warning[1], 0) : "–",
    ]), t("Each week's list against what came"));

  const listed = (title, key, none, columns) => {
    const rows = card.last[key], more = (card.more && card.more[key]) || 0;
    const level = (line) => parts.levelChip(data.levels.findIndex(([name]) => name === line.level));
    const cells = { level, risk: (line) => percent(line.risk), banned: (line) => (line.banned ? date(line.banned, "short") : "–"), days: (line) => (line.days === undefined || line.days === null ? "–" : number(line.days)) };
    const heads = { level: { words: t("Level then") }, risk: t("Risk then"), banned: t("Banned on"), days: t("Days of warning") };
    return el("section", { class: "panel" }, el("h3", {}, title, " ", el("span", { class: "tally", text: number(rows.length + more) })),
      rows.length ? parts.table([t("Line"), ...columns.map((name) => heads[name])], rows.map((line) => [parts.lineName(line.line_id), ...columns.map((name) => cells[name](line))]), title) : parts.quiet(none),
      more ? el("p", { class: "small", text: tn("and {n} more", "and {n} more", more) }) : null);
  };

  const draw = () => {
    const host = get("scorecard-body");
    if (!card || !card.weeks.length) return host.replaceChildren(parts.quiet(t("There is no list of an earlier week to hold against bans yet.")));
    const notes = (card.notes || [card.note]).filter(Boolean);
    const chart = el("div", { class: "chart tall", role: "img" });
    host.replaceChildren(
      el("p", { class: "lead", text: card.last ? sentence() : t("There is no list of last week to hold against bans.") }),
      ...(card.last ? [el("div", { class: "line-grid three" },
        listed(t("Warned of, and banned"), "hits", t("None."), ["level", "risk", "banned", "days"]),
        listed(t("Banned, not warned of"), "misses", t("None."), ["level", "risk", "banned"]),
        listed(t("Flagged, not banned"), "false_alarms", t("None."), ["level", "risk"]))] : []),
      el("section", { class: "panel" }, el("h3", { text: tn("The last {n} week", "The last {n} weeks", card.weeks.length) }), chart, weekTable(),
        el("p", { class: "caveat", text: t("Precision: share of the flagged lines that were banned. Recall: share of the banned lines that were flagged. * not final. † scored later, with hindsight.") }),
        ...notes.map((note) => el("p", { class: "small", text: t(note) }))));
    drawWeeks(chart);
    return null;
  };
  window.bancast.scorecard = { draw, headline };
})();
