//! Events that follow from a block's being connected. Nothing is added to what the block and its parent say.

use bitcoin::block::Header;
use cofferdam_node::ChainPoint;
use cofferdam_protocol::EventPayload;

/// Blocks between two adjustments of the difficulty, on every chain of Bitcoin.
pub(super) const ADJUSTMENT_INTERVAL: u32 = 2016;

/// What follows from `block`, given its parent's header where [`needs_parent`] says so.
pub(super) fn derived(block: ChainPoint, header: &Header, parent: Option<&Header>) -> Vec<EventPayload> {
    let ChainPoint { hash, height } = block;
    let mut events = vec![EventPayload::BlockValidationCompleted { hash: hash.into(), height }];
    if let Some(parent) = parent.filter(|parent| needs_parent(height) && parent.bits != header.bits) {
        events.push(EventPayload::DifficultyAdjusted {
            height,
            old_bits: parent.bits.to_consensus(),
            new_bits: header.bits.to_consensus(),
        });
        events.push(EventPayload::MiningDifficultyChanged {
            height,
            old_difficulty: parent.difficulty_float(),
            new_difficulty: header.difficulty_float(),
        });
    }
    events
}

/// Whether a block at this height may adjust the difficulty.
pub(super) fn needs_parent(height: u32) -> bool {
    height > 0 && height.is_multiple_of(ADJUSTMENT_INTERVAL)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bitcoin::hashes::Hash;
    use bitcoin::{BlockHash, CompactTarget, TxMerkleNode};

    fn header(bits: u32) -> Header {
        Header {
            version: bitcoin::block::Version::TWO,
            prev_blockhash: BlockHash::all_zeros(),
            merkle_root: TxMerkleNode::all_zeros(),
            time: 0,
            bits: CompactTarget::from_consensus(bits),
            nonce: 0,
        }
    }

    fn names(height: u32, bits: u32, parent_bits: u32) -> Vec<&'static str> {
        let block = ChainPoint { hash: BlockHash::all_zeros(), height };
        let events = derived(block, &header(bits), Some(&header(parent_bits)));
        events.iter().map(|event| event.event_type().as_str()).collect()
    }

    #[test]
    fn difficulty_is_adjusted_where_the_bits_change_at_the_height_for_it_and_nowhere_else() {
        let (easy, hard) = (0x1d00_ffff, 0x1c00_ffff);
        let adjusted = ["BlockValidationCompleted", "DifficultyAdjusted", "MiningDifficultyChanged"];
        assert_eq!(names(2016, hard, easy), adjusted);
        assert_eq!(names(2016, easy, easy), adjusted[..1]);
        assert_eq!(names(2017, hard, easy), adjusted[..1], "a test network's easy blocks are no adjustment");
        assert_eq!(names(0, hard, easy), adjusted[..1]);
    }

    #[test]
    fn difficulty_is_a_multiple_of_the_easiest_target() {
        let block = ChainPoint { hash: BlockHash::all_zeros(), height: 2016 };
        let events = derived(block, &header(0x1c00_ffff), Some(&header(0x1d00_ffff)));
        let changed = EventPayload::MiningDifficultyChanged {
            height: 2016,
            old_difficulty: 1.0,
            new_difficulty: 256.0,
        };
        assert_eq!(events[2], changed);
    }
}
