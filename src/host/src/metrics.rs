//! What modules report about themselves and what the host counts about them, for the operator and for modules that may
//! read it.
//!
//! What a module reported goes with its session; what the host counts stays as long as the core. There are as many
//! series of the host's own as the roster has modules times a dozen, whatever modules do.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cofferdam_manifest::ModuleName;
use cofferdam_metrics::{
    Change, DEFAULT_SERIES_PER_MODULE, HostKind, HostMetrics, Labels, MetricError, Registry, Series,
};
use cofferdam_protocol::modules::ModuleState;

use crate::quotas::{Fill, Resource};

/// The longest export: what the interface answers at once is a little more.
const MAX_EXPORT_BYTES: usize = 4_000_000;

/// All metrics of one core.
#[derive(Debug)]
pub(crate) struct Metrics {
    state: Mutex<State>,
    node: NodeGauges,
}

#[derive(Debug, Clone)]
struct State {
    registry: Registry,
    /// By module, of which there are as many as the roster has.
    modules: HashMap<ModuleName, Counted>,
}

#[derive(Debug, Clone, Default)]
struct Counted {
    counts: Arc<Counts>,
    /// The number of its present session, counted from 1.
    session: u64,
}

/// What the host counts about one module.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// Calls that were looked at.
    pub(crate) calls: AtomicU64,
    /// Those that ended with an error, refusals among them.
    pub(crate) errors: AtomicU64,
    /// Calls that are being handled.
    pub(crate) in_flight: AtomicU64,
    /// Events that it did not get, because it read too slowly.
    pub(crate) events_dropped: AtomicU64,
}

/// How the node is, as it was last seen.
#[derive(Debug, Default)]
pub(crate) struct NodeGauges {
    /// 1 if it answers, else 0.
    pub(crate) ready: AtomicU64,
    /// The height of its best block.
    pub(crate) height: AtomicU64,
}

/// The right to report for one session; dropping it forgets what was reported.
#[derive(Debug)]
pub(crate) struct Reporting {
    metrics: Arc<Metrics>,
    module: ModuleName,
    session: u64,
    pub(crate) counts: Arc<Counts>,
}

/// What else the host knows of one module, for an export.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) name: ModuleName,
    pub(crate) state: ModuleState,
    /// Invocations that it has still to answer.
    pub(crate) outstanding: usize,
    /// Calls that it was refused.
    pub(crate) refusals: u64,
    /// What it uses of its quotas, as far as it has used them.
    pub(crate) fills: Vec<(Resource, Fill)>,
}

impl Reporting {
    /// Notes a report. One of a session that a later one has replaced is not kept.
    ///
    /// # Errors
    /// As [`Registry::report`].
    pub(crate) fn report(
        &self,
        name: &str,
        help: &str,
        labels: &Labels,
        change: Change<'_>,
    ) -> Result<(), MetricError> {
        let mut state = self.metrics.lock();
        if !state.is_present(&self.module, self.session) {
            return Ok(());
        }
        state.registry.report_described(self.module.as_str(), name, help, labels, change)
    }
}

impl Drop for Reporting {
    fn drop(&mut self) {
        let mut state = self.metrics.lock();
        if state.is_present(&self.module, self.session) {
            state.registry.forget(self.module.as_str());
        }
    }
}

impl State {
    fn is_present(&self, module: &ModuleName, session: u64) -> bool {
        self.modules.get(module).is_some_and(|counted| counted.session == session)
    }
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let state = State { registry: Registry::new(DEFAULT_SERIES_PER_MODULE), modules: HashMap::new() };
        Self { state: Mutex::new(state), node: NodeGauges::default() }
    }

    /// A session of `module` begins, and with it what it reports.
    pub(crate) fn begin(self: &Arc<Self>, module: &ModuleName) -> Reporting {
        let mut state = self.lock();
        state.registry.forget(module.as_str());
        let counted = state.modules.entry(module.clone()).or_default();
        counted.session = counted.session.wrapping_add(1);
        let (session, counts) = (counted.session, Arc::clone(&counted.counts));
        drop(state);
        Reporting { metrics: Arc::clone(self), module: module.clone(), session, counts }
    }

    /// How the node is.
    pub(crate) fn node(&self) -> &NodeGauges {
        &self.node
    }

    /// What one module reported.
    pub(crate) fn of(&self, module: &str) -> Vec<Series> {
        let registry = self.lock().registry.clone();
        registry.module(module)
    }

    /// Everything as Prometheus text, as far as it fits a reply.
    pub(crate) fn export(&self, known: &[Known], events: u64) -> String {
        // A cheap copy: what is written here is long, and modules that report do not wait for it.
        let state = self.lock().clone();
        let mut host = HostMetrics::new();
        for module in known {
            let counted = state.modules.get(&module.name);
            if let Err(error) = add_module(&mut host, module, counted) {
                tracing::error!("a metric was not exported: {error}");
            }
        }
        if let Err(error) = self.add_core(&mut host, known, events) {
            tracing::error!("a metric was not exported: {error}");
        }
        state.registry.render_within(&host, MAX_EXPORT_BYTES)
    }

    fn add_core(&self, host: &mut HostMetrics, known: &[Known], events: u64) -> Result<(), MetricError> {
        let running = known.iter().filter(|module| module.state == ModuleState::Running).count();
        let load = |gauge: &AtomicU64| number(gauge.load(Ordering::Relaxed));
        let height = load(&self.node.height);
        for (kind, name, help, value) in [
            (
                HostKind::Counter,
                "cofferdam_events_published_total",
                "Events since the core began.",
                number(events),
            ),
            (HostKind::Gauge, "cofferdam_modules", "Modules of the roster.", count(known.len())),
            (HostKind::Gauge, "cofferdam_modules_running", "Modules that run.", count(running)),
            (HostKind::Gauge, "cofferdam_node_ready", "Whether the node answers.", load(&self.node.ready)),
            (HostKind::Gauge, "cofferdam_node_height", "The height of the best block, as last seen.", height),
        ] {
            host.add(kind, name, help, Labels::new(), value)?;
        }
        Ok(())
    }

    /// No code panics while it holds the lock, so a poisoned state is still whole.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn add_module(host: &mut HostMetrics, module: &Known, counted: Option<&Counted>) -> Result<(), MetricError> {
    let Known { name, state, outstanding, refusals, fills } = module;
    let load = |of: fn(&Counts) -> &AtomicU64| {
        number(counted.map_or(0, |counted| of(&counted.counts).load(Ordering::Relaxed)))
    };
    let sessions = number(counted.map_or(0, |counted| counted.session));
    let up = number(u64::from(*state == ModuleState::Running));
    let (calls, errors) = (load(|counts| &counts.calls), load(|counts| &counts.errors));
    let in_flight = load(|counts| &counts.in_flight);
    let dropped = load(|counts| &counts.events_dropped);
    for (kind, name_of_series, help, value) in [
        (HostKind::Gauge, "cofferdam_up", "Whether the module runs.", up),
        (HostKind::Counter, "cofferdam_sessions_total", "Sessions the module has opened.", sessions),
        (HostKind::Counter, "cofferdam_calls_total", "Calls of the module.", calls),
        (HostKind::Counter, "cofferdam_call_errors_total", "Calls that ended with an error.", errors),
        (HostKind::Counter, "cofferdam_refusals_total", "Calls that were not granted.", number(*refusals)),
        (HostKind::Counter, "cofferdam_events_dropped_total", "Events lost by reading too slowly.", dropped),
        (HostKind::Gauge, "cofferdam_calls_in_flight", "Calls that are being handled.", in_flight),
        (
            HostKind::Gauge,
            "cofferdam_invocations_outstanding",
            "Invocations that the module has still to answer.",
            count(*outstanding),
        ),
    ] {
        host.add(kind, name_of_series, help, of_module(name), value)?;
    }
    for (resource, Fill { used, limit }) in fills {
        let name_of_series = format!("cofferdam_{}", resource.word());
        host.add(HostKind::Gauge, &name_of_series, meaning(*resource), of_module(name), number(*used))?;
        let name_of_limit = format!("{name_of_series}_limit");
        host.add(HostKind::Gauge, &name_of_limit, "The quota of it.", of_module(name), number(*limit))?;
    }
    Ok(())
}

fn of_module(name: &ModuleName) -> Labels {
    Labels::from([("module".to_owned(), name.to_string())])
}

fn meaning(resource: Resource) -> &'static str {
    match resource {
        Resource::StorageBytes => "Bytes of keys and values in the module's database, once it has used it.",
        Resource::StorageKeys => "Keys in the module's database, once it has used it.",
        Resource::FileBytes => "Bytes that the files in the module's data directory take.",
        Resource::FileCount => "Files and directories in the module's data directory.",
    }
}

fn count(count: usize) -> f64 {
    number(u64::try_from(count).unwrap_or(u64::MAX))
}

/// Exact up to 2^53, which no count here reaches.
#[expect(clippy::as_conversions, reason = "the standard library has no other way from u64 to f64")]
fn number(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(fills: Vec<(Resource, Fill)>) -> Known {
        let name = "wallet".parse().unwrap();
        Known { name, state: ModuleState::Running, outstanding: 0, refusals: 0, fills }
    }

    #[test]
    fn quotas_help_texts_and_lost_events_are_in_the_export() {
        let metrics = Arc::new(Metrics::new());
        let reporting = metrics.begin(&"wallet".parse().unwrap());
        reporting.report("coins", "Coins that are watched.", &Labels::new(), Change::Set(3.0)).unwrap();
        reporting.counts.events_dropped.fetch_add(5, Ordering::Relaxed);
        let fills = vec![(Resource::StorageBytes, Fill { used: 80, limit: 100 })];
        let text = metrics.export(&[known(fills)], 0);
        for line in [
            "cofferdam_storage_bytes{module=\"wallet\"} 80\n",
            "cofferdam_storage_bytes_limit{module=\"wallet\"} 100\n",
            "cofferdam_events_dropped_total{module=\"wallet\"} 5\n",
            "# HELP cofferdam_module_gauge_coins wallet: Coins that are watched.\n",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
        let unused = metrics.export(&[known(Vec::new())], 0);
        assert!(!unused.contains("cofferdam_storage_bytes"), "what nobody used is not known: {unused}");
    }

    #[test]
    fn every_resource_has_a_series_and_a_limit_of_its_own() {
        let fills = Resource::ALL.map(|resource| (resource, Fill { used: 1, limit: 2 })).to_vec();
        let text = Metrics::new().export(&[known(fills)], 0);
        for resource in Resource::ALL {
            assert!(text.contains(&format!("\ncofferdam_{}{{module=\"wallet\"}} 1\n", resource.word())));
            assert!(
                text.contains(&format!("\ncofferdam_{}_limit{{module=\"wallet\"}} 2\n", resource.word()))
            );
        }
    }
}
