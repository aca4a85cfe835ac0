//! Who waits for whom: starts what has everything it requires, and tells the operator what is held up and by
//! what, along the whole chain.

use cofferdam_manifest::ModuleName;

use super::slot::{Slot, State};
use super::{Action, Lifecycle};

impl Lifecycle {
    /// Starts every waiting module whose requirements all serve.
    pub(super) fn start_what_can(&mut self) {
        if self.deadline.is_some() {
            return;
        }
        let serving: Vec<ModuleName> = self.running().cloned().collect();
        for slot in self.slots.iter_mut().filter(|slot| slot.state == State::Waiting) {
            if slot.requires.iter().all(|required| serving.contains(required)) {
                slot.state = State::Starting;
                self.actions.push(Action::Start(slot.name.clone()));
            }
        }
    }

    /// Names each module that waits because `name` does not run.
    pub(super) fn say_who_is_held_up(&mut self, name: &ModuleName) {
        if self.deadline.is_some() {
            return;
        }
        let waiting = self.slots.iter().filter(|slot| slot.state == State::Waiting);
        let lines: Vec<Action> = waiting
            .filter_map(|slot| {
                let chain = self.chain(slot, name, &mut Vec::new())?;
                Some(Action::Say(slot.name.clone(), format!("not started: {chain}")))
            })
            .collect();
        self.actions.extend(lines);
    }

    /// Names what the roster lacks. The launcher resolves dependencies before it sends the roster, so this is
    /// a fault of its; the module would wait for ever in silence.
    pub(super) fn say_if_something_is_missing(&mut self) {
        let known = |name: &ModuleName| self.slots.iter().any(|slot| slot.name == *name);
        let missing: Vec<Action> = self
            .slots
            .iter()
            .filter_map(|slot| {
                let missing = slot.requires.iter().find(|required| !known(required))?;
                let line = format!("not started: it requires {missing}, which is not in the roster");
                Some(Action::Say(slot.name.clone(), line))
            })
            .collect();
        self.actions.extend(missing);
    }

    /// How `slot` depends on `culprit`, in words; `None` if it does not.
    fn chain<'s>(
        &'s self,
        slot: &'s Slot,
        culprit: &ModuleName,
        seen: &mut Vec<&'s ModuleName>,
    ) -> Option<String> {
        seen.push(&slot.name);
        if slot.requires.contains(culprit) {
            let trouble = self.slots.iter().find(|other| other.name == *culprit)?.trouble.as_deref();
            return Some(format!("it requires {culprit}, which is {}", trouble.unwrap_or("not running")));
        }
        slot.requires.iter().find_map(|required| {
            let next =
                self.slots.iter().find(|other| other.name == *required && !seen.contains(&&other.name))?;
            let rest = self.chain(next, culprit, seen)?;
            Some(format!("it requires {required}, and {rest}"))
        })
    }
}
