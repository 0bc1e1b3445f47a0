//! Bearer tokens given to servers: from a file or the environment, never an argument, which every user sees.

use secrecy::SecretString;

use crate::{commands::fleet::read_text, exit::Failure};

/// Longest token file.
const TOKEN_BYTES_MAX: u64 = 64 << 10;

/// What a token is for, and what to do without one; both stand in the error of an empty one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Purpose {
    /// As in `the token for OPA`.
    pub name: &'static str,
    pub without: &'static str,
}

/// The token of the file, or else of the variable, where there is either.
pub(super) fn token(
    file: Option<&str>,
    variable: &str,
    purpose: Purpose,
) -> Result<Option<SecretString>, Failure> {
    match (file, std::env::var(variable)) {
        (Some(file), _) => token_of(file, purpose).map(Some),
        (None, Ok(text)) => checked(&text, purpose).map(Some),
        (None, Err(_)) => Ok(None),
    }
}

/// The token of a file.
pub(super) fn token_of(file: &str, purpose: Purpose) -> Result<SecretString, Failure> {
    checked(&read_text(file, TOKEN_BYTES_MAX)?, purpose)
}

fn checked(text: &str, purpose: Purpose) -> Result<SecretString, Failure> {
    let text = text.trim();
    if text.is_empty() {
        return Err(Failure::usage(format!("{} is empty", purpose.name), purpose.without));
    }
    Ok(SecretString::from(text.to_owned()))
}
