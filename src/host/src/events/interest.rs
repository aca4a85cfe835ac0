//! Which event types somebody wants: what costs the node or the disk something is looked at only then.

use std::collections::HashSet;
use std::sync::Arc;

use cofferdam_protocol::EventType;

/// The types that at least one module is subscribed to, at one moment. Cheap to clone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Interest(Arc<HashSet<EventType>>);

impl Interest {
    /// Whether somebody wants one of these.
    pub(crate) fn any_of(&self, types: &[EventType]) -> bool {
        types.iter().any(|event_type| self.0.contains(event_type))
    }
}

impl FromIterator<EventType> for Interest {
    fn from_iter<I: IntoIterator<Item = EventType>>(types: I) -> Self {
        Self(Arc::new(types.into_iter().collect()))
    }
}
