// Files that come in: chosen, dropped or pasted; of folders, all that may be pictures or documents.

const TAKEN = /\.(jpe?g?|jfif?|jif|png|tiff?|webp|bmp|dib|avifs?|hei[cf]s?|hif|pdf|dng|nef|nrw|cr[23w]|arw|sr[f2w]|rw[2l]|orf|pef|raf|3fr|fff|iiq|mos|mef|erf|kdc|dcr|k25)$/i;

export const isPdf = (file) => file.type === "application/pdf" || /\.pdf$/i.test(file.name);
export const isTiff = (file) => file.type === "image/tiff" || /\.tiff?$/i.test(file.name);

// Files as the page takes them: each with its path below the folder that was named.
const named = (file, path) => ({ file, path: path || file.name });

export function picked(list) {
  const files = [...list].map((file) => named(file, file.webkitRelativePath));
  return files.filter(({ file, path }) => file.size && (path === file.name || isTaken(path)));
}

// What was dropped. The browser forgets it after this turn, so that entries are taken at once.
export async function dropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.some((entry) => entry.isDirectory)) return picked(transfer.files);
  const found = [];
  for (const entry of entries) await walk(entry, found);
  return found.filter(({ file }) => file.size);
}

async function walk(entry, found) {
  if (entry.isFile) {
    const path = entry.fullPath.slice(1);
    if (isTaken(path)) found.push(named(await new Promise((take, fail) => entry.file(take, fail)), path));
    return;
  }
  const reader = entry.createReader();
  const all = [];
  for (;;) { // a browser gives a hundred at a time
    const some = await new Promise((take, fail) => reader.readEntries(take, fail));
    if (!some.length) break;
    all.push(...some);
  }
  all.sort((one, other) => one.name.localeCompare(other.name));
  for (const one of all) if (!one.name.startsWith(".")) await walk(one, found);
}

const isTaken = (path) => TAKEN.test(path) && !path.split("/").some((part) => part.startsWith("."));
