//! What a module's use of its limits, as the launcher counts it, says about how close it is to them. Pure.

use cofferdam_control::Usage;
use cofferdam_manifest::ModuleName;
use cofferdam_protocol::EventPayload;

/// Waiting for processor time that is no news: every module that works at its limit waits a little.
const NO_NEWS_US: u64 = 1_000_000;

/// What to tell of `module` after it used `previous` at the last look and `now`. Counts of a module that was
/// started again begin anew.
pub(crate) fn warnings(module: &ModuleName, previous: Option<&Usage>, now: &Usage) -> Vec<EventPayload> {
    let grown = |count: fn(&Usage) -> u64| {
        let (before, now) = (previous.map_or(0, count), count(now));
        // Fewer than before: it was started again, and all of them are new.
        now.checked_sub(before).unwrap_or(now)
    };
    let warning = |resource: &str, used: u64| EventPayload::ResourceLimitWarning {
        module: module.to_string(),
        resource: resource.to_owned(),
        used,
        limit: 0,
    };
    let mut events = Vec::new();
    if grown(|usage| usage.memory_limit_hits) > 0 {
        events.push(warning("memory", now.memory_limit_hits));
    }
    if grown(|usage| usage.task_limit_hits) > 0 {
        events.push(warning("tasks", now.task_limit_hits));
    }
    if grown(|usage| usage.throttled_us) > NO_NEWS_US {
        events.push(warning("processor", now.throttled_us));
    }
    events
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(memory_limit_hits: u64, task_limit_hits: u64, throttled_us: u64) -> Usage {
        Usage { memory_bytes: 1, cpu_us: 1, tasks: 1, memory_limit_hits, task_limit_hits, throttled_us }
    }

    fn told(previous: Option<Usage>, now: Usage) -> Vec<String> {
        let events = warnings(&"a".parse().unwrap(), previous.as_ref(), &now);
        let name = |event: EventPayload| {
            let EventPayload::ResourceLimitWarning { resource, used, .. } = event else {
                panic!("{event:?}")
            };
            format!("{resource} {used}")
        };
        events.into_iter().map(name).collect()
    }

    #[test]
    fn a_limit_that_was_met_since_the_last_look_is_told_once() {
        assert_eq!(told(None, usage(0, 0, 0)), [""; 0]);
        assert_eq!(told(Some(usage(1, 0, 0)), usage(3, 2, 0)), ["memory 3", "tasks 2"]);
        assert_eq!(told(Some(usage(3, 2, 0)), usage(3, 2, 0)), [""; 0]);
        assert_eq!(told(Some(usage(3, 2, 9)), usage(1, 0, 0)), ["memory 1"], "it was started again");
    }

    #[test]
    fn waiting_a_little_for_the_processor_is_no_news() {
        assert_eq!(told(Some(usage(0, 0, 0)), usage(0, 0, 1_000_000)), [""; 0]);
        assert_eq!(told(Some(usage(0, 0, 0)), usage(0, 0, 1_000_001)), ["processor 1000001"]);
    }
}
