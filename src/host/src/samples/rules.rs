//! Changes of the consensus rules, by comparing what the node says of them at one block and the next.

use std::collections::BTreeMap;

use cofferdam_node::{ChainPoint, Deployment, DeploymentStatus, Node};
use cofferdam_protocol::EventPayload;
use tokio::sync::watch;

use crate::events::Hub;

/// Tells of rules that are locked in or come into force after the first look.
pub(super) async fn look(node: &Node, hub: &Hub, mut tip: watch::Receiver<Option<ChainPoint>>) {
    let mut before: Option<BTreeMap<String, DeploymentStatus>> = None;
    loop {
        if let Ok(deployments) = node.deployments().await {
            if let Some(before) = &before {
                changes(before, &deployments).into_iter().for_each(|event| {
                    hub.publish(event);
                });
            }
            before = Some(deployments.into_iter().map(|it| (it.name, it.status)).collect());
        }
        if tip.changed().await.is_err() {
            return std::future::pending().await;
        }
    }
}

/// One that was not listed before is no change: the node was upgraded.
fn changes(before: &BTreeMap<String, DeploymentStatus>, now: &[Deployment]) -> Vec<EventPayload> {
    let changed = now.iter().filter(|it| before.get(&it.name).is_some_and(|status| *status != it.status));
    changed
        .filter_map(|Deployment { name, status, height }| match status {
            DeploymentStatus::Active => {
                Some(EventPayload::SoftForkActivated { name: name.clone(), height: *height })
            }
            DeploymentStatus::LockedIn => Some(EventPayload::SoftForkLockedIn { name: name.clone() }),
            DeploymentStatus::Defined
            | DeploymentStatus::Started
            | DeploymentStatus::Failed
            | DeploymentStatus::Unknown => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(status: DeploymentStatus) -> Deployment {
        Deployment { name: "covenants".to_owned(), status, height: Some(840_000) }
    }

    fn told(before: Option<DeploymentStatus>, now: DeploymentStatus) -> Vec<EventPayload> {
        let before = before.map(|status| ("covenants".to_owned(), status)).into_iter().collect();
        changes(&before, &[at(now)])
    }

    #[test]
    fn rules_are_told_when_they_are_locked_in_and_when_they_come_into_force() {
        use DeploymentStatus::{Active, LockedIn, Started};
        let locked_in = EventPayload::SoftForkLockedIn { name: "covenants".to_owned() };
        let active = EventPayload::SoftForkActivated { name: "covenants".to_owned(), height: Some(840_000) };
        assert_eq!(told(Some(Started), LockedIn), [locked_in]);
        assert_eq!(told(Some(LockedIn), Active), [active]);
        assert_eq!(told(Some(Active), Active), []);
        assert_eq!(told(None, Active), [], "a node that was upgraded knows more rules, and nothing happened");
    }
}
