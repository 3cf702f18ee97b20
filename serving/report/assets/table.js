// The ranking itself: search, filters, order, and lines that open.
(() => {
  "use strict";
  const { data, words, dom, charts, detail } = window.bancast;
  const { t, tn, number, percent, date, pick } = words;
  const { el, meter, get } = dom;
  const KINDS = ["team", "carrier", "number_pool"];
  const STEP = 200;
  const flagged = data.rows.filter((row) => row.level < 3).length;
  const FIRST = Math.min(Math.max(50, flagged), 300);
  const fresh = () => ({ search: "", levels: new Set(), onlyNew: false, team: "", carrier: "", number_pool: "", family: "", limit: FIRST });
  let state = { ...fresh(), sort: "rank", down: false };
  const opened = new Map();

  const group = (row, kind) => {
    const place = row.groups[KINDS.indexOf(kind)];
    return place < 0 ? "" : data.names[kind][place];
  };
  const haystacks = data.rows.map((row) => [row.id, ...KINDS.map((kind) => group(row, kind))].join("\n").toLowerCase());
  const familyOf = (row) => row.reasons.map(([feature]) => data.features[feature].name);

  const columns = () => [
    { key: "rank", head: t("Rank"), cls: "num rank", value: (row) => row.rank },
    { key: "id", head: t("Line"), cls: "id", value: (row) => row.id },
    { key: "level", head: t("Level"), cls: "", value: (row) => row.level },
    { key: "risk", head: tn("Risk, {n} day", "Risk, {n} days", data.horizons[data.headline]), cls: "risk", value: (row) => row.risk[data.headline], down: true },
    ...data.horizons.map((days, place) => ({ days, place })).filter(({ place }) => place !== data.headline).map(({ days, place }) => (
      { key: "risk" + days, head: tn("{n} day", "{n} days", days), cls: "num small col-other", value: (row) => row.risk[place], down: true })),
    { key: "team", head: t("Team"), cls: "group col-group", value: (row) => group(row, "team") },
    { key: "carrier", head: t("Carrier"), cls: "group col-group", value: (row) => group(row, "carrier") },
    { key: "number_pool", head: t("Number pool"), cls: "group col-group", value: (row) => group(row, "number_pool") },
    { key: "since", head: t("Listed since"), cls: "since col-since", value: (row) => row.since || "9999" },
    { key: "", head: t("Why, and what to do first"), cls: "why col-why" },
    { key: "calls", head: t("Calls, 8 weeks"), cls: "spark col-spark", value: (row) => row.facts[0], down: true },
  ];

  const sinceText = (row) => {
    if (!row.since) return "–";
    if (row.new) return t("new");
    return row.since === data.asOf ? t("first list") : date(row.since, row.since.slice(0, 4) === data.asOf.slice(0, 4) ? "short" : "long");
  };

  const cells = {
    rank: (row) => number(row.rank),
    id: (row) => {
      const button = el("button", { type: "button", text: row.id, "aria-expanded": opened.has(row.rank) ? "true" : "false" });
      button.addEventListener("click", () => toggle(row, button));
      const where = KINDS.map((kind) => group(row, kind)).filter(Boolean).join(" · ");
      return [button, row.new ? el("span", { class: "badge", text: t("new") }) : null, el("div", { class: "where", text: where })];
    },
    level: (row) => el("span", { class: "level " + data.levels[row.level][0], text: charts.levelName(row.level) }),
    risk: (row) => [el("b", { text: percent(row.risk[data.headline]) }), meter(row.risk[data.headline])],
    since: sinceText,
    "": (row) => {
      if (!row.reasons.length) return el("span", { class: "small", text: t("Nothing stands out.") });
      const reason = detail.reasonWords(row.reasons[0]);
      const parts = [el("div", { class: "first" }, pick(reason.doc) + t(": "), el("b", { text: reason.value }), " ",
        el("span", { class: "usual", text: t("(usual {usual})", { usual: reason.usual }) }))];
      if (row.actions.length) {
        const [place, after] = row.actions[0];
        parts.push(el("div", { class: "do" }, pick(data.actions[place].title) + " ", detail.arrow(row.risk[data.headline], after)));
      }
      return parts;
    },
    calls: (row) => detail.sparkline(row),
  };
  const cell = (column, row) => (cells[column.key] || ((one) => {
    const value = column.value(one);
    return typeof value === "number" ? percent(value) : value || "–";
  }))(row);

  const rowOf = (row, shown) => {
    const made = el("tr", { class: "line " + data.levels[row.level][0] + (opened.has(row.rank) ? " open" : "") });
    for (const column of shown) {
      const inside = cell(column, row);
      made.append(el(column.key === "id" ? "th" : "td", { class: column.cls, scope: column.key === "id" ? "row" : null }, ...[].concat(inside)));
    }
    return made;
  };

  const detailRow = (row) => {
    const sheet = detail.sheet(row);
    const made = el("tr", { class: "detail" }, el("td", { colspan: String(columns().length) }, sheet.part));
    return { made, sheet };
  };
  const toggle = (row, button) => {
    const line = button.closest("tr");
    const open = opened.get(row.rank);
    if (open) {
      open.sheet.close();
      open.made.remove();
      opened.delete(row.rank);
    } else {
      const next = detailRow(row);
      opened.set(row.rank, next);
      line.after(next.made);
      next.sheet.draw();
    }
    line.classList.toggle("open", !open);
    button.setAttribute("aria-expanded", open ? "false" : "true");
  };

  const found = () => {
    const wanted = state.search.trim().toLowerCase().split(/\s+/).filter(Boolean);
    const rows = data.rows.filter((row, place) =>
      wanted.every((word) => haystacks[place].includes(word)) &&
      (!state.levels.size || state.levels.has(row.level)) && (!state.onlyNew || row.new) &&
      KINDS.every((kind) => state[kind] === "" || group(row, kind) === (state[kind] === "none:" ? "" : state[kind].slice(5))) &&
      (state.family === "" || familyOf(row).includes(state.family)));
    const column = columns().find((one) => one.key === state.sort);
    const collator = new Intl.Collator(words.locale(), { numeric: true });
    const sign = state.down ? -1 : 1;
    const order = (a, b) => {
      const x = column.value(a), y = column.value(b);
      return sign * (typeof x === "string" ? collator.compare(x, y) : x - y) || a.rank - b.rank;
    };
    return state.sort === "rank" && !state.down ? rows : rows.slice().sort(order);
  };

  const drawHeads = () => {
    get("heads").replaceChildren(...columns().map((column) => {
      const sorted = column.key === state.sort;
      const head = el("th", { scope: "col", class: column.cls.replace("id", ""), "aria-sort": column.key && sorted ? (state.down ? "descending" : "ascending") : null });
      if (!column.key) return head.append(el("span", { text: column.head })), head;
      const button = el("button", { type: "button", "data-sort": column.key, text: column.head });
      button.addEventListener("click", () => {
        state.down = state.sort === column.key ? !state.down : Boolean(column.down);
        state.sort = column.key;
        draw();
        get("heads").querySelector(`[data-sort="${column.key}"]`).focus();
      });
      return head.append(button), head;
    }));
  };

  const draw = () => {
    drawHeads();
    const rows = found(), shown = columns();
    opened.forEach((open) => open.sheet.close());
    const reopened = [];
    const body = document.createDocumentFragment();
    for (const row of rows.slice(0, state.limit)) {
      body.append(rowOf(row, shown));
      if (opened.has(row.rank)) {
        const next = detailRow(row);
        reopened.push([row.rank, next]);
        body.append(next.made);
      }
    }
    opened.clear();
    get("rows").replaceChildren(body);
    for (const [rank, open] of reopened) {
      opened.set(rank, open);
      open.sheet.draw();
    }
    const visible = Math.min(rows.length, state.limit);
    get("count").textContent = t("{shown} of {all} lines", { shown: number(visible), all: number(rows.length) });
    get("none").hidden = rows.length > 0;
    get("more").hidden = rows.length <= state.limit;
    get("more").textContent = tn("Show {n} more", "Show {n} more", Math.min(STEP, rows.length - visible));
    document.querySelectorAll("[data-level]").forEach((chip) => chip.setAttribute("aria-pressed", String(state.levels.has(Number(chip.dataset.level)))));
    get("only-new").setAttribute("aria-pressed", String(state.onlyNew));
    for (const kind of [...KINDS, "family"]) get("filter-" + kind).value = state[kind];
  };

  const drawFilters = () => {
    const all = { team: t("All teams"), carrier: t("All carriers"), number_pool: t("All pools"), family: t("All reasons") };
    const collator = new Intl.Collator(words.locale(), { numeric: true });
    for (const kind of KINDS) {
      const options = data.names[kind].slice().sort(collator.compare).map((name) => el("option", { value: "name:" + name, text: name }));
      if (data.rows.some((row) => group(row, kind) === "")) options.push(el("option", { value: "none:", text: t("not known") }));
      get("filter-" + kind).replaceChildren(el("option", { value: "", text: all[kind] }), ...options);
    }
    get("filter-family").replaceChildren(el("option", { value: "", text: all.family }),
      ...data.familyNames.map((family) => el("option", { value: family.name, text: pick(family.label) })));
    get("bounded").hidden = data.rows.length === data.total;
    get("bounded").textContent = t("This page holds the top {shown} of {all} lines; ranking.csv beside it has them all.", { shown: number(data.rows.length), all: number(data.total) });
    get("only-new").hidden = !data.hasPrevious;
  };

  const set = (changes) => {
    state = { ...state, limit: FIRST, ...changes };
    draw();
  };
  const reset = () => {
    get("search").value = "";
    set(fresh());
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
    get("only-new").addEventListener("click", () => set({ onlyNew: !state.onlyNew }));
    for (const kind of [...KINDS, "family"]) get("filter-" + kind).addEventListener("change", (event) => set({ [kind]: event.target.value }));
    get("more").addEventListener("click", () => { state.limit += STEP; draw(); });
  };

  window.bancast.table = {
    draw, drawFilters, listen,
    // Show one group's lines; null is the group that is not known.
    only: (kind, name) => {
      reset();
      set({ [kind]: kind === "family" ? name : name === null ? "none:" : "name:" + name });
      get("ranking").scrollIntoView();
    },
    onlyNew: () => { reset(); set({ onlyNew: true }); get("ranking").scrollIntoView(); },
  };
})();
