// Brings the page up, and again in the other language.
(() => {
  "use strict";
  const { data, words, dom, charts, table } = window.bancast;
  const { t, tn, number, date } = words;
  const { el, get } = dom;
  let kind = "team";

  const drawWords = () => {
    document.title = t("Line ban risk, ranked") + " · " + data.asOf;
    document.querySelectorAll("[data-t]").forEach((one) => { one.textContent = t(one.dataset.t); });
    for (const name of ["placeholder", "aria-label"])
      document.querySelectorAll(`[data-t-${name}]`).forEach((one) => one.setAttribute(name, t(one.getAttribute("data-t-" + name))));
    document.querySelectorAll("[data-number]").forEach((one) => { one.textContent = number(Number(one.dataset.number), Number(one.dataset.digits || 0)); });
    document.querySelectorAll("[data-language]").forEach((one) => one.setAttribute("aria-pressed", String(one.dataset.language === words.language())));
    const n = data.horizons[data.headline];
    get("as-of").textContent = t("As of {date}, 00:00", { date: date(data.asOf) });
    get("expected-title").textContent = t("Bans expected in the next {n} days", { n });
    get("about-risk").textContent = t("A risk is the model's estimate of how likely a ban of the line begins within so many days; {n} days rank the list. Risks after an action are estimates too, and no promise.", { n });
  };

  const signed = (value, digits) => (value > 0 ? "+" : value < 0 ? "−" : "±") + number(Math.abs(value), digits);
  const drawChanges = () => {
    const line = get("changes");
    if (!data.previous) {
      line.textContent = t("This is the first scored day here: what changed shows from the next one on.");
      return;
    }
    const now = data.totals, before = data.previous;
    document.querySelectorAll("[data-delta]").forEach((one) => {
      const what = one.dataset.delta;
      const change = /^\d$/.test(what) ? now.levels[what] - before.levels[what] : now[what] - before[what];
      const digits = what === "expected" ? 1 : 0;
      one.textContent = Number(change.toFixed(digits)) === 0 ? t("unchanged") : signed(change, digits);
    });
    const fresh = el("button", { type: "button", text: tn("{n} new on the list", "{n} new on the list", data.newLines) });
    fresh.addEventListener("click", table.onlyNew);
    line.replaceChildren(
      el("b", { text: t("Since {date}: ", { date: date(before.day) }) }),
      data.newLines ? fresh : t("nothing new on the list"), t(", "),
      tn("{n} line back to green", "{n} lines back to green", data.cleared.length),
      ...(data.gone.length ? [t(", "),
        tn("{n} line of that list no longer scored (banned or given up)", "{n} lines of that list no longer scored (banned or given up)", data.gone.length)] : []),
      t("."));
  };

  const drawGroups = () => {
    const pick = (name) => table.only(kind, name);
    charts.drawGroups(kind, pick);
    charts.drawGroupTable(kind, pick);
    document.querySelectorAll("[data-kind]").forEach((one) => one.setAttribute("aria-pressed", String(one.dataset.kind === kind)));
  };
  const drawCharts = () => {
    charts.drawTrend();
    drawGroups();
    charts.drawFamilies((name) => table.only("family", name));
  };
  const draw = () => {
    drawWords();
    drawChanges();
    table.drawFilters();
    table.draw();
    drawCharts();
  };

  document.querySelectorAll("[data-language]").forEach((one) => one.addEventListener("click", () => { words.setLanguage(one.dataset.language); draw(); }));
  document.querySelectorAll("[data-kind]").forEach((one) => one.addEventListener("click", () => { kind = one.dataset.kind; drawGroups(); }));
  get("print").addEventListener("click", () => window.print());
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  table.listen();
  draw();
  document.documentElement.dataset.ready = "true";
})();
