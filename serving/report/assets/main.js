// Brings the page up, goes from view to view by the address, and changes the language.
(() => {
  "use strict";
  const { data, words, dom, lines, charts, table, line, where, scorecard, sections, exporting } = window.bancast;
  const { t, tn, number, signed, percent, date } = words;
  const { el, get } = dom;
  const VIEWS = {
    lines: () => {}, changes: where.drawChanges, where: where.drawWhere, scorecard: scorecard.draw, capacity: sections.drawContinuity,
    coaching: sections.drawCoaching, appeals: sections.drawAppeals, about: () => {},
  };
  let view = "lines", opened = null, scrolled = 0;

  const drawWords = () => {
    document.querySelectorAll("[data-t]").forEach((one) => { one.textContent = t(one.dataset.t); });
    for (const name of ["placeholder", "aria-label"])
      document.querySelectorAll(`[data-t-${name}]`).forEach((one) => one.setAttribute(name, t(one.getAttribute("data-t-" + name))));
    document.querySelectorAll("[data-number]").forEach((one) => { one.textContent = number(Number(one.dataset.number), Number(one.dataset.digits || 0)); });
    document.querySelectorAll("[data-language]").forEach((one) => one.setAttribute("aria-pressed", String(one.dataset.language === words.language())));
    const n = data.horizons[data.headline];
    get("as-of").textContent = t("As of {date}, 00:00", { date: date(data.asOf) });
    get("expected-title").textContent = t("Bans expected in the next {n} days", { n });
    get("about-risk").textContent = t(data.about, { n });
    if (data.interval) get("interval").textContent = t("likely {low} to {high}", { low: number(data.interval[0]), high: number(data.interval[1]) });
  };

  const drawHeadline = () => {
    const last = scorecard.headline();
    get("last-main").textContent = last ? last.main : "–";
    get("last-sub").textContent = last ? last.sub + (last.final ? "" : t(" (not final)")) : t("nothing to judge yet");
    const changes = get("changes");
    if (!data.previous) {
      changes.textContent = t("This is the first scored day here: what changed shows from the next one on.");
      return;
    }
    const now = data.totals, before = data.previous;
    document.querySelectorAll("[data-delta]").forEach((one) => {
      const what = one.dataset.delta;
      // A day that the rule ranked forecasts no bans.
      if (what === "expected" && (now.expected === null || before.expected === null)) return;
      const digits = what === "expected" ? 1 : 0;
      const change = /^\d$/.test(what) ? now.levels[what] - before.levels[what] : now[what] - before[what];
      one.textContent = Number(change.toFixed(digits)) === 0 ? t("unchanged") : signed(change, digits);
    });
    const gone = tn("{n} line no longer scored", "{n} lines no longer scored", data.goneLines) + (data.goneBanned ? t(" ({n} banned)", { n: number(data.goneBanned) }) : "");
    const link = el("a", { href: "#view=changes", text: [
      tn("{n} new on the list", "{n} new on the list", data.newLines), tn("{n} went up a level", "{n} went up a level", data.upLines),
      tn("{n} line back to green", "{n} lines back to green", data.clearedLines), ...(data.goneLines ? [gone] : [])].join(t(", ")) });
    changes.replaceChildren(el("b", { text: t("Since {date}: ", { date: date(before.day) }) }), link, t("."));
  };

  const title = (of) => { document.title = of + t("Line ban risk, ranked") + " · " + data.asOf; };
  const route = () => {
    const address = location.hash.slice(1);
    if (address.startsWith("line=")) return { view: "line", id: decodeURIComponent(address.slice(5)) };
    const wanted = address.startsWith("view=") ? address.slice(5) : "";
    return { view: VIEWS[wanted] ? wanted : wanted || !address ? "lines" : view === "line" ? "lines" : view };
  };
  const safely = () => {
    try { return route(); } catch { return { view: "lines" }; }
  };
  // Shows the view that the address names; the keyboard goes with it, and back to where it came from.
  const show = (moved) => {
    const to = safely(), from = view, left = opened;
    if (from === "lines" && to.view !== "lines") scrolled = window.scrollY;
    view = to.view;
    opened = to.id ?? null;
    for (const name of [...Object.keys(VIEWS), "line"]) get("view-" + name).hidden = name !== view;
    document.querySelectorAll("#views a").forEach((one) => (one.getAttribute("href") === "#view=" + view || (view === "line" && one.getAttribute("href") === "#view=lines")
      ? one.setAttribute("aria-current", "page") : one.removeAttribute("aria-current")));
    if (view === "line") line.show(opened);
    else VIEWS[view]();
    title(opened === null ? "" : opened + " · ");
    if (!moved) return;
    if (view === "lines" && from === "line") {
      window.scrollTo(0, scrolled);
      const link = [...get("rows").querySelectorAll("th a")].find((one) => one.getAttribute("href") === "#line=" + encodeURIComponent(left));
      if (link) return link.focus({ preventScroll: true });
    }
    if (view === from && opened === left) return;
    const head = get("view-" + view).querySelector("h2");
    if (head) head.focus({ preventScroll: true });
    if (view === "line") window.scrollTo(0, 0);
    else if (view !== "lines") get("views").scrollIntoView();
  };
  const draw = () => {
    drawWords();
    drawHeadline();
    table.drawFilters();
    table.draw();
    show(false);
  };
  const open = (name) => { location.hash = "#view=" + name; };

  const listen = () => {
    document.querySelectorAll("[data-language]").forEach((one) => one.addEventListener("click", () => { words.setLanguage(one.dataset.language); draw(); }));
    get("print").addEventListener("click", () => window.print());
    get("save").addEventListener("click", exporting.save);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
    window.addEventListener("hashchange", () => show(true));
    where.onOpen(open);
    table.listen();
  };
  lines.unpack().then(() => {
    listen();
    draw();
    document.documentElement.dataset.ready = "true";
  }).catch((error) => {
    get("broken").hidden = false;
    throw error;
  });
})();
