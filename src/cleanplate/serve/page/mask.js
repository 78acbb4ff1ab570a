// The mask as it is brushed: strokes on a canvas of the picture's own size, undone by tiles.

const TILE = 256;
const MOST_KEPT = 256e6; // bytes of tiles for undo
const COLOUR = "#e6004c";

export class Mask {
  constructor(canvas, changed) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d", { willReadFrequently: true });
    this.changed = changed;
    this.reset(1, 1);
  }

  reset(width, height) {
    this.canvas.width = width;
    this.canvas.height = height;
    this.before = [];
    this.after = [];
    this.stroke = null;
    this.painted = false;
  }

  begin() {
    this.stroke = new Map();
  }

  end() {
    if (this.stroke?.size) {
      this.before.push(this.stroke);
      this.after = [];
      this.forget();
      this.painted = true;
      this.changed();
    }
    this.stroke = null;
  }

  // Draw a line from one point to another, in pixels of the picture.
  line(from, to, size, erase) {
    const reach = size / 2 + 2;
    this.keep(
      Math.min(from.x, to.x) - reach, Math.min(from.y, to.y) - reach,
      Math.max(from.x, to.x) + reach, Math.max(from.y, to.y) + reach,
    );
    this.drawing(erase, (context) => {
      context.lineWidth = size;
      context.lineCap = "round";
      context.beginPath();
      context.moveTo(from.x, from.y);
      context.lineTo(to.x + 0.01, to.y); // a line of no length is not drawn
      context.stroke();
    });
  }

  rectangle(from, to, erase) {
    const left = Math.floor(Math.min(from.x, to.x));
    const top = Math.floor(Math.min(from.y, to.y));
    const right = Math.ceil(Math.max(from.x, to.x));
    const bottom = Math.ceil(Math.max(from.y, to.y));
    this.keep(left, top, right, bottom);
    this.drawing(erase, (context) => context.fillRect(left, top, right - left, bottom - top));
  }

  drawing(erase, draw) {
    this.context.save();
    this.context.globalCompositeOperation = erase ? "destination-out" : "source-over";
    this.context.strokeStyle = this.context.fillStyle = COLOUR;
    draw(this.context);
    this.context.restore();
  }

  // Note how the tiles look that a stroke is about to touch, each once.
  keep(left, top, right, bottom) {
    const { width, height } = this.canvas;
    const first = { x: Math.max(0, Math.floor(left / TILE)), y: Math.max(0, Math.floor(top / TILE)) };
    for (let y = first.y; y * TILE < Math.min(bottom, height); y++) {
      for (let x = first.x; x * TILE < Math.min(right, width); x++) {
        const key = `${x},${y}`;
        if (!this.stroke.has(key)) this.stroke.set(key, this.tile(x, y));
      }
    }
  }

  tile(x, y) {
    const { width, height } = this.canvas;
    const size = [Math.min(TILE, width - x * TILE), Math.min(TILE, height - y * TILE)];
    return this.context.getImageData(x * TILE, y * TILE, ...size);
  }

  forget() {
    const bytes = (tiles) => tiles.size * TILE * TILE * 4;
    let held = this.before.reduce((sum, tiles) => sum + bytes(tiles), 0);
    while (held > MOST_KEPT && this.before.length > 1) held -= bytes(this.before.shift());
  }

  swap(from, to) {
    const tiles = from.pop();
    if (!tiles) return;
    const now = new Map();
    for (const [key, data] of tiles) {
      const [x, y] = key.split(",").map(Number);
      now.set(key, this.tile(x, y));
      this.context.putImageData(data, x * TILE, y * TILE);
    }
    to.push(now);
    this.painted = true;
    this.changed();
  }

  undo() { this.swap(this.before, this.after); }
  redo() { this.swap(this.after, this.before); }

  // Show a mask's file: white is to be filled in.
  async load(blob) {
    const picture = await createImageBitmap(blob);
    const { width, height } = this.canvas;
    if (picture.width !== width || picture.height !== height) {
      throw new Error(`The mask has ${picture.width}x${picture.height} pixels, the picture ${width}x${height}.`);
    }
    this.context.clearRect(0, 0, width, height);
    this.context.drawImage(picture, 0, 0);
    for (let top = 0; top < height; top += TILE) { // by the strip, as masks may be large
      const data = this.context.getImageData(0, top, width, Math.min(TILE, height - top));
      const p = data.data;
      for (let i = 0; i < p.length; i += 4) {
        const found = p[i + 3] > 127 && (p[i] + p[i + 1] + p[i + 2]) / 3 > 127.5;
        p[i] = 0xe6; p[i + 1] = 0; p[i + 2] = 0x4c; p[i + 3] = found ? 255 : 0;
      }
      this.context.putImageData(data, 0, top);
    }
    this.before = [];
    this.after = [];
    this.changed();
  }

  // The mask as a file, as --mask takes it: white on black.
  async file() {
    const { width, height } = this.canvas;
    const canvas = new OffscreenCanvas(width, height);
    const context = canvas.getContext("2d");
    context.drawImage(this.canvas, 0, 0);
    context.globalCompositeOperation = "source-in";
    context.fillStyle = "#fff";
    context.fillRect(0, 0, width, height);
    context.globalCompositeOperation = "destination-over";
    context.fillStyle = "#000";
    context.fillRect(0, 0, width, height);
    return canvas.convertToBlob({ type: "image/png" });
  }
}
