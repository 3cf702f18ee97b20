// The list: search, filters and order over the columns of all lines; only the rows of one page are drawn.
(() => {
  "use strict";
  const { data, words, dom, lines, parts, charts } = window.bancast;
  const { t, tn, number, percent, date, dayBefore, duration, pick } = words;
  const { el, meter, get } = dom;
  const { KINDS, NONE } = lines;
  const PAGE = 100, PLACES = 2 ** 20, BEYOND = 2 ** 32;
  const fresh = () => ({ search: "", levels: new Set(), change: "", team: "", carrier: "", number_pool: "", family: "", page: 0 });
  let state = { ...fresh(), sort: "rank", down: false };
  let found = new Uint32Array(0), lowered = null;

  const main = data.headline;
  const others = data.horizons.map((days, step) => ({ days, step })).filter(({ step }) => step !== main);
  // Numbers that order the lines by a column; names are put in the order of the reader's language once.
  const ranked = new Map();
  const keys = {
    rank: () => lines.columns.rank, level: () => lines.columns.level, listed: () => lines.columns.listed, calls: () => lines.columns.calls_7d,
    id: () => {
      const padded = lines.ids.map((id) => id.toLowerCase().replace(/\d+/g, (digits) => digits.padStart(18, "0")));
      const order = Uint32Array.from(padded.keys()).sort((a, b) => (padded[a] < padded[b] ? -1 : padded[a] > padded[b] ? 1 : 0));
      const key = new Uint32Array(order.length);
      order.forEach((place, at) => { key[place] = at; });
      return key;
    },
    // The mean grade in twelfths, which are whole whether one, two, three or four grades are known.
    grades: () => Uint8Array.from({ length: lines.count }, (_, place) => {
      const known = data.grades.map((name) => lines.columns["grade_" + name][place]).filter(Boolean);
      return known.length ? Math.round((12 * known.reduce((sum, one) => sum + one, 0)) / known.length) : 0;
    }),
  };
  const keyOf = (sort) => {
    const name = KINDS.includes(sort) ? sort + words.language() : sort;
    if (!ranked.has(name)) ranked.set(name, keys[sort] ? keys[sort]() : KINDS.includes(sort) ? groupKey(sort) : lines.columns["risk_" + sort.slice(4)]);
    return ranked.get(name);
  };
  const groupKey = (kind) => {
    const collator = new Intl.Collator(words.locale(), { numeric: true }), names = data.names[kind];
    const place = new Uint32Array(names.length + 1);
    place[0] = names.length;
    names.map((_, at) => at).sort((a, b) => collator.compare(names[a], names[b])).forEach((name, at) => { place[name + 1] = at; });
    return lines.columns[kind].map((code) => place[code]);
  };

  const columns = () => [
    { key: "rank", head: t("Rank"), cls: "num rank" },
    { key: "id", head: t("Line"), cls: "id" },
    { key: "level", head: t("Level"), cls: "lvl" },
    { key: "risk" + main, head: tn("Risk, {n} day", "Risk, {n} days", data.horizons[main]), cls: "risk", down: true },
    ...others.map(({ days, step }) => ({ key: "risk" + step, head: tn("{n} day", "{n} days", days), cls: "num small col-other", down: true })),
    { key: "team", head: t("Team"), cls: "group col-group" },
    { key: "carrier", head: t("Carrier"), cls: "group col-group" },
    { key: "number_pool", head: t("Number pool"), cls: "group col-group" },
    { key: "listed", head: t("Days on list"), cls: "num listed col-since", down: true },
    { key: "", head: t("Why, and what to do first"), cls: "why col-why" },
    ...(data.grades.length ? [{ key: "grades", head: t("Report card"), sub: data.grades.map(parts.gradeShort).join(" "), cls: "card-col col-grades", down: true }] : []),
    { key: "calls", head: t("At stake, 7 days"), cls: "num stake col-stake", down: true },
    { key: "", head: t("Calls, 8 weeks"), cls: "spark col-spark" },
  ];

  const whyParts = (row) => {
    if (!row.reasons.length) return [el("span", { class: "small", text: t("Nothing stands out.") })];
    const reason = parts.reasonWords(row.reasons[0]);
    const made = [el("div", { class: "first" }, reason.doc + t(": "), el("b", { text: reason.value }), " ",
      el("span", { class: "usual", text: t("(usual {usual})", { usual: reason.usual }) }))];
    if (row.actions.length) {
      const { action, after } = row.actions[0];
      made.push(el("div", { class: "do" }, pick(action.title) + " ", parts.arrow(row.risk[main], after)));
    }
    return made;
  };
  const groupName = (name) => el("span", { class: parts.whole(name), text: name });
  const listedText = (row) => (row.listed === null ? "–" : row.listed === 0 ? t("today") : number(row.listed));
  const cells = {
    rank: (row) => number(row.rank),
    id: (row) => [parts.lineLink(row.id), row.isNew ? el("span", { class: "badge", text: t("new") }) : null, parts.ackBadge(row),
      el("div", { class: "where" }, ...KINDS.map((kind) => row.groups[kind]).filter(Boolean).flatMap((name, at) => [at ? " · " : "", groupName(name)]))],
    level: (row) => [parts.levelChip(row.level),
      row.isUp ? el("div", { class: "was", text: t("↑ was {level}", { level: charts.levelName(row.levelBefore) }) }) : null,
      row.daysToRed !== null && row.daysToRed <= 30 ? el("div", { class: "was", text: tn("adds up to red in {n} day", "adds up to red in {n} days", row.daysToRed) }) : null],
    ["risk" + main]: (row) => [el("b", { text: percent(row.risk[main]) }), meter(row.risk[main])],
    listed: (row) => el("span", { title: row.listed === null ? null : t("since {date}", { date: date(dayBefore(row.listed)) }), text: listedText(row) }),
    calls: (row) => [number(row.calls7), el("div", { class: "small", text: row.talk7 ? duration(row.talk7) : "" })],
    grades: parts.grades,
  };
  const cell = (column, row) => {
    if (column.cls.startsWith("why")) return whyParts(row);
    if (column.cls.startsWith("spark")) return parts.sparkline(row);
    if (cells[column.key]) return cells[column.key](row);
    return KINDS.includes(column.key) ? groupName(row.groups[column.key] || "–") : percent(row.risk[Number(column.key.slice(4))]);
  };
  const rowOf = (place, shown) => {
    const row = lines.at(place);
    // The roles keep the table a table where a phone lays its rows out as a grid.
    return el("tr", { class: "line " + data.levels[row.level][0], role: "row" }, ...shown.map((column) => {
      const head = column.key === "id";
      return el(head ? "th" : "td", { class: column.cls, scope: head ? "row" : null, role: head ? "rowheader" : "cell" }, ...[].concat(cell(column, row)));
    }));
  };

  const select = () => {
    const c = lines.columns, { levels, change } = state;
    const tests = [];
    if (levels.size) tests.push((place) => levels.has(c.level[place]));
    if (change) tests.push((place) => c[change][place] === 1);
    for (const kind of KINDS) if (state[kind] !== "") {
      const code = state[kind] === "none:" ? 0 : data.names[kind].indexOf(state[kind].slice(5)) + 1;
      tests.push((place) => c[kind][place] === code);
    }
    if (state.family !== "") {
      const own = data.features.map((feature) => feature.name === state.family);
      tests.push((place) => {
        for (let at = c.reasons_start[place]; at < c.reasons_start[place + 1]; at++) if (own[c.reason[at]]) return true;
        return false;
      });
    }
    const wanted = state.search.trim().toLowerCase().split(/\s+/).filter(Boolean);
    if (wanted.length) lowered = lowered || lines.ids.map((id) => id.toLowerCase());
    for (const word of wanted) {
      const own = KINDS.map((kind) => [false, ...data.names[kind].map((name) => name.toLowerCase().includes(word))]);
      tests.push((place) => lowered[place].includes(word) || KINDS.some((kind, at) => own[at][c[kind][place]]));
    }
    const places = new Uint32Array(lines.count);
    let many = 0;
    for (let place = 0; place < lines.count; place++) if (tests.every((test) => test(place))) places[many++] = place;
    const chosen = places.subarray(0, many);
    if (state.sort !== "rank" || state.down) {
      const key = keyOf(state.sort);
      // Lines without a value come last in both orders.
      const last = { listed: NONE, grades: 0 }[state.sort] ?? (KINDS.includes(state.sort) ? data.names[state.sort].length : -1);
      const order = new Float64Array(many);
      // Key above, place below in one number: such are sorted at once, without a function to compare them.
      for (let at = 0; at < many; at++) {
        const value = key[chosen[at]];
        order[at] = (value === last ? BEYOND : state.down ? BEYOND - 1 - value : value) * PLACES + chosen[at];
      }
      order.sort();
      for (let at = 0; at < many; at++) chosen[at] = order[at] % PLACES;
    }
    return chosen;
  };

  const sortBy = (key, down) => {
    state = { ...state, sort: key, down, page: 0 };
    draw();
  };
  const drawHeads = (shown) => {
    get("heads").replaceChildren(...shown.map((column) => {
      const sorted = column.key !== "" && column.key === state.sort;
      const head = el("th", { scope: "col", role: "columnheader", class: column.cls.replace(/^id$/, ""), "aria-sort": sorted ? (state.down ? "descending" : "ascending") : null });
      const sub = column.sub ? el("span", { class: "head-sub", text: column.sub }) : null;
      if (!column.key) return head.append(el("span", { text: column.head })), head;
      const button = el("button", { type: "button", "data-sort": column.key }, column.head, ...(sub ? [sub] : []));
      button.addEventListener("click", () => {
        sortBy(column.key, state.sort === column.key ? !state.down : Boolean(column.down));
        get("heads").querySelector(`[data-sort="${column.key}"]`).focus();
      });
      return head.append(button), head;
    }));
    get("sort").replaceChildren(...shown.filter((column) => column.key).flatMap((column) => [false, true].map((down) =>
      el("option", { value: column.key + (down ? " down" : ""), selected: column.key === state.sort && down === state.down,
        text: column.head + (down ? " ↓" : " ↑") }))));
  };
  const drawPager = () => {
    const pages = Math.max(1, Math.ceil(found.length / PAGE));
    get("pager").hidden = pages < 2;
    get("page-of").textContent = t("Page {page} of {pages}", { page: number(state.page + 1), pages: number(pages) });
    get("page-back").disabled = state.page === 0;
    get("page-on").disabled = state.page >= pages - 1;
  };
  const drawRows = () => {
    const shown = columns(), first = state.page * PAGE;
    drawHeads(shown);
    const visible = found.subarray(first, first + PAGE);
    get("rows").replaceChildren(...Array.from(visible, (place) => rowOf(place, shown)));
    get("count").textContent = found.length === 0 ? t("No lines")
      : found.length > PAGE ? t("{first}–{last} of {all} lines", { first: number(first + 1), last: number(first + visible.length), all: number(found.length) })
        : tn("{n} line", "{n} lines", found.length);
    get("none").hidden = found.length > 0;
    get("table").hidden = found.length === 0;
    document.querySelectorAll("[data-level]").forEach((chip) => chip.setAttribute("aria-pressed", String(state.levels.has(Number(chip.dataset.level)))));
    document.querySelectorAll("[data-change]").forEach((chip) => chip.setAttribute("aria-pressed", String(state.change === chip.dataset.change)));
    for (const kind of [...KINDS, "family"]) get("filter-" + kind).value = state[kind];
    drawPager();
  };
  const draw = () => {
    found = select();
    drawRows();
  };

  const drawFilters = () => {
    const all = { team: t("All teams"), carrier: t("All carriers"), number_pool: t("All pools"), family: t("All reasons") };
    const collator = new Intl.Collator(words.locale(), { numeric: true });
    for (const kind of KINDS) {
      const options = data.names[kind].slice().sort(collator.compare).map((name) => el("option", { value: "name:" + name, text: name }));
      if (lines.columns[kind].includes(0)) options.push(el("option", { value: "none:", text: t("not known") }));
      get("filter-" + kind).replaceChildren(el("option", { value: "", text: all[kind] }), ...options);
    }
    const names = [...new Map(data.features.map((feature) => [feature.name, pick(feature.family)]))].sort((a, b) => collator.compare(a[1], b[1]));
    get("filter-family").replaceChildren(el("option", { value: "", text: all.family }), ...names.map(([value, text]) => el("option", { value, text })));
    get("bounded").hidden = data.shown === data.total;
    get("bounded").textContent = t("This page holds the top {shown} of {all} lines; ranking.csv beside it has them all.", { shown: number(data.shown), all: number(data.total) });
    document.querySelectorAll("[data-change]").forEach((chip) => { chip.hidden = !data.previous; });
  };

  const set = (changes) => {
    state = { ...state, page: 0, ...changes };
    draw();
  };
  const reset = () => {
    get("search").value = "";
    set({ ...fresh(), sort: "rank", down: false });
  };
  const turn = (step) => {
    state.page += step;
    drawRows();
    get("ranking-title").focus({ preventScroll: true });
    get("ranking").scrollIntoView();
  };
  const only = (changes) => {
    reset();
    set(changes);
  };

  const listen = () => {
    get("search").addEventListener("input", (event) => set({ search: event.target.value }));
    get("filters").addEventListener("submit", (event) => event.preventDefault());
    get("filters").addEventListener("reset", (event) => { event.preventDefault(); reset(); });
    document.querySelectorAll("[data-level]").forEach((chip) => chip.addEventListener("click", () => {
      const level = Number(chip.dataset.level), levels = new Set(state.levels);
      if (!levels.delete(level)) levels.add(level);
      set({ levels });
    }));
    document.querySelectorAll("[data-change]").forEach((chip) => chip.addEventListener("click", () =>
      set({ change: state.change === chip.dataset.change ? "" : chip.dataset.change })));
    for (const kind of [...KINDS, "family"]) get("filter-" + kind).addEventListener("change", (event) => set({ [kind]: event.target.value }));
    get("sort").addEventListener("change", (event) => sortBy(event.target.value.split(" ")[0], event.target.value.endsWith(" down")));
    get("page-back").addEventListener("click", () => turn(-1));
    get("page-on").addEventListener("click", () => turn(1));
  };

  window.bancast.table = {
    draw, drawFilters, listen, only, columns,
    found: () => found,
    // The lines before and after one, in the order shown; -1 where there is none.
    beside: (place) => {
      const at = found.indexOf(place);
      return at < 0 ? [-1, -1] : [at > 0 ? found[at - 1] : -1, at + 1 < found.length ? found[at + 1] : -1];
    },
    // One group's lines; null is the group that is not known.
    group: (kind, name) => only({ [kind]: kind === "family" ? name : name === null ? "none:" : "name:" + name }),
  };
})();
