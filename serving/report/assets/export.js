// The lines that the search and the filters leave, as a CSV file made here.
(() => {
  "use strict";
  const { data, words, lines, table, parts, charts } = window.bancast;
  const { t, tn, pick, dayBefore } = words;
  const { get } = window.bancast.dom;
  // A text that no spreadsheet runs, as serving/report/files.py guards it: by the same signs.
  const FORMULA = /(^|[;\t\r\n])(?=[\s"\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]*[=+\-@＝＋－＠])|^(?=[\t\r\n])/g;
  const guarded = (text) => text.replace(FORMULA, (_, before) => (before || "") + "'");
  const quoted = (text) => (/[",\r\n]/.test(text) ? '"' + text.replaceAll('"', '""') + '"' : text);
  const field = (value) => (value === null || value === undefined ? "" : typeof value === "number" ? String(value) : quoted(guarded(value)));

  const heads = () => [
    t("Rank"), t("Line"), t("Level"), ...data.horizons.map((days) => tn("Risk within {n} day", "Risk within {n} days", days)), t("Team"), t("Carrier"), t("Number pool"),
    t("Listed since"), t("Days on the list"), t("New on the list"), ...[1, 2, 3].map((n) => t("Reason {n}", { n })),
    ...[1, 2, 3].flatMap((n) => [t("Action {n}", { n }), t("Plan {n}", { n }), t("Expected risk after {n}", { n })]), ...data.grades.map(parts.gradeName),
    t("Calls at stake, 7 days"), t("Talk time at stake, 7 days (s)"), t("Complaints, 28 days"), t("Bans so far"),
  ];
  const reasonText = (reason) => {
    const { family, doc, value, usual } = parts.reasonWords(reason);
    return family + " | " + doc + t(": ") + value + " | " + t("usual for the carrier: {usual}", { usual });
  };
  const fill = (values, most) => [...values, ...Array(most).fill(null)].slice(0, most);
  const cells = (row) => [
    row.rank, row.id, charts.levelName(row.level), ...row.risk, ...lines.KINDS.map((kind) => row.groups[kind]),
    row.listed === null ? null : dayBefore(row.listed), row.listed, row.isNew ? t("new") : null,
    ...fill(row.reasons.map(reasonText), 3),
    ...fill(row.actions.flatMap(({ action, plan, after }) => [pick(action.title), parts.planWords(plan).join(t(", ")) || null, after]), 9),
    ...row.grades.map(({ letter }) => letter || null), row.calls7, row.talk7, row.complaints28, row.bansEver,
  ];

  const csv = (places) => {
    const rows = [heads().map(field).join(",")];
    for (const place of places) rows.push(cells(lines.at(place)).map(field).join(","));
    // A byte order mark, so that Excel opens Chinese right.
    return "\ufeff" + rows.join("\r\n") + "\r\n";
  };
  const save = () => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([csv(table.found())], { type: "text/csv;charset=utf-8" }));
    link.download = `bancast-${data.asOf}.csv`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    get("said").textContent = tn("{n} line saved as CSV", "{n} lines saved as CSV", table.found().length);
  };
  window.bancast.exporting = { csv, guarded, save };
})();
