//! What lies in `packaging/observability` and `packaging/agent`, checked by the programs that read it.

mod alertmanager;
mod dashboard;
mod hub;
mod live;
mod manifests;
mod queries;
mod rules;
mod scrape;
mod unit;
