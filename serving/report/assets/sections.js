// Capacity, coaching and appeals: each from its own module, or one quiet sentence where there is nothing.
(() => {
  "use strict";
  const { data, words, dom, parts } = window.bancast;
  const { t, tn, number, percent, date, pick, quantity, N_ } = words;
  const { el, get } = dom;
  const { continuity, coaching, appeals } = data.sections;
  const known = (value, digits = 0) => (value === null || value === undefined ? "–" : number(value, digits));
  const name = (row) => (row.name === null ? t("not known") : row.name);
  const note = (section) => (section.note ? [el("p", { class: "small", text: t(section.note) })] : []);

  const weeksTable = (rows, title, first) => {
    const weeks = continuity.weeks, within = (n) => tn("{n} week", "{n} weeks", n);
    const heads = [first, t("Lines"), ...weeks.map((n) => t("Bans, {weeks}", { weeks: within(n) })), t("Calls a day"),
      ...weeks.map((n) => t("Calls lost a day, {weeks}", { weeks: within(n) })),
      ...weeks.slice(-1).map((n) => t("Spare lines, {weeks}", { weeks: within(n) }))];
    return parts.table(heads, rows.map((row) => [
      row.name === null && row === continuity.total ? t("All lines") : name(row), number(row.lines),
      ...weeks.map((_, at) => number(row.expected[at], 1) + " " + t("({low} to {high})", { low: number(row.low[at]), high: number(row.high[at]) })),
      known(row.calls_day), ...weeks.map((_, at) => known(row.lost_calls_day[at])), ...row.spare_lines.slice(-1).map((n) => known(n)),
    ]), title);
  };
  const money = (plan, value) => known(value) + (plan.currency ? " " + plan.currency : "");
  const planPart = (plan) => {
    if (!plan || plan.cost_nothing === null || plan.cost_nothing === undefined)
      return el("section", { class: "panel" }, el("h3", { text: t("What acting is worth") }), parts.quiet(t("Costs of a ban and of an action are not set; with them this says from which risk acting pays.")));
    const rows = [
      [t("Doing nothing"), "–", money(plan, plan.cost_nothing)],
      [t("Acting on every line on the list"), number(plan.flagged_lines), money(plan, plan.cost_flagged)],
      [plan.threshold === null ? t("The best choice: acting does not pay") : t("The best choice: every line at {risk} or more", { risk: percent(plan.threshold) }), known(plan.best_lines), money(plan, plan.cost_best)],
    ];
    return el("section", { class: "panel" }, el("h3", { text: t("What acting is worth") }),
      parts.table([tn("In {n} day", "In {n} days", plan.days), t("Lines to act on"), t("Expected cost")], rows, t("What acting is worth")));
  };
  const drawContinuity = () => {
    const host = get("capacity-body");
    if (!continuity || !continuity.total || !continuity.total.lines) return host.replaceChildren(parts.quiet(t("There is nothing to plan capacity for yet.")));
    const total = continuity.total, last = continuity.weeks.length - 1;
    // Scores of the rule forecast no weeks: what is left to tell is how many lines call how much.
    const lead = last < 0 ? t(continuity.note) : t("Within {weeks}, {expected} lines are expected to be banned ({low} to {high}); hold {spare} lines ready, registered and warmed up.", {
      weeks: tn("{n} week", "{n} weeks", continuity.weeks[last]), expected: number(total.expected[last], 0), low: number(total.low[last]), high: number(total.high[last]), spare: number(total.spare_lines[last]) });
    const group = (by, title, first) => (continuity.groups[by] && continuity.groups[by].length
      ? [el("section", { class: "panel" }, el("h3", { text: title }), weeksTable(continuity.groups[by], title, first))] : []);
    host.replaceChildren(el("p", { class: "lead", text: lead }),
      el("section", { class: "panel" }, el("h3", { text: t("All lines") }), weeksTable([total], t("All lines"), t("Name"))),
      ...group("team", t("By team"), t("Team")), ...group("carrier", t("By carrier"), t("Carrier")),
      ...(last < 0 ? [] : [planPart(continuity.plan), el("p", { class: "caveat", text: t("Ranges hold in four of five cases. Spare lines keep the business going through a ban; the same behaviour on them would be banned too.") }), ...note(continuity)]));
    return null;
  };

  const standsOut = (row) => coaching.measures.filter((measure) => row.measures[measure.name] && row.measures[measure.name].stands_out);
  const talkItem = (row) => el("li", {}, el("span", { class: "name", text: name(row) + (row.team ? " · " + row.team : "") }),
    el("span", { class: "small", text: " " + tn("{n} call", "{n} calls", row.calls) }),
    el("ul", {}, ...standsOut(row).map((measure) => {
      const one = row.measures[measure.name];
      return el("li", {}, t(measure.label) + t(": "), el("b", { text: quantity(measure.unit, one.value) }), " ",
        el("span", { class: "small", text: t("usual {usual}; {ratio} as much, likely {low} to {high}", { usual: quantity(measure.unit, one.usual), ...Object.fromEntries(["ratio", "low", "high"].map((key) => [key, quantity("times", one[key])])) }) }));
    })));
  const talkPart = (rows, title, first, none) => {
    const out = rows.filter((row) => standsOut(row).length);
    const heads = [first, t("Calls"), ...coaching.measures.map((measure) => t(measure.label))];
    const cells = rows.map((row) => [name(row), number(row.calls), ...coaching.measures.map((measure) => {
      const one = row.measures[measure.name];
      return !one || one.value === null ? "–" : one.stands_out ? el("b", { text: "◀ " + quantity(measure.unit, one.value) }) : quantity(measure.unit, one.value);
    })]);
    return el("section", { class: "panel" }, el("h3", { text: title }), out.length ? el("ul", { class: "talks" }, ...out.map(talkItem)) : parts.quiet(none),
      rows.length ? el("details", {}, el("summary", { text: t("All of them as a table") }), parts.table(heads, cells, title)) : null);
  };
  const drawCoaching = () => {
    const host = get("coaching-body");
    if (!coaching || !(coaching.teams.length || coaching.agents.length)) return host.replaceChildren(parts.quiet(t("Nobody stands out: there are too few calls, or teams and agents are not known.")));
    host.replaceChildren(
      el("p", { class: "lead", text: tn("Who differs from the others over {n} day by more than chance: a talk with them helps more lines than one.", "Who differs from the others over {n} days by more than chance: a talk with them helps more lines than one.", coaching.days) }),
      el("div", { class: "line-grid two" }, talkPart(coaching.teams, t("Teams"), t("Team"), t("No team stands out.")), talkPart(coaching.agents, t("Agents"), t("Agent"), t("No agent stands out."))),
      ...(coaching.nobody ? [el("p", { class: "note", text: t(coaching.nobody) })] : []), ...note(coaching));
    return null;
  };

  const STATES = { drafted: N_("drafted"), sent: N_("sent"), answered: N_("answered"), won: N_("won"), lost: N_("lost"), withdrawn: N_("withdrawn") };
  const candidate = (one) => {
    const language = words.language();
    return el("li", { class: "panel" },
      el("h3", {}, parts.lineName(one.line_id)),
      el("p", { class: "small", text: t("Banned on {date}", { date: date(one.banned) }) + [one.carrier, one.team].filter(Boolean).map((part) => " · " + part).join("") }),
      one.risk === null || one.risk === undefined ? null : el("p", { text: t("Its risk before the ban was {risk}.", { risk: percent(one.risk) }) }),
      el("ul", {}, ...(one.points || []).map((point) => el("li", { text: pick(point) }))),
      one.document ? el("p", {}, el("a", { href: "appeals/" + encodeURIComponent(one.document[language]), text: t("Open the appeal document") })) : null);
  };
  const drawAppeals = () => {
    const host = get("appeals-body");
    if (!appeals || !(appeals.candidates.length || appeals.cases.length)) return host.replaceChildren(parts.quiet(t("No ban looks wrongful, and no appeal is under way.")), ...(appeals ? note(appeals) : []));
    const cases = appeals.cases.map((one) => [one.id, parts.lineName(one.line_id), t(STATES[one.state] || one.state), one.since ? date(one.since) : "–",
      one.due ? date(one.due) : "–", one.late ? el("b", { text: t("⚠ overdue") }) : ""]);
    host.replaceChildren(
      el("h3", {}, t("Bans worth an appeal"), " ", el("span", { class: "tally", text: number(appeals.candidates.length) })),
      appeals.candidates.length ? el("ul", { class: "cases" }, ...appeals.candidates.map(candidate)) : parts.quiet(t("No ban looks wrongful.")),
      el("section", { class: "panel" }, el("h3", {}, t("Appeals under way"), " ", el("span", { class: "tally", text: number(cases.length) })),
        cases.length ? parts.table([t("Case"), ...[t("Line"), t("State"), t("Since"), t("Answer due"), t("Clock")].map((text) => ({ words: text }))], cases, t("Appeals under way")) : parts.quiet(t("No appeal is under way."))), ...note(appeals));
    return null;
  };
  window.bancast.sections = { drawContinuity, drawCoaching, drawAppeals };
})();
