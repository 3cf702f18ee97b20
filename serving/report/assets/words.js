// Data of the page, and the words, numbers and dates of the reader's language.
(() => {
  "use strict";
  const data = JSON.parse(document.getElementById("data").textContent);
  let language = document.documentElement.lang.startsWith("zh") ? "zh" : "en";
  const locale = () => (language === "zh" ? "zh-CN" : "en-GB");

  const fill = (text, values) => text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
  const t = (msgid, values = {}) => fill((language === "zh" && data.zh[msgid]) || msgid, values);
  const number = (value, digits = 0) =>
    new Intl.NumberFormat(locale(), { minimumFractionDigits: digits, maximumFractionDigits: digits }).format(value);
  const tn = (one, many, n, values = {}) => {
    const text = language === "zh" ? data.zh[one] || many : n === 1 ? one : many;
    return fill(text, { n: number(n), ...values });
  };
  const percent = (share) => {
    if (share > 0 && share < 0.0005) return "<" + percent(0.001);
    const digits = share < 0.0995 ? 1 : 0;
    return new Intl.NumberFormat(locale(), { style: "percent", minimumFractionDigits: digits, maximumFractionDigits: digits }).format(share);
  };
  const moment = (iso) => new Date(iso + "T00:00:00Z");
  const date = (iso, style = "long") =>
    new Intl.DateTimeFormat(
      locale(),
      style === "long" ? { dateStyle: "long", timeZone: "UTC" } : { day: "numeric", month: language === "zh" ? "long" : "short", timeZone: "UTC" },
    ).format(moment(iso));
  const dayOf = (offset) => new Date(moment(data.asOf).getTime() + (offset - data.days) * 86400000).toISOString().slice(0, 10);
  const pick = (words) => (words.length === 1 ? words[0] : words[data.languages.indexOf(language)]);
  const duration = (seconds) =>
    seconds < 7200 ? t("{n} min", { n: number(seconds / 60, seconds < 600 ? 1 : 0) }) : t("{n} h", { n: number(seconds / 3600, seconds < 36000 ? 1 : 0) });

  // An element with its text set as text, never as markup: names come from data.
  const el = (tag, options = {}, ...children) => {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(options)) {
      if (name === "text") made.textContent = value;
      else if (name === "class") made.className = value;
      else if (value !== null && value !== undefined && value !== false) made.setAttribute(name, value === true ? "" : value);
    }
    made.append(...children.filter((child) => child !== null && child !== undefined));
    return made;
  };
  const svg = (tag, attributes, ...children) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.append(...children);
    return made;
  };
  const meter = (share, most = 1) => {
    const inner = el("i");
    inner.style.width = Math.max(1, Math.min(100, (100 * share) / most)) + "%";
    return el("span", { class: "meter", "aria-hidden": "true" }, inner);
  };

  const setLanguage = (wanted) => {
    language = wanted;
    document.documentElement.lang = wanted === "zh" ? "zh-CN" : "en";
  };
  const words = { t, tn, number, percent, date, dayOf, pick, duration, setLanguage, language: () => language, locale };
  window.bancast = { data, words, dom: { el, svg, meter, get: (id) => document.getElementById(id) } };
})();
