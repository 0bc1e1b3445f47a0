//! What commands have in common: the application, the fleet, and a fresh look at it.

use camino::Utf8PathBuf;
use plumb_app::{App, AppOptions, KeyPlace, views::shell::SweepView};

use crate::{
    args::Global,
    commands::passphrase,
    exit::{Exit, Failure, Outcome},
    output::Output,
    text::age::age,
};

/// Arguments for all commands, and where to print.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Session<'a> {
    pub(crate) global: &'a Global,
    pub(crate) out: &'a Output,
}

/// How a look at nodes went.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look {
    asked: usize,
    answered: usize,
    swept: bool,
}

impl Look {
    /// Nodes were asked and not one gave an answer.
    pub(crate) fn reached_nobody(self) -> bool {
        self.swept && self.asked > 0 && self.answered == 0
    }

    /// The exit code of a command that found this, after this look.
    pub(crate) fn exit(self, fine: bool) -> Exit {
        if self.reached_nobody() { Exit::Unreachable } else { Exit::fine_if(fine) }
    }
}

impl Session<'_> {
    /// Opens the files, does the work and closes them again.
    pub(crate) async fn with_app(&self, work: impl AsyncFnOnce(&App) -> Outcome) -> Outcome {
        let mut options = AppOptions::command(self.data_dir()?).evaluating();
        if let Some(path) = &self.global.console_key {
            let passphrase = passphrase::of_file(path.as_str());
            options.console_key = KeyPlace::File { path: path.clone(), passphrase };
        }
        if self.global.person.is_some() {
            options.person.clone_from(&self.global.person);
        }
        let app = App::open(options).await?;
        let before = app.shell().await?.notices;
        self.tell(&before);
        // What a command does may be large; what leads to it stays small.
        let outcome = Box::pin(work(&app)).await;
        // What went wrong beside the work, as where a hub was not told.
        let after = app.shell().await.map(|shell| shell.notices).unwrap_or_default();
        self.tell(after.get(before.len()..).unwrap_or_default());
        app.close().await;
        outcome
    }

    fn tell(&self, notices: &[String]) {
        if !self.global.json {
            for notice in notices {
                self.out.note(self.out.style.bad(&format!("notice: {notice}")));
            }
        }
    }

    /// The same with the fleet the arguments name.
    pub(crate) async fn with_fleet(
        &self,
        work: impl AsyncFnOnce(&App, &str) -> Outcome,
    ) -> Outcome {
        self.with_app(async |app| {
            let fleet = self.fleet(app).await?;
            work(app, &fleet).await
        })
        .await
    }

    pub(crate) fn data_dir(&self) -> Result<Utf8PathBuf, Failure> {
        match &self.global.data_dir {
            Some(folder) => Ok(folder.clone()),
            None => plumb_app::paths::data_dir().map_err(|error| {
                Failure::usage(error.to_string(), "for example --data-dir ~/plumbline")
            }),
        }
    }

    /// The named fleet, the one of the given file, or the only one.
    pub(crate) async fn fleet(&self, app: &App) -> Result<String, Failure> {
        if let Some(file) = &self.global.fleet_file {
            let shell = app.add_fleet(file).await?;
            let added = shell.fleet.unwrap_or_default();
            return match &self.global.fleet {
                Some(named) if *named != added => Err(Failure::usage(
                    format!("{file} names the fleet {added}, not {named}"),
                    "leave --fleet out, or give the other file",
                )),
                _ => Ok(added),
            };
        }
        if let Some(named) = &self.global.fleet {
            return Ok(named.clone());
        }
        let fleets = app.shell().await?.fleets;
        match fleets.as_slice() {
            [only] => Ok(only.name.clone()),
            [] => Err(Failure::usage(
                "no fleet is known",
                "add one: plumb fleet add FILE; or start a demo: plumb demo",
            )),
            several => {
                let names: Vec<&str> = several.iter().map(|fleet| fleet.name.as_str()).collect();
                Err(Failure::usage(
                    format!("{} fleets are known", several.len()),
                    format!("say which with --fleet: {}", names.join(", ")),
                ))
            }
        }
    }

    /// Looks at the named nodes, or sweeps the fleet; with `--no-sweep` nothing is sent.
    pub(crate) async fn look(
        &self,
        app: &App,
        fleet: &str,
        nodes: Option<&[String]>,
    ) -> Result<Look, Failure> {
        if self.global.no_sweep {
            return Ok(Look { asked: 0, answered: 0, swept: false });
        }
        let current = match nodes {
            Some(nodes) => app.look_at(fleet, nodes).await?,
            None => app.sweep(fleet).await?,
        };
        let asked = |id: &str| nodes.is_none_or(|nodes| nodes.iter().any(|node| node == id));
        let of_interest: Vec<_> =
            current.snapshot.nodes.iter().filter(|(id, _)| asked(id.as_str())).collect();
        let answered = of_interest.iter().filter(|(_, node)| node.failure.is_none()).count();
        Ok(Look { asked: of_interest.len(), answered, swept: true })
    }

    /// Where the figures below come from and how old they are.
    pub(crate) fn origin(&self, fleet: &str, sweep: Option<&SweepView>, now_ms: i64) {
        let text = match sweep {
            None => format!("{fleet} · never swept"),
            Some(sweep) => {
                let origin = if self.global.no_sweep { "from the cache, swept" } else { "swept" };
                format!(
                    "{fleet} · {origin} {} ago, {} of {} nodes answered",
                    age(now_ms, sweep.finished_at_ms),
                    sweep.answered,
                    sweep.total
                )
            }
        };
        self.out.say(self.out.style.faint(&text));
    }
}
