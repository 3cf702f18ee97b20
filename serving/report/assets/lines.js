// The lines: columns of numbers, unpacked once; a line's own values are gathered when it is shown.
(() => {
  "use strict";
  const { data } = window.bancast;
  const TYPES = { Uint8Array, Uint16Array, Uint32Array, Int32Array, Float32Array };
  const NONE = 65535, SHARE = 10000, LEVEL_BITS = 14;
  const KINDS = ["team", "carrier", "number_pool"];
  const lines = { count: data.shown, columns: {}, ids: [], KINDS, NONE };

  const decode = (text) => {
    if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
    const plain = atob(text), bytes = new Uint8Array(plain.length);
    for (let place = 0; place < plain.length; place++) bytes[place] = plain.charCodeAt(place);
    return bytes;
  };
  const starts = (counts) => {
    const found = new Uint32Array(counts.length + 1);
    for (let place = 0; place < counts.length; place++) found[place + 1] = found[place] + counts[place];
    return found;
  };

  lines.unpack = async () => {
    const host = document.getElementById("columns");
    const stream = new Blob([decode(host.textContent)]).stream().pipeThrough(new DecompressionStream("gzip"));
    const buffer = await new Response(stream).arrayBuffer();
    host.remove();
    for (const [name, [type, offset, length]] of Object.entries(data.columns)) lines.columns[name] = new TYPES[type](buffer, offset, length);
    lines.ids = JSON.parse(new TextDecoder().decode(lines.columns.ids));
    for (const name of ["reasons", "actions", "complaints", "banned"]) lines.columns[name + "_start"] = starts(lines.columns[name]);
  };

  const share = (value) => (value === NONE ? null : value / SHARE);
  const range = (name, place) => {
    const start = lines.columns[name + "_start"];
    return Array.from({ length: start[place + 1] - start[place] }, (_, step) => start[place] + step);
  };
  const group = (place, kind) => {
    const code = lines.columns[kind][place];
    return code ? data.names[kind][code - 1] : "";
  };
  const history = (place) => data.trend.slice(0, -1).map(({ day }, step) => {
    const value = lines.columns.history[step * lines.count + place];
    return value === NONE ? null : { day, level: value >> LEVEL_BITS, risk: (value & ((1 << LEVEL_BITS) - 1)) / SHARE };
  }).filter(Boolean);

  lines.at = (place) => {
    const c = lines.columns;
    return {
      place, id: lines.ids[place], rank: c.rank[place], level: c.level[place], isNew: c.new[place] === 1, isUp: c.up[place] === 1,
      ack: Object.hasOwn(data.acks, lines.ids[place]) ? data.acks[lines.ids[place]] : null,
      levelBefore: c.level_before[place] === 255 ? null : c.level_before[place], riskBefore: share(c.risk_before[place]),
      risk: data.horizons.map((_, step) => c["risk_" + step][place] / SHARE),
      daysToRed: c.days_to_red[place] === NONE ? null : c.days_to_red[place],
      listed: c.listed[place] === NONE ? null : c.listed[place],
      groups: Object.fromEntries(KINDS.map((kind) => [kind, group(place, kind)])),
      where: KINDS.map((kind) => group(place, kind)).filter(Boolean).join(" · "),
      calls7: c.calls_7d[place], talk7: c.talk_7d[place], complaints28: c.complaints_28d[place], bansEver: c.bans[place],
      grades: data.grades.map((name) => ({ name, letter: ["", "A", "B", "C", "D"][c["grade_" + name][place]] })),
      reasons: range("reasons", place).map((at) => ({ feature: data.features[c.reason[at]], value: c.reason_value[at], usual: c.reason_usual[at] })),
      actions: range("actions", place).map((at) => ({
        action: data.actions[c.action[at]], after: share(c.action_after[at]), below: [null, false, true][c.action_below[at]],
        plan: c.action_plan ? data.plans[c.action_plan[at]] : null,
      })),
      calls: c.calls.subarray(place * data.days, (place + 1) * data.days),
      complaints: range("complaints", place).map((at) => [c.complaints_day[at], c.complaints_count[at]]),
      bans: range("banned", place).map((at) => c.banned_day[at]),
    };
  };
  lines.history = history;
  lines.group = group;
  lines.place = (id) => lines.ids.indexOf(id);
  window.bancast.lines = lines;
})();
