//! The calls on the way to where one call is made: who waits for whom, and until when.
//!
//! A chain is what the host itself saw, never what a module says: a module can only say that its call belongs to an
//! invocation that it was given, or keep that to itself. Kept to itself, a call in a circle of modules that serve one
//! call at a time ends by its deadline; it holds nothing that others need (`MAX_RELAYED`).

use std::sync::Arc;

use cofferdam_manifest::ModuleName;
use cofferdam_protocol::ApiError;
use tokio::time::Instant;

use super::CALL_DEADLINE;

/// The most calls on the way to a module, its own among them.
pub(crate) const MAX_DEPTH: usize = 8;

/// How the host itself is called where it calls a module.
pub(crate) const HOST: &str = "host";

/// One call, and those it was made for.
#[derive(Debug)]
pub(crate) struct Chain {
    /// The modules on the way, the one that made the first call first and the one that is called last.
    path: Vec<ModuleName>,
    deadline: Instant,
}

impl Chain {
    /// The chain that begins when the host calls `target` for itself or for the operator's tools.
    pub(crate) fn from_host(target: &ModuleName) -> Arc<Self> {
        Arc::new(Self { path: vec![target.clone()], deadline: in_time() })
    }

    /// The chain of a call that `caller` makes to `target`, in the course of `parent` if there is one.
    ///
    /// # Errors
    /// It would go in a circle, or be too long, or nobody waits for it any more.
    pub(crate) fn extend(
        parent: Option<&Self>,
        caller: &ModuleName,
        target: &ModuleName,
    ) -> Result<Arc<Self>, ApiError> {
        let (mut path, deadline) = match parent {
            // What is called last in the parent is the caller.
            Some(parent) => (parent.path.clone(), parent.deadline.min(in_time())),
            None => (vec![caller.clone()], in_time()),
        };
        let is_circle = path.contains(target);
        path.push(target.clone());
        if is_circle {
            return Err(ApiError::CallCycle { module: target.to_string(), path: in_words(&path) });
        }
        if path.len() > MAX_DEPTH.saturating_add(1) {
            let problem =
                format!("{} calls lead to it, at most {MAX_DEPTH} may: {}", path.len() - 1, in_words(&path));
            return Err(ApiError::InvalidArgument { argument: "target_module_id".to_owned(), problem });
        }
        if deadline <= Instant::now() {
            return Err(ApiError::Timeout { what: in_words(&path), after_ms: super::deadline_ms() });
        }
        Ok(Arc::new(Self { path, deadline }))
    }

    /// The module that asks the last one; nothing if it is the host, or somebody through it.
    pub(crate) fn asker(&self) -> Option<&ModuleName> {
        self.path.len().checked_sub(2).and_then(|place| self.path.get(place))
    }

    /// Until when the one at its beginning waits.
    pub(crate) fn deadline(&self) -> Instant {
        self.deadline
    }
}

fn in_time() -> Instant {
    let now = Instant::now();
    now.checked_add(CALL_DEADLINE).unwrap_or(now)
}

fn in_words(path: &[ModuleName]) -> String {
    path.iter().map(ModuleName::as_str).collect::<Vec<_>>().join(" > ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> ModuleName {
        text.parse().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_in_a_chain_has_what_is_left_of_its_time_and_one_of_its_own_has_all() {
        let first = Chain::extend(None, &name("a"), &name("b")).unwrap();
        tokio::time::advance(std::time::Duration::from_secs(4)).await;
        let nested = Chain::extend(Some(&first), &name("b"), &name("c")).unwrap();
        assert_eq!(nested.deadline(), first.deadline());
        let own = Chain::extend(None, &name("b"), &name("c")).unwrap();
        assert_eq!(own.deadline(), Instant::now() + CALL_DEADLINE);
        tokio::time::advance(std::time::Duration::from_secs(7)).await;
        assert!(matches!(Chain::extend(Some(&first), &name("b"), &name("c")), Err(ApiError::Timeout { .. })));
    }

    #[tokio::test]
    async fn a_circle_is_refused_wherever_it_closes_and_its_path_is_told() {
        let chain = Chain::extend(None, &name("a"), &name("b")).unwrap();
        let chain = Chain::extend(Some(&chain), &name("b"), &name("c")).unwrap();
        for back in ["a", "b", "c"] {
            let Err(ApiError::CallCycle { module, path }) =
                Chain::extend(Some(&chain), &name("c"), &name(back))
            else {
                panic!("{back} was called")
            };
            assert_eq!((module, path), (back.to_owned(), format!("a > b > c > {back}")));
        }
        assert!(Chain::extend(Some(&chain), &name("c"), &name("d")).is_ok());
        assert!(matches!(Chain::extend(None, &name("a"), &name("a")), Err(ApiError::CallCycle { .. })));
    }

    #[tokio::test]
    async fn a_chain_has_so_many_calls_and_no_more() {
        let mut chain = Chain::extend(None, &name("m0"), &name("m1")).unwrap();
        for call in 2..=MAX_DEPTH {
            let caller = name(&format!("m{}", call - 1));
            chain = Chain::extend(Some(&chain), &caller, &name(&format!("m{call}"))).unwrap();
        }
        let beyond = Chain::extend(Some(&chain), &name("m8"), &name("m9"));
        assert!(matches!(beyond, Err(ApiError::InvalidArgument { .. })), "{beyond:?}");
    }
}
