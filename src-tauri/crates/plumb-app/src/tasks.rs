//! Background tasks: idempotent functions on a period and on demand.

pub(crate) mod agreement;
pub(crate) mod collect;
mod follow;
pub(crate) mod notify;
mod raise;
pub(crate) mod settle;
pub(crate) mod watch;
