// The picture on the stage: zoom and pan, and where before ends and after begins.

const MOST = 64; // screen pixels of one of the picture's

export class Viewer {
  constructor(stage, layer, told) {
    this.stage = stage;
    this.layer = layer;
    this.told = told;
    this.width = this.height = 1;
    this.scale = 1;
    this.left = this.top = 0;
    this.fitted = true;
    new ResizeObserver(() => this.fitted && this.fit()).observe(stage);
    stage.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.zoom(Math.exp(-event.deltaY / 400), event.clientX, event.clientY);
    }, { passive: false });
  }

  show(width, height) {
    this.width = width;
    this.height = height;
    this.layer.style.width = `${width}px`;
    this.layer.style.height = `${height}px`;
    this.fit();
  }

  fit() {
    const { clientWidth, clientHeight } = this.stage;
    this.scale = Math.min(clientWidth / this.width, clientHeight / this.height, MOST);
    this.left = (clientWidth - this.width * this.scale) / 2;
    this.top = (clientHeight - this.height * this.scale) / 2;
    this.fitted = true;
    this.place();
  }

  // Zoom so that what lies at a place of the window stays there; by default, the middle.
  zoom(factor, x, y) {
    const box = this.stage.getBoundingClientRect();
    const across = (x ?? box.left + box.width / 2) - box.left;
    const down = (y ?? box.top + box.height / 2) - box.top;
    const wanted = Math.min(MOST, Math.max(0.01, this.scale * factor));
    this.left = across - (across - this.left) * (wanted / this.scale);
    this.top = down - (down - this.top) * (wanted / this.scale);
    this.scale = wanted;
    this.fitted = false;
    this.place();
  }

  pan(across, down) {
    this.left += across;
    this.top += down;
    this.fitted = false;
    this.place();
  }

  // Where in the picture a place of the window is, in its pixels.
  point(x, y) {
    const box = this.stage.getBoundingClientRect();
    return { x: (x - box.left - this.left) / this.scale, y: (y - box.top - this.top) / this.scale };
  }

  // Pan as far as needed for a point of the picture to be seen.
  reveal(point) {
    const x = this.left + point.x * this.scale;
    const y = this.top + point.y * this.scale;
    const { clientWidth, clientHeight } = this.stage;
    const across = Math.max(0, 20 - x) - Math.max(0, x - clientWidth + 20);
    const down = Math.max(0, 20 - y) - Math.max(0, y - clientHeight + 20);
    if (across || down) this.pan(across, down);
  }

  place() {
    this.layer.style.transform = `translate(${this.left}px, ${this.top}px) scale(${this.scale})`;
    this.layer.classList.toggle("close", this.scale >= 2);
    this.told(this.scale);
  }
}
