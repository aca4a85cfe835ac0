//! The estimated fee rate, looked at with each block and in between. A change of a tenth or less is none.

use cofferdam_node::{ChainPoint, Node, NodeError};
use cofferdam_protocol::EventPayload;
use tokio::sync::watch;

use super::{every, tick_or_block, ticks};
use crate::events::Hub;

/// For how many blocks the estimate is: an hour of them.
const TARGET_BLOCKS: u16 = 6;

/// Tells when the estimate has changed since it was told, or first seen.
pub(super) async fn look(node: &Node, hub: &Hub, mut tip: watch::Receiver<Option<ChainPoint>>) {
    let mut ticks = ticks(every::FEES);
    let mut told: Option<Option<u64>> = None;
    loop {
        tick_or_block(&mut ticks, &mut tip).await;
        let now = match node.fee_estimate(TARGET_BLOCKS).await {
            Ok(estimate) => Some(estimate.rate.msat_per_vb()),
            Err(NodeError::InsufficientData { .. }) => None,
            Err(_) => continue,
        };
        let Some(before) = told else {
            told = Some(now);
            continue;
        };
        if differs(before, now) {
            told = Some(now);
            hub.publish(EventPayload::FeeRateChanged {
                target_blocks: TARGET_BLOCKS.into(),
                old_msats_per_vbyte: before,
                new_msats_per_vbyte: now,
            });
        }
    }
}

fn differs(before: Option<u64>, now: Option<u64>) -> bool {
    match (before, now) {
        (Some(before), Some(now)) => before.abs_diff(now) > before / 10,
        (before, now) => before != now,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_more_than_a_tenth_is_a_change_and_so_is_an_estimate_that_comes_or_goes() {
        for (before, now, changed) in [
            (Some(1000), Some(1100), false),
            (Some(1000), Some(1101), true),
            (Some(1000), Some(900), false),
            (Some(1000), Some(899), true),
            (Some(0), Some(1), true),
            (Some(u64::MAX), Some(0), true),
            (None, None, false),
            (None, Some(1), true),
            (Some(1), None, true),
        ] {
            assert_eq!(differs(before, now), changed, "{before:?} {now:?}");
        }
    }
}
