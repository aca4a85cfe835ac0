//! What the next block may hold. Making a template is work for the node: it is asked with each block and twice a
//! minute, and only while some module is subscribed.

use cofferdam_node::{BlockTemplate, ChainPoint, Node};
use cofferdam_protocol::EventPayload;
use tokio::sync::watch;

use super::{every, tick_or_block, ticks};
use crate::events::Hub;

/// Tells when the template differs from the last one.
pub(super) async fn look(node: &Node, hub: &Hub, mut tip: watch::Receiver<Option<ChainPoint>>) {
    let mut ticks = ticks(every::TEMPLATE);
    let mut before = None;
    loop {
        tick_or_block(&mut ticks, &mut tip).await;
        let Ok(template) = node.block_template().await else { continue };
        let now = summary(&template);
        if before.replace(now.clone()).is_some_and(|before| before != now) {
            hub.publish(now);
        }
    }
}

fn summary(template: &BlockTemplate) -> EventPayload {
    EventPayload::BlockTemplateUpdated {
        height: template.height,
        previous_block: template.previous_block.into(),
        transactions: u32::try_from(template.transactions.len()).unwrap_or(u32::MAX),
        coinbase_value_sats: template.coinbase_value.to_sat(),
    }
}
