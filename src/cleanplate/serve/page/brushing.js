// Tools on the stage: by pointer, and by keys, which move a cursor that draws while it is down.

const STEP = 1; // pixels of the screen that an arrow moves; with Shift, more
const FAST = 24;
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export class Brushing {
  constructor(viewer, mask, { frame, cursor, size }) {
    Object.assign(this, { viewer, mask, frame, cursor, size });
    this.tool = "pan";
    this.from = null; // where a stroke or a rectangle began, or the pointer was
    this.at = null; // the keys' cursor, in the picture
    this.fingers = new Map();
    const { stage } = viewer;
    stage.addEventListener("pointerdown", (event) => this.down(event));
    stage.addEventListener("pointermove", (event) => this.move(event));
    stage.addEventListener("pointerup", (event) => this.up(event));
    stage.addEventListener("pointercancel", (event) => this.up(event));
    stage.addEventListener("keydown", (event) => this.key(event));
    size.addEventListener("input", () => this.draw());
  }

  choose(tool) {
    this.finish();
    this.tool = tool;
    this.at = null;
    this.viewer.stage.dataset.tool = tool;
    this.draw();
  }

  get erases() { return this.tool === "eraser"; }

  // The brush is as large on the screen however far the picture is zoomed.
  get width() { return Math.max(1, Number(this.size.value) / this.viewer.scale); }

  down(event) {
    if (event.button > 1) return;
    this.viewer.stage.setPointerCapture(event.pointerId);
    this.fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    if (this.fingers.size > 1) return this.finish(); // two fingers pan and zoom
    this.at = null;
    this.panning = this.tool === "pan" || event.button === 1;
    if (this.panning) return;
    this.start(this.viewer.point(event.clientX, event.clientY));
    this.draw();
  }

  move(event) {
    const last = this.fingers.get(event.pointerId);
    if (!last) return;
    const now = { x: event.clientX, y: event.clientY };
    if (this.fingers.size > 1) this.pinch(event.pointerId, last, now);
    else if (this.panning) this.viewer.pan(now.x - last.x, now.y - last.y);
    else if (this.from) this.go(this.viewer.point(now.x, now.y));
    this.fingers.set(event.pointerId, now);
  }

  up(event) {
    this.fingers.delete(event.pointerId);
    if (!this.from) return;
    this.go(this.viewer.point(event.clientX, event.clientY));
    this.finish();
  }

  pinch(id, last, now) {
    const other = [...this.fingers].find(([one]) => one !== id)[1];
    const apart = (one) => Math.hypot(one.x - other.x, one.y - other.y) || 1;
    this.viewer.pan((now.x - last.x) / 2, (now.y - last.y) / 2);
    this.viewer.zoom(apart(now) / apart(last), (now.x + other.x) / 2, (now.y + other.y) / 2);
  }

  start(point) {
    this.from = this.to = point;
    this.mask.begin();
    if (this.tool !== "rectangle") this.mask.line(point, point, this.width, this.erases);
  }

  go(point) {
    if (this.tool !== "rectangle") {
      this.mask.line(this.from, point, this.width, this.erases);
      this.from = point;
    }
    this.to = point;
    this.draw();
  }

  finish() {
    if (!this.from) return;
    if (this.tool === "rectangle") this.mask.rectangle(this.from, this.to, false);
    this.from = this.to = null;
    this.mask.end();
    this.draw();
  }

  key(event) {
    const arrow = ARROWS[event.key];
    if (arrow) {
      const far = event.shiftKey ? FAST : STEP;
      this.arrow(arrow[0] * far, arrow[1] * far);
    } else if (event.key === " " && this.tool !== "pan") this.press();
    else return;
    event.preventDefault();
  }

  arrow(across, down) {
    const { viewer } = this;
    if (this.tool === "pan") return viewer.pan(-4 * across, -4 * down);
    const at = this.at ?? { x: viewer.width / 2, y: viewer.height / 2 };
    const step = Math.max(1 / viewer.scale, 1);
    this.at = {
      x: Math.min(viewer.width, Math.max(0, at.x + across * step)),
      y: Math.min(viewer.height, Math.max(0, at.y + down * step)),
    };
    viewer.reveal(this.at);
    if (this.from) this.go(this.at);
    this.draw();
  }

  press() {
    this.at ??= { x: this.viewer.width / 2, y: this.viewer.height / 2 };
    if (this.from) this.finish();
    else this.start(this.at);
    this.draw();
  }

  // Show the keys' cursor, and the rectangle that is being drawn.
  draw() {
    const thin = 2 / this.viewer.scale;
    this.cursor.hidden = !this.at;
    if (this.at) {
      const side = this.tool === "rectangle" ? 6 * thin : Math.max(this.width, 4 * thin);
      place(this.cursor, this.at.x, this.at.y, side, side);
      this.cursor.style.borderWidth = `${thin}px`;
    }
    this.frame.hidden = !(this.from && this.tool === "rectangle");
    if (this.frame.hidden) return;
    const { from, to } = this;
    const corner = [Math.min(from.x, to.x), Math.min(from.y, to.y)];
    place(this.frame, ...corner, Math.abs(from.x - to.x), Math.abs(from.y - to.y));
    this.frame.style.outlineWidth = `${thin}px`;
  }
}

function place(element, left, top, width, height) {
  Object.assign(element.style, {
    left: `${left}px`, top: `${top}px`, width: `${width}px`, height: `${height}px`,
  });
}
