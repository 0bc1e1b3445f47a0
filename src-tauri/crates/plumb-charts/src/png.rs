//! A picture as PNG: every pixel is counted here, with the fonts that came with the program.

use std::sync::LazyLock;

use ab_glyph::{Font as _, FontRef, Glyph, PxScale, ScaleFont as _, point};
use plotters::{
    backend::{BitMapBackend, DrawingBackend},
    style::{Color as _, RGBColor},
};

use crate::{
    canvas::{Anchor, FONT_SIZE, Ink, Mark, Picture, Point, WIDTH},
    palette::Rgb,
};

/// Pixels of the file for one of the picture, so that text is sharp on any screen.
const SCALE: i32 = 2;
/// Highest picture, in pixels of the picture; the raster is the highest with some 500.
const HEIGHT_MAX: i32 = 8_192;
const NEVER: &str = "memory takes every pixel";

struct Fonts {
    normal: FontRef<'static>,
    bold: FontRef<'static>,
    /// For what the others have no glyph: signs, Greek and Cyrillic.
    signs: FontRef<'static>,
}

static FONTS: LazyLock<Fonts> = LazyLock::new(|| {
    let font = |bytes: &'static [u8]| FontRef::try_from_slice(bytes).expect("a font of ours");
    Fonts {
        normal: font(include_bytes!("../../../../assets/fonts/inter-latin-400.ttf")),
        bold: font(include_bytes!("../../../../assets/fonts/inter-latin-700.ttf")),
        signs: font(include_bytes!("../../../../assets/fonts/symbols.ttf")),
    }
});

impl Picture {
    /// As PNG, twice as wide and high as the SVG. The same picture has the same bytes.
    pub fn png(&self) -> Vec<u8> {
        let height = self.height.clamp(1, HEIGHT_MAX);
        let size = ((WIDTH * SCALE).unsigned_abs(), (height * SCALE).unsigned_abs());
        let mut pixels = vec![0; size.0 as usize * size.1 as usize * 3];
        {
            let mut backend = BitMapBackend::with_buffer(&mut pixels, size);
            for mark in &self.marks {
                draw(&mut backend, mark);
            }
            backend.present().expect(NEVER);
        }
        encoded(&pixels, size, &self.title)
    }
}

fn encoded(pixels: &[u8], (width, height): (u32, u32), title: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder
        .add_itxt_chunk("Title".to_owned(), title.to_owned())
        .expect("a keyword of plain letters");
    let mut writer = encoder.write_header().expect(NEVER);
    writer.write_image_data(pixels).expect(NEVER);
    writer.finish().expect(NEVER);
    out
}

const fn scaled((x, y): Point) -> Point {
    (x.saturating_mul(SCALE), y.saturating_mul(SCALE))
}

fn draw(backend: &mut BitMapBackend<'_>, mark: &Mark) {
    match mark {
        Mark::Area { from, to, colour } => {
            let (from, to) = (scaled(*from), scaled(*to));
            backend.draw_rect(from, to, &RGBColor::from(*colour), true).expect(NEVER);
        }
        Mark::Shape { corners, colour } => {
            let corners = corners.iter().copied().map(scaled);
            backend.fill_polygon(corners, &RGBColor::from(*colour)).expect(NEVER);
        }
        Mark::Line { points, colour, width } => {
            let style = RGBColor::from(*colour).stroke_width(width * SCALE.unsigned_abs());
            backend.draw_path(points.iter().copied().map(scaled), &style).expect(NEVER);
        }
        Mark::Text { text: words, at, ink } => text(backend, words, scaled(*at), *ink),
    }
}

/// Text is set glyph by glyph: one that a font lacks is taken from the other.
fn text(backend: &mut BitMapBackend<'_>, words: &str, at: Point, ink: Ink) {
    let main = if ink.bold { &FONTS.bold } else { &FONTS.normal };
    // What SVG calls the size is the em, not the height of a line.
    let em = |font: &FontRef<'static>| {
        let units = font.units_per_em().unwrap_or(1_000.0);
        let size = FONT_SIZE * SCALE_F;
        PxScale::from(size * font.height_unscaled() / units)
    };
    let mut glyphs: Vec<(&FontRef<'static>, Glyph)> = Vec::new();
    let mut width = 0.0;
    for c in words.chars() {
        let font = if main.glyph_id(c).0 == 0 { &FONTS.signs } else { main };
        let scale = em(font);
        let id = font.glyph_id(c);
        glyphs.push((font, id.with_scale_and_position(scale, point(width, 0.0))));
        width += font.as_scaled(scale).h_advance(id);
    }
    let left = match ink.anchor {
        Anchor::Start => 0.0,
        Anchor::Middle => width / 2.0,
        Anchor::End => width,
    };
    // Letters stand on a line half of a small one below the middle, as `0.5ex` says in the SVG.
    let line = FONT_SIZE * SCALE_F * EX / 2.0;
    for (font, mut glyph) in glyphs {
        glyph.position.x -= left;
        glyph.position.y += line;
        let Some(outline) = font.outline_glyph(glyph) else { continue };
        let bounds = outline.px_bounds();
        outline.draw(|x, y, covered| {
            let place = |offset: u32, from: f32, at: i32| at + whole(from) + signed(offset);
            let pixel = (place(x, bounds.min.x, at.0), place(y, bounds.min.y, at.1));
            cover(backend, pixel, ink.colour, covered);
        });
    }
}

#[expect(clippy::cast_precision_loss, reason = "a small whole number")]
const SCALE_F: f32 = SCALE as f32;
/// Height of a small letter in Inter, of the size.
const EX: f32 = 0.546;

#[expect(clippy::cast_possible_truncation, reason = "bounds of glyphs are whole and small")]
fn whole(bound: f32) -> i32 {
    bound.floor() as i32
}

fn signed(offset: u32) -> i32 {
    i32::try_from(offset).unwrap_or(i32::MAX)
}

fn cover(backend: &mut BitMapBackend<'_>, pixel: Point, colour: Rgb, covered: f32) {
    let (width, height) = backend.get_size();
    let inside = |at: i32, size: u32| u32::try_from(at).is_ok_and(|at| at < size);
    if inside(pixel.0, width) && inside(pixel.1, height) {
        let colour = RGBColor::from(colour).mix(f64::from(covered.clamp(0.0, 1.0)));
        backend.draw_pixel(pixel, plotters::style::Color::to_backend_color(&colour)).expect(NEVER);
    }
}

#[cfg(test)]
mod tests {
    use plumb_fleet::DriftState;

    use super::*;
    use crate::palette::glyph;

    #[test]
    fn every_sign_that_pictures_have_is_in_a_font_that_came_with_the_program() {
        let signs = DriftState::ALL.map(glyph).concat();
        for c in signs.chars().chain("×…·%*\u{fffd}АΩé".chars()) {
            let known = [&FONTS.normal, &FONTS.bold, &FONTS.signs];
            assert!(known.iter().any(|font| font.glyph_id(c).0 != 0), "{c}");
        }
    }
}
