//! A picture under construction: whole pixels, plain shapes, text that no font was measured for.

use plotters::{
    backend::{DrawingBackend as _, SVGBackend},
    style::{
        Color as _, FontDesc, FontFamily, FontStyle, RGBColor, TextStyle,
        text_anchor::{HPos, Pos, VPos},
    },
};

use crate::{
    palette::{Palette, Rgb},
    text::printable,
};

/// Width of every picture in pixels.
pub(crate) const WIDTH: i32 = 960;
/// Space between the edge and what is drawn.
pub(crate) const MARGIN: i32 = 12;
/// What one character takes on the average at the size of all text; wide enough for digits.
pub(crate) const CHARACTER: i32 = 7;

const FONT: &str = "Inter, system-ui, sans-serif";
const FONT_SIZE: f64 = 12.0;
/// plotters divides the size of a font by this when it writes SVG.
const PLOTTERS_SCALE: f64 = 1.24;
/// plotters writes to a string here.
const NEVER: &str = "a string takes everything";

/// Which end of a text stands at its point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

/// How a text looks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ink {
    colour: Rgb,
    bold: bool,
    anchor: Anchor,
}

impl Ink {
    pub(crate) const fn new(colour: Rgb) -> Self {
        Self { colour, bold: false, anchor: Anchor::Start }
    }

    pub(crate) const fn bold(self) -> Self {
        Self { bold: true, ..self }
    }

    pub(crate) const fn at(self, anchor: Anchor) -> Self {
        Self { anchor, ..self }
    }
}

/// Draws a picture of a height, with a title and a description for who cannot see it.
pub(crate) fn picture(
    height: i32,
    title: &str,
    description: &str,
    palette: &Palette,
    draw: impl FnOnce(&mut Canvas<'_>),
) -> String {
    let mut svg = String::new();
    let size = (WIDTH.unsigned_abs(), height.unsigned_abs());
    let mut canvas = Canvas { backend: SVGBackend::with_string(&mut svg, size) };
    canvas.area((0, 0), (WIDTH, height), palette.ground);
    draw(&mut canvas);
    canvas.backend.present().expect(NEVER);
    drop(canvas);
    let head = format!(
        " role=\"img\">\n<title>{}</title>\n<desc>{}</desc>\n",
        escaped(title),
        escaped(description)
    );
    svg.replacen(">\n", &head, 1)
}

/// What pictures are drawn on. Drawing into a string cannot go wrong.
pub(crate) struct Canvas<'a> {
    backend: SVGBackend<'a>,
}

pub(crate) type Point = (i32, i32);

impl Canvas<'_> {
    /// A filled rectangle between two corners.
    pub(crate) fn area(&mut self, from: Point, to: Point, colour: Rgb) {
        self.backend.draw_rect(from, to, &RGBColor::from(colour), true).expect(NEVER);
    }

    /// A filled shape.
    pub(crate) fn shape(&mut self, corners: Vec<Point>, colour: Rgb) {
        self.backend.fill_polygon(corners, &RGBColor::from(colour)).expect(NEVER);
    }

    /// A line through points, of a width in pixels.
    pub(crate) fn line(&mut self, points: Vec<Point>, colour: Rgb, width: u32) {
        let style = RGBColor::from(colour).stroke_width(width);
        self.backend.draw_path(points, &style).expect(NEVER);
    }

    /// A level line of dashes.
    pub(crate) fn dashes(&mut self, y: i32, from: i32, to: i32, colour: Rgb) {
        for x in (from..to).step_by(8) {
            self.line(vec![(x, y), ((x + 4).min(to), y)], colour, 1);
        }
    }

    /// Slanted lines over an area: what is not known.
    pub(crate) fn hatching(&mut self, from: Point, to: Point, colour: Rgb) {
        let height = to.1 - from.1;
        for start in (from.0 - height..to.0).step_by(6) {
            let (left, right) = (start.max(from.0), (start + height).min(to.0));
            if left < right {
                self.line(
                    vec![(left, to.1 - (left - start)), (right, to.1 - (right - start))],
                    colour,
                    1,
                );
            }
        }
    }

    /// Text with its middle at the height of a point.
    pub(crate) fn text(&mut self, text: &str, at: Point, ink: Ink) {
        let style = if ink.bold { FontStyle::Bold } else { FontStyle::Normal };
        let font = FontDesc::new(FontFamily::Name(FONT), FONT_SIZE * PLOTTERS_SCALE, style);
        let anchor = match ink.anchor {
            Anchor::Start => HPos::Left,
            Anchor::Middle => HPos::Center,
            Anchor::End => HPos::Right,
        };
        let colour = RGBColor::from(ink.colour);
        let style = TextStyle::from(font).color(&colour).pos(Pos::new(anchor, VPos::Center));
        self.backend.draw_text(&printable(text), &style, at).expect(NEVER);
    }
}

/// Text as XML holds it; the backend does the same to what it draws.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in printable(text).chars() {
        match c {
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            c => safe.push(c),
        }
    }
    safe
}
