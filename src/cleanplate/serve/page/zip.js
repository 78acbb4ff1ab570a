// A ZIP of files as they are: pictures and PDFs are compressed already.

const MOST = 0xffffffff; // bytes; more would need another kind of ZIP
const TIME = 0x00210000; // 1980-01-01: the same files give the same ZIP
const UTF8 = 0x0800;

const TABLE = Uint32Array.from({ length: 256 }, (_, start) => {
  let value = start;
  for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

async function checksum(blob) {
  let value = 0xffffffff;
  const reader = blob.stream().getReader();
  for (;;) {
    const { done, value: bytes } = await reader.read();
    if (done) return ~value >>> 0;
    for (const byte of bytes) value = TABLE[(value ^ byte) & 255] ^ (value >>> 8);
  }
}

// Numbers of 2 or 4 bytes, the lowest byte first.
function record(...fields) {
  const bytes = new DataView(new ArrayBuffer(fields.reduce((sum, [size]) => sum + size, 0)));
  let at = 0;
  for (const [size, value] of fields) {
    if (size === 2) bytes.setUint16(at, value, true);
    else bytes.setUint32(at, value, true);
    at += size;
  }
  return bytes;
}

// Give every file a name that no other has, however letters are written.
function distinct(names) {
  const taken = new Set();
  return names.map((name) => {
    const [, stem, suffix] = name.match(/^(.*?)(\.[^./]*)?$/s);
    let given = name;
    for (let number = 2; taken.has(given.toLowerCase()); number += 1) given = `${stem} (${number})${suffix ?? ""}`;
    taken.add(given.toLowerCase());
    return given;
  });
}

export async function zip(files) {
  const names = distinct(files.map(({ name }) => name)).map((name) => new TextEncoder().encode(name));
  const parts = [];
  const index = [];
  let at = 0;
  for (const [number, { blob }] of files.entries()) {
    const name = names[number];
    const about = [[2, 20], [2, UTF8], [2, 0], [4, TIME], [4, await checksum(blob)], [4, blob.size], [4, blob.size]];
    parts.push(record([4, 0x04034b50], ...about, [2, name.length], [2, 0]), name, blob);
    index.push(
      record([4, 0x02014b50], [2, 20], ...about, [2, name.length], [2, 0], [2, 0], [2, 0], [2, 0], [4, 0], [4, at]), name,
    );
    at += 30 + name.length + blob.size;
    if (at > MOST || names.length > 0xffff) throw new Error("These results are too large for one ZIP; save them one by one.");
  }
  const size = index.reduce((sum, part) => sum + part.byteLength, 0);
  const end = record([4, 0x06054b50], [2, 0], [2, 0], [2, names.length], [2, names.length], [4, size], [4, at], [2, 0]);
  return new Blob([...parts, ...index, end], { type: "application/zip" });
}
