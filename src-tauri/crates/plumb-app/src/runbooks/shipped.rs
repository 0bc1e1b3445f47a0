//! The runbooks that come with the program.

macro_rules! shipped {
    ($($file:literal),* $(,)?) => {
        &[$(($file, include_str!(concat!("../../../../../assets/runbooks/", $file)))),*]
    };
}

/// Each by the name of its file.
pub(super) const SHIPPED: &[(&str, &str)] = shipped![
    "alert-triage.md",
    "policy-gradual-reload.md",
    "policy-manual-rollback.md",
    "policy-opa-crash.md",
    "policy-stale-bundle.md",
    "policy-storage-unavailable.md",
    "policy-version-conflicts.md",
    "supersedes-backfill.md",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_runbook_of_the_folder_is_shipped() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../assets/runbooks");
        let mut there: Vec<String> = std::fs::read_dir(folder)
            .expect("the folder of runbooks")
            .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
            .collect();
        there.sort();
        let shipped: Vec<&str> = SHIPPED.iter().map(|(file, _)| *file).collect();
        assert_eq!(shipped, there);
    }
}
