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

const RULER = 6;
const RANKS = new Map(STATES.map((look, rank) => [look.code, rank]));
const CALM = STATES.length - 1;
/** Tampered, poisoned and diverged: wrong content under the right name. */
const GRAVE = 2;

/** What the ground was drawn from; the same again means that it stands as it is. */
interface Ground {
  picture: Picture;
  made: string;
  scrollTop: number;
  width: number;
}

export class MatrixPainter {
  #sprites = new Map<string, HTMLCanvasElement>();
  #made = '';
  #tokens = new Map<string, string>();
  /** Cells and ruler without highlights: a pointer that moves copies them instead of drawing 10,000 cells. */
  readonly #ground = document.createElement('canvas');
  #drawn: Ground | null = null;
  /** Where each node stands, and the worst state of each row; they change with the picture only. */
  #places = new Map<string, number>();
  #placed: Int32Array | null = null;
  #rows: { picture: Picture; columns: number; worst: Uint8Array } | null = null;
  readonly #style: CSSStyleDeclaration;

  constructor(private readonly canvas: HTMLCanvasElement) {
    this.#style = getComputedStyle(canvas);
  }

  /** Forgets colours: the theme changed, or the fonts arrived. */
  forget(): void {
    this.#made = '';
    this.#drawn = null;
    this.#tokens.clear();
  }

  #token(name: string): string {
    const known = this.#tokens.get(name);
    if (known !== undefined) return known;
    const value = this.#style.getPropertyValue(name).trim();
    this.#tokens.set(name, value);
    return value;
  }

  draw(picture: Picture, of: Layout, scrollTop: number, width: number, lights: Highlights): void {
    const context = this.canvas.getContext('2d');
    const under = this.#ground.getContext('2d');
    if (!context || !under || width <= 0) return;
    const scale = window.devicePixelRatio || 1;
    const [wide, high] = [Math.round(width * scale), Math.round(of.viewHeight * scale)];
    for (const canvas of [this.canvas, this.#ground]) {
      if (canvas.width === wide && canvas.height === high) continue;
      canvas.width = wide;
      canvas.height = high;
      this.#drawn = null;
    }
    this.#prepare(of, scale);
    const { picture: before, made, scrollTop: top, width: room } = this.#drawn ?? {};
    if (before !== picture || made !== this.#made || top !== scrollTop || room !== width) {
      this.#cells(under, picture, of, scrollTop, width, scale);
      this.#drawn = { picture, made: this.#made, scrollTop, width };
    }
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, wide, high);
    context.drawImage(this.#ground, 0, 0);
    this.#rings(context, picture, of, scrollTop, scale, lights);
  }

  #cells(context: CanvasRenderingContext2D, picture: Picture, of: Layout, scrollTop: number, width: number, scale: number): void {
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, this.#ground.width, this.#ground.height);
    const firstRow = Math.max(0, Math.floor(scrollTop / of.pitchY));
    const lastRow = Math.min(of.rows, Math.ceil((scrollTop + of.viewHeight) / of.pitchY));
    const end = Math.min(picture.order.length, lastRow * of.columns);
    for (let place = firstRow * of.columns; place < end; place += 1) {
      const index = picture.order[place] ?? 0;
      const at = box(of, place);
      const sprite = this.#sprites.get(picture.cells.charAt(index)) ?? this.#sprites.get('?');
      context.globalAlpha = picture.matched.charAt(index) === '0' ? 0.22 : 1;
      if (sprite) context.drawImage(sprite, Math.round(at.x * scale), Math.round((at.y - scrollTop) * scale));
      if (of.named) this.#name(context, picture.ids[index] ?? '', at.x, at.y - scrollTop, at.width, at.height, scale);
    }
    context.globalAlpha = 1;
    if (of.contentHeight > of.viewHeight) this.#ruler(context, picture, of, scrollTop, width, scale);
  }

  #rings(context: CanvasRenderingContext2D, picture: Picture, of: Layout, scrollTop: number, scale: number, lights: Highlights): void {
    const rings: [number, string, number][] = [];
    for (const id of lights.marks) rings.push([this.#placeOf(picture, id), '--color-accent', 2]);
    if (lights.open !== null) rings.push([this.#placeOf(picture, lights.open), '--color-text', 2]);
    if (lights.cursor !== null) rings.push([lights.cursor, '--color-accent', 2]);
    if (lights.hovered !== null) rings.push([lights.hovered, '--color-text', 1]);
    context.setTransform(scale, 0, 0, scale, 0, -scrollTop * scale);
    for (const [place, token, thick] of rings) {
      if (place < 0 || place >= picture.order.length) continue;
      const at = box(of, place);
      if (at.y + at.height < scrollTop || at.y > scrollTop + of.viewHeight) continue;
      context.strokeStyle = this.#token(token);
      context.lineWidth = thick;
      context.beginPath();
      context.roundRect(at.x + thick / 2, at.y + thick / 2, at.width - thick, at.height - thick, 3);
      context.stroke();
    }
  }

  #placeOf(picture: Picture, id: string): number {
    if (this.#placed !== picture.order) {
      this.#placed = picture.order;
      this.#places.clear();
      picture.order.forEach((index, place) => this.#places.set(picture.ids[index] ?? '', place));
    }
    return this.#places.get(id) ?? -1;
  }

  /** Where drifted nodes lie outside the view: a tick a row in the colour of its worst, fainter where that is an everyday state. */
  #ruler(context: CanvasRenderingContext2D, picture: Picture, of: Layout, scrollTop: number, width: number, scale: number): void {
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.fillStyle = this.#token('--color-raised');
    context.fillRect(width - RULER, 0, RULER, of.viewHeight);
    const perRow = of.viewHeight / of.rows;
    this.#worst(picture, of).forEach((worst, row) => {
      const look = STATES[worst];
      if (!look || worst === CALM) return;
      context.globalAlpha = worst <= GRAVE ? 1 : 0.4;
      context.fillStyle = this.#token(look.token);
      context.fillRect(width - RULER, row * perRow, RULER, Math.max(1.5, perRow));
    });
    context.globalAlpha = 1;
    context.strokeStyle = this.#token('--color-muted');
    context.lineWidth = 1;
    context.strokeRect(width - RULER - 1.5, (scrollTop / of.contentHeight) * of.viewHeight + 0.5, RULER + 1, (of.viewHeight / of.contentHeight) * of.viewHeight - 1);
  }

  #worst(picture: Picture, of: Layout): Uint8Array {
    if (this.#rows?.picture === picture && this.#rows.columns === of.columns) return this.#rows.worst;
    const worst = new Uint8Array(of.rows).fill(CALM);
    picture.order.forEach((index, place) => {
      const row = Math.floor(place / of.columns);
      if (picture.matched.charAt(index) !== '0') worst[row] = Math.min(worst[row] ?? CALM, RANKS.get(picture.cells.charAt(index)) ?? CALM);
    });
    this.#rows = { picture, columns: of.columns, worst };
    return worst;
  }

  #name(context: CanvasRenderingContext2D, id: string, x: number, y: number, width: number, height: number, scale: number): void {
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.font = `550 12px ${this.#token('--font-sans')}`;
    context.fillStyle = this.#token('--color-text');
    context.textBaseline = 'middle';
    const room = width - 32;
    let text = id;
    while (text.length > 1 && context.measureText(text === id ? text : `${text}…`).width > room) text = text.slice(0, -1);
    context.fillText(text === id ? text : `${text}…`, x + 26, y + height / 2 + 0.5);
    context.setTransform(1, 0, 0, 1, 0, 0);
  }

  #prepare(of: Layout, scale: number): void {
    const made = `${of.pitchX} ${of.pitchY} ${of.gap} ${of.named} ${of.columns} ${of.viewHeight} ${scale}`;
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
    context.fillStyle = this.#token(token);
    context.beginPath();
    context.roundRect(x, y, width, height, radius);
    context.fill();
  }

  #glyph(context: CanvasRenderingContext2D, glyph: string, x: number, y: number, side: number): void {
    context.save();
    context.translate(x, y);
    context.scale(side / 16, side / 16);
    context.strokeStyle = this.#token('--color-glyph');
    context.lineWidth = side < 12 ? 2.6 : 2;
    context.lineCap = 'round';
    context.lineJoin = 'round';
    context.stroke(new Path2D(glyph));
    context.restore();
  }
}
