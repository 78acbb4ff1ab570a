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
  } catch {
    throw new Error("The server does not answer; is it still running?");
  }
  if (response.ok) return response;
  const wait = Number(response.headers.get("Retry-After"));
  const said = await response.json().catch(() => ({ error: `Status ${response.status}.` }));
  throw Object.assign(new Error(said.error), { wait, status: response.status });
}

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

// Clean a picture; where the queue is full, wait as long as the server says, and ask again.
export async function clean(task, query, file, mask) {
  const form = new FormData();
  form.append("picture", file);
  if (mask) form.append("mask", mask);
  query.set("return", "all");
  for (;;) {
    try {
      return await parts(await ask(`v1/${task}?${query}`, { method: "POST", body: form }));
    } catch (error) {
      if (error.status !== 429 || !error.wait) throw error;
      await new Promise((resolve) => setTimeout(resolve, error.wait * 1000));
    }
  }
}
