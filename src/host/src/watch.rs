//! What the watched module asks for, counted for `cofferdam learn`. It decides nothing: a watched module is granted and
//! refused what every other is.

use std::sync::{Mutex, MutexGuard, PoisonError};

use cofferdam_control::{Ask, Met, Watched};
use cofferdam_manifest::ModuleName;
use cofferdam_protocol::EventType;

/// Counts what one module asks for, or nothing.
#[derive(Debug)]
pub(crate) struct Watch {
    module: Option<ModuleName>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    watched: Watched,
    news: News,
}

/// Whether something was counted that the launcher does not know.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum News {
    #[default]
    None,
    Some,
}

/// What was said to something that the watched module asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Said {
    Yes,
    No,
}

impl Watch {
    /// Watches this module, if there is one to watch.
    pub(crate) fn new(module: Option<ModuleName>) -> Self {
        Self { module, state: Mutex::default() }
    }

    /// Whether there is a module to watch.
    pub(crate) fn is_on(&self) -> bool {
        self.module.is_some()
    }

    /// `module` has opened a session.
    pub(crate) fn session(&self, module: &ModuleName) {
        self.note(module, |watched| watched.sessions = watched.sessions.saturating_add(1));
    }

    /// `module` has made the call of this name.
    pub(crate) fn call(&self, module: &ModuleName, call: &str, said: Said) {
        self.note(module, |watched| said.count(watched.calls.entry(call.to_owned()).or_default()));
    }

    /// `module` has published an event, or was refused to.
    pub(crate) fn publish(&self, module: &ModuleName, event_type: EventType, said: Said) {
        let name = event_type.as_str().to_owned();
        self.note(module, |watched| said.count(watched.published.entry(name).or_default()));
    }

    /// `module` has subscribed to these.
    pub(crate) fn subscribe(&self, module: &ModuleName, event_types: &[EventType]) {
        let names = event_types.iter().map(|event_type| event_type.as_str().to_owned());
        self.note(module, |watched| watched.subscribed.extend(names));
    }

    /// What the launcher is to be told, if something was counted since it was told last.
    pub(crate) fn news(&self) -> Option<Ask> {
        let module = self.module.clone()?;
        let mut state = self.lock();
        match std::mem::take(&mut state.news) {
            News::None => None,
            News::Some => Some(Ask::Watched { module, watched: state.watched.clone() }),
        }
    }

    fn note(&self, module: &ModuleName, note: impl FnOnce(&mut Watched)) {
        if self.module.as_ref() == Some(module) {
            let mut state = self.lock();
            note(&mut state.watched);
            state.news = News::Some;
        }
    }

    /// No code panics while it holds the lock, so a poisoned state is still whole.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Said {
    fn count(self, met: &mut Met) {
        let count = match self {
            Self::Yes => &mut met.granted,
            Self::No => &mut met.refused,
        };
        *count = count.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> ModuleName {
        text.parse().unwrap()
    }

    #[test]
    fn only_the_watched_module_is_counted_and_told_once() {
        let watch = Watch::new(Some(name("a")));
        assert_eq!(watch.news(), None);
        for module in ["a", "b"] {
            watch.session(&name(module));
            watch.call(&name(module), "get_block", Said::No);
            watch.publish(&name(module), EventType::NewBlock, Said::Yes);
            watch.subscribe(&name(module), &[EventType::NewBlock]);
        }
        let Some(Ask::Watched { module, watched }) = watch.news() else { panic!("nothing was told") };
        assert_eq!(module, name("a"));
        assert_eq!(watched.calls["get_block"], Met { granted: 0, refused: 1 });
        assert_eq!(watched.published["NewBlock"], Met { granted: 1, refused: 0 });
        assert_eq!((watched.sessions, watched.subscribed.len()), (1, 1));
        assert_eq!(watch.news(), None);
    }

    #[test]
    fn without_a_module_to_watch_nothing_is_told() {
        let watch = Watch::new(None);
        watch.session(&name("a"));
        assert_eq!(watch.news(), None);
    }

    #[test]
    fn every_call_and_event_type_has_a_name_that_the_launcher_takes() {
        let watch = Watch::new(Some(name("a")));
        for call in cofferdam_protocol::CATALOG {
            watch.call(&name("a"), call.name, Said::Yes);
        }
        watch.subscribe(&name("a"), EventType::ALL);
        EventType::ALL.iter().for_each(|event| watch.publish(&name("a"), *event, Said::Yes));
        let Some(ask @ Ask::Watched { .. }) = watch.news() else { panic!("nothing was told") };
        let sent = cofferdam_control::encode(&ask).unwrap();
        let Ask::Watched { watched, .. } = cofferdam_control::decode(&sent).unwrap() else { panic!() };
        assert!(watched.is_sound());
        assert_eq!(watched.subscribed.len(), EventType::ALL.len());
    }
}
