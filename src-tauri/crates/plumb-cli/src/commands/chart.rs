//! `chart`: pictures of what a fleet ran over time, the same as in the window and in evidence.

use camino::Utf8PathBuf;
use clap::{Args, ValueEnum};
use plumb_app::{Palette, actions::files::write_chosen, queries::history::HOURS_MAX};

use crate::{
    exit::{Exit, Failure, Outcome},
    session::Session,
    text::age::parse_seconds,
};

/// How far back where nobody says it, in seconds.
const DAY_S: u32 = 24 * 3_600;

#[derive(Debug, Args)]
#[command(after_help = "Nothing is asked of nodes: pictures are of what sweeps and runs noted.\n\
    With --json the figures are printed instead of the picture.")]
pub(crate) struct Chart {
    /// What to draw
    #[arg(value_enum)]
    what: What,
    /// How far back, for example 6h or 30d
    #[arg(long, value_name = "TIME", value_parser = parse_seconds, default_value_t = DAY_S)]
    last: u32,
    /// Colours of the picture
    #[arg(long, value_enum, default_value_t)]
    colors: Colors,
    /// SVG, or PNG with the fonts that came with the program; as the file's name ends without it
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// File to write; standard output without it
    #[arg(short, long, value_name = "FILE")]
    output: Option<Utf8PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Svg,
    Png,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// Versions and contents by node, nodes that ran the same in one lane
    Timeline,
    /// Contents of every node
    Raster,
    /// Reloads: how many, what failed, how long they took
    Reloads,
    /// How long ago sources had confirmed digests
    Age,
}

impl What {
    const fn name(self) -> &'static str {
        match self {
            Self::Timeline => "timeline",
            Self::Raster => "raster",
            Self::Reloads => "reloads",
            Self::Age => "age",
        }
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Colors {
    #[default]
    Light,
    Dark,
    HighContrast,
}

impl Chart {
    fn format(&self) -> Format {
        let is_png = |path: &Utf8PathBuf| {
            path.extension().is_some_and(|end| end.eq_ignore_ascii_case("png"))
        };
        let named = self.output.as_ref().is_some_and(is_png);
        self.format.unwrap_or(if named { Format::Png } else { Format::Svg })
    }

    pub(crate) async fn run(&self, session: Session<'_>) -> Outcome {
        let hours = self.last.div_ceil(3_600).max(1);
        if hours > HOURS_MAX {
            let days = HOURS_MAX / 24;
            return Err(Failure::usage(
                format!("the history is kept for {days} days"),
                "give a shorter time with --last",
            ));
        }
        let palette = match self.colors {
            Colors::Light => Palette::light(),
            Colors::Dark => Palette::dark(),
            Colors::HighContrast => Palette::high_contrast(),
        };
        session
            .with_fleet(async |app, fleet| {
                if session.out.json {
                    let view = app.history(fleet, hours).await?;
                    session.out.show(&view, |_| {});
                    return Ok(Exit::Fine);
                }
                let name = self.what.name();
                let picture = match self.format() {
                    Format::Svg => app.history_svg(fleet, name, hours, &palette).await?.into(),
                    Format::Png => app.history_png(fleet, name, hours, &palette).await?,
                };
                match &self.output {
                    Some(path) => {
                        write_chosen(path.clone(), picture).await?;
                        session.out.say(format!("{path} is the {name} of {fleet}"));
                    }
                    None => session.out.bytes(&picture),
                }
                Ok(Exit::Fine)
            })
            .await
    }
}
