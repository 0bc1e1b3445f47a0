//! Draws the node matrix. Each look is drawn once to a sprite and copied, so 10,000 cells cost 10,000 copies at most.
import { STATES } from '$lib/domain/states';
import { box, type Layout } from './matrix.logic';

export interface Picture {
  cells: string;
  matched: string;
  ids: readonly string[];
  order: Int32Array;
}

export interface Highlights {
  hovered: number | null;
  cursor: number | null;
  open: string | null;
  marks: ReadonlySet<string>;
}

interface Colours {
  token: (name: string) => string;
}

const RULER = 6;
const RANKS = new Map(STATES.map((look, rank) => [look.code, rank]));
const CALM = STATES.length - 1;
/** Tampered, poisoned and diverged: wrong content under the right name. */
const GRAVE = 2;

export class MatrixPainter {
  #sprites = new Map<string, HTMLCanvasElement>();
  #made = '';
  #colours: Colours;

  constructor(private readonly canvas: HTMLCanvasElement) {
    const style = getComputedStyle(canvas);
    this.#colours = { token: (name) => style.getPropertyValue(name).trim() };
  }

  /** Forgets colours: the theme changed. */
  forget(): void {
    this.#made = '';
  }

  draw(picture: Picture, of: Layout, scrollTop: number, width: number, lights: Highlights): void {
    const context = this.canvas.getContext('2d');
    if (!context || width <= 0) return;
    const scale = window.devicePixelRatio || 1;
    const [wide, high] = [Math.round(width * scale), Math.round(of.viewHeight * scale)];
    if (this.canvas.width !== wide || this.canvas.height !== high) {
      this.canvas.width = wide;
      this.canvas.height = high;
    }
    this.#prepare(of, scale);
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, wide, high);
    const firstRow = Math.max(0, Math.floor(scrollTop / of.pitchY));
    const lastRow = Math.min(of.rows, Math.ceil((scrollTop + of.viewHeight) / of.pitchY));
    const end = Math.min(picture.order.length, lastRow * of.columns);
    const rings: [number, string, number][] = [];
    for (let place = firstRow * of.columns; place < end; place += 1) {
      const index = picture.order[place] ?? 0;
      const at = box(of, place);
      const sprite = this.#sprites.get(picture.cells.charAt(index)) ?? this.#sprites.get('?');
      context.globalAlpha = picture.matched.charAt(index) === '0' ? 0.22 : 1;
      if (sprite) context.drawImage(sprite, Math.round(at.x * scale), Math.round((at.y - scrollTop) * scale));
      const id = picture.ids[index] ?? '';
      if (of.named) this.#name(context, id, at.x, at.y - scrollTop, at.width, at.height, scale);
      if (lights.marks.has(id)) rings.push([place, '--color-accent', 2]);
      if (lights.open === id) rings.push([place, '--color-text', 2]);
    }
    context.globalAlpha = 1;
    if (lights.cursor !== null) rings.push([lights.cursor, '--color-accent', 2]);
    if (lights.hovered !== null) rings.push([lights.hovered, '--color-text', 1]);
    context.setTransform(scale, 0, 0, scale, 0, -scrollTop * scale);
    for (const [place, token, thick] of rings) {
      const at = box(of, place);
      context.strokeStyle = this.#colours.token(token);
      context.lineWidth = thick;
      context.beginPath();
      context.roundRect(at.x + thick / 2, at.y + thick / 2, at.width - thick, at.height - thick, 3);
      context.stroke();
    }
    if (of.contentHeight > of.viewHeight) this.#ruler(context, picture, of, scrollTop, width, scale);
  }

  /** Where drifted nodes lie outside the view: a tick a row in the colour of its worst, fainter where that is an everyday state. */
  #ruler(context: CanvasRenderingContext2D, picture: Picture, of: Layout, scrollTop: number, width: number, scale: number): void {
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.fillStyle = this.#colours.token('--color-raised');
    context.fillRect(width - RULER, 0, RULER, of.viewHeight);
    const perRow = of.viewHeight / of.rows;
    for (let row = 0; row < of.rows; row += 1) {
      let worst = CALM;
      for (const index of picture.order.subarray(row * of.columns, (row + 1) * of.columns)) {
        if (picture.matched.charAt(index) !== '0') worst = Math.min(worst, RANKS.get(picture.cells.charAt(index)) ?? CALM);
      }
      const look = STATES[worst];
      if (!look || worst === CALM) continue;
      context.globalAlpha = worst <= GRAVE ? 1 : 0.4;
      context.fillStyle = this.#colours.token(look.token);
      context.fillRect(width - RULER, row * perRow, RULER, Math.max(1.5, perRow));
    }
    context.globalAlpha = 1;
    context.strokeStyle = this.#colours.token('--color-muted');
    context.lineWidth = 1;
    context.strokeRect(width - RULER - 1.5, (scrollTop / of.contentHeight) * of.viewHeight + 0.5, RULER + 1, (of.viewHeight / of.contentHeight) * of.viewHeight - 1);
  }

  #name(context: CanvasRenderingContext2D, id: string, x: number, y: number, width: number, height: number, scale: number): void {
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.font = `550 12px ${this.#colours.token('--font-sans')}`;
    context.fillStyle = this.#colours.token('--color-text');
    context.textBaseline = 'middle';
    const room = width - 32;
    let text = id;
    while (text.length > 1 && context.measureText(text === id ? text : `${text}…`).width > room) text = text.slice(0, -1);
    context.fillText(text === id ? text : `${text}…`, x + 26, y + height / 2 + 0.5);
    context.setTransform(1, 0, 0, 1, 0, 0);
  }

  #prepare(of: Layout, scale: number): void {
    const made = `${of.pitchX} ${of.pitchY} ${of.gap} ${of.named} ${scale}`;
    if (this.#made === made) return;
    this.#made = made;
    this.#sprites.clear();
    for (const look of STATES) {
      const sprite = document.createElement('canvas');
      const [width, height] = [of.pitchX - of.gap, of.pitchY - of.gap];
      sprite.width = Math.round(width * scale);
      sprite.height = Math.round(height * scale);
      const context = sprite.getContext('2d');
      if (!context) continue;
      context.scale(scale, scale);
      const calm = look.code === '.';
      if (of.named) this.#fill(context, look.token.replace('--state', '--vbar'), 0, 0, width, height, 4);
      const side = of.named ? 16 : Math.min(width, height);
      const at = of.named ? 6 : 0;
      const top = (height - side) / 2;
      this.#fill(context, calm && !of.named ? '--state-in-sync-calm' : look.token, at, of.named ? top : 0, side, side, side > 12 ? 3 : 2);
      if (!calm || of.named) this.#glyph(context, look.glyph, at, of.named ? top : 0, side);
      this.#sprites.set(look.code, sprite);
    }
  }

  #fill(context: CanvasRenderingContext2D, token: string, x: number, y: number, width: number, height: number, radius: number): void {
    context.fillStyle = this.#colours.token(token);
    context.beginPath();
    context.roundRect(x, y, width, height, radius);
    context.fill();
  }

  #glyph(context: CanvasRenderingContext2D, glyph: string, x: number, y: number, side: number): void {
    context.save();
    context.translate(x, y);
    context.scale(side / 16, side / 16);
    context.strokeStyle = this.#colours.token('--color-glyph');
    context.lineWidth = side < 12 ? 2.6 : 2;
    context.lineCap = 'round';
    context.lineJoin = 'round';
    context.stroke(new Path2D(glyph));
    context.restore();
  }
}
