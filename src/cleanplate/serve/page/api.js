// What is asked of the server. Nothing else of the page sends anything.

const KEY = "cleanplate-token";

function token() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given) {
    sessionStorage.setItem(KEY, given);
    history.replaceState(null, "", location.pathname); // out of the address, which is shown
  }
  return sessionStorage.getItem(KEY);
}

const shown = token();

async function ask(path, options = {}) {
  const headers = shown ? { Authorization: `Bearer ${shown}` } : {};
  let response;
  try {
    response = await fetch(path, { ...options, headers });
  } catch (error) {
    if (error.name === "AbortError") throw stopped();
    throw new Error("The server does not answer; is it still running?");
  }
  if (response.ok) return response;
  const wait = Number(response.headers.get("Retry-After"));
  const said = await response.json().catch(() => ({ error: `Status ${response.status}.` }));
  throw Object.assign(new Error(said.error), { wait, status: response.status });
}

// Ask again as long as the server says that it is full; whoever waits longer than a minute is told.
async function askInTurn(path, options) {
  for (;;) {
    try {
      return await ask(path, options);
    } catch (error) {
      if (error.status !== 429 || !error.wait || error.wait > 60) throw error;
      await pause(error.wait * 1000, options.signal);
    }
  }
}

function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const wait = setTimeout(resolve, milliseconds);
    signal?.addEventListener("abort", () => { clearTimeout(wait); reject(stopped()); });
  });
}

export const stopped = () => Object.assign(new Error("Stopped."), { name: "AbortError" });

export async function listTasks() {
  return (await ask("v1")).json();
}

async function parts(response) {
  const form = await response.formData();
  const report = JSON.parse(await form.get("report").text());
  return { picture: form.get("picture"), mask: form.get("mask"), preview: form.get("preview"), report };
}

// A copy for the screen of a picture that the browser does not show, and its true size.
export async function preview(file) {
  return parts(await ask("preview", { method: "POST", body: file }));
}

// Clean a picture.
export async function clean(task, query, file, mask, signal) {
  const form = new FormData();
  form.append("picture", file);
  if (mask) form.append("mask", mask);
  query.set("return", "all");
  return parts(await askInTurn(`v1/${task}?${query}`, { method: "POST", body: form, signal }));
}

const jobs = new Set(); // that are not deleted yet
const POLL = 500; // milliseconds

// Clean a document as a job; `told` takes how far it is. What is left of it is deleted, whatever happens.
export async function cleanDocument(task, query, file, signal, told) {
  const form = new FormData();
  form.append("file", file);
  const begun = await askInTurn(`v1/jobs?task=${task}&${query}`, { method: "POST", body: form, signal });
  const { id } = await begun.json();
  jobs.add(id);
  try {
    for (;;) {
      const job = await (await ask(`v1/jobs/${id}`, { signal })).json();
      const [state] = job.of_files;
      if (state.state === "failed") throw new Error(state.error);
      told(state);
      if (job.state === "done") {
        const result = await ask(`v1/jobs/${id}/result`, { signal });
        return { result: await result.blob(), state };
      }
      await pause(POLL, signal);
    }
  } finally {
    remove(id);
  }
}

function remove(id) {
  if (jobs.delete(id)) ask(`v1/jobs/${id}`, { method: "DELETE", keepalive: true }).catch(() => {});
}

window.addEventListener("pagehide", () => [...jobs].forEach(remove));
