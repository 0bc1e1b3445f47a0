//! A picture as a list of plain marks in whole pixels; how it is written is another matter.

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
/// Size of all text in pixels.
pub(crate) const FONT_SIZE: f32 = 12.0;

/// Which end of a text stands at its point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

/// How a text looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ink {
    pub(crate) colour: Rgb,
    pub(crate) bold: bool,
    pub(crate) anchor: Anchor,
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

pub(crate) type Point = (i32, i32);

/// A picture, drawn and not yet written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    pub(crate) height: i32,
    pub(crate) title: String,
    /// For who cannot see it.
    pub(crate) description: String,
    pub(crate) marks: Vec<Mark>,
}

/// One thing in a picture, over those before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Mark {
    Area { from: Point, to: Point, colour: Rgb },
    Shape { corners: Vec<Point>, colour: Rgb },
    Line { points: Vec<Point>, colour: Rgb, width: u32 },
    Text { text: String, at: Point, ink: Ink },
}

/// Draws a picture of a height, with a title and a description for who cannot see it.
pub(crate) fn picture(
    height: i32,
    title: &str,
    description: &str,
    palette: &Palette,
    draw: impl FnOnce(&mut Canvas),
) -> Picture {
    let mut canvas = Canvas { marks: Vec::new() };
    canvas.area((0, 0), (WIDTH, height), palette.ground);
    draw(&mut canvas);
    let (title, description) = (printable(title), printable(description));
    Picture { height, title, description, marks: canvas.marks }
}

/// What pictures are drawn on.
pub(crate) struct Canvas {
    marks: Vec<Mark>,
}

impl Canvas {
    /// A filled rectangle between two corners.
    pub(crate) fn area(&mut self, from: Point, to: Point, colour: Rgb) {
        self.marks.push(Mark::Area { from, to, colour });
    }

    /// A filled shape.
    pub(crate) fn shape(&mut self, corners: Vec<Point>, colour: Rgb) {
        self.marks.push(Mark::Shape { corners, colour });
    }

    /// A line through points, of a width in pixels.
    pub(crate) fn line(&mut self, points: Vec<Point>, colour: Rgb, width: u32) {
        self.marks.push(Mark::Line { points, colour, width });
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
        self.marks.push(Mark::Text { text: printable(text), at, ink });
    }
}
