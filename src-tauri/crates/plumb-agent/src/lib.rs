//! The service beside a policy engine: verify, store, reload, decide, report.
