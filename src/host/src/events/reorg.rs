//! Keeps count of a reorganisation while it happens, so that it is told whole even by a core that died in the
//! middle of it. The node's follower keeps the same count, but forgets it with its process. Pure.

use cofferdam_node::ChainPoint;

/// Blocks that were disconnected and have not been replaced yet.
#[derive(Debug, Default)]
pub(super) struct ReorgTracker {
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    /// The height of the highest block that old and new chain share.
    fork_height: u32,
    /// The old chain above it, from the top down; never empty.
    undone: Vec<ChainPoint>,
}

/// A reorganisation that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reorg {
    /// The best block before.
    pub(super) old_tip: ChainPoint,
    /// The height of the highest block that both chains share.
    pub(super) fork_height: u32,
    /// How many blocks were replaced.
    pub(super) depth: u32,
}

impl ReorgTracker {
    /// A block came on top.
    pub(super) fn connected(&mut self, block: ChainPoint) {
        if let Some(open) = &mut self.open
            && open.fork_height.checked_add(1) == Some(block.height)
            && open.undone.last() == Some(&block)
        {
            // It left and came back: nothing has happened to it.
            open.undone.pop();
            open.fork_height = block.height;
        }
        self.open.take_if(|open| open.undone.is_empty());
    }

    /// The block on top left.
    pub(super) fn disconnected(&mut self, block: ChainPoint) {
        let Some(below) = block.height.checked_sub(1) else { return };
        match &mut self.open {
            Some(open) if open.fork_height == block.height => {
                open.undone.push(block);
                open.fork_height = below;
            }
            // A block of the new branch left again: neither the fork nor the old chain has changed.
            Some(_) => {}
            None => self.open = Some(Open { fork_height: below, undone: vec![block] }),
        }
    }

    /// The reorganisation was told, or nobody can tell any more what it was.
    pub(super) fn clear(&mut self) {
        self.open = None;
    }

    /// The reorganisation that has ended if the chain stays at `tip`; it is told once.
    pub(super) fn settle(&mut self, tip: ChainPoint) -> Option<Reorg> {
        let open = self.open.take_if(|open| tip.height > open.fork_height)?;
        let old_tip = *open.undone.first()?;
        let depth = old_tip.height.saturating_sub(open.fork_height);
        Some(Reorg { old_tip, fork_height: open.fork_height, depth })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bitcoin::BlockHash;
    use bitcoin::hashes::Hash;

    fn block(height: u32, branch: u8) -> ChainPoint {
        ChainPoint { hash: BlockHash::from_byte_array([branch; 32]), height }
    }

    #[test]
    fn blocks_that_were_replaced_are_a_reorganisation_and_it_is_told_once() {
        let mut tracker = ReorgTracker::default();
        tracker.disconnected(block(12, 1));
        tracker.disconnected(block(11, 1));
        for height in 11..14 {
            tracker.connected(block(height, 2));
        }
        let told = tracker.settle(block(13, 2));
        assert_eq!(told, Some(Reorg { old_tip: block(12, 1), fork_height: 10, depth: 2 }));
        assert_eq!(tracker.settle(block(13, 2)), None);
    }

    #[test]
    fn blocks_that_left_and_came_back_are_none() {
        let mut tracker = ReorgTracker::default();
        tracker.disconnected(block(12, 1));
        tracker.disconnected(block(11, 1));
        tracker.connected(block(11, 1));
        tracker.connected(block(12, 1));
        assert_eq!(tracker.settle(block(12, 1)), None);
    }

    #[test]
    fn a_branch_that_was_tried_in_between_does_not_count() {
        let mut tracker = ReorgTracker::default();
        tracker.disconnected(block(11, 1));
        tracker.connected(block(11, 2));
        tracker.disconnected(block(11, 2));
        tracker.disconnected(block(10, 1));
        assert_eq!(tracker.settle(block(9, 1)), None, "nothing has replaced them yet");
        tracker.connected(block(10, 3));
        let told = tracker.settle(block(10, 3));
        assert_eq!(told, Some(Reorg { old_tip: block(11, 1), fork_height: 9, depth: 2 }));
    }
}
