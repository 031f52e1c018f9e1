"use strict";
// The explorer of report.html: filter the judged pairs, and read one. The page's security policy
// lets this one script run, by its hash, and nothing else. Text of models and of files only ever
// becomes the text of a node: nothing here writes markup.
(() => {
  const root = document.documentElement;
  const byId = (id) => document.getElementById(id);

  /** An element with properties, attributes (in `attributes`) and children, strings as text. */
  function make(tag, properties = {}, ...children) {
    const { attributes = {}, ...rest } = properties;
    const element = Object.assign(document.createElement(tag), rest);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  }

  // ---- theme: as the system has it, unless told otherwise ----

  const THEMES = ["system", "light", "dark"];
  const themeButton = byId("theme");

  // Pages from a file, or in a sandbox, may have no storage: then a choice lasts as long as the page.
  function stored(value) {
    try {
      if (value !== undefined) localStorage.setItem("jurist-theme", value);
      return localStorage.getItem("jurist-theme");
    } catch {
      return null;
    }
  }

  function setTheme(name) {
    if (name === "system") delete root.dataset.theme;
    else root.dataset.theme = name;
    themeButton.textContent = `theme: ${name}`;
  }

  function nextTheme() {
    const now = root.dataset.theme ?? "system";
    const next = THEMES[(THEMES.indexOf(now) + 1) % THEMES.length];
    setTheme(next);
    stored(next);
  }

  setTheme(THEMES.includes(stored()) ? stored() : "system");
  themeButton.hidden = false;
  themeButton.addEventListener("click", nextTheme);

  const app = byId("explorer-app");
  if (!app) return;

  // ---- what the page carries ----

  const RESULTS = ["right", "wrong", "tie", "none"];
  const MARKS = { right: "✓", wrong: "✗", tie: "=", none: "–" };
  const WORDS = { right: "right", wrong: "wrong", tie: "tied", none: "no verdict" };
  const ROOM = 6; // rows drawn above and below those that are seen

  async function unpacked(script) {
    const bytes = Uint8Array.from(atob(script.textContent), (letter) => letter.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return JSON.parse(await new Response(stream).text());
  }

  const scripts = [...document.querySelectorAll("script.explorer-part")];
  const parts = scripts.map(() => null); // promises of unpacked parts
  let data, pairs, readings, count, everything;

  /** The part that a pair's texts lie in: the last that begins at it or before. */
  function partOf(pair) {
    let low = 0;
    for (let high = data.starts.length; high - low > 1; ) {
      const middle = (low + high) >> 1;
      if (data.starts[middle] <= pair) low = middle;
      else high = middle;
    }
    return low;
  }

  async function texts(pair) {
    const part = partOf(pair);
    parts[part] ??= unpacked(scripts[part]);
    return (await parts[part])[pair - data.starts[part]];
  }

  // ---- controls: their values are the whole state, and the address holds them ----

  const list = byId("explorer-list");
  const space = byId("explorer-space");
  const detail = byId("explorer-detail");
  const keys = byId("explorer-keys");
  const controls = [...byId("explorer-filters").querySelectorAll("select, input")];
  const control = Object.fromEntries(controls.map((one) => [one.name, one]));
  const value = (name) => control[name].value.trim();

  function offer(name, values) {
    control[name].append(...values.map((text, i) => make("option", { value: String(i) }, text)));
    // Nothing to choose among is nothing to show.
    control[name].closest("label").hidden = values.length < 2;
  }

  function prepare() {
    offer("judge", data.judges);
    offer("other", data.judges);
    offer("set", data.sets);
    offer("category", data.categories.map((name) => name || "(none)"));
    control.differ.closest("label").hidden = data.judges.length < 2;
    control.label.closest("label").hidden = !pairs.tie.includes(1);
    for (const one of controls) one.dataset.clear = one.value;
    for (const [name, preset] of Object.entries(data.preset)) control[name].value = preset;
    for (const one of controls) one.dataset.before = one.value;
  }

  /** Let every pair pass. Which judges are looked at is no filter, and stays. */
  function clear() {
    const kept = [control.judge, control.other];
    for (const one of controls) if (!kept.includes(one)) one.value = one.dataset.clear;
    update();
  }

  /** The address of what is seen: the controls that were touched, and the pair. */
  function address() {
    const fields = new URLSearchParams();
    for (const one of controls) if (one.value !== one.dataset.before) fields.set(one.name, one.value);
    if (selected !== null) {
      fields.set("of", data.sets[pairs.set[selected]]);
      fields.set("pair", pairs.id[selected]);
    }
    return `#explorer?${fields}`;
  }

  let written = ""; // the last address of our own, so that it is not taken for somebody's wish

  function writeAddress() {
    written = address();
    history.replaceState(null, "", written);
  }

  /** Follow an address, if it is one of the explorer. Returns whether it is. */
  function readAddress() {
    const hash = location.hash;
    if (!hash.startsWith("#explorer?") || hash === written) return false;
    const fields = new URLSearchParams(hash.slice("#explorer?".length));
    for (const one of controls) one.value = fields.get(one.name) ?? one.dataset.before;
    // A choice that this page does not have leaves a select empty.
    for (const one of controls) if (one.selectedIndex === -1) one.value = one.dataset.before;
    const set = data.sets.indexOf(fields.get("of"));
    const id = fields.get("pair");
    const found = id === null ? -1 : everything.find((i) => pairs.id[i] === id && pairs.set[i] === set);
    selected = found === undefined || found === -1 ? null : found;
    return true;
  }

  // ---- filters ----

  let shown = []; // numbers of the pairs that pass, in order
  let selected = null; // number of the pair that is read, whether it passes or not
  let turn = 0; // counts updates: one that has been overtaken stops

  const judge = () => Number(value("judge"));
  const other = () => (value("other") === "" ? null : Number(value("other")));
  const result = (by, pair) => RESULTS[readings[by].result[pair]];
  const outcome = (by, pair) => {
    const found = readings[by].outcome[pair];
    return typeof found === "string" ? "none" : found;
  };
  const sureness = (by, pair) => {
    const given = readings[by].given[pair];
    return given === null ? null : 100 * Math.max(given, 1 - given);
  };

  const FLIPS = { yes: 1, no: 0, unknown: null };
  const LENGTHS = {
    longer: (better, worse) => better > 1.1 * worse,
    shorter: (better, worse) => worse > 1.1 * better,
    like: (better, worse) => better <= 1.1 * worse && worse <= 1.1 * better,
  };
  const DIFFERENCES = {
    verdict: (one, two, pair) => outcome(one, pair) !== outcome(two, pair),
    wins: (one, two, pair) => result(one, pair) === "right" && result(two, pair) !== "right",
    losses: (one, two, pair) => result(two, pair) === "right" && result(one, pair) !== "right",
    right: (one, two, pair) => result(one, pair) === "right" && result(two, pair) === "right",
    wrong: (one, two, pair) => result(one, pair) !== "right" && result(two, pair) !== "right",
  };

  /** The tests that the controls ask for, text aside: each takes the number of a pair. */
  function tests() {
    const by = judge();
    const beside = other();
    const found = [];
    const when = (name, test) => value(name) !== "" && found.push(test);
    const set = Number(value("set"));
    const category = Number(value("category"));
    const asked = value("result");
    const flip = FLIPS[value("flip")];
    const fits = LENGTHS[value("length")];
    const tie = value("label") === "tie" ? 1 : 0;
    const from = Number(value("from"));
    const to = Number(value("to"));
    const differ = DIFFERENCES[value("differ")];
    when("set", (i) => pairs.set[i] === set);
    when("category", (i) => pairs.category[i] === category);
    when("result", (i) => result(by, i) === asked);
    when("flip", (i) => readings[by].flip[i] === flip);
    when("length", (i) => !pairs.tie[i] && fits(pairs.better[i], pairs.worse[i]));
    when("label", (i) => pairs.tie[i] === tie);
    // A pair without any verdict has no confidence, and is in no range of it.
    when("from", (i) => sureness(by, i) !== null && sureness(by, i) >= from);
    when("to", (i) => sureness(by, i) !== null && sureness(by, i) <= to);
    if (differ && beside !== null) found.push((i) => differ(by, beside, i));
    return found;
  }

  const SORTS = {
    wrong: (by, i) => readings[by].given[i] ?? 2,
    sure: (by, i) => -(sureness(by, i) ?? 0),
    doubt: (by, i) => sureness(by, i) ?? 200,
  };

  const asText = ([prompt, better, worse, votes], pair) =>
    [
      pairs.id[pair],
      ...prompt.map(([, content]) => content),
      better,
      worse,
      ...votes.flat().map((vote) => vote[6]),
    ]
      .join("\n")
      .toLowerCase();

  const haystacks = []; // what is searched, by pair, once it has been searched

  /** Those of the pairs whose texts hold the phrase, or null if another update came between. */
  async function holding(phrase, among, mine) {
    const found = [];
    let since = performance.now();
    for (const pair of among) {
      haystacks[pair] ??= asText(await texts(pair), pair);
      if (haystacks[pair].includes(phrase)) found.push(pair);
      if (performance.now() - since > 30) {
        await new Promise((resolve) => setTimeout(resolve)); // let the page breathe
        if (mine !== turn) return null;
        since = performance.now();
      }
    }
    return mine === turn ? found : null;
  }

  async function update() {
    const mine = ++turn;
    const wanted = tests();
    let found = everything.filter((i) => wanted.every((test) => test(i)));
    const phrase = value("text").toLowerCase();
    if (phrase) {
      byId("explorer-count").textContent = "searching …";
      found = await holding(phrase, found, mine);
      if (found === null) return;
    }
    const key = SORTS[value("sort")];
    if (key) found.sort((a, b) => key(judge(), a) - key(judge(), b) || a - b);
    shown = found;
    for (const one of controls) one.classList.toggle("set", one.value !== one.dataset.clear);
    byId("explorer-count").textContent =
      `${shown.length.toLocaleString("en")} of ${count.toLocaleString("en")} pairs`;
    select(shown.includes(selected) ? selected : (shown[0] ?? null), { address: mine > 1 });
  }

  // ---- the list: as tall as all its rows, holding only those that are seen ----

  let rowHeight = 56;

  function describe(pair) {
    const by = judge();
    const { votes, flip } = readings[by];
    const [better, worse, ties, failed] = votes[pair];
    const tally = [`${better}–${worse}`];
    if (ties) tally.push(`${ties} tied`);
    if (failed) tally.push(`${failed} failed`);
    return {
      result: result(by, pair),
      sure: sureness(by, pair),
      under: [
        tally.join(", "),
        flip[pair] === 1 ? "flips" : "",
        data.categories[pairs.category[pair]],
        data.sets.length > 1 && value("set") === "" ? data.sets[pairs.set[pair]] : "",
      ].filter(Boolean),
    };
  }

  function option(place) {
    const pair = shown[place];
    const told = describe(pair);
    const beside = other();
    const node = make(
      "div",
      {
        id: `explorer-pair-${pair}`,
        className: "option",
        attributes: {
          role: "option",
          "aria-selected": String(pair === selected),
          "aria-setsize": String(shown.length),
          "aria-posinset": String(place + 1),
        },
        title: pairs.id[pair],
      },
      make("span", { className: `mark ${told.result}`, title: WORDS[told.result] }, MARKS[told.result]),
      make("span", { dir: "auto" }, pairs.title[pair] || pairs.id[pair]),
      make("span", { className: "sure" }, told.sure === null ? "" : `${Math.round(told.sure)} %`),
      make("span", { className: "under" }, told.under.join(" · ")),
      make(
        "span",
        { className: "beside" },
        beside === null ? "" : `${MARKS[result(beside, pair)]} beside`,
      ),
    );
    node.querySelector(".mark").setAttribute("aria-label", WORDS[told.result]);
    node.style.transform = `translateY(${place * rowHeight}px)`;
    node.addEventListener("click", () => select(pair, { open: true }));
    return node;
  }

  function draw() {
    space.style.height = `${shown.length * rowHeight}px`;
    const first = Math.max(0, Math.floor(list.scrollTop / rowHeight) - ROOM);
    const end = Math.min(shown.length, Math.ceil((list.scrollTop + list.clientHeight) / rowHeight) + ROOM);
    const rows = [];
    for (let place = first; place < end; place++) rows.push(option(place));
    if (!shown.length) rows.push(make("p", { className: "empty" }, "No pair passes these filters."));
    space.replaceChildren(...rows);
    const active = selected !== null && byId(`explorer-pair-${selected}`);
    if (active) list.setAttribute("aria-activedescendant", active.id);
    else list.removeAttribute("aria-activedescendant");
  }

  /** Read a pair: mark it, bring it into view, show it beside the list. */
  function select(pair, { open = false, address = true } = {}) {
    selected = pair;
    const place = shown.indexOf(pair);
    if (place >= 0) {
      const top = place * rowHeight;
      if (top < list.scrollTop) list.scrollTop = top;
      const below = top + rowHeight - list.clientHeight;
      if (list.clientHeight && below > list.scrollTop) list.scrollTop = below;
    }
    draw();
    if (address) writeAddress();
    if (pair === null) app.classList.remove("reading");
    else if (open) app.classList.add("reading");
    return read(pair, open);
  }

  function move(by) {
    if (!shown.length) return;
    const place = shown.indexOf(selected);
    const next = place < 0 ? 0 : Math.min(shown.length - 1, Math.max(0, place + by));
    select(shown[next]);
  }

  // ---- one pair ----

  const pre = (text) => {
    const node = make("pre", { dir: "auto" });
    const phrase = value("text").toLowerCase();
    const lower = text.toLowerCase();
    // Some letters change their number when they are lowered; then nothing can be marked in place.
    if (!phrase || lower.length !== text.length) {
      node.textContent = text;
      return node;
    }
    let from = 0;
    for (let at = lower.indexOf(phrase); at >= 0; at = lower.indexOf(phrase, from)) {
      node.append(text.slice(from, at), make("mark", {}, text.slice(at, at + phrase.length)));
      from = at + phrase.length;
    }
    node.append(text.slice(from));
    return node;
  };
  const label = (text) => make("div", { className: "label" }, text);
  const percent = (share) => `${(100 * share).toFixed(1)} %`;
  const letters = (text) => `${text.length.toLocaleString("en")} characters`;

  const OUTCOMES = { 0: ["for", "better one"], 1: ["against", "worse one"], 2: ["even", "tie"] };

  /** One vote: its verdict by the label, what it cost, and all that was written. */
  function vote([, verdict, given, strength, tokens, read, text], tie) {
    const [kind, words] = OUTCOMES[verdict] ?? ["failed", `no verdict: ${verdict}`];
    const named = tie && verdict === 0 ? "first one" : tie && verdict === 1 ? "second one" : words;
    const facts = [make("b", {}, named)];
    if (given !== null) facts.push(make("span", {}, `${percent(given)} for the ${tie ? "first" : "better"}`));
    if (strength !== null) facts.push(make("span", {}, `strength ${strength}`));
    if (tokens || read) facts.push(make("span", {}, `${tokens} tokens written, ${read} read`));
    const node = make("div", { className: `vote ${tie ? "" : kind}` }, make("div", { className: "label" }, ...facts));
    if (text) node.append(pre(text));
    return node;
  }

  function votesOf(votes, tie) {
    const one = tie ? "first one" : "better one";
    const columns = [
      [1, `${one} shown first, as A`],
      [0, `${one} shown second, as B`],
    ].map(([first, words]) => {
      const cast = votes.filter((found) => found[0] === first);
      const tally = cast.length === 1 ? "1 vote" : `${cast.length} votes`;
      return make("div", {}, label(`${words}: ${tally}`), ...cast.map((found) => vote(found, tie)));
    });
    return make("div", { className: "votes" }, ...columns);
  }

  /** A row for each judge: what all its votes came to, and in either order. */
  function ballots(pair, votes, tie) {
    const orders = (cast, first) => {
      const of = cast.filter((found) => found[0] === first);
      const times = (verdict) => of.filter((found) => found[1] === verdict).length;
      return of.length ? `${times(0)}–${times(1)}` : "–";
    };
    const one = tie ? "first" : "better";
    const heads = ["judge", "result", `${one}–${tie ? "second" : "worse"}`, "tied", "failed"];
    heads.push(`${one} as A`, `${one} as B`, "flips", `for the ${one}`, "tokens");
    const rows = data.judges.map((name, by) => {
      const { votes: tallies, flip, given, unasked } = readings[by];
      const [better, worse, ties, failed] = tallies[pair];
      const found = result(by, pair);
      const tokens = votes[by].reduce((sum, cast) => sum + cast[4], 0);
      return make(
        "tr",
        {},
        make("th", { scope: "row" }, name),
        make("td", { className: found }, `${MARKS[found]} ${WORDS[found]}`),
        ...[
          `${better}–${worse}${unasked[pair] ? ` (${unasked[pair]} not asked)` : ""}`,
          String(ties),
          String(failed),
          orders(votes[by], 1),
          orders(votes[by], 0),
          { 1: "yes", 0: "no" }[flip[pair]] ?? "–",
          given[pair] === null ? "–" : percent(given[pair]),
          tokens.toLocaleString("en"),
        ].map((text) => make("td", { className: "n" }, text)),
      );
    });
    const head = make("tr", {}, ...heads.map((text, i) => make("th", { scope: "col", className: i > 1 ? "n" : "" }, text)));
    return make("div", { className: "table" }, make("table", {}, make("thead", {}, head), make("tbody", {}, ...rows)));
  }

  let reading = 0; // counts pairs begun: a slower one must not come up after a later one

  async function read(pair, open) {
    const mine = ++reading;
    if (pair === null) {
      detail.replaceChildren(make("p", { className: "soft" }, "No pair is selected."));
      return;
    }
    const [prompt, better, worse, votes] = await texts(pair);
    if (mine !== reading) return;
    const tie = pairs.tie[pair] === 1;
    const by = judge();
    const back = make("button", { type: "button", id: "explorer-back" }, "← list");
    back.addEventListener("click", close);
    const place = shown.indexOf(pair);
    const facts = [
      data.sets[pairs.set[pair]],
      data.categories[pairs.category[pair]],
      place < 0 ? "passes no filter" : `${place + 1} of ${shown.length.toLocaleString("en")}`,
    ].filter(Boolean);
    const responses = [
      [better, tie ? "first, labelled a tie" : "labelled better", tie ? "" : "better"],
      [worse, tie ? "second, labelled a tie" : "labelled worse", tie ? "" : "worse"],
    ].map(([text, words, kind]) => make("div", { className: kind }, label(`${words} · ${letters(text)}`), pre(text)));
    const others = data.judges.map((_, i) => i).filter((i) => i !== by);
    detail.replaceChildren(
      back,
      make("h3", { dir: "auto" }, pairs.id[pair]),
      make("p", { className: "soft" }, facts.join(" · ")),
      ballots(pair, votes, tie),
      make("h4", {}, "Prompt"),
      ...prompt.map(([role, content]) => make("div", { className: "turn" }, label(role), pre(content))),
      make("h4", {}, "Responses"),
      make("div", { className: "texts" }, ...responses),
      make("h4", {}, data.judges.length > 1 ? `Votes of ${data.judges[by]}` : "Votes"),
      votesOf(votes[by], tie),
      ...others.map((i) =>
        make(
          "details",
          { open: i === other() },
          make("summary", {}, `Votes of ${data.judges[i]} `, make("span", { className: result(i, pair) }, `${MARKS[result(i, pair)]} ${WORDS[result(i, pair)]}`)),
          votesOf(votes[i], tie),
        ),
      ),
    );
    detail.scrollTop = 0;
    if (open) {
      detail.focus({ preventScroll: true });
      if (getComputedStyle(back).display !== "none") app.scrollIntoView();
    }
  }

  function close() {
    app.classList.remove("reading");
    draw();
    list.focus();
  }

  // ---- keys ----

  function cycleResult() {
    const values = [...control.result.options].map((one) => one.value);
    control.result.value = values[(values.indexOf(control.result.value) + 1) % values.length];
    update();
  }

  function toggleDiffer() {
    if (data.judges.length < 2) return;
    if (other() === null || other() === judge()) control.other.value = String(judge() === 0 ? 1 : 0);
    control.differ.value = value("differ") === "" ? "verdict" : "";
    update();
  }

  function search() {
    control.text.focus();
    control.text.select();
  }

  const KEYS = {
    j: () => move(1),
    k: () => move(-1),
    f: cycleResult,
    d: toggleDiffer,
    x: clear,
    t: nextTheme,
    "/": search,
    "?": () => keys.showModal(),
  };
  const page = () => Math.max(1, Math.floor(list.clientHeight / rowHeight) - 1);
  const LIST_KEYS = {
    ArrowDown: () => move(1),
    ArrowUp: () => move(-1),
    PageDown: () => move(page()),
    PageUp: () => move(-page()),
    Home: () => move(-shown.length),
    End: () => move(shown.length),
    Enter: () => select(selected, { open: true }),
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || keys.open) return;
    const typing = event.target.matches("input, select, textarea");
    let act;
    if (event.key === "Escape" && app.contains(event.target) && event.target !== list) act = close;
    else if (event.target === control.text && event.key === "Enter") act = () => list.focus();
    else if (typing) return;
    else if (event.target === list && event.key in LIST_KEYS) act = LIST_KEYS[event.key];
    else if (event.key === "Enter" && event.target === document.body) act = LIST_KEYS.Enter;
    else act = Object.hasOwn(KEYS, event.key) ? KEYS[event.key] : undefined;
    if (!act) return;
    event.preventDefault();
    act();
  });

  // ---- begin ----

  async function begin() {
    data = await unpacked(byId("explorer-index"));
    ({ pairs, readings } = data);
    count = pairs.id.length;
    everything = pairs.id.map((_, i) => i);
    prepare();
    app.hidden = false;
    const followed = readAddress();
    for (const one of controls) {
      one.addEventListener(one.matches("select") ? "change" : "input", () => {
        // Who sorts anew wants to see what has come to the top.
        if (one === control.sort) selected = null;
        update();
      });
    }
    list.addEventListener("scroll", () => requestAnimationFrame(draw));
    window.addEventListener("resize", draw);
    window.addEventListener("hashchange", () => readAddress() && follow());
    byId("explorer-clear").addEventListener("click", clear);
    byId("explorer-help").addEventListener("click", KEYS["?"]);
    byId("explorer-close").addEventListener("click", () => keys.close());
    await update();
    rowHeight = list.querySelector(".option")?.offsetHeight || rowHeight; // as large as the reader's letters
    draw();
    if (followed) follow({ updated: true });
  }

  async function follow({ updated = false } = {}) {
    if (!updated) await update();
    app.scrollIntoView();
    if (selected !== null) await select(selected, { open: true, address: false });
  }

  begin().catch((error) => {
    const problem = byId("explorer-problem");
    problem.textContent = `The explorer could not start: ${error.message}. It needs a browser of 2023 or later.`;
    problem.hidden = false;
    app.hidden = true;
  });
})();
