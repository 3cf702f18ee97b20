// Small parts that the list and the page of a line share.
(() => {
  "use strict";
  const { data, words, dom, charts } = window.bancast;
  const { t, tn, number, percent, date, pick, quantity } = words;
  const { el, svg } = dom;

  const reasonWords = ({ feature, value, usual }) => (
    { family: pick(feature.family), doc: pick(feature.doc), value: quantity(feature.unit, value), usual: quantity(feature.unit, usual) });

  // An action that eases nothing the model measures leaves the risk as it is: that is no estimate of its worth.
  const measured = (before, after) => after !== null && after < before - 0.0005;
  const arrow = (before, after) => (measured(before, after)
    ? el("span", { class: "arrow" }, percent(before), el("span", { "aria-hidden": "true", text: " → " }), el("span", { class: "sr", text: " " + t("then") + " " }), el("b", { text: percent(after) }))
    : el("span", { class: "arrow small", text: t("effect not measured") }));

  const levelChip = (level) => el("span", { class: "level " + data.levels[level][0], text: charts.levelName(level) });

  // Red lines that somebody said they look after: `bancast ack`.
  const ackWords = ([until, note]) => (until ? t("Looked after until {date}", { date: date(until) }) : t("Looked after until it has left red")) + (note ? t(": ") + note : "");
  const ackBadge = (row) => (row.ack ? el("span", { class: "badge ack", title: ackWords(row.ack), text: t("looked after") }) : null);

  // Labels and meanings come with the data; a column of the list has room for the first letters only.
  const gradeName = (name) => t(data.gradeWords[name].label);
  const gradeShort = (name) => (words.language() === "zh" ? gradeName(name).slice(0, 1) : gradeName(name).slice(0, 3));
  const grade = ({ name, letter }) => el("span", { class: "grade g" + (letter || "none"), title: gradeName(name) + t(": ") + (letter || t("too little is known")) },
    el("span", { class: "sr", text: gradeName(name) + t(": ") }), el("span", { "aria-hidden": letter ? null : "true", text: letter || "–" }),
    letter ? null : el("span", { class: "sr", text: t("too little is known") }));
  const grades = (row) => el("span", { class: "grades" }, ...row.grades.map(grade));

  // The smallest change tried that brings the line under its level; see serving/report/payload.py for the order.
  const planWords = (plan) => {
    if (!plan) return [];
    const [calls, rest, from, to, out] = plan;
    return [
      rest !== null && rest > 0 ? tn("rest for {n} day", "rest for {n} days", rest) : "",
      calls !== null ? tn("at most {n} call a day", "at most {n} calls a day", calls) : "",
      from !== null && to !== null ? t("call between {start} and {end}", { start: from, end: to }) : "",
      out !== null && out > 0 ? tn("leave out {n} number", "leave out {n} numbers", out) : "",
    ].filter(Boolean);
  };

  const sparkline = (row) => {
    const most = Math.max(...row.calls);
    if (!most) return el("span", { class: "quiet-line", text: "–" });
    const width = 96, height = 30, days = row.calls.length;
    const x = (place) => ((place + 0.5) * width) / days;
    const points = Array.from(row.calls, (n, place) => x(place).toFixed(1) + " " + (height - 2 - (n / most) * (height - 4)).toFixed(1));
    const label = t("Calls a day over 8 weeks: at most {most}, {last} on the last day", { most: number(most), last: number(row.calls[days - 1]) });
    const picture = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label },
      svg("path", { class: "area", d: `M${x(0)} ${height} L${points.join(" L")} L${x(days - 1)} ${height}Z` }),
      svg("path", { class: "edge", d: `M${points.join(" L")}` }));
    for (const [day] of row.complaints) picture.append(svg("path", { class: "mark", d: `M${x(day)} ${height}v-6` }));
    for (const day of row.bans) picture.append(svg("path", { class: "ban", d: `M${x(day)} 0v${height}` }));
    return picture;
  };

  // A plain table: heads are texts, { words: text } over a column of words; the first cell of each row is its heading.
  const table = (heads, rows, caption) => {
    const left = heads.map((head) => (head.words === undefined ? null : "words"));
    return el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
      el("table", { class: "plain" }, el("caption", { class: "sr", text: caption }),
        el("thead", {}, el("tr", {}, ...heads.map((head, at) => el("th", { scope: "col", class: left[at], text: head.words ?? head })))),
        el("tbody", {}, ...rows.map(([first, ...rest]) => el("tr", {}, el("th", { scope: "row" }, first), ...rest.map((cell, at) => el("td", { class: left[at + 1] }, cell)))))));
  };
  const quiet = (text) => el("p", { class: "quiet-words", text });
  // Names short enough for their column stay on one line; a browser would break them after a hyphen.
  const WHOLE = 14;
  const whole = (name) => (name.length <= WHOLE ? "whole" : null);
  const lineLink = (id, more = {}) => el("a", { href: "#line=" + encodeURIComponent(id), class: whole(id), text: id, ...more });
  // Lines that the page holds have a page of their own; the others only a name.
  const lineName = (id) => (window.bancast.lines.place(id) < 0 ? el("span", { text: id }) : lineLink(id));

  window.bancast.parts = { ackBadge, ackWords, reasonWords, measured, arrow, levelChip, gradeName, gradeShort, grades, grade, planWords, sparkline, table, quiet, whole, lineLink, lineName };
})();
