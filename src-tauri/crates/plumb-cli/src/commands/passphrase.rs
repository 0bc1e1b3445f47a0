//! Passphrases of key files: typed without echo, or from the environment, never an argument.

use std::io::{self, IsTerminal as _};

use plumb_app::{
    Passphrase,
    error::{AppError, Code},
};
use secrecy::SecretString;

use crate::exit::Failure;

/// For programs that nobody sits in front of.
const VARIABLE: &str = "PLUMBLINE_KEY_PASSPHRASE";

/// Asks for the passphrase of an existing key file when it is needed.
pub(crate) fn of_file(path: &str) -> Passphrase {
    let prompt = format!("Passphrase of {path} (not shown): ");
    Passphrase::new(move || {
        ask(&prompt).map_err(|failure| AppError::new(Code::Keyring, failure.message, failure.hint))
    })
}

/// The passphrase of an existing file, now.
pub(crate) fn existing(path: &str) -> Result<SecretString, Failure> {
    ask(&format!("Passphrase of {path} (not shown): "))
}

/// Asks for the passphrase of a new key file, twice where somebody types it.
pub(crate) fn new() -> Result<SecretString, Failure> {
    use secrecy::ExposeSecret as _;
    let first = ask("New passphrase (not shown): ")?;
    if std::env::var_os(VARIABLE).is_none() {
        let again = ask("The same again: ")?;
        if first.expose_secret() != again.expose_secret() {
            return Err(Failure::usage("the two passphrases differ", "try again"));
        }
    }
    Ok(first)
}

fn ask(prompt: &str) -> Result<SecretString, Failure> {
    if let Ok(text) = std::env::var(VARIABLE) {
        return Ok(SecretString::from(text));
    }
    if !io::stdin().is_terminal() {
        return Err(Failure::usage(
            "the key file needs its passphrase, and there is no terminal to ask on",
            format!("give it in the environment variable {VARIABLE}"),
        ));
    }
    rpassword::prompt_password(prompt).map(SecretString::from).map_err(|error| {
        Failure::internal(
            format!("the passphrase could not be read: {error}"),
            format!("give it in the environment variable {VARIABLE}"),
        )
    })
}
