// The pictures that were added, the most doubtful first, and what became of each.

export class Queue {
  constructor(list, chosen) {
    this.list = list;
    this.chosen = chosen;
    this.items = [];
    this.current = null;
  }

  add(files) {
    const added = files.map(({ file, path }) => ({
      file, path, url: URL.createObjectURL(file), state: "new", mask: null, own: false, rows: this.row(),
    }));
    for (const item of added) {
      item.rows.button.addEventListener("click", () => this.select(item));
      item.rows.name.textContent = item.path;
      item.rows.thumb.src = item.url;
    }
    this.items.push(...added);
    this.draw();
    if (!this.current && added.length) this.select(added[0]);
    return added;
  }

  row() {
    const make = (tag) => document.createElement(tag);
    const [entry, button, thumb, text, name, told] = ["li", "button", "img", "span", "b", "span"].map(make);
    button.type = "button";
    thumb.alt = "";
    thumb.loading = "lazy";
    text.append(name, told);
    button.append(thumb, text);
    entry.append(button);
    return { entry, button, thumb, name, told };
  }

  select(item) {
    const former = this.current;
    this.current = item;
    this.draw();
    this.chosen(item, former);
  }

  step(by) {
    const next = this.items[this.items.indexOf(this.current) + by];
    if (!next) return;
    this.select(next);
    next.rows.entry.scrollIntoView({ block: "nearest" });
  }

  set(item, values) {
    Object.assign(item, values);
    this.draw();
  }

  // What is doubtful comes first, then what failed, what is certain, and what is still to be done.
  draw() {
    const rank = (item) => {
      if (item.state === "done") return item.report.doubt ?? 0;
      return item.state === "failed" ? 0.005 : -1;
    };
    this.items.sort((one, other) => rank(other) - rank(one));
    for (const item of this.items) {
      item.rows.told.textContent = describe(item);
      item.rows.entry.className = item.state;
      item.rows.button.setAttribute("aria-current", String(item === this.current));
    }
    const wanted = this.items.map((item) => item.rows.entry);
    const focused = document.activeElement;
    if (wanted.some((entry, at) => this.list.children[at] !== entry)) {
      this.list.replaceChildren(...wanted);
      focused?.focus(); // a row that was moved has lost it
    }
  }
}

function describe(item) {
  if (item.state === "failed") return item.error;
  if (item.state === "working") return item.progress ?? "being cleaned…";
  if (item.state === "waiting") return "waits its turn";
  if (item.state === "new") return "not cleaned yet";
  const { doubt, unchanged } = item.report;
  const said = unchanged ? "nothing found" : "cleaned";
  return doubt === null ? said : `${said}, doubt ${doubt.toFixed(2)}`;
}
