// The form of a task's own options, made from what the server lists.

const words = (name) => name[0].toUpperCase() + name.slice(1).replaceAll("_", " ");

function element(tag, values, ...inside) {
  const made = Object.assign(document.createElement(tag), values);
  made.append(...inside);
  return made;
}

function number(option) {
  const [min, max] = option.between ?? ["", ""];
  const placeholder = option.default ?? "automatic";
  return element("input", { type: "number", step: "any", name: option.name, min, max, placeholder });
}

function choice(option) {
  const select = element("select", { name: option.name });
  if (option.default === null) select.append(new Option("none", ""));
  for (const one of option.choices) {
    const chosen = one === option.default;
    select.append(new Option(one, one, chosen, chosen));
  }
  return select;
}

function list(option) {
  const boxes = option.choices.map((one) => {
    const box = element("input", { type: "checkbox", name: option.name, value: one });
    box.checked = box.defaultChecked = option.default?.includes(one) ?? false;
    return element("label", {}, box, ` ${one}`);
  });
  const legend = element("legend", {}, words(option.name));
  return element("fieldset", {}, legend, ...boxes, element("small", {}, option.help));
}

function field(option) {
  const help = element("small", {}, option.help);
  if (option.kind === "list" && option.choices.length) return list(option);
  if (option.kind === "flag") {
    const box = element("input", { type: "checkbox", name: option.name, value: "true" });
    return element("label", {}, box, ` ${words(option.name)}`, help);
  }
  const makers = { number, choice };
  const make = makers[option.kind] ?? (() => element("input", { type: "text", name: option.name }));
  return element("label", {}, words(option.name), make(option), help);
}

export function showOptions(form, task) {
  form.replaceChildren(...task.options.map(field));
}

// What was chosen, as the server takes it: empty fields are the task's own defaults.
export function query(form) {
  const chosen = new URLSearchParams();
  for (const [name, value] of new FormData(form)) {
    if (value === "") continue;
    chosen.set(name, chosen.has(name) ? `${chosen.get(name)},${value}` : value);
  }
  return chosen;
}
