//! The ladder of confirmation on a terminal.

use std::io::{self, BufRead as _, IsTerminal as _};

use plumb_app::views::plan::ConfirmationView;

use crate::{
    args::Confirm,
    exit::{Exit, Failure},
    output::Output,
};

/// Asks for what the rung wants and gives back the phrase, where one was typed.
pub(crate) fn confirm(
    out: &Output,
    rung: &ConfirmationView,
    given: &Confirm,
) -> Result<Option<String>, Failure> {
    decide(rung, given, &mut |question| ask(out, question))
}

/// Puts a yes-or-no question that is no action on nodes, for example before a file is saved.
pub(crate) fn agree(out: &Output, yes: bool) -> Result<(), Failure> {
    let given = Confirm { yes, ..Confirm::default() };
    confirm(out, &ConfirmationView::Dialog, &given).map(drop)
}

/// Why a safeguard is passed over, as it was given or is typed now.
pub(crate) fn reason(out: &Output, given: &Confirm) -> Result<String, Failure> {
    let said = given.reason.clone().or_else(|| ask(out, "Why by force? It stands in the journal:"));
    said.filter(|reason| !reason.trim().is_empty()).ok_or_else(|| {
        refused("loading by force needs a reason", "pass --reason TEXT; it stands in the journal")
    })
}

/// Whether somebody sits at a terminal who can be asked.
pub(crate) fn is_interactive() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// One line from a person, or nothing where nobody can be asked.
fn ask(out: &Output, question: &str) -> Option<String> {
    if !is_interactive() {
        return None;
    }
    out.note(question);
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line).ok()?;
    Some(line.trim().to_owned())
}

fn decide(
    rung: &ConfirmationView,
    given: &Confirm,
    ask: &mut dyn FnMut(&str) -> Option<String>,
) -> Result<Option<String>, Failure> {
    match rung {
        ConfirmationView::Undo => Ok(None),
        ConfirmationView::Dialog if given.yes => Ok(None),
        ConfirmationView::Dialog => match ask("Apply? [y/N]").as_deref() {
            Some("y" | "Y" | "yes") => Ok(None),
            Some(_) => Err(refused("not applied", "nothing was changed")),
            None => Err(refused("this needs a yes", "pass --yes, or --dry-run to look only")),
        },
        ConfirmationView::Typed { phrase } => {
            let typed = match &given.phrase {
                Some(typed) => typed.clone(),
                None => ask(&format!("Type {phrase} to apply:")).ok_or_else(|| {
                    refused(
                        format!("the phrase {phrase:?} must be typed"),
                        format!("pass --confirm {phrase:?}, or --dry-run to look only"),
                    )
                })?,
            };
            if typed == *phrase {
                Ok(Some(typed))
            } else {
                Err(refused(
                    format!("{typed:?} is not the phrase {phrase:?}"),
                    "nothing was changed; type the phrase exactly as shown",
                ))
            }
        }
    }
}

fn refused(message: impl Into<String>, hint: impl Into<String>) -> Failure {
    Failure::new(Exit::Confirmation, message, hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(
        rung: &ConfirmationView,
        given: &Confirm,
        typed: Option<&str>,
    ) -> Result<Option<String>, Exit> {
        decide(rung, given, &mut |_| typed.map(str::to_owned)).map_err(|failure| failure.exit)
    }

    #[test]
    fn each_rung_takes_its_own_proof_and_no_lesser_one() {
        let (none, yes) = (Confirm::default(), Confirm { yes: true, ..Confirm::default() });
        let phrase = |text: &str| Confirm { phrase: Some(text.to_owned()), ..Confirm::default() };
        let typed = ConfirmationView::Typed { phrase: "prod-eu 42".to_owned() };
        assert_eq!(check(&ConfirmationView::Undo, &none, None), Ok(None));
        assert_eq!(check(&ConfirmationView::Dialog, &none, None), Err(Exit::Confirmation));
        assert_eq!(check(&ConfirmationView::Dialog, &none, Some("n")), Err(Exit::Confirmation));
        assert_eq!(check(&ConfirmationView::Dialog, &none, Some("y")), Ok(None));
        assert_eq!(check(&ConfirmationView::Dialog, &yes, None), Ok(None));
        assert_eq!(check(&typed, &yes, None), Err(Exit::Confirmation));
        assert_eq!(check(&typed, &phrase("prod-eu 41"), None), Err(Exit::Confirmation));
        assert_eq!(check(&typed, &phrase("prod-eu 42"), None), Ok(Some("prod-eu 42".to_owned())));
        assert_eq!(check(&typed, &none, Some("prod-eu 42")), Ok(Some("prod-eu 42".to_owned())));
    }
}
