//! How the host is, in three numbers and at intervals.

use cofferdam_node::NodeStatus;
use cofferdam_protocol::EventPayload;
use cofferdam_protocol::modules::ModuleState;
use tokio::sync::watch;

use super::{every, ticks};
use crate::events::Hub;
use crate::modules::Modules;

/// Tells it at once and then at intervals.
pub(super) async fn look(hub: &Hub, status: &watch::Receiver<NodeStatus>, modules: &Modules) {
    let mut ticks = ticks(every::HEALTH);
    loop {
        ticks.tick().await;
        let node_ready = matches!(*status.borrow(), NodeStatus::Ready { .. });
        let states: Vec<ModuleState> = modules.census().into_iter().map(|(_, state, _)| state).collect();
        hub.publish(health(node_ready, &states));
    }
}

fn health(node_ready: bool, states: &[ModuleState]) -> EventPayload {
    let count = |wanted: &[ModuleState]| {
        u32::try_from(states.iter().filter(|state| wanted.contains(state)).count()).unwrap_or(u32::MAX)
    };
    EventPayload::HealthCheck {
        node_ready,
        modules_running: count(&[ModuleState::Running]),
        modules_failed: count(&[ModuleState::Restarting, ModuleState::Stopped]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_count_as_running_or_failed_or_neither() {
        use ModuleState::{Restarting, Running, Starting, Stopped, Stopping};
        let told = health(true, &[Running, Running, Starting, Stopping, Restarting, Stopped]);
        let expected = EventPayload::HealthCheck { node_ready: true, modules_running: 2, modules_failed: 2 };
        assert_eq!(told, expected);
    }
}
