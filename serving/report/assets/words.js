// Data of the page, and the words, numbers and dates of the reader's language.
(() => {
  "use strict";
  const data = JSON.parse(document.getElementById("data").textContent);
  let language = document.documentElement.lang.startsWith("zh") ? "zh" : "en";
  const locale = () => (language === "zh" ? "zh-CN" : "en-GB");

  const fill = (text, values) => text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
  const t = (msgid, values = {}) => fill((language === "zh" && data.zh[msgid]) || msgid, values);
  // Marks a text for the catalogue where it is declared; it is translated where it is shown.
  const N_ = (text) => text;
  // To make a formatter takes a thousand times as long as to use it.
  const made = new Map();
  const formatter = (Kind, options) => {
    const key = locale() + Kind.name + JSON.stringify(options);
    if (!made.has(key)) made.set(key, new Kind(locale(), options));
    return made.get(key);
  };
  const number = (value, digits = 0) => formatter(Intl.NumberFormat, { minimumFractionDigits: digits, maximumFractionDigits: digits }).format(value);
  const tn = (one, many, n, values = {}) => {
    const text = language === "zh" ? data.zh[one] || many : n === 1 ? one : many;
    return fill(text, { n: number(n), ...values });
  };
  const percent = (share) => {
    if (share > 0 && share < 0.0005) return "<" + percent(0.001);
    const digits = share < 0.0995 ? 1 : 0;
    return formatter(Intl.NumberFormat, { style: "percent", minimumFractionDigits: digits, maximumFractionDigits: digits }).format(share);
  };
  const moment = (iso) => new Date(iso + "T00:00:00Z");
  const date = (iso, style = "long") =>
    formatter(Intl.DateTimeFormat, style === "long" ? { dateStyle: "long", timeZone: "UTC" } : { day: "numeric", month: language === "zh" ? "long" : "short", timeZone: "UTC" })
      .format(moment(iso));
  const dayBefore = (days) => new Date(moment(data.asOf).getTime() - days * 86400000).toISOString().slice(0, 10);
  const dayOf = (offset) => dayBefore(data.days - offset);
  const pick = (words) => (words.length === 1 ? words[0] : words[data.languages.indexOf(language)]);
  const upTo = (value, digits) => formatter(Intl.NumberFormat, { maximumFractionDigits: digits }).format(value);
  const duration = (seconds) => {
    if (seconds < 120) return t("{n} s", { n: upTo(seconds, seconds < 10 ? 1 : 0) });
    if (seconds < 7200) return t("{n} min", { n: upTo(seconds / 60, seconds < 600 ? 1 : 0) });
    return t("{n} h", { n: upTo(seconds / 3600, seconds < 36000 ? 1 : 0) });
  };
  // A feature's value with its unit, as serving/report/texts.py says it in the files.
  const quantity = (unit, value) => {
    if (value === null || Number.isNaN(value)) return t("not known");
    if (unit === "share") return value >= 0 ? percent(value) : "−" + percent(-value);
    if (unit === "yes/no") return value >= 0.5 ? t("yes") : t("no");
    if (unit === "times") return "×" + upTo(value, value < 100 ? 1 : 0);
    if (unit === "s") return duration(value);
    const many = upTo(value, Math.abs(value) < 100 ? 1 : 0);
    if (unit.startsWith("per ")) return many + " " + t(unit);
    const word = t(unit);
    return (many + " " + (language === "en" && many === "1" && word.endsWith("s") ? word.slice(0, -1) : word)).trim();
  };

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
  const sentences = (list) => list.join(language === "zh" ? "" : " ");
  const signed = (value, digits = 0) => (value > 0 ? "+" : value < 0 ? "−" : "±") + number(Math.abs(value), digits);
  const words = { t, tn, N_, number, sentences, signed, percent, date, dayOf, dayBefore, pick, duration, quantity, setLanguage, language: () => language, locale };
  window.bancast = { data, words, dom: { el, svg, meter, get: (id) => document.getElementById(id) } };
})();
