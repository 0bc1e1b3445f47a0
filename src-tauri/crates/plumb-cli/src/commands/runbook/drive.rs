//! Leads a run of a runbook in a terminal: shows what happens, and asks what it waits for.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, BufRead as _},
    time::Duration,
};

use plumb_app::{
    error::AppError,
    personal_keys::KeyChoice,
    runbooks::RunbookRun,
    views::runbook::{
        ApproversView, RunbookRunView, RunbookView, RunbookWord, WaitingKind, WaitingView,
    },
};

use tokio::time::timeout;

use super::answers::Answers;
use crate::{exit::Failure, output::Output, session::Session, text::escape::printable};

/// How long nothing has to happen before what nobody answers is left: what was just said may still be on
/// its way.
const STILL: Duration = Duration::from_millis(500);

/// A word, and whose it is.
type Said = (String, Vec<String>, RunbookWord);

/// Asks people, or a file.
pub(super) struct Asker<'a> {
    pub(super) out: &'a Output,
    pub(super) answers: Answers,
    pub(super) by: Option<String>,
    pub(super) groups: &'a [String],
    /// Approvals are signed with it, and answers where a step says who may give them.
    pub(super) key: Option<KeyChoice>,
    /// Approvals that were signed elsewhere, by the files they were read from.
    pub(super) approvals: BTreeMap<String, String>,
    pub(super) interactive: bool,
    /// Whoever sits here starts the run: where keys tell people apart, they approve nothing of it.
    pub(super) starts: bool,
}

impl Asker<'_> {
    /// One line from a person, or nothing where nobody can be asked.
    pub(super) fn line(&self, question: &str) -> Option<String> {
        if !self.interactive {
            return None;
        }
        self.out.note(question);
        let mut line = String::new();
        io::stdin().lock().read_line(&mut line).ok()?;
        Some(line.trim().to_owned()).filter(|line| !line.is_empty())
    }

    /// Asks for parameters that have no value yet, each once.
    pub(super) fn parameters(&self, view: &RunbookView, given: &mut BTreeMap<String, String>) {
        for parameter in &view.parameters {
            if given.contains_key(&parameter.name) {
                continue;
            }
            let choices = if parameter.choices.is_empty() {
                String::new()
            } else {
                format!(" ({})", parameter.choices.join(", "))
            };
            let default = parameter.default.as_ref().map(|value| format!(" [{value}]"));
            let default = default.unwrap_or_default();
            let question = format!("{}{choices}{default}", printable(&parameter.ask));
            if let Some(value) = self.line(&question) {
                given.insert(parameter.name.clone(), value);
            }
        }
    }

    pub(super) fn by(&self, view: &RunbookRunView) -> String {
        self.by.clone().unwrap_or_else(|| view.operator.clone())
    }

    /// The word for something a run waits for; nothing where nobody has one.
    fn word(&self, view: &RunbookRunView, waiting: &WaitingView) -> Option<Said> {
        let step = waiting.step.clone();
        let own = |word| Some((self.by(view), self.groups.to_vec(), word));
        match waiting.what {
            WaitingKind::Answer => {
                let wanted = waiting.wanted.as_ref().map(|wanted| format!(" ({wanted})"));
                let choices = numbered(&waiting.choices) + &wanted.unwrap_or_default();
                let said = self.answers.said.get(&step).cloned();
                let said = said.or_else(|| {
                    let typed = self.line(&format!("{}{choices}", printable(&waiting.text)))?;
                    Some(chosen(&waiting.choices, typed))
                })?;
                own(RunbookWord::Answer { step, answer: said })
            }
            WaitingKind::Attestation | WaitingKind::Announcement => {
                let said = self.answers.attest.get(&step).cloned();
                let note = said.or_else(|| {
                    self.line(&format!("Attest: {}. What did you see?", printable(&waiting.text)))
                })?;
                own(RunbookWord::Attest { step, note })
            }
            WaitingKind::Approval => self.approval(view, waiting),
            WaitingKind::Confirmation => {
                let plan = waiting.plan.clone()?;
                let said = self.answers.confirm.get(&step).cloned();
                let said = said.or_else(|| {
                    let ask = waiting.phrase.as_ref().map_or_else(
                        || "Carry it out? [yes/no]".to_owned(),
                        |phrase| format!("Type {phrase} to carry it out:"),
                    );
                    self.line(&format!("{}\n{ask}", printable(&waiting.text)))
                })?;
                let typed = waiting.phrase.is_some().then(|| said.clone());
                let agreed = typed.is_some() || matches!(said.as_str(), "yes" | "y");
                agreed.then(|| own(RunbookWord::Confirm { step, plan, typed }))?
            }
            WaitingKind::Decision | WaitingKind::Settlement => self.decision(view, waiting),
            WaitingKind::Pause | WaitingKind::Time => None,
        }
    }

    /// Takes approvals that were signed elsewhere, from files and from the mailbox at the hub. Gives whether
    /// any was taken.
    async fn signed_elsewhere(&self, run: &RunbookRun, used: &mut BTreeSet<String>) -> bool {
        let (mut taken, mut refused) = (Vec::new(), Vec::new());
        for (file, text) in &self.approvals {
            match run.add_approval(text.as_bytes()).await {
                Ok(group) => {
                    used.insert(file.clone());
                    taken.extend(group);
                }
                Err(error) => refused.push(format!("{file}: {}", error.message)),
            }
        }
        match run.collect_approvals().await {
            Ok((of_hub, not)) => {
                taken.extend(of_hub);
                refused.extend(not);
            }
            Err(error) => refused.push(format!("the mailbox of the hub: {}", error.message)),
        }
        for why in refused {
            let line = format!("not taken: {}", printable(&why));
            self.out.note(self.out.style.bad(&line));
        }
        !taken.is_empty()
    }

    /// Says which files did not count in this run.
    fn say_unused(&self, used: &BTreeSet<String>) {
        for file in self.approvals.keys().filter(|file| !used.contains(*file)) {
            let line = format!("not used: the approval in {}", printable(file));
            self.out.note(self.out.style.bad(&line));
        }
    }

    /// Where keys tell people apart and nobody here can approve, says who can and how, instead of asking.
    async fn told_whose(&self, run: &RunbookRun, waiting: &WaitingView) -> Result<bool, AppError> {
        let said = self.answers.approvals.iter().any(|one| one.step == waiting.step);
        let others = waiting.groups.iter().any(|group| self.groups.contains(group));
        if said || (others && self.key.is_some() && !self.starts) {
            return Ok(false);
        }
        let Some(approvers) = run.approvers(&waiting.groups).await? else { return Ok(false) };
        let note = |line: &str| self.out.note(printable(line));
        let title = &waiting.title;
        note(&format!("{title} waits for others: whoever runs it does not approve it"));
        for ApproversView { group, people } in approvers {
            let people = match people.as_slice() {
                [] => "nobody else of the roster, so have the roster changed".to_owned(),
                people => people.join(" or "),
            };
            note(&format!("  {group}: {people}"));
        }
        let id = run.id();
        for line in [
            format!("  ask them:    plumb runbook request {id} -o request.json"),
            "  they sign:   plumb approve --request request.json --key FILE -o signed.json"
                .to_owned(),
            format!("  then go on:  plumb runbook resume {id} --approval signed.json"),
        ] {
            note(&line);
        }
        Ok(true)
    }

    fn approval(&self, view: &RunbookRunView, waiting: &WaitingView) -> Option<Said> {
        let step = waiting.step.clone();
        let given = self.answers.approvals.iter();
        let mut given = given.filter(|one| one.step == step && waiting.groups.contains(&one.group));
        if let Some(one) = given.next() {
            let (group, by) = (one.group.clone(), one.by.clone());
            return Some((by, vec![group.clone()], RunbookWord::Approve { step, group }));
        }
        let group = self.groups.iter().find(|group| waiting.groups.contains(group))?.clone();
        let typed =
            self.line(&format!("Approve {} for {group}? [yes/no]", printable(&waiting.text)))?;
        let word = RunbookWord::Approve { step, group };
        (typed == "yes").then(|| (self.by(view), self.groups.to_vec(), word))
    }

    fn decision(&self, view: &RunbookRunView, waiting: &WaitingView) -> Option<Said> {
        let step = waiting.step.clone();
        let may_skip = waiting.choices.iter().any(|choice| choice == "skip");
        if let Some(reason) = self.answers.skip.get(&step).filter(|_| may_skip) {
            let word = RunbookWord::Skip { step, reason: reason.clone() };
            return Some((self.by(view), self.groups.to_vec(), word));
        }
        let choices = waiting.choices.join(", ");
        let text = printable(&waiting.text);
        let typed =
            self.line(&format!("{}: {text}\nWhat now? {choices}, or leave", waiting.step))?;
        let reason = |ask: &str| self.line(ask);
        let word = match typed.as_str() {
            "again" => RunbookWord::Again { step },
            "skip" => RunbookWord::Skip { step, reason: reason("Why?")? },
            "roll_back" => RunbookWord::RollBack { reason: reason("Why?")? },
            "abort" => RunbookWord::Abort,
            "settle" => {
                let happened = reason("Did it happen? [yes/no]")? == "yes";
                RunbookWord::Settle { step, happened, note: reason("How do you know?")? }
            }
            _ => return None,
        };
        Some((self.by(view), self.groups.to_vec(), word))
    }
}

fn numbered(choices: &[String]) -> String {
    let line =
        |(number, choice): (usize, &String)| format!("\n  {}  {}", number + 1, printable(choice));
    choices.iter().enumerate().map(line).collect()
}

/// A choice by its number or by its words.
fn chosen(choices: &[String], typed: String) -> String {
    let number = typed.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
    number.and_then(|at| choices.get(at).cloned()).unwrap_or(typed)
}

/// Follows a run until it ends or is left open.
pub(super) async fn drive(
    session: Session<'_>,
    mut run: RunbookRun,
    asker: &Asker<'_>,
    first: Option<RunbookWord>,
) -> Result<RunbookRunView, Failure> {
    session.out.note(format!("run {}", run.id()));
    let mut shown = BTreeMap::new();
    let (mut tried, mut used) = (BTreeSet::new(), BTreeSet::new());
    if let Some(word) = first {
        // Who runs it stands in its first event.
        while run.view().await?.operator.is_empty() && run.changed().await {}
        let by = asker.by(&run.view().await?);
        if let Err(error) = run.say(&by, asker.groups, word, asker.key.as_ref()).await {
            run.let_go();
            run.finished().await?;
            return Err(error.into());
        }
    }
    loop {
        let view = run.view().await?;
        transcript(session.out, &view, &mut shown, false);
        let mut unheard = false;
        for waiting in view.waiting.iter().filter(|one| one.what != WaitingKind::Time) {
            let key = format!("{waiting:?}");
            // What was asked and refused or left is not asked again before something changes.
            if tried.contains(&key) {
                unheard = true;
                continue;
            }
            tried.insert(key);
            if waiting.what == WaitingKind::Approval
                && asker.signed_elsewhere(&run, &mut used).await
            {
                // What is still missing is asked for anew.
                continue;
            }
            if waiting.what == WaitingKind::Approval && asker.told_whose(&run, waiting).await? {
                unheard = true;
                continue;
            }
            let Some(said) = asker.word(&view, waiting) else {
                unheard = true;
                continue;
            };
            let (by, groups, word) = said;
            if let Err(error) = run.say(&by, &groups, word, asker.key.as_ref()).await {
                session.out.note(session.out.style.bad(&printable(&error.message)));
                session.out.note(session.out.style.faint(&printable(&error.hint)));
                unheard = true;
            }
        }
        if unheard {
            match timeout(STILL, run.changed()).await {
                Ok(true) => continue,
                Ok(false) => break,
                Err(_) => run.nobody_is_there(),
            }
        }
        tokio::select! {
            changed = run.changed() => if !changed { break },
            _ = tokio::signal::ctrl_c() => {
                session.out.note("leaving the run open; what is under way is waited for");
                run.let_go();
            }
        }
    }
    let view = run.finished().await?;
    transcript(session.out, &view, &mut shown, false);
    asker.say_unused(&used);
    Ok(view)
}

/// A line for each step that changed since it was shown last.
pub(super) fn transcript(
    out: &Output,
    view: &RunbookRunView,
    shown: &mut BTreeMap<String, (String, u32)>,
    quiet: bool,
) {
    for step in &view.steps {
        let now = (step.state.clone(), step.attempt);
        if step.state == "waiting" || shown.get(&step.id) == Some(&now) {
            continue;
        }
        shown.insert(step.id.clone(), now);
        let what = match step.state.as_str() {
            "running" => step.asks.clone().unwrap_or_default(),
            _ => step.detail.clone(),
        };
        let by = step.by.as_ref().map(|by| format!(" ({by})")).unwrap_or_default();
        let first = what.lines().next().unwrap_or_default().to_owned();
        let text = printable(&format!("{:<10} {}  {first}{by}", step.state, step.title));
        let line = match step.state.as_str() {
            "failed" | "in_doubt" => out.style.bad(&text),
            "skipped" => out.style.faint(&text),
            _ => text,
        };
        let signed = step.signatures.iter().map(|signed| {
            let line = printable(&format!("{:<10} {}: {}", "", signed.what, signed.sentence));
            if signed.verified { out.style.faint(&line) } else { out.style.bad(&line) }
        });
        for line in std::iter::once(line).chain(signed) {
            if quiet { out.say(line) } else { out.note(line) }
        }
    }
}
