//! Fleets come and go: add a file, forget a fleet, import nodes with a diff before saving.

use camino::{Utf8Path, Utf8PathBuf};
use plumb_fleet::{
    Digest, Fleet, FleetFile, FleetId,
    fleet::NodeEntry,
    import::{from_csv, from_file_sd, merge},
};

use crate::{
    actions::files::{not_written, write_durably},
    app::App,
    error::{AppError, Code, chain},
    fleets,
    opening::Reopen,
    views::{
        settings::{ImportFormat, ImportPreview},
        shell::ShellView,
    },
};

impl App {
    /// Puts a fleet file on the list and opens it.
    pub async fn add_fleet(&self, path: &str) -> Result<ShellView, AppError> {
        let path = absolute(path)?;
        let file = path.clone();
        let loaded = tokio::task::spawn_blocking(move || fleets::load(&file))
            .await
            .map_err(|error| AppError::new(Code::Other, chain(&error), "try again"))?
            .map_err(|error| {
                AppError::new(Code::Invalid, chain(&error), "mend the file at that place")
            })?;
        self.enlist(&loaded.fleet.name, &path).await?;
        self.open_fleet(loaded.fleet.name.as_str()).await
    }

    async fn enlist(&self, name: &FleetId, file: &Utf8Path) -> Result<(), AppError> {
        let mut record = self.record().write().await?;
        plumb_store::fleets::add(&mut record, name, file.as_std_path(), self.now()).await?;
        record.commit().await?;
        self.reload_fleets(Reopen::Changed).await?;
        let state = self.state(name.as_str())?;
        self.bundles_known(&state).await
    }

    /// Makes a fleet the one the window shows.
    pub async fn open_fleet(&self, name: &str) -> Result<ShellView, AppError> {
        let state = self.state(name)?;
        *self.0.open_fleet.write().expect("no panic while the choice is held") =
            Some(state.name.clone());
        self.announce([crate::topics::Topic::Shell]);
        self.shell().await
    }

    /// Takes a fleet off the list. Its file and what was recorded of it stay.
    pub async fn remove_fleet(&self, name: &str) -> Result<ShellView, AppError> {
        let state = self.state(name)?;
        let mut record = self.record().write().await?;
        plumb_store::fleets::remove(&mut record, &state.name, self.now()).await?;
        record.commit().await?;
        {
            let mut open = self.0.open_fleet.write().expect("no panic while the choice is held");
            if open.as_ref() == Some(&state.name) {
                *open = None;
            }
        }
        self.reload_fleets(Reopen::Changed).await?;
        self.shell().await
    }

    /// What an import would change, and the file as it would be written.
    pub async fn preview_import(
        &self,
        fleet: Option<&str>,
        format: ImportFormat,
        text: &str,
        name: &str,
    ) -> Result<ImportPreview, AppError> {
        let invalid =
            |message: String| AppError::new(Code::Invalid, message, "mend the text at that place");
        let existing = match fleet {
            Some(fleet) => Some(self.fleet_file(fleet).await?),
            None => None,
        };
        let (file, mut problems) = match format {
            ImportFormat::FleetToml => {
                (FleetFile::parse(text).map_err(|error| invalid(chain(&error)))?, Vec::new())
            }
            ImportFormat::PrometheusFileSd => {
                let nodes = from_file_sd(text).map_err(|error| invalid(chain(&error)))?;
                (imported(existing.clone(), name, nodes)?, Vec::new())
            }
            ImportFormat::Csv => {
                let nodes = from_csv(text).map_err(|error| invalid(chain(&error)))?;
                (imported(existing.clone(), name, nodes)?, Vec::new())
            }
        };
        let toml = file.to_toml();
        if let Err(error) = Fleet::parse(&toml) {
            problems.push(chain(&error));
        }
        let nodes: Vec<NodeEntry> = file.nodes.into_iter().map(toml_value).collect();
        let name = file.name;
        let seen = digest_of(&self.file_of(name.as_str())).await?;
        self.0
            .previewed
            .lock()
            .expect("no panic while previews are held")
            .insert(name.to_string(), seen);
        let (_, diff) = merge(existing, name, nodes);
        let names = |ids: Vec<plumb_fleet::NodeId>| ids.iter().map(ToString::to_string).collect();
        Ok(ImportPreview {
            added: names(diff.added),
            removed: names(diff.removed),
            changed: diff
                .changed
                .iter()
                .map(|changed| {
                    let fields: Vec<String> = changed
                        .fields
                        .iter()
                        .map(|field| format!("{}: {} → {}", field.field, field.from, field.to))
                        .collect();
                    format!("{} ({})", changed.node, fields.join(", "))
                })
                .collect(),
            unchanged: u32::try_from(diff.unchanged.len()).unwrap_or(u32::MAX),
            problems,
            toml,
        })
    }

    /// Writes a previewed fleet file and opens it. A fleet on the list keeps its file; a new one gets
    /// the file that is named, which must not be there yet, or else one in the data folder.
    pub async fn save_import(
        &self,
        name: &str,
        toml: &str,
        file: Option<&str>,
    ) -> Result<ShellView, AppError> {
        let fleet = Fleet::parse(toml).map_err(|error| {
            AppError::new(Code::Invalid, chain(&error), "preview the import again")
        })?;
        if fleet.name.as_str() != name {
            return Err(AppError::new(
                Code::Invalid,
                format!("the file names the fleet {}, not {name}", fleet.name),
                "preview the import again",
            ));
        }
        let path = match file {
            Some(file) => self.new_file(name, file).await?,
            None => self.file_of(name),
        };
        if file.is_none() && !self.is_as_previewed(name, digest_of(&path).await?) {
            return Err(AppError::new(
                Code::Outdated,
                format!("{path} is not the file that the preview was made from"),
                "preview the import again",
            ));
        }
        let (file, text) = (path.clone(), toml.to_owned());
        tokio::task::spawn_blocking(move || write_durably(&file, &text))
            .await
            .map_err(|error| AppError::new(Code::Other, chain(&error), "try again"))?
            .map_err(|error| not_written(&path, &error))?;
        self.enlist(&fleet.name, &path).await?;
        self.open_fleet(name).await
    }

    /// Whether the file of a fleet is as it was when its import was last previewed.
    fn is_as_previewed(&self, name: &str, now: Option<Digest>) -> bool {
        let previewed = self.0.previewed.lock().expect("no panic while previews are held");
        previewed.get(name).is_some_and(|then| *then == now)
    }

    /// A chosen place for the file of a fleet that is not on the list.
    async fn new_file(&self, name: &str, file: &str) -> Result<Utf8PathBuf, AppError> {
        if let Ok(state) = self.state(name) {
            return Err(AppError::new(
                Code::Invalid,
                format!("the fleet {name} is on the list with its file {}", state.file),
                "save it without choosing a place, or give the new fleet another name",
            ));
        }
        let path = absolute(file)?;
        match digest_of(&path).await? {
            None => Ok(path),
            Some(_) => Err(AppError::new(
                Code::Invalid,
                format!("{path} is there already"),
                "choose a name that is free; what is in that file stays",
            )),
        }
    }

    /// Where the file of a fleet is, or would be for one that is not on the list.
    fn file_of(&self, name: &str) -> Utf8PathBuf {
        match self.state(name) {
            Ok(state) => state.file.clone(),
            Err(_) => self.0.options.data_dir.join("fleets").join(format!("{name}.toml")),
        }
    }

    async fn fleet_file(&self, fleet: &str) -> Result<FleetFile, AppError> {
        let state = self.state(fleet)?;
        let text = tokio::fs::read_to_string(&state.file).await.map_err(|error| {
            AppError::new(
                Code::Other,
                format!("{} could not be read: {error}", state.file),
                "look at the file",
            )
        })?;
        FleetFile::parse(&text).map_err(|error| {
            AppError::new(
                Code::Invalid,
                format!("{}: {}", state.file, chain(&error)),
                "mend the file",
            )
        })
    }
}

/// What stands in a file now; nothing where there is none.
async fn digest_of(path: &Utf8Path) -> Result<Option<Digest>, AppError> {
    match tokio::fs::read(path).await {
        Ok(bytes) => Ok(Some(Digest::of(&bytes))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(AppError::new(
            Code::Other,
            format!("{path} could not be read: {error}"),
            "look at the file",
        )),
    }
}

fn toml_value(spanned: toml::Spanned<NodeEntry>) -> NodeEntry {
    spanned.into_inner()
}

fn imported(
    existing: Option<FleetFile>,
    name: &str,
    nodes: Vec<NodeEntry>,
) -> Result<FleetFile, AppError> {
    let name = FleetId::new(name).map_err(|error| {
        AppError::new(Code::Invalid, format!("the fleet's name {error}"), "choose another name")
    })?;
    Ok(merge(existing, name, nodes).0)
}

fn absolute(path: &str) -> Result<Utf8PathBuf, AppError> {
    let wrong = |error: String| {
        AppError::new(Code::Invalid, format!("{path}: {error}"), "give the path of a fleet file")
    };
    let full = std::path::absolute(path).map_err(|error| wrong(error.to_string()))?;
    Utf8PathBuf::from_path_buf(full).map_err(|_| wrong("is not UTF-8".to_owned()))
}
