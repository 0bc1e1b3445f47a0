//! A picture as SVG: no font is measured, so the bytes are the same on every machine.

use plotters::{
    backend::{DrawingBackend as _, SVGBackend},
    style::{
        Color as _, FontDesc, FontFamily, FontStyle, RGBColor, TextStyle,
        text_anchor::{HPos, Pos, VPos},
    },
};

use crate::canvas::{Anchor, FONT_SIZE, Ink, Mark, Picture, Point, WIDTH};

const FONT: &str = "Inter, system-ui, sans-serif";
/// plotters divides the size of a font by this when it writes SVG.
const PLOTTERS_SCALE: f64 = 1.24;
/// plotters writes to a string here.
const NEVER: &str = "a string takes everything";

impl Picture {
    /// As SVG.
    pub fn svg(&self) -> String {
        let mut svg = String::new();
        let size = (WIDTH.unsigned_abs(), self.height.unsigned_abs());
        let mut backend = SVGBackend::with_string(&mut svg, size);
        for mark in &self.marks {
            draw(&mut backend, mark);
        }
        backend.present().expect(NEVER);
        drop(backend);
        let head = format!(
            " role=\"img\">\n<title>{}</title>\n<desc>{}</desc>\n",
            escaped(&self.title),
            escaped(&self.description)
        );
        svg.replacen(">\n", &head, 1)
    }
}

fn draw(backend: &mut SVGBackend<'_>, mark: &Mark) {
    match mark {
        Mark::Area { from, to, colour } => {
            backend.draw_rect(*from, *to, &RGBColor::from(*colour), true).expect(NEVER);
        }
        Mark::Shape { corners, colour } => {
            backend.fill_polygon(corners.clone(), &RGBColor::from(*colour)).expect(NEVER);
        }
        Mark::Line { points, colour, width } => {
            let style = RGBColor::from(*colour).stroke_width(*width);
            backend.draw_path(points.clone(), &style).expect(NEVER);
        }
        Mark::Text { text: words, at, ink } => text(backend, words, *at, *ink),
    }
}

fn text(backend: &mut SVGBackend<'_>, words: &str, at: Point, ink: Ink) {
    let style = if ink.bold { FontStyle::Bold } else { FontStyle::Normal };
    let size = f64::from(FONT_SIZE) * PLOTTERS_SCALE;
    let font = FontDesc::new(FontFamily::Name(FONT), size, style);
    let anchor = match ink.anchor {
        Anchor::Start => HPos::Left,
        Anchor::Middle => HPos::Center,
        Anchor::End => HPos::Right,
    };
    let colour = RGBColor::from(ink.colour);
    let style = TextStyle::from(font).color(&colour).pos(Pos::new(anchor, VPos::Center));
    backend.draw_text(words, &style, at).expect(NEVER);
}

/// Text as XML holds it; the backend does the same to what it draws.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            c => safe.push(c),
        }
    }
    safe
}
