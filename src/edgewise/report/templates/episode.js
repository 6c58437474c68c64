"use strict";
(() => {
  const SVG = "http://www.w3.org/2000/svg";
  const find = id => document.getElementById(id);
  const data = JSON.parse(find("data").textContent);
  const pictures = find("pictures").textContent.trim().split("\n");
  const { moments, events, actions } = data;
  const HIDDEN = new Set(["occluded", "contained", "out_of_view", "lost"]);
  const COLOURS = { red: "#d33b3b", green: "#2f9e44", blue: "#2f6fd6", yellow: "#e0b400", purple: "#8e44ad", orange: "#e67e22",
    cyan: "#17a2b8", brown: "#8b5a2b", grey: "#888888", white: "#dddddd", black: "#333333", pink: "#e78ab0" };
  const WORDS = { on: "on", inside: "in", covered: "under", held: "in the gripper" };
  // Text never becomes markup: everything goes through textContent and attributes.
  const make = (name, text, kind) => {
    const node = document.createElement(name);
    if (text !== undefined) node.textContent = text;
    if (kind) node.className = kind;
    return node;
  };
  const draw = (name, attributes, text) => {
    const node = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    if (text !== undefined) node.textContent = text;
    return node;
  };
  const seconds = time => `${time.toFixed(1)} s`;

  // State at every moment, from what changed at each.
  const states = [];
  let objects = {}, relations = [];
  for (const moment of moments) {
    if (moment.objects) {
      objects = { ...objects };
      for (const [id, fact] of Object.entries(moment.objects)) if (fact) objects[id] = fact; else delete objects[id];
    }
    relations = moment.relations || relations;
    states.push({ objects, relations });
  }
  const last = Math.max(0, moments.length - 1);
  const end = moments.length ? moments[last].time || 1 : 1;
  let at = 0, chosen = null, timer = null;

  const momentOf = time => {
    let k = 0;
    while (k < last && moments[k].time < time - 1e-3) k += 1;
    return k;
  };

  // Lists that do not change with time, but for what is past and present.
  const actionRows = actions.map(action => {
    const row = make("li");
    row.append(make("span", seconds(action.start), "time"), make("span", action.what), " ");
    if (action.outcome) row.append(make("span", action.outcome, action.outcome));
    if (action.reason) row.append(make("span", `: ${action.reason}`));
    // A symbolic planner's reason and thought may hold one another.
    const thought = action.why.includes(action.thought) ? "" : action.thought;
    for (const text of [action.feedback && `told: ${action.feedback}`, thought, thought.includes(action.why) ? "" : action.why]) if (text) row.append(make("span", text, "why"));
    row.onclick = () => show(momentOf(action.start));
    return row;
  });
  find("actions").replaceChildren(...actionRows);
  const eventRows = events.map(event => {
    const row = make("li");
    row.append(make("span", seconds(event.time), "time"), make("span", event.kind, "kind"), ` ${event.text}`);
    const because = [event.source === "action" && event.action !== null ? `action ${event.action}` : event.source];
    if (event.cause !== null) because.push(`because of event ${event.cause}`);
    row.append(make("span", `event ${event.sequence}: ${because.join(", ")}`, "why"));
    row.onclick = () => { if (event.object !== null) chosen = String(event.object); show(momentOf(event.time)); };
    return row;
  });
  find("events").replaceChildren(...eventRows);
  if (!events.length) find("events").append(make("li", "This memory keeps no log of events."));

  // The chain of causes of an object, as Memory.why has it.
  const why = (id, time) => {
    const known = events.filter(event => event.time <= time + 1e-3);
    const stack = known.filter(event => String(event.object) === id).slice(-1);
    const chain = new Map();
    while (stack.length) {
      const event = stack.pop();
      if (chain.has(event.sequence)) continue;
      chain.set(event.sequence, event);
      const before = known.filter(e => e.sequence < event.sequence && e.object !== null && e.object === event.object);
      stack.push(...before.slice(-1), ...known.filter(e => e.sequence === event.cause));
    }
    const order = [...chain.keys()].sort((a, b) => a - b);
    return order.map(sequence => {
      const event = chain.get(sequence), because = [];
      if (chain.has(event.cause)) because.push(`because of ${order.indexOf(event.cause) + 1}`);
      const by = { action: `action ${event.action}`, external: "not by the robot", inferred: "inferred" }[event.source];
      if (by) because.push(by);
      return `${seconds(event.time)}: ${event.text}` + (because.length ? ` (${because.join(", ")})` : "");
    });
  };

  const where = (id, { objects, relations }) => {
    const name = one => `${objects[one] ? objects[one].label : "object"} ${one}`;
    const found = relations.filter(([, a]) => String(a) === id);
    const told = found.map(([relation, a, b]) => a === b ? WORDS[relation] || relation : `${WORDS[relation] || relation} ${name(b)}`);
    const fact = objects[id];
    if (fact.low) told.push("(" + fact.low.map((low, k) => (Math.round(50 * (low + fact.high[k])) / 100 + 0).toFixed(2)).join(", ") + ")");
    if (fact.confused.length) told.push(`may be exchanged with ${fact.confused.join(", ")}`);
    return told.join(", ") || "not known";
  };

  const showObjects = state => {
    const rows = Object.entries(state.objects).map(([id, fact]) => {
      const row = make("tr");
      if (HIDDEN.has(fact.visibility)) row.classList.add("hidden");
      if (id === chosen) row.classList.add("chosen");
      const button = make("button", fact.label);
      button.setAttribute("aria-pressed", id === chosen);
      const name = make("td");
      name.append(button);
      const known = [fact.visibility.replaceAll("_", " "), fact.provenance === "measured" ? "" : fact.provenance];
      if (fact.last !== null) known.push(`seen at ${seconds(fact.last)}`);
      row.append(make("td", id), name, make("td", known.filter(Boolean).join(", ")), make("td", where(id, state)));
      row.onclick = () => { chosen = chosen === id ? null : id; show(at); };
      return row;
    });
    find("objects").replaceChildren(...rows);
    const box = find("chain"), fact = chosen !== null && state.objects[chosen];
    box.hidden = !fact;
    if (!fact) return;
    box.querySelector("h3").textContent = `Why is ${fact.label} ${chosen} there?`;
    const lines = why(chosen, moments[at].time);
    box.querySelector("ol").replaceChildren(...(lines.length ? lines : ["Nothing is logged of it."]).map(line => make("li", line)));
  };

  const showMap = state => {
    // From above: left is left as the camera sees it (greatest y), far is up (greatest x).
    const map = find("map");
    map.setAttribute("viewBox", "-0.4 -0.74 0.8 0.52");
    const found = Object.entries(state.objects).filter(([, fact]) => fact.low && fact.high);
    // What is hidden is drawn over what hides it.
    const layer = fact => fact.high[2] + (HIDDEN.has(fact.visibility) ? 9 : 0);
    found.sort(([, one], [, other]) => layer(one) - layer(other));
    const centre = fact => [-(fact.low[1] + fact.high[1]) / 2, -(fact.low[0] + fact.high[0]) / 2];
    const nodes = [];
    for (const [id, fact] of found) {
      const kinds = [HIDDEN.has(fact.visibility) && "hidden", fact.visibility === "lost" && "lost", id === chosen && "chosen"];
      const box = draw("rect", {
        x: -fact.high[1], y: -fact.high[0], width: Math.max(.004, fact.high[1] - fact.low[1]), height: Math.max(.004, fact.high[0] - fact.low[0]),
        fill: COLOURS[fact.label.split(" ")[0]] || "#999", class: kinds.filter(Boolean).join(" "),
      });
      box.onclick = () => { chosen = id; show(at); };
      nodes.push(box);
    }
    // Of a pile, ids stand side by side over its middle.
    const groups = new Map();
    for (const [id, fact] of found) {
      const [x, y] = centre(fact), key = [...groups.keys()].find(k => Math.hypot(groups.get(k).x - x, groups.get(k).y - y) < .03);
      if (key === undefined) groups.set(id, { x, y, ids: [id] }); else groups.get(key).ids.push(id);
    }
    for (const { x, y, ids } of groups.values()) nodes.push(draw("text", { x, y: y + .008 }, ids.join("·")));
    map.replaceChildren(draw("text", { x: 0, y: -.715, class: "edge" }, "far"), draw("text", { x: 0, y: -.23, class: "edge" }, "near"), ...nodes);
  };

  const showMarks = moment => {
    const marks = find("marks"), nodes = [];
    marks.setAttribute("viewBox", `0 0 ${data.size[0]} ${data.size[1]}`);
    for (const [id, seen, x0, y0, x1, y1] of moment.marks) {
      const picked = String(id) === chosen, place = { x: x0, y: y0, width: x1 - x0, height: y1 - y0 };
      if (!seen) nodes.push(draw("rect", { ...place, class: "box under" }));
      if (!seen || picked) nodes.push(draw("rect", { ...place, class: picked ? "box chosen" : "box" }));
    }
    const taken = [];
    for (const [id, seen, x0, y0, x1, y1] of moment.marks) {
      let x = (x0 + x1) / 2;
      const y = (y0 + y1) / 2;
      while (taken.some(([a, b]) => Math.hypot(a - x, b - y) < 12)) x += 12;
      taken.push([x, y]);
      nodes.push(draw("circle", { cx: x, cy: y, r: 6, class: seen ? "badge" : "badge hidden" }));
      nodes.push(draw("text", { x, y: y + 3.2, class: "number" }, id));
    }
    marks.replaceChildren(...nodes);
  };

  const track = find("track");
  track.setAttribute("viewBox", `0 0 ${end} 34`);
  for (const action of actions) {
    const box = draw("rect", { x: action.start, y: 2, width: Math.max(0, action.end - action.start) * .96, height: 12, class: `action ${action.outcome}` });
    box.append(draw("title", {}, action.what));
    track.append(box);
  }
  // What somebody else did is drawn over what followed from it at the same time.
  for (const event of [...events.filter(one => one.source !== "external"), ...events.filter(one => one.source === "external")]) {
    if (event.kind === "initialise") continue;
    const tick = draw("line", { x1: event.time, x2: event.time, y1: event.kind === "complete" ? 0 : 18, y2: 32, class: `tick ${event.kind} ${event.source}`, "vector-effect": "non-scaling-stroke" });
    tick.append(draw("title", {}, event.text));
    track.append(tick);
  }
  const cursor = draw("line", { y1: 0, y2: 34, class: "cursor", "vector-effect": "non-scaling-stroke" });
  track.append(cursor);
  track.onclick = click => {
    const { left, width } = track.getBoundingClientRect();
    show(momentOf((click.clientX - left) / width * end));
  };

  const mark = (rows, times, ends) => {
    const time = moments[at].time + 1e-3;
    let current = null;
    rows.forEach((row, k) => {
      const now = ends ? times[k] <= time && time < ends[k] : times[k] <= time && times[k] > time - .4;
      row.classList.toggle("later", times[k] > time);
      row.classList.toggle("now", now);
      if (times[k] <= time) current = row;
    });
    // Only the list itself may scroll, never the page.
    if (current) current.parentElement.scrollTop = current.offsetTop - current.parentElement.offsetTop - current.parentElement.clientHeight / 2;
  };

  const showSteps = time => {
    const action = actions.findLast(one => one.start <= time + 1e-3);
    find("doing").textContent = action ? `${action.what}${action.why ? ` (${action.why})` : ""}` : "Looks.";
    find("steps").replaceChildren(...data.steps.map(step => {
      const done = step.reached !== null && step.reached <= time + .05, told = step.believed !== null && step.believed <= time + .05;
      const row = make("li", step.text, done ? "reached" : told ? "wrong" : "");
      if (done) row.append(` ✓ ${seconds(step.reached)}`);
      else if (told) row.append(" ✗ held for reached");
      return row;
    }));
  };

  const show = k => {
    if (!moments.length) return;
    at = Math.min(last, Math.max(0, k));
    const moment = moments[at], state = states[at];
    find("picture").src = `data:image/jpeg;base64,${pictures[at]}`;
    find("time").value = at;
    find("clock").textContent = `${seconds(moment.time)} of ${end.toFixed(1)}`;
    cursor.setAttribute("x1", moment.time);
    cursor.setAttribute("x2", moment.time);
    showMarks(moment);
    showObjects(state);
    showMap(state);
    showSteps(moment.time);
    mark(actionRows, actions.map(action => action.start), actions.map(action => action.end));
    mark(eventRows, events.map(event => event.time));
    document.documentElement.dataset.moment = at;
  };

  const stop = () => { clearInterval(timer); timer = null; find("play").textContent = "▶"; find("play").setAttribute("aria-label", "play"); };
  const play = () => {
    if (timer !== null) return stop();
    if (at >= last) show(0);
    find("play").textContent = "❚❚";
    find("play").setAttribute("aria-label", "pause");
    timer = setInterval(() => at >= last ? stop() : show(at + 1), 100);
  };
  find("play").onclick = play;
  find("time").oninput = event => { stop(); show(Number(event.target.value)); };
  const toEvent = step => {
    const times = [...new Set(events.map(event => momentOf(event.time)))].sort((a, b) => a - b);
    const next = step > 0 ? times.find(k => k > at) : times.findLast(k => k < at);
    show(next === undefined ? (step > 0 ? last : 0) : next);
  };
  document.addEventListener("keydown", event => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step) { stop(); if (event.shiftKey) toEvent(step); else show(at + step); }
    else if (event.key === "Home") { stop(); show(0); }
    else if (event.key === "End") { stop(); show(last); }
    else if (event.key === " " && event.target.tagName !== "BUTTON") play();
    else return;
    event.preventDefault();
  });
  const wanted = new URLSearchParams(location.hash.slice(1));
  chosen = wanted.get("object");
  show(wanted.has("at") ? momentOf(Number(wanted.get("at"))) : 0);
})();
