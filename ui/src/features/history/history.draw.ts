//! Draws lanes and rasters. What nodes ran is drawn once; a pointer that moves copies it and draws a line.
import type { HistoryView } from '$lib/api/api';
import { hueOf, placeOf } from './history.logic';

export const LANE_HEIGHT = 18;
export const LANE_PITCH = 22;
/** A raster of fewer nodes gives each of them so many pixels at most. */
const ROW_MAX = 12;

export type Form = 'lanes' | 'raster';

export interface Picture {
  view: HistoryView;
  form: Form;
  /** Of the lanes: the first that is drawn. */
  scrollTop: number;
}

export interface Lines {
  scrubbed: number | null;
  marks: readonly number[];
}

/** How high everything is. */
export function heightOf(view: HistoryView, form: Form, room: number): number {
  if (form === 'lanes') return Math.max(1, view.lanes.length) * LANE_PITCH;
  const nodes = view.lanes.reduce((sum, lane) => sum + lane.nodes.length, 0);
  return Math.min(room, Math.max(LANE_PITCH, nodes * ROW_MAX));
}

export class HistoryPainter {
  readonly #ground = document.createElement('canvas');
  #drawn: Picture | null = null;
  #tokens = new Map<string, string>();
  readonly #style: CSSStyleDeclaration;

  constructor(private readonly canvas: HTMLCanvasElement) {
    this.#style = getComputedStyle(canvas);
  }

  /** Forgets colours: the theme changed. */
  forget(): void {
    this.#tokens.clear();
    this.#drawn = null;
  }

  #token(name: string): string {
    const known = this.#tokens.get(name);
    if (known !== undefined) return known;
    const value = this.#style.getPropertyValue(name).trim();
    this.#tokens.set(name, value);
    return value;
  }

  draw(picture: Picture, width: number, height: number, lines: Lines): void {
    const context = this.canvas.getContext('2d');
    const under = this.#ground.getContext('2d');
    if (!context || !under || width <= 0 || height <= 0) return;
    const scale = window.devicePixelRatio || 1;
    const [wide, high] = [Math.round(width * scale), Math.round(height * scale)];
    for (const canvas of [this.canvas, this.#ground]) {
      if (canvas.width === wide && canvas.height === high) continue;
      canvas.width = wide;
      canvas.height = high;
      this.#drawn = null;
    }
    const before = this.#drawn;
    if (before?.view !== picture.view || before.form !== picture.form || before.scrollTop !== picture.scrollTop) {
      under.setTransform(scale, 0, 0, scale, 0, 0);
      under.clearRect(0, 0, width, height);
      if (picture.form === 'lanes') this.#lanes(under, picture, width, height);
      else this.#raster(under, picture.view, width, height, scale);
      this.#drawn = picture;
    }
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, wide, high);
    context.drawImage(this.#ground, 0, 0);
    context.setTransform(scale, 0, 0, scale, 0, 0);
    this.#rules(context, picture.view, width, height, lines);
  }

  #lanes(context: CanvasRenderingContext2D, { view, scrollTop }: Picture, width: number, height: number): void {
    const first = Math.max(0, Math.floor(scrollTop / LANE_PITCH));
    const end = Math.min(view.lanes.length, Math.ceil((scrollTop + height) / LANE_PITCH));
    context.font = `600 11px ${this.#token('--font-sans')}`;
    context.textBaseline = 'middle';
    for (let at = first; at < end; at += 1) {
      const top = at * LANE_PITCH - scrollTop + (LANE_PITCH - LANE_HEIGHT) / 2;
      this.#spans(view, at, width, (left, right, kind, answers) => {
        this.#cell(context, kind, answers, left, top, right - left, LANE_HEIGHT);
        if (kind === null || right - left < 14) return;
        context.fillStyle = answers ? this.#token('--color-glyph') : this.#token('--color-text');
        context.fillText(view.kinds[kind]?.letter ?? '', left + 4, top + LANE_HEIGHT / 2 + 0.5);
      });
    }
  }

  /** Every node has its share of the height; a row of pixels shows the node in its middle. */
  #raster(context: CanvasRenderingContext2D, view: HistoryView, width: number, height: number, scale: number): void {
    const nodes = view.lanes.reduce((sum, lane) => sum + lane.nodes.length, 0);
    const rows = Math.min(nodes, Math.round(height * scale));
    let [above, row] = [0, 0];
    view.lanes.forEach((lane, at) => {
      above += lane.nodes.length;
      const end = Math.round((above / nodes) * rows);
      if (end === row) return;
      const [top, bottom] = [(row / rows) * height, (end / rows) * height];
      this.#spans(view, at, width, (left, right, kind, answers) => this.#cell(context, kind, answers, left, top, right - left, bottom - top));
      row = end;
    });
  }

  #spans(view: HistoryView, at: number, width: number, draw: (left: number, right: number, kind: number | null, answers: boolean) => void): void {
    const spans = view.lanes[at]?.spans ?? [];
    spans.forEach((span, index) => {
      const left = Math.max(0, placeOf(view, span.at_ms, width));
      const right = placeOf(view, spans[index + 1]?.at_ms ?? view.to_ms, width);
      if (right > left) draw(left, right, span.kind, span.answers);
    });
  }

  #cell(context: CanvasRenderingContext2D, kind: number | null, answers: boolean, left: number, top: number, width: number, height: number): void {
    context.globalAlpha = answers ? 1 : 0.35;
    context.fillStyle = kind === null ? this.#token('--color-hatch') : this.#token(hueOf(kind));
    // Neighbours keep a hair of ground between them, as long as they are not all ground.
    context.fillRect(left, top, Math.max(0.5, width > 3 ? width - 1 : width), height);
    context.globalAlpha = 1;
  }

  #rules(context: CanvasRenderingContext2D, view: HistoryView, width: number, height: number, { scrubbed, marks }: Lines): void {
    const rule = (atMs: number, colour: string, wide: number, name: string): void => {
      const x = Math.round(placeOf(view, atMs, width)) + 0.5;
      context.strokeStyle = colour;
      context.lineWidth = wide;
      context.beginPath();
      context.moveTo(x, 0);
      context.lineTo(x, height);
      context.stroke();
      if (name === '') return;
      context.font = `600 11px ${this.#token('--font-sans')}`;
      context.textBaseline = 'top';
      context.fillStyle = colour;
      context.fillRect(Math.min(x, width - 14), 0, 14, 14);
      context.fillStyle = this.#token('--color-ground');
      context.fillText(name, Math.min(x, width - 14) + 3, 2);
    };
    if (scrubbed !== null) rule(scrubbed, this.#token('--color-text'), 1, '');
    marks.forEach((at, index) => rule(at, this.#token('--color-accent'), 2, String(index + 1)));
  }
}
