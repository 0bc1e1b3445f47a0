//! The way of the field: `PUT` module by module and document by document, and all of it back on any
//! refusal. Between the first and the last of them OPA decides by a mixture.

use std::{sync::Arc, time::Duration};

use plumb_bundle::formats::pack::OpaForm;
use serde_json::Value;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::CancellationToken;

use super::{
    Times,
    failure::OpaFailure,
    journal::{Journal, Placed},
    limits::{LOOK_PAUSE, RETRY_PAUSE_MAX},
    opa::Opa,
};
use crate::probe_file::ProbeEntry;

/// One OPA and what was written into it.
pub(super) struct ByPut {
    pub(super) opa: Arc<Opa>,
    pub(super) journal: Journal,
}

/// One thing to write or to remove.
enum Write<'a> {
    Module(&'a str, Option<&'a str>),
    Document(&'a str, Option<&'a str>),
}

/// A change that is over.
#[derive(Debug, Clone, Copy)]
pub(super) struct Changed {
    /// How long OPA decided by a mixture.
    pub(super) mixed: Duration,
}

impl ByPut {
    /// Writes a pack and returns once OPA decides by it. After a failure [`Journal::former`] says
    /// whether something has to be taken back.
    pub(super) async fn activate(
        &mut self,
        form: &OpaForm,
        probes: &[ProbeEntry],
        times: Times,
        cancel: &CancellationToken,
    ) -> Result<Changed, OpaFailure> {
        let Times { reach_by, deadline } = times;
        let wanted = Placed::wanted(form, self.journal.held())?;
        let former = tokio::select! {
            () = cancel.cancelled() => return Err(OpaFailure::Cancelled),
            former = self.read_patiently(&wanted, reach_by) => former?,
        };
        if !same(&former, &wanted) {
            self.journal.begin(former.clone()).map_err(OpaFailure::Journal)?;
        }
        let change = async {
            let begun = Instant::now();
            let writes = differences(&former, &wanted);
            let changed = !writes.is_empty();
            self.write_in_passes(writes).await?;
            let mixed = if changed { begun.elapsed() } else { Duration::ZERO };
            self.confirm(&wanted).await?;
            super::ask_all(&self.opa, probes, deadline).await?;
            Ok(Changed { mixed })
        };
        let late = || OpaFailure::Late { what: "the changes".to_owned() };
        let changed = tokio::select! {
            () = cancel.cancelled() => Err(OpaFailure::Cancelled),
            changed = timeout_at(deadline, change) => changed.unwrap_or_else(|_| Err(late())),
        }?;
        self.journal.end(&form.revision, wanted).map_err(OpaFailure::Journal)?;
        Ok(changed)
    }

    /// Takes an unfinished change back, however long OPA is away; an error only when `stop` came first.
    pub(super) async fn restore(
        &mut self,
        stop: &CancellationToken,
        log: impl Fn(&str),
    ) -> Result<(), OpaFailure> {
        let Some(former) = self.journal.former().cloned() else { return Ok(()) };
        self.put_back(&former, stop, log).await?;
        self.journal.undone().map_err(OpaFailure::Journal)
    }

    /// Writes what was in force again where OPA lost it; whether it had.
    pub(super) async fn keep(&mut self, stop: &CancellationToken) -> Result<bool, OpaFailure> {
        let held = self.journal.held().clone();
        let Some((id, text)) = held.modules.first_key_value() else { return Ok(false) };
        if self.opa.module(id).await? == *text {
            return Ok(false);
        }
        self.put_back(&held, stop, |_| ()).await?;
        Ok(true)
    }

    async fn put_back(
        &self,
        former: &Placed,
        stop: &CancellationToken,
        log: impl Fn(&str),
    ) -> Result<(), OpaFailure> {
        let mut pause = LOOK_PAUSE;
        let mut said = false;
        loop {
            let failure = match self.put_back_once(former).await {
                Ok(()) => return Ok(()),
                Err(failure) => failure,
            };
            if !said {
                log(&format!("The former policies are not back in OPA yet: {failure}"));
                said = true;
            }
            // Also a refusal is tried again: whoever caused it may take it back.
            tokio::select! {
                () = stop.cancelled() => return Err(failure),
                () = sleep(pause) => pause = (pause * 2).min(RETRY_PAUSE_MAX),
            }
        }
    }

    async fn put_back_once(&self, former: &Placed) -> Result<(), OpaFailure> {
        let now = self.read(former).await?;
        let mut writes = differences(&now, former);
        // Backwards through states that OPA took on the way there.
        writes.reverse();
        match self.write_in_passes(writes).await {
            Err(OpaFailure::Tangled { .. }) => self.untangle(former).await?,
            written => written?,
        }
        self.confirm(former).await
    }

    /// Removes the modules that stand in each other's way, and writes them anew.
    async fn untangle(&self, former: &Placed) -> Result<(), OpaFailure> {
        let now = self.read(former).await?;
        for write in differences(&now, former) {
            if let Write::Module(id, _) = write
                && now.modules.get(id).is_some_and(Option::is_some)
            {
                self.opa.delete_module(id).await?;
            }
        }
        let now = self.read(former).await?;
        self.write_in_passes(differences(&now, former)).await
    }

    /// Writes in the order given. A module that is refused is tried again after the others, because
    /// it may need one of them; when none of the rest is taken, the first refusal stands.
    async fn write_in_passes(&self, mut writes: Vec<Write<'_>>) -> Result<(), OpaFailure> {
        let all = writes.len();
        loop {
            let (before, mut refused, mut first) = (writes.len(), Vec::new(), None);
            for write in writes {
                match self.write(&write).await {
                    Ok(()) => {}
                    Err(failure @ OpaFailure::Refused { .. }) => {
                        first.get_or_insert(failure);
                        refused.push(write);
                    }
                    Err(failure) => return Err(failure),
                }
            }
            let Some(first) = first else { return Ok(()) };
            if refused.len() == before {
                let tangled = refused.len() > 1 && all > 1;
                let first_text = first.to_string();
                return Err(if tangled {
                    OpaFailure::Tangled { first: first_text }
                } else {
                    first
                });
            }
            writes = refused;
        }
    }

    async fn write(&self, write: &Write<'_>) -> Result<(), OpaFailure> {
        match *write {
            Write::Module(id, Some(text)) => self.opa.put_module(id, text).await,
            Write::Module(id, None) => self.opa.delete_module(id).await,
            Write::Document(place, Some(text)) => self.opa.put_document(place, text).await,
            Write::Document(place, None) => self.opa.delete_document(place).await,
        }
    }

    /// What OPA has where `like` names something.
    async fn read(&self, like: &Placed) -> Result<Placed, OpaFailure> {
        let mut found = Placed::default();
        for id in like.modules.keys() {
            found.modules.insert(id.clone(), self.opa.module(id).await?);
        }
        for place in like.documents.keys() {
            found.documents.insert(place.clone(), self.opa.document(place).await?);
        }
        Ok(found)
    }

    async fn read_patiently(&self, like: &Placed, until: Instant) -> Result<Placed, OpaFailure> {
        loop {
            match self.read(like).await {
                Err(failure) if failure.is_passing() && Instant::now() < until => {
                    sleep(LOOK_PAUSE).await;
                }
                read => return read,
            }
        }
    }

    async fn confirm(&self, wanted: &Placed) -> Result<(), OpaFailure> {
        let now = self.read(wanted).await?;
        match differences(&now, wanted).first() {
            None => Ok(()),
            Some(Write::Module(id, _)) => {
                Err(OpaFailure::Lost { what: format!("the module {id}") })
            }
            Some(Write::Document(place, _)) => {
                Err(OpaFailure::Lost { what: format!("data.{}", place.replace('/', ".")) })
            }
        }
    }
}

fn same(now: &Placed, wanted: &Placed) -> bool {
    differences(now, wanted).is_empty()
}

/// What has to be written to come from one to the other: modules, then documents, as the field does,
/// and what goes away last.
fn differences<'a>(now: &Placed, wanted: &'a Placed) -> Vec<Write<'a>> {
    let modules = wanted
        .modules
        .iter()
        .filter(|(id, text)| now.modules.get(*id).unwrap_or(&None) != *text)
        .map(|(id, text)| Write::Module(id, text.as_deref()));
    let documents = wanted
        .documents
        .iter()
        .filter(|(place, text)| {
            !same_document(now.documents.get(*place).unwrap_or(&None).as_deref(), text.as_deref())
        })
        .map(|(place, text)| Write::Document(place, text.as_deref()));
    let (mut kept, gone): (Vec<_>, Vec<_>) = modules.chain(documents).partition(|write| {
        matches!(write, Write::Module(_, Some(_)) | Write::Document(_, Some(_)))
    });
    kept.extend(gone);
    kept
}

/// OPA prints documents in its own way, so values are compared.
fn same_document(one: Option<&str>, other: Option<&str>) -> bool {
    let value = |text: &str| serde_json::from_str::<Value>(text).ok();
    match (one, other) {
        (Some(one), Some(other)) => one == other || value(one) == value(other),
        (one, other) => one == other,
    }
}
