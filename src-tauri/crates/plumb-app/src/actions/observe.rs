//! A look at named nodes now, for questions about one of them.

use plumb_fleet::NodeId;

use crate::{
    app::App,
    current::Current,
    error::{AppError, Code},
};

impl App {
    /// Looks at some nodes now and stores what they say.
    pub async fn look_at(&self, fleet: &str, nodes: &[String]) -> Result<Current, AppError> {
        let ids = self.node_ids(fleet, nodes)?;
        self.observe_nodes(fleet, &ids).await?;
        self.current(fleet).await
    }

    /// Names as ids of this fleet; one that is not of the fleet is an error.
    pub(crate) fn node_ids(&self, fleet: &str, nodes: &[String]) -> Result<Vec<NodeId>, AppError> {
        let (_, loaded) = self.loaded(fleet)?;
        nodes.iter().map(|name| loaded.node(name).map(|node| node.id.clone())).collect()
    }

    /// The named nodes, or every node of the fleet, in order of names.
    pub(crate) fn chosen(
        &self,
        fleet: &str,
        nodes: Option<&[String]>,
    ) -> Result<Vec<NodeId>, AppError> {
        let Some(nodes) = nodes else {
            let (_, loaded) = self.loaded(fleet)?;
            return Ok(loaded.fleet.nodes.keys().cloned().collect());
        };
        let mut ids = self.node_ids(fleet, nodes)?;
        if ids.is_empty() {
            return Err(AppError::new(Code::Invalid, "no node is named", "name at least one node"));
        }
        ids.sort();
        ids.dedup();
        Ok(ids)
    }
}
